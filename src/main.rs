//! The program: nothing but the library.

fn main() -> std::process::ExitCode {
    keyfob::main()
}
