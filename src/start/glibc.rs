//! The `main` that glibc calls, without what the standard library does before and after one.
//!
//! To tell an overflow of the stack in words, that asks glibc where the stack ends, which reads `/proc/self/maps` for it:
//! a tenth of an answer's time. Here the signal alone tells it. The rest of what it does is done here.

#![expect(
    unsafe_code,
    reason = "a name that the C library calls, and a system call that has no safe form"
)]

use rustix::fs::{Mode, OFlags};
use rustix::stdio::{stderr, stdin, stdout};

#[unsafe(no_mangle)]
extern "C" fn main() -> std::ffi::c_int {
    open_what_is_closed();
    // SAFETY: ignoring a signal installs no handler, so nothing of ours runs in a signal's context.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    // A return to C would leave what standard output still holds.
    std::process::exit(keyfob::run_process().into())
}

/// A file that is opened later must never be taken for standard input, output or error.
fn open_what_is_closed() {
    for stream in [stdin(), stdout(), stderr()] {
        if rustix::io::fcntl_getfd(stream).is_err() {
            let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty());
            std::mem::forget(null.unwrap_or_else(|_| std::process::abort()));
        }
    }
}
