//! The per-machine gate: while it is set, every record is sealed, and the data key is wrapped by a passphrase.
//!
//! `gate.json` in the data directory is the gate: as long as it is there, the keys that it names come from a person who
//! knows the passphrase and from nowhere else. The unlocked key lies where the sealed store looks first, in the kernel's
//! keyring, so that a sealed answer pays nothing for it; one that lies in clear costs a look. What happens to records when
//! a gate is set or taken away is in `gate/convert.rs`, how wrong passphrases slow down in `gate/tries.rs`, and how a key is handed to one program
//! in `gate/handed.rs`. It knows no terminal and no command. scrypt is RFC 7914. Design, section 8.

mod convert;
mod handed;
mod lost;
mod tries;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::disk::{Disk, Lock};
use super::sealed::{DataKey, cache_name};
use super::stores::Stores;
use super::{Header, StoreError, kernel, slot};
use crate::digest;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::world::random;

pub use convert::{Converted, Place};

/// The gate's file. It changes under the lock `gate.lock`.
pub(super) const FILE: &str = "gate.json";
const FILE_LIMIT: usize = 64 * 1024;
const TURN: &str = "gate.lock";

/// How much work a guess is, as scrypt's log2(N): memory for `8 * 128 * 2^n` bytes. 17 takes 128 MiB and about half a
/// second; at half of it a stolen file is guessed at twice the speed, at double small machines have no room.
pub const WORK: u8 = 17;

/// The least and the most that may be chosen; a file that says more is not believed.
pub const WORK_RANGE: std::ops::RangeInclusive<u8> = 12..=20;

/// The shortest passphrase that is taken, in characters; ours to choose. A shorter one is guessed in a night.
pub const SHORTEST: usize = 8;

/// The longest unlocking, in seconds: a week. A key that stays longer is no gate any more.
pub const LONGEST_SECS: u32 = 7 * 24 * 3600;

const NONCE_BYTES: usize = 24;
const SALT_BYTES: usize = 16;

/// How far the gate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Taking it away was begun and not finished: new records are plain files.
    Opening,
    /// Setting it, or taking it away with its key half way back, was begun and not finished: some records may be plain files, or a key still in the keychain.
    Sealing,
    /// Every record is behind it.
    Set,
}

impl Stage {
    /// What is said where the gate is closed.
    pub(super) fn refusal(self) -> &'static str {
        match self {
            Stage::Opening => "this machine is locked, and taking its passphrase away is not finished",
            Stage::Sealing => "this machine is locked, and setting its passphrase or taking it away is not finished",
            Stage::Set => "this machine is locked",
        }
    }

    /// The command to run then.
    pub(super) fn way_on(self) -> &'static str {
        match self {
            Stage::Opening => "run `keyfob lock clear` to finish it",
            Stage::Sealing => {
                "run `keyfob lock set` to finish setting it, or `keyfob lock clear` to finish taking it away"
            }
            Stage::Set => "run `keyfob unlock`",
        }
    }
}

/// The content of the gate's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Gate {
    format: u64,
    pub(super) stage: Stage,
    work: u8,
    salt: String,
    keys: Vec<Wrapped>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

/// A data key that the passphrase opens.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wrapped {
    id: String,
    /// Whether the keychain may have it too; the gate is not all set before it is gone from there. A file that does not
    /// say so is believed to mean it.
    #[serde(default = "may_be")]
    keychain: bool,
    /// Of the key, to know it again; the key is random and cannot be found from it.
    mark: String,
    nonce: String,
    key: String,
}

fn may_be() -> bool {
    true
}

/// Data keys with their ids, the one for new records first.
pub(super) type Keys = Vec<(String, DataKey)>;

/// A gate that a person has opened; nobody else tries a passphrase or changes the gate until it is dropped.
pub struct Opened {
    gate: Gate,
    keys: Keys,
    _turn: Lock,
}

impl Opened {
    /// How far the gate is.
    pub fn stage(&self) -> Stage {
        self.gate.stage
    }
}

