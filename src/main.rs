//! The program: the library, with an allocator that leaves nothing behind.

#[cfg(all(
    target_os = "linux",
    target_env = "musl",
    target_arch = "x86_64",
    target_feature = "crt-static"
))]
mod start;

#[global_allocator]
static ALLOCATOR: keyfob::hygiene::Wiping = keyfob::hygiene::Wiping;

fn main() -> std::process::ExitCode {
    keyfob::main()
}
