//! Everything that a tool can observe, through the real binary's pipes.

mod docker;
mod git;
mod transcript;