/// What is to be told of a gate.
#[derive(Debug)]
pub struct State {
    /// How far it is.
    pub stage: Stage,
    /// Whether nothing is answered now.
    pub locked: bool,
    /// When the unlocked key is forgotten; not known where it was handed to this program alone.
    pub until: Option<Timestamp>,
    /// Wrong passphrases since the last right one.
    pub failed: u32,
}

impl Gate {
    /// A new gate, not yet on disk; the keychain may have the keys of these ids. It takes the time of one guess.
    fn new(passphrase: &Secret, work: u8, keys: &Keys, kept: &[String], stage: Stage) -> Result<Gate, StoreError> {
        let salt = BASE64.encode(&random::<SALT_BYTES>());
        let mut gate = Gate {
            format: slot::FORMAT,
            stage,
            work,
            salt,
            keys: Vec::new(),
            extra: Map::new(),
        };
        let cipher = gate.cipher(passphrase)?;
        for (id, key) in keys {
            let nonce = random::<NONCE_BYTES>();
            let aad = gate.bound_to(id);
            let payload = Payload {
                msg: key.as_slice(),
                aad: &aad,
            };
            let wrapped = cipher.encrypt(&XNonce::from(nonce), payload);
            gate.keys.push(Wrapped {
                id: id.clone(),
                keychain: kept.contains(id),
                mark: mark(id, key),
                nonce: BASE64.encode(&nonce),
                key: BASE64.encode(&wrapped.map_err(|_| StoreError::Failed("wrapping the data key".into()))?),
            });
        }
        Ok(gate)
    }

    /// The gate of this data directory; none if none is set.
    pub(super) fn read(disk: &Disk) -> Result<Option<Gate>, StoreError> {
        let Some(data) = disk.data()? else { return Ok(None) };
        let Some(text) = data.read(FILE, FILE_LIMIT)? else {
            return Ok(None);
        };
        let place = data.place(FILE);
        let place = place.display();
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let damaged =
            |error: &serde_json::Error| StoreError::Damaged(format!("`{place}`: {}", crate::record::place(error)));
        let Format { format } = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
        if format > slot::FORMAT {
            return Err(StoreError::Newer(format!("a newer keyfob wrote `{place}`")));
        }
        let gate: Gate = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
        if !WORK_RANGE.contains(&gate.work) || gate.keys.is_empty() {
            return Err(StoreError::Damaged(format!("`{place}` is not what was written")));
        }
        Ok(Some(gate))
    }

    /// Puts it on disk. The caller has the turn.
    fn write(&self, disk: &Disk) -> Result<(), StoreError> {
        let data = disk.make_data()?;
        data.sweep(FILE)?;
        let mut text = serde_json::to_vec(self).expect("texts and numbers");
        text.push(b'\n');
        data.replace(FILE, &text)
    }

