//! What a process does before its first secret: no core, no reader beside it, no leftovers in freed memory.
//!
//! It knows nothing of secrets: it wipes every freed block, because parsers, growing vectors and TLS buffers copy what
//! they are given. It is the one file with `unsafe`.

#![expect(
    unsafe_code,
    reason = "a global allocator is an unsafe trait, three system calls have no safe form, one of them before `main`"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes this process a poor place to look for secrets; the first statement of `main`.
///
/// No core file, no attaching by other processes of the same user (both left as they are when `debuggable`), and no
/// death by the file size limit, which would leave a temporary file behind: the write fails instead.
///
/// # Errors
/// A sentence without a final period when the program was started set-user-id, set-group-id or with capabilities of its
/// file: then the environment belongs to somebody else than the rights.
pub fn harden(debuggable: bool) -> Result<(), &'static str> {
    if is_privileged() {
        return Err("keyfob refuses to run with more rights than its caller has (set-user-id)");
    }
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        if !debuggable {
            let none = Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            let _ = setrlimit(Resource::Core, none);
            #[cfg(target_os = "linux")]
            let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
        }
        // SAFETY: ignoring a signal installs no handler, so nothing of ours runs in a signal's context.
        let before = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        SIZE_WAS_IGNORED.store(before == libc::SIG_IGN, Ordering::Relaxed);
    }
    let _ = debuggable;
    Ok(())
}

static SIZE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// Gives a program that this process becomes the signals that our caller gave us. It dumps no core either: the secret is
/// in its environment.
#[cfg(unix)]
pub(crate) fn give_back_signals() {
    if !SIZE_WAS_IGNORED.load(Ordering::Relaxed) {
        // SAFETY: the default action installs no handler, so nothing of ours runs in a signal's context.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
    }
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output was closed when the process began.
///
/// Before `main` Rust's runtime opens `/dev/null` in its place, and an answer would be lost without a word. So this is
/// looked at before that; on systems other than Linux and macOS it is not, and counts as open.
pub(crate) fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static BEFORE_MAIN: extern "C" fn() = before_main;

#[cfg(any(target_os = "linux", target_os = "macos"))]
extern "C" fn before_main() {
    // SAFETY: `fcntl` is asked for the flags of a descriptor, and changes nothing.
    let closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1;
    STDOUT_WAS_CLOSED.store(closed, Ordering::Relaxed);
}

#[cfg(target_os = "linux")]
fn is_privileged() -> bool {
    // SAFETY: `getauxval` only reads the auxiliary vector that the kernel gave us.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn is_privileged() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    getuid() != geteuid() || getgid() != getegid()
}

#[cfg(not(unix))]
fn is_privileged() -> bool {
    false
}

/// The system's allocator, which wipes each block before it gives it back.
///
/// The program uses it; a program that has keyfob inside decides for itself, with one `#[global_allocator]`.
#[derive(Debug)]
pub struct Wiping;

// SAFETY: every call is handed on to `System` with the layout it came with; a block is written only while it is ours.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block has `layout.size()` bytes and nobody uses it any more.
        unsafe {
            wipe(block, layout.size());
            System.dealloc(block, layout);
        }
    }

    /// Never in place: the system's own would move the block and leave the old bytes behind.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `new_size`, rounded up to the alignment, is a valid size. The blocks are
        // distinct, both have the bytes that are copied, and the old one is given back only after that.
        unsafe {
            let new = System.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// Fills with zeros in a way that the optimizer may not drop although the block is freed right after.
///
/// # Safety
/// `block` must have `size` bytes that may be written.
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: the caller's promise.
    unsafe { ptr::write_bytes(block, 0, size) };
    std::hint::black_box(block);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_zero_when_it_is_given_back() {
        let mut block = [7_u8; 64];
        // SAFETY: the array has 64 bytes.
        unsafe { wipe(block.as_mut_ptr(), block.len()) };
        assert_eq!(block, [0; 64]);
    }

    #[test]
    fn growing_and_shrinking_keep_the_content() {
        let mut bytes: Vec<u8> = (0..=255).collect();
        bytes.reserve_exact(100_000);
        bytes.truncate(100);
        bytes.shrink_to_fit();
        assert!(bytes.iter().enumerate().all(|(i, b)| i == usize::from(*b)));
    }
}
