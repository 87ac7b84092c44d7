//! What a process does before its first secret: no core, no reader beside it, no leftovers in freed memory.
//!
//! It knows nothing of secrets: it wipes every freed block, because parsers, growing vectors and TLS buffers copy what
//! they are given. It is the library's one file with `unsafe`.

#![expect(
    unsafe_code,
    reason = "a global allocator is an unsafe trait and hands out raw memory; four system calls have no safe form"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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

/// Whether whoever started this process had it ignore a signal.
#[cfg(unix)]
pub(crate) fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action `sigaction` only fills in the old one, and a zeroed one is valid where it fails.
    let action = unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output was closed when the process began.
///
/// The start of the program opens `/dev/null` in its place, and an answer would be lost without a word. So this is
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

/// The allocator, which wipes each block before it is free.
///
/// The program uses it; a program that has keyfob inside decides for itself, with one `#[global_allocator]`. The first 64 KiB
/// of a process come from an arena in the program's own memory, everything after that from the system.
#[derive(Debug)]
pub struct Wiping;

static ARENA: Arena = Arena::new();

// SAFETY: a block comes from the arena or from `System`, and goes back there with the layout it came with. A block is
// written only while it is ours.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match ARENA.take(layout) {
            Some(block) => block,
            // SAFETY: the caller's promise is the one that `System` asks for.
            None => unsafe { System.alloc(layout) },
        }
    }

    /// What the arena has to give is zero: it began so, and blocks are wiped before they are free.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match ARENA.take(layout) {
            Some(block) => block,
            // SAFETY: as above.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block has `layout.size()` bytes and nobody uses it any more; what is not of the arena is `System`'s.
        unsafe {
            wipe(block, layout.size());
            match ARENA.offset(block) {
                Some(offset) => ARENA.give_back(offset, layout.size()),
                None => System.dealloc(block, layout),
            }
        }
    }

    /// In place only in the arena: the system's own would move the block and leave the old bytes behind.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let old_size = layout.size();
        // SAFETY: the caller promises that `new_size`, rounded up to the alignment, is a valid size, and that the block has
        // `old_size` bytes. A new block is distinct from it, both have the bytes that are copied, and the old one is given
        // back only after that.
        unsafe {
            if let Some(offset) = ARENA.offset(block) {
                if new_size < old_size {
                    wipe(block.add(new_size), old_size - new_size);
                }
                if ARENA.resize(offset, old_size, new_size) || new_size <= old_size {
                    return block;
                }
            }
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, old_size.min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// A tool's call allocates some tens of KiB and ends; setting up the system's allocator for that costs a tenth of a start.
const ARENA_SIZE: usize = 64 * 1024;

/// The largest alignment that the arena gives.
const ARENA_ALIGN: usize = 64;

/// Memory that is handed out from its begin to its end. Only the last block can be given back for use or grow in place.
///
/// All bytes at and after `next` are zero and nobody's.
#[repr(align(64))]
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_SIZE]>,
    next: AtomicUsize,
}

// SAFETY: the bytes are reached only through blocks, each of which is handed out once by an atomic step of `next`.
unsafe impl Sync for Arena {}

impl Arena {
    const fn new() -> Arena {
        Arena {
            bytes: UnsafeCell::new([0; ARENA_SIZE]),
            next: AtomicUsize::new(0),
        }
    }

