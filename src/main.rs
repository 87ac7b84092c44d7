//! The program: the library, with an allocator that leaves nothing behind.

#![cfg_attr(target_os = "linux", no_main)]

mod start;

#[global_allocator]
static ALLOCATOR: keyfob::hygiene::Wiping = keyfob::hygiene::Wiping;

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    keyfob::main()
}
