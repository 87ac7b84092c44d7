//! What a file has besides its content, mode and owner: access control lists, labels, a person's own attributes.
//!
//! A file that is replaced by a new one would lose them. What the system sets by rules of its own is left to it.

use std::fs::File;
use std::io;

/// The attribute that says who besides owner and group may do what. A new file may get one from its directory.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ACCESS: &str = "system.posix_acl_access";

/// How those begin that the system sets, and that not every user may: labels, checksums, where a file came from.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
const SYSTEMS: [&str; 3] = ["security.", "trusted.", "com.apple."];

/// The longest list of names, and the longest value, that Linux has.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
const LONGEST: usize = 64 * 1024;

/// Gives the new file what the old one has.
///
/// # Errors
/// When it does not take one of them, with its name.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) fn carry_over(old: &File, new: &File) -> io::Result<()> {
    let names = names(old)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if !names.iter().any(|name| name == ACCESS) && self::names(new)?.iter().any(|name| name == ACCESS) {
        rustix::fs::fremovexattr(new, ACCESS)?;
    }
    for name in names {
        let value = value(old, &name);
        if value.is_ok() && value == self::value(new, &name) {
            continue;
        }
        let flags = rustix::fs::XattrFlags::empty();
        let set = value.and_then(|value| rustix::fs::fsetxattr(new, &name, &value, flags));
        if set.is_err() && !SYSTEMS.iter().any(|begin| name.starts_with(begin)) {
            let text = format!("its attribute `{name}` cannot be kept");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn names(file: &File) -> io::Result<Vec<String>> {
    let mut list = vec![0; LONGEST];
    let length = match rustix::fs::flistxattr(file, &mut list[..]) {
        Ok(length) => length,
        // A file system without them.
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn value(file: &File, name: &str) -> Result<Vec<u8>, rustix::io::Errno> {
    let mut value = vec![0; LONGEST];
    let length = rustix::fs::fgetxattr(file, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

/// There are none.
///
/// # Errors
/// Never.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) fn carry_over(_old: &File, _new: &File) -> io::Result<()> {
    Ok(())
}