    /// A block of zeros, as long as there is room.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        if layout.align() > ARENA_ALIGN {
            return None;
        }
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            let from = next.next_multiple_of(layout.align());
            let to = from.checked_add(layout.size()).filter(|to| *to <= ARENA_SIZE)?;
            match self.move_next(next, to) {
                Ok(_) => return Some(self.bytes.get().cast::<u8>().wrapping_add(from)),
                Err(other) => next = other,
            }
        }
    }

    /// Where in the arena a block is; none when it is not of the arena.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().wrapping_sub(self.bytes.get().addr());
        (offset < ARENA_SIZE).then_some(offset)
    }

    /// Takes a wiped block back; its room is used again if it was the last one.
    fn give_back(&self, offset: usize, size: usize) {
        let _ = self.move_next(offset + size, offset);
    }

    /// Whether the block is the last one and now has the new size. The bytes that it loses must be wiped already.
    fn resize(&self, offset: usize, size: usize, new_size: usize) -> bool {
        let end = offset.checked_add(new_size).filter(|end| *end <= ARENA_SIZE);
        end.is_some_and(|end| self.move_next(offset + size, end).is_ok())
    }

    /// One atomic step. Who takes a block sees the zeros of who gave it back.
    fn move_next(&self, from: usize, to: usize) -> Result<usize, usize> {
        self.next
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
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

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a valid layout")
    }

    /// # Safety
    /// The block must have `size` bytes.
    unsafe fn bytes<'a>(block: *mut u8, size: usize) -> &'a mut [u8] {
        // SAFETY: the caller's promise; the tests look at one block at a time.
        unsafe { std::slice::from_raw_parts_mut(block, size) }
    }

    #[test]
    fn growing_and_shrinking_keep_the_content() {
        // SAFETY: every block is used with the size that it was last given, and given back once.
        unsafe {
            for in_between in [false, true] {
                let mut block = Wiping.alloc(layout(256, 1));
                bytes(block, 256).copy_from_slice(&Vec::from_iter(0..=255));
                let other = in_between.then(|| Wiping.alloc(layout(8, 8)));
                for (old, new) in [(256, 300), (300, 100_000), (100_000, 256), (256, 100)] {
                    block = Wiping.realloc(block, layout(old, 1), new);
                    let kept = bytes(block, new.min(256));
                    assert!(
                        kept.iter().enumerate().all(|(i, b)| i == usize::from(*b)),
                        "{old} to {new}"
                    );
                }
                if in_between {
                    assert!(ARENA.offset(block).is_some());
                    assert!(bytes(block, 256)[100..].iter().all(|byte| *byte == 0));
                }
                Wiping.dealloc(block, layout(100, 1));
                if let Some(other) = other {
                    Wiping.dealloc(other, layout(8, 8));
                }
            }
        }
    }

    #[test]
    fn what_the_arena_gives_is_aligned_distinct_and_zero() {
        let arena = Box::new(Arena::new());
        let mut taken: Vec<(usize, usize)> = Vec::new();
        let sizes = (0..).map(|number| (1 + number * 7 % 900, 1 << (number % 7)));
        for (size, align) in sizes {
            let Some(block) = arena.take(layout(size, align)) else {
                break;
            };
            let offset = arena.offset(block).expect("a block of the arena");
            assert_eq!(block.addr() % align, 0, "{size} at {align}");
            assert!(taken.iter().all(|(from, to)| offset >= *to || offset + size <= *from));
            // SAFETY: the block was taken with this size.
            let content = unsafe { bytes(block, size) };
            assert!(content.iter().all(|byte| *byte == 0));
            content.fill(7);
            if size % 3 == 0 {
                content.fill(0);
                arena.give_back(offset, size);
            } else {
                taken.push((offset, offset + size));
            }
        }
        assert!(taken.len() > 50, "{}", taken.len());
    }

    #[test]
    fn only_the_last_block_of_the_arena_grows_and_never_over_its_end() {
        let arena = Box::new(Arena::new());
        let take = |size| {
            arena
                .offset(arena.take(layout(size, 1)).expect("room"))
                .expect("of the arena")
        };
        let (first, second) = (take(10), take(10));
        assert!(!arena.resize(first, 10, 20));
        assert!(arena.resize(second, 10, 20));
        assert!(!arena.resize(second, 20, ARENA_SIZE));
        assert!(!arena.resize(second, 20, usize::MAX));
        arena.give_back(first, 10);
        assert_eq!(take(1), second + 20, "a block before the last leaves its place empty");
        assert!(arena.take(layout(ARENA_SIZE, 1)).is_none());
        assert!(arena.take(layout(1, 128)).is_none());
        assert!(arena.offset(ptr::null_mut()).is_none());
    }

    #[test]
    fn threads_share_the_arena_without_sharing_a_block() {
        let arena = Arena::new();
        std::thread::scope(|scope| {
            for mark in 1..=4_u8 {
                let arena = &arena;
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        let Some(block) = arena.take(layout(24, 8)) else { break };
                        // SAFETY: the block has 24 bytes and is this thread's until it is given back.
                        let content = unsafe { bytes(block, 24) };
                        assert!(content.iter().all(|byte| *byte == 0));
                        content.fill(mark);
                        std::thread::yield_now();
                        assert!(content.iter().all(|byte| *byte == mark));
                        content.fill(0);
                        arena.give_back(arena.offset(block).expect("a block of the arena"), 24);
                    }
                });
            }
        });
    }
}
