//! What tools ask of keyfob and get: their messages through the real program's pipes, with a real session behind them.
//!
//! A test's name begins with the case of the table that it proves: hit, miss, store, erase, refreshed, malformed,
//! two_accounts, locked.

mod ansible;
mod askpass;
mod aws;
mod bazel;
mod call;
mod cargo;
mod docker;
mod every;
mod git;
mod goauth;
mod google;
mod kept;
mod keyring;
mod kubectl;
mod kubelet;
mod netrc;
mod nuget;
mod pnpm;
mod terraform;
mod token;
mod variable;
mod vault;