    /// The id of the key for new records.
    pub(super) fn current(&self) -> &str {
        &self.keys[0].id
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|wrapped| wrapped.id.as_str())
    }

    /// The ids of the keys that the keychain may have too.
    fn kept(&self) -> Vec<String> {
        let kept = self.keys.iter().filter(|wrapped| wrapped.keychain);
        kept.map(|wrapped| wrapped.id.clone()).collect()
    }

    /// Whether a slot is sealed under one of its keys.
    fn has(&self, header: &Header) -> bool {
        header.store == "sealed" && header.text("key").is_some_and(|id| self.ids().any(|own| own == id))
    }

    /// That it is closed.
    pub(super) fn closed(&self) -> StoreError {
        StoreError::Gated(self.stage)
    }

    /// The key of this id as this program was handed it.
    ///
    /// None when the gate has no such key. It is known by its mark: a descriptor that is not ours, or belongs to another
    /// gate, would otherwise seal records that nobody can open.
    ///
    /// # Errors
    /// [`StoreError::Gated`] when it was not handed.
    pub(super) fn key(&self, id: &str, handed: Option<u32>) -> Result<Option<DataKey>, StoreError> {
        let Some(wrapped) = self.keys.iter().find(|wrapped| wrapped.id == id) else {
            return Ok(None);
        };
        let key = handed.and_then(|number| handed::find(number, id));
        let key = key.filter(|key| mark(id, key) == wrapped.mark);
        key.map_or_else(|| Err(self.closed()), |key| Ok(Some(key)))
    }

    /// All keys, if the passphrase is right. It takes the time of one guess.
    fn unwrap(&self, passphrase: &Secret) -> Result<Option<Keys>, StoreError> {
        let cipher = self.cipher(passphrase)?;
        let open = |wrapped: &Wrapped| -> Option<(String, DataKey)> {
            let nonce: [u8; NONCE_BYTES] = BASE64.decode(wrapped.nonce.as_bytes()).ok()?.try_into().ok()?;
            let sealed = BASE64.decode(wrapped.key.as_bytes()).ok()?;
            let aad = self.bound_to(&wrapped.id);
            let payload = Payload {
                msg: &sealed,
                aad: &aad,
            };
            let key = Zeroizing::new(cipher.decrypt(&XNonce::from(nonce), payload).ok()?);
            let key = <[u8; 32]>::try_from(key.as_slice()).ok()?;
            Some((wrapped.id.clone(), Zeroizing::new(key)))
        };
        Ok(self.keys.iter().map(open).collect())
    }

    fn cipher(&self, passphrase: &Secret) -> Result<XChaCha20Poly1305, StoreError> {
        let impossible = |_| StoreError::Failed("making a key from the passphrase".into());
        let params = scrypt::Params::new(self.work, 8, 1).map_err(|_| self.closed())?;
        let mut key = Zeroizing::new([0; 32]);
        let (text, salt) = (passphrase.expose().as_bytes(), self.salt.as_bytes());
        scrypt::scrypt(text, salt, &params, key.as_mut_slice()).map_err(impossible)?;
        Ok(XChaCha20Poly1305::new(&(*key).into()))
    }

    /// What a wrapped key is bound to.
    fn bound_to(&self, id: &str) -> Vec<u8> {
        let parts = ("keyfob gate", self.format, self.work, &self.salt, id);
        serde_json::to_vec(&parts).expect("texts and numbers")
    }
}

fn mark(id: &str, key: &DataKey) -> String {
    digest::hex(&[b"keyfob gate", id.as_bytes(), key.as_slice()])
}

/// Under which description the kernel keeps until when a key is there: it does not tell itself.
fn until_name(id: &str) -> String {
    format!("keyfob-until:{id}")
}

