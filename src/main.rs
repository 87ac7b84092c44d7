//! The program: the library, with an allocator that leaves nothing behind.

#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

mod start;

#[global_allocator]
static ALLOCATOR: keyfob::hygiene::Wiping = keyfob::hygiene::Wiping;

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() -> std::process::ExitCode {
    keyfob::main()
}
