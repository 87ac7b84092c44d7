//! The mark of a data directory that has no gate: a time of its last change that no system gives by itself.
//!
//! What lies in clear is answered only where there is no gate, and looking for one at every read is a system call more for
//! everybody who has none. The directory's own times are read anyhow, since they come with its owner and mode. Whatever is
//! put into a directory, renamed in it or removed from it gives it the same time as last change of its content and of
//! itself; the mark is the one without the other. So it is there only as long as nothing was put there since somebody saw
//! that there is no gate. Times that a backup brings back are no mark either: the directory itself is changed by that. A
//! mark that is missing costs the look, and nothing else. It knows no gate.

use rustix::fs::{Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::super::folder::Folder;

/// The fraction of a second of a marked time, in nanoseconds. Ours to choose; of whole microseconds, as some file systems
/// keep no finer ones.
const FRACTION: i64 = 604_517_000;

/// By how many seconds the marked time lies before the directory's own change: one, and one more where the clock went on
/// meanwhile.
const BEHIND_SECS: std::ops::RangeInclusive<i64> = 1..=2;

/// Whether a directory of this state is marked.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_possible_wrap,
    reason = "the types differ between systems"
)]
pub(in super::super) fn is_on(stat: &Stat) -> bool {
    let (content, own) = (stat.st_mtime as i64, stat.st_ctime as i64);
    stat.st_mtime_nsec as i64 == FRACTION && BEHIND_SECS.contains(&own.saturating_sub(content))
}

/// Marks a directory. Where its file system keeps no such times it stays as it is: unmarked.
///
/// The caller sees to it that no gate can be put there meanwhile.
pub(super) fn set(data: &Folder) {
    // By the clock of the file system, which may be another machine's.
    remove(data);
    let Ok(now) = rustix::fs::fstat(data) else { return };
    #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
    let second = now.st_mtime as i64 - BEHIND_SECS.start();
    change(data, second, FRACTION);
}

/// Takes the mark away.
pub(super) fn remove(data: &Folder) {
    #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
    change(data, 0, UTIME_NOW as i64);
}

fn change(data: &Folder, tv_sec: i64, nanoseconds: i64) {
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        reason = "the types differ between systems"
    )]
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT as _,
        },
        last_modification: Timespec {
            tv_sec: tv_sec as _,
            tv_nsec: nanoseconds as _,
        },
    };
    let _ = rustix::fs::futimens(data, &times);
}