impl Stores {
    /// What is to be told of the gate; none if none is set.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn gate(&self) -> Result<Option<State>, StoreError> {
        let Some(gate) = Gate::read(&self.disk)? else {
            return Ok(None);
        };
        let until = self.kernel_has(&cache_name(gate.current()), 32).and_then(|_| {
            let text = self.kernel_has(&until_name(gate.current()), 32)?;
            let seconds = std::str::from_utf8(&text).ok()?.parse().ok()?;
            Some(Timestamp::from_unix(seconds))
        });
        Ok(Some(State {
            stage: gate.stage,
            locked: self.unlocked().is_err(),
            until,
            failed: tries::failed(&self.disk)?,
        }))
    }

    /// Whether this machine may answer: there is no gate, or it is open. What needs no record asks this first, and what
    /// will need one later: a gate that was open then stays open for this process.
    ///
    /// Without a gate it costs one system call.
    ///
    /// # Errors
    /// [`StoreError::Gated`] when it is closed; else why that cannot be known.
    pub fn unlocked(&self) -> Result<(), StoreError> {
        if !self.disk.has(FILE) {
            return Ok(());
        }
        self.store("sealed")?.ready(false)
    }

    fn kernel_has(&self, name: &str, limit: usize) -> Option<Zeroizing<Vec<u8>>> {
        (!self.seat.test).then(|| kernel::recall(name, limit)).flatten()
    }

    /// Opens the gate for this process alone; none if none is set.
    ///
    /// A try is counted before it is made, and waits first for as long as the wrong ones before it have earned; `tell`
    /// hears how long, and that another process has the turn.
    ///
    /// # Errors
    /// [`StoreError::Denied`] when the passphrase is wrong; [`StoreError::Unavailable`] when another process has the
    /// turn for longer than the longest wait.
    pub fn open_gate(&self, passphrase: &Secret, tell: &dyn Fn(&str)) -> Result<Option<Opened>, StoreError> {
        let turn = self.gate_turn(tell)?;
        let Some(gate) = Gate::read(&self.disk)? else {
            return Ok(None);
        };
        let attempt = tries::begin(self, tell)?;
        let Some(keys) = gate.unwrap(passphrase)? else {
            return Err(StoreError::Denied(format!("the passphrase is wrong{}", attempt.next())));
        };
        attempt.succeeded()?;
        self.store("sealed")?.learn(&keys);
        Ok(Some(Opened {
            gate,
            keys,
            _turn: turn,
        }))
    }

    /// Takes the turn at the gate.
    fn gate_turn(&self, tell: &dyn Fn(&str)) -> Result<Lock, StoreError> {
        let take = |patience| self.disk.lock(TURN, patience, &*self.seat.wait);
        if let Some(turn) = take(std::time::Duration::ZERO)? {
            return Ok(turn);
        }
        tell("another keyfob is at the gate; waiting for it");
        take(tries::PATIENCE)?
            .ok_or_else(|| StoreError::Unavailable("another keyfob is at the gate for too long".into()))
    }

    /// Keeps the keys of an opened gate in the kernel, for all of this user's processes, until then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the kernel keeps none.
    pub fn keep_open(&self, opened: &Opened, now: Timestamp, seconds: u32) -> Result<Timestamp, StoreError> {
        let until = now.plus(i64::from(seconds));
        let span = usize::try_from(seconds).unwrap_or(usize::MAX);
        let text = until.unix().to_string();
        let keep = |name: &str, payload: &[u8]| {
            let kept = !self.seat.test && kernel::remember(name, payload, span);
            kept && self
                .kernel_has(name, 32)
                .is_some_and(|bytes| bytes.as_slice() == payload)
        };
        let all = opened
            .keys
            .iter()
            .all(|(id, key)| keep(&cache_name(id), key.as_slice()));
        if all && keep(&until_name(opened.gate.current()), text.as_bytes()) {
            // Somebody who has no turn may have put another gate there meanwhile, or none.
            if Gate::read(&self.disk)?.is_some_and(|now| now.salt == opened.gate.salt) {
                return Ok(until);
            }
            self.forget_open(&opened.gate);
            return Err(StoreError::Changed(
                "this machine has another passphrase, or none, by now".into(),
            ));
        }
        self.forget_open(&opened.gate);
        Err(StoreError::Unavailable(
            "the kernel's keyring cannot be used here".into(),
        ))
    }

    /// Hands the keys of an opened gate to the program that this process becomes: a file in memory that it inherits.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where there are no such files.
    pub fn hand_down(&self, opened: &Opened) -> Result<std::os::fd::OwnedFd, StoreError> {
        handed::make(&opened.keys)
            .map_err(|why| StoreError::Unavailable(format!("making a file in memory for the key: {why}")))
    }

    /// By which ways a gate can be opened here: for all of this user's processes, and for one program.
    pub fn ways_open(&self) -> (bool, bool) {
        let name = format!("keyfob-try:{}", std::process::id());
        let all = !self.seat.test && kernel::remember(&name, b"try", 1) && self.kernel_has(&name, 8).is_some();
        if all {
            kernel::forget(&name);
        }
        (all, handed::make(&Vec::new()).is_ok())
    }

    /// Forgets the unlocked keys at once. Says whether there is a gate.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the kernel keeps one of them.
    pub fn close_gate(&self) -> Result<bool, StoreError> {
        let Some(gate) = Gate::read(&self.disk)? else {
            return Ok(false);
        };
        self.forget_open(&gate);
        if gate.ids().any(|id| self.kernel_has(&cache_name(id), 32).is_some()) {
            return Err(StoreError::Failed(
                "the kernel's keyring does not forget the key".into(),
            ));
        }
        Ok(true)
    }

    fn forget_open(&self, gate: &Gate) {
        if self.seat.test {
            return;
        }
        for id in gate.ids() {
            kernel::forget(&cache_name(id));
            kernel::forget(&until_name(id));
        }
    }
}
