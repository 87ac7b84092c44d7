//! The kernel's keyring: a place in memory with a timeout, shared by the processes of one user.
//!
//! It holds the unlocked data key, so that a tool's call needs no D-Bus, and a record that could not be written, for
//! ten minutes. It is a cache: every failure is a miss, because containers block it and other sessions may not see it.
//! Security review, sections 3c and 4b.

#[cfg(target_os = "linux")]
mod linux {
    use linux_keyutils::{Key, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};
    use zeroize::Zeroizing;

    /// The payload under a description; none if there is none, or it is longer than `limit`.
    pub(in super::super) fn recall(description: &str, limit: usize) -> Option<Zeroizing<Vec<u8>>> {
        let key = find(description)?;
        let mut bytes = Zeroizing::new(vec![0; limit]);
        let length = key.read(&mut bytes.as_mut_slice()).ok()?;
        (length <= limit).then(|| bytes.truncate(length))?;
        Some(bytes)
    }

    /// Keeps a payload for so many seconds and says whether that worked.
    pub(in super::super) fn remember(description: &str, payload: &[u8], seconds: usize) -> bool {
        let keep = || {
            // Without a login session the user's keyring is not possessed, and a key in it would be closed to its own
            // maker. A link from this process's keyring, which ends with it, changes that.
            KeyRing::from_special_id(KeyRingIdentifier::Process, true)?.link_keyring_id(KeyRingIdentifier::User)?;
            let ring = KeyRing::from_special_id(KeyRingIdentifier::User, false)?;
            let key = ring.add_key(description, payload)?;
            let ours = Permission::VIEW | Permission::READ | Permission::SEARCH | Permission::WRITE;
            let open = KeyPermissionsBuilder::builder()
                .posessor(Permission::ALL)
                .user(ours)
                .build();
            let limited = key.set_timeout(seconds).and_then(|()| key.set_perms(open));
            // A key without its timeout must not stay.
            limited.inspect_err(|_| {
                let _ = key.invalidate();
            })
        };
        keep().is_ok()
    }

    /// Forgets a payload.
    pub(in super::super) fn forget(description: &str) {
        if let Some(key) = find(description) {
            let _ = key.revoke();
        }
    }

    fn find(description: &str) -> Option<Key> {
        let ring = KeyRing::from_special_id(KeyRingIdentifier::User, false).ok()?;
        ring.search(description).ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use zeroize::Zeroizing;

    pub(in super::super) fn recall(_description: &str, _limit: usize) -> Option<Zeroizing<Vec<u8>>> {
        None
    }

    pub(in super::super) fn remember(_description: &str, _payload: &[u8], _seconds: usize) -> bool {
        false
    }

    pub(in super::super) fn forget(_description: &str) {}
}

#[cfg(target_os = "linux")]
pub(super) use linux::{forget, recall, remember};
#[cfg(not(target_os = "linux"))]
pub(super) use none::{forget, recall, remember};

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_recalled_until_it_is_forgotten() {
        let name = format!("keyfob-test:{}", std::process::id());
        if !remember(&name, b"canary", 60) {
            return; // Blocked in many containers, where it is a miss as well.
        }
        assert_eq!(
            recall(&name, 64).as_deref().map(Vec::as_slice),
            Some(b"canary".as_slice())
        );
        assert_eq!(recall(&name, 3), None);
        forget(&name);
        assert_eq!(recall(&name, 64), None);
    }
}
