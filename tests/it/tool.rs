//! Each tool's protocol with a real session behind it: found, absent, renewed, of two accounts, behind a passphrase.

mod ansible;
mod bazel;
mod call;
mod goauth;
mod pnpm;
mod terraform;
mod vault;
