//! Unlocked keys for one program and what it starts: a file in memory, inherited as an open descriptor; where there are no
//! such files, one end of a socket, in which they wait and are looked at without being taken out.
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
pub(super) use socket::make;

/// The way without files in memory.
#[cfg(any(test, not(target_os = "linux")))]
mod socket {
    use std::io::{self, Write};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use rustix::io::FdFlags;
    use rustix::net::RecvFlags;
    use zeroize::Zeroizing;

    use super::{DataKey, Keys, LIMIT, decode, encode};

    /// One end of a socket that the next program keeps open; the other is closed, so that nobody can add to it.
    pub(in super::super) fn make(keys: &Keys) -> io::Result<OwnedFd> {
        let (mut here, there) = UnixStream::pair()?;
        // More keys than it has room for are a failure, and nothing to wait for.
        here.set_nonblocking(true)?;
        here.write_all(encode(keys).as_bytes())?;
        rustix::io::fcntl_setfd(&there, FdFlags::empty())?;
        Ok(there.into())
    }

    /// The key of this id; all who share the socket find it.
    pub(in super::super) fn look(socket: impl AsFd, id: &str) -> Option<DataKey> {
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(LIMIT).ok()?]);
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let (_, length) = rustix::net::recv(socket, bytes.as_mut_slice(), flags).ok()?;
        decode(std::str::from_utf8(bytes.get(..length)?).ok()?, id)
    }
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

/// The key of this id from the descriptor of this number, which somebody may have set to anything.
///
/// Opened by its name it is another descriptor of the same socket.
#[cfg(not(target_os = "linux"))]
pub(super) fn find(number: u32, id: &str) -> Option<DataKey> {
    socket::look(std::fs::File::open(format!("/dev/fd/{number}")).ok()?, id)
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
    fn where_there_are_no_files_in_memory_a_socket_has_the_keys_for_everybody_who_shares_it() {
        let keys: Keys = vec![
            ("ab".into(), Zeroizing::new([1; 32])),
            ("cd".into(), Zeroizing::new([2; 32])),
        ];
        let socket = socket::make(&keys).unwrap();
        let another = socket.try_clone().unwrap();
        for _ in 0..2 {
            assert_eq!(socket::look(&socket, "cd").as_deref(), Some(&[2; 32]));
            assert_eq!(socket::look(&another, "ab").as_deref(), Some(&[1; 32]));
        }
        assert_eq!(socket::look(&socket, "ef"), None);
        assert!(
            rustix::io::fcntl_getfd(&socket).unwrap().is_empty(),
            "the next program keeps it"
        );
        assert_eq!(socket::look(std::io::pipe().unwrap().0, "ab"), None);
        let many: Keys = (0..100_000)
            .map(|id| (id.to_string(), Zeroizing::new([1; 32])))
            .collect();
        assert!(socket::make(&many).is_err(), "nobody waits for room");
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
