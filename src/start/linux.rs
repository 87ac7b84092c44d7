//! The `main` that the C library calls, without what the standard library does before and after one.
//!
//! To tell an overflow of the stack in words, that asks the C library where the stack ends, and glibc reads
//! `/proc/self/maps` for it: a tenth of an answer's time. Here the signal alone tells it. The rest of what it does is done
//! here.

#![expect(
    unsafe_code,
    reason = "a name that the C library calls, what it gives, and a system call that has no safe form"
)]

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

use keyfob::world::World;
use rustix::fs::{Mode, OFlags};
use rustix::stdio::{stderr, stdin, stdout};

#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    open_what_is_closed();
    // SAFETY: ignoring a signal installs no handler, so nothing of ours runs in a signal's context.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    // SAFETY: the C library gives `main` so many words, each with its end, which stay where they are.
    let word = |at: usize| unsafe { CStr::from_ptr(*words.add(at)) };
    let owned = |at: usize| OsString::from(OsStr::from_bytes(word(at).to_bytes()));
    let args = (0..usize::try_from(count).unwrap_or(0)).map(owned).collect();
    // A return to C would leave what standard output still holds.
    std::process::exit(keyfob::run_process(&World::called_with(args)).into())
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
