//! The program: the library, with an allocator that leaves nothing behind.

#[global_allocator]
static ALLOCATOR: keyfob::hygiene::Wiping = keyfob::hygiene::Wiping;

fn main() -> std::process::ExitCode {
    keyfob::main()
}
