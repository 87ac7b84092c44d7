//! What breaks while keyfob works: the disk, the process, the surroundings; and many of it at once.
//!
//! Everything but clocks goes through the real program's pipes. What is then true of the files is looked at from beside
//! the program (`home.rs`). Security review, sections 3d, 3f and 8.

mod env;
mod full;
pub(crate) mod home;
mod matrix;
mod parallel;
mod process;
mod refused;
mod storm;
mod time;

/// Whether system calls can be meddled with; a machine without strace must say that it does not want these tests.
fn strace() -> bool {
    let there = std::process::Command::new("strace").arg("-V").output().is_ok();
    if !there {
        let skip = std::env::var_os("KEYFOB_SKIP_STRACE").is_some();
        assert!(
            skip,
            "strace is not installed (KEYFOB_SKIP_STRACE=1 does without these tests)"
        );
        eprintln!("SKIPPED: strace is not installed, so no system call was made to fail");
    }
    there
}
