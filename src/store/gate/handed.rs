//! Unlocked keys for one program and what it starts: a file in memory, inherited as an open descriptor.
//!
//! Neither environment nor arguments hold the key, only the descriptor's number. Every program below inherits the
//! descriptor, as it must if keyfob below is to have it; one that closes what it does not know ends the chain.

use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{DataKey, Keys};

/// The largest content: some hundred keys.
#[cfg(target_os = "linux")]
const LIMIT: u64 = 16 * 1024;

/// One line a key: its id, a space, the key in hex.
fn encode(keys: &Keys) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(keys.len() * 128));
    for (id, key) in keys {
        let hex = Zeroizing::new(HEXLOWER.encode(key.as_slice()));
        writeln!(text, "{id} {}", *hex).expect("a String grows");
    }
    text
}

fn decode(text: &str, id: &str) -> Option<DataKey> {
    let hex = text.lines().find_map(|line| line.strip_prefix(id)?.strip_prefix(' '))?;
    let bytes = Zeroizing::new(HEXLOWER.decode(hex.as_bytes()).ok()?);
    <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

/// A file in memory that nobody can change any more, and that the next program keeps open.
#[cfg(target_os = "linux")]
pub(super) fn make(keys: &Keys) -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags, memfd_create};
    // An older kernel does not know the first flag, a strict one demands it.
    let file = memfd_create("keyfob", MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| memfd_create("keyfob", MemfdFlags::ALLOW_SEALING))?;
    let mut file = std::fs::File::from(file);
    io::Write::write_all(&mut file, encode(keys).as_bytes())?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn make(keys: &Keys) -> io::Result<OwnedFd> {
    let _ = encode(keys);
    Err(io::ErrorKind::Unsupported.into())
}

/// The key of this id from the descriptor of this number, which somebody may have set to anything.
///
/// It is opened anew, so that those who share it do not share a place in it.
#[cfg(target_os = "linux")]
pub(super) fn find(number: u32, id: &str) -> Option<DataKey> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::File::options();
    options.read(true);
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(format!("/proc/self/fd/{number}")).ok()?;
    let is_ours = file.metadata().is_ok_and(|seen| seen.is_file() && seen.len() <= LIMIT);
    let mut text = Zeroizing::new(String::with_capacity(LIMIT.try_into().ok()?));
    is_ours
        .then(|| file.take(LIMIT).read_to_string(&mut text).ok())
        .flatten()?;
    decode(&text, id)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn find(_number: u32, _id: &str) -> Option<DataKey> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_whole_id() {
        let keys: Keys = vec![
            ("ab".into(), Zeroizing::new([1; 32])),
            ("abc".into(), Zeroizing::new([2; 32])),
        ];
        let text = encode(&keys);
        assert_eq!(decode(&text, "abc").as_deref(), Some(&[2; 32]));
        assert_eq!(decode(&text, "ab").as_deref(), Some(&[1; 32]));
        for missing in ["a", "abcd", ""] {
            assert_eq!(decode(&text, missing), None, "{missing}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_was_handed_is_found_and_anything_else_is_a_miss() {
        use std::os::fd::AsRawFd;
        let file = make(&vec![("ab".into(), Zeroizing::new([1; 32]))]).unwrap();
        let number = file.as_raw_fd().unsigned_abs();
        for _ in 0..2 {
            assert_eq!(find(number, "ab").as_deref(), Some(&[1; 32]));
        }
        assert_eq!(find(number, "cd"), None);
        let pipe = std::io::pipe().unwrap();
        assert_eq!(find(pipe.0.as_raw_fd().unsigned_abs(), "ab"), None);
        assert_eq!(find(u32::MAX, "ab"), None);
    }
}
