//! Which provider claims a target, without reading provider files.
//!
//! One file, made from all provider files: a table of 256 buckets by the hash of the origin, each a few lines of JSON.
//! A call reads the table and one bucket, however many providers there are. The index is derived: it is made again when
//! it is damaged, when the directory has changed, when a file that claims what is asked for has changed, and before a
//! call ends with nothing. A file that was edited in place to claim *more* is noticed at the next own command or the next
//! miss; and where a claim answers and there are few files, at once. So it is what a tool gave to keep that may be
//! answered once more for a place that a file has just claimed in place.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::disk::{self, Stamp, check_owner, directory_stamp};
use super::held;
use super::provider::{self, Provider};
use super::section::context::Workspace;
use super::variable;
use crate::error::{Class, Context, Error, Result};
use crate::target::Target;
use crate::world::World;

/// Begins the file; another one is an index of another version, which is made again.
const MAGIC: &[u8; 8] = b"keyfobi6";

/// Enough that a bucket of ten thousand targets is still one short read; the table costs 1 KiB.
const BUCKETS: usize = 256;

/// Up to so many provider files are all looked at before a claim answers, by a system call each; the number is ours. At
/// half as many, more people would have to run an own command after an edit; at double, their calls would take longer.
const FEW: usize = 32;

/// Magic, stamp of the directory, whether there are wildcards, and the ends of the buckets and of the list of files.
const TABLE: usize = 8 + 24 + 4 + 4 * (BUCKETS + 2);

/// The sum of the table, or of a bucket or the list, before which it stands: chance damage is found, nothing more.
const SUM: usize = 8;

/// The table and its sum.
const HEAD: usize = TABLE + SUM;

/// A file that changed this short a time before it was read may change again within one tick of the file system's clock.
const RACY_NANOS: i64 = 100_000_000;

/// A provider's claim on one target in one mode: all that a call needs of its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The provider's name.
    pub provider: String,
    /// The mode's name; empty for the only one.
    pub mode: String,
    /// Whether it is the provider's default mode.
    pub default_mode: bool,
    /// Whether a tool's `store` is kept as the provider's credential.
    pub keeps: bool,
    /// Whether the provider's credential is obtained without a person.
    pub unattended: bool,
    /// What the variables of its program begin with, where that is not its own name in capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The root of what is claimed.
    pub root: Target,
    /// Whether the subdomains of the root are meant, and not the root.
    pub subdomains: bool,
    /// Whether the credential is sent as a bearer token.
    pub bearer: bool,
    /// The user name to answer. Defaults to the account.
    pub username: Option<String>,
    /// The only tools that may have it; empty: all.
    pub tools: Vec<String>,
    /// Whether a tool without a credential of this provider is to ask nobody else.
    pub exclusive: bool,
    /// Environment variables with a credential, in order.
    pub variables: Vec<String>,
    /// What a workspace is; none where there are none.
    pub workspace: Option<Workspace>,
    /// The program whose file may hold a synced session, where the provider file says that one is a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
    /// Whether the file has a mistake, so that it holds the place and answers nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) mistaken: bool,
    /// The state of the provider's file when it was read.
    pub(super) stamp: Stamp,
}

impl Claim {
    /// What the variables of its program begin with.
    pub fn prefix(&self) -> String {
        self.prefix.clone().unwrap_or_else(|| variable::prefix(&self.provider))
    }

    /// Longest path first, then an exact host before a wildcard, then the longer host.
    pub(super) fn rank(&self) -> (usize, bool, usize) {
        let depth = self.root.path().map_or(0, |path| path.split('/').count());
        (depth, !self.subdomains, self.root.host().len())
    }

    pub(super) fn covers(&self, target: &Target) -> bool {
        covers(&self.root, self.subdomains, target)
    }

    /// Whether some of what it covers is at the target's origin.
    pub(super) fn shares(&self, target: &Target) -> bool {
        covers(&self.root.without_path(), self.subdomains, target)
    }
}

/// Whether a place lies within a root, or within it on a subdomain where those are meant.
pub(super) fn covers(root: &Target, subdomains: bool, target: &Target) -> bool {
    if !subdomains {
        return target.is_within(root);
    }
    let below = target
        .host()
        .strip_suffix(root.host())
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
    let moved = target.with_host_of(root);
    below && moved.is_within(root)
}

/// The opened index.
pub(super) struct Index {
    file: Source,
    wildcards: bool,
    ends: Vec<u32>,
    directory: PathBuf,
}

/// The bytes of an index: on disk, or just built.
enum Source {
    Disk(File),
    Built(Vec<u8>),
}

impl Source {
    fn read(&self, at: usize, len: usize) -> Option<Vec<u8>> {
        match self {
            Source::Disk(file) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, at as u64).ok()?;
                Some(bytes)
            }
            Source::Built(bytes) => bytes.get(at..at.checked_add(len)?).map(<[u8]>::to_vec),
        }
    }
}

impl Index {
    /// The index of a directory of provider files, made again if it is old; none where there is no such directory.
    ///
    /// # Errors
    /// When the directory or a file in it belongs to somebody else or can be written by others.
    pub(super) fn load(world: &World, directory: &Path, path: &Path) -> Result<Option<Index>> {
        let Some(stamp) = directory_stamp(directory)? else {
            return Ok(None);
        };
        match Index::open(directory, path, stamp) {
            Some(index) => Ok(Some(index)),
            None => Index::build(world, directory, path).map(Some),
        }
    }

    fn open(directory: &Path, path: &Path, stamp: Stamp) -> Option<Index> {
        let file = disk::open(path, OFlags::NOFOLLOW).ok()?;
        let metadata = file.metadata().ok()?;
        check_owner(&metadata, path).ok()?;
        let (index, made_for) = Index::parse(Source::Disk(file), metadata.len(), directory)?;
        (metadata.is_file() && made_for == stamp).then_some(index)
    }

    /// The index in these bytes, so many of them, and the state of the directory when it was made; none where they are
    /// damaged.
    fn parse(file: Source, len: u64, directory: &Path) -> Option<(Index, Stamp)> {
        let head = file.read(0, HEAD)?;
        let (table, sum) = head.split_at(TABLE);
        if !table.starts_with(MAGIC) || sum != fnv(table).to_le_bytes() {
            return None;
        }
        let numbers: Vec<u32> = table[32..]
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        let (wildcards, ends) = (numbers[0] != 0, numbers[1..].to_vec());
        let whole = HEAD as u64 + u64::from(*ends.last()?);
        if !ends.is_sorted() || len != whole {
            return None;
        }
        let index = Index {
            file,
            wildcards,
            ends,
            directory: directory.into(),
        };
        Some((index, read_stamp(&table[8..32])))
    }

    /// Reads all provider files and writes the index. A wrong file holds its places; `provider check` says why.
    ///
    /// # Errors
    /// As [`Index::load`].
    pub(super) fn build(world: &World, directory: &Path, path: &Path) -> Result<Index> {
        let now = world.now().unix().saturating_mul(1_000_000_000);
        let stamp = directory_stamp(directory)?.unwrap_or_default();
        let mut claims = Vec::new();
        let files = files(directory).doing("listing the provider files")?;
        let (is_few, mut listed) = (files.len() <= FEW, Vec::new());
        for (name, file) in files {
            if is_few {
                listed.push((name.clone(), settled(stamp_of(&file), now)));
            }
            let (bytes, stamp) = match disk::read_bytes(&file) {
                Ok(Some(read)) => read,
                Err(error) if error.class == Class::Store => return Err(error),
                Ok(None) | Err(_) => continue,
            };
            let stamp = settled(stamp, now);
            let provider = std::str::from_utf8(&bytes).ok();
            let provider = provider.and_then(|text| Provider::parse(text, &name, &file.display().to_string()).ok());
            claims.extend(match provider {
                Some(provider) => provider::claims(&provider, stamp),
                None => held::claims(&String::from_utf8_lossy(&bytes), &name, stamp),
            });
        }
        let bytes = encode(&claims, &listed, settled(stamp, now));
        // A state directory that cannot be written costs time at each call, never an answer.
        let _ = write(path, &bytes);
        let len = bytes.len() as u64;
        let parsed = Index::parse(Source::Built(bytes), len, directory);
        parsed
            .map(|(index, _)| index)
            .ok_or_else(|| Error::failure("BUG: the index just made is wrong"))
    }

    /// All claims that cover a target, or share its origin; none where the index is damaged.
    pub(super) fn claims(&self, target: &Target, fits: fn(&Claim, &Target) -> bool) -> Option<Vec<Claim>> {
        let mut claims = self.bucket(&target.origin(), false)?;
        if self.wildcards {
            let mut parent = target.host();
            while let Some((_, rest)) = parent.split_once('.') {
                parent = rest;
                if let Ok(above) = Target::from_parts(target.scheme(), parent, None) {
                    claims.extend(self.bucket(&target.with_host_of(&above).origin(), true)?);
                }
            }
        }
        claims.retain(|claim| fits(claim, target));
        Some(claims)
    }

    fn bucket(&self, origin: &str, subdomains: bool) -> Option<Vec<Claim>> {
        let mut claims: Vec<Claim> = self.lines(bucket_of(origin))?;
        claims.retain(|claim| claim.subdomains == subdomains && claim.root.origin() == origin);
        Some(claims)
    }

    /// What a bucket, or the list of files behind them, has; none where it is damaged.
    fn lines<T: DeserializeOwned>(&self, at: usize) -> Option<Vec<T>> {
        let (start, end) = (self.ends[at] as usize, self.ends[at + 1] as usize);
        if start == end {
            return Some(Vec::new());
        }
        let bytes = self.file.read(HEAD + start, end - start)?;
        let (sum, lines) = bytes.split_at_checked(SUM)?;
        if sum != fnv(lines).to_le_bytes() {
            return None;
        }
        let lines = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Whether nothing that was edited in place could claim more, or better, than these claims, as far as that is looked
    /// at: where they are none, and where there are many files, it is not.
    pub(super) fn is_current(&self, claims: &[Claim]) -> bool {
        claims.is_empty() || (claims.iter().all(|claim| self.is_read(claim)) && self.has_seen_all())
    }

    /// Whether all provider files are as they were read, where they are few.
    fn has_seen_all(&self) -> bool {
        let is_seen = |(name, stamp): &(String, Stamp)| stamp_of(&self.place(name)) == *stamp;
        self.lines(BUCKETS).is_some_and(|files| files.iter().all(is_seen))
    }

    /// Whether the file behind a claim is still the one that was read.
    fn is_read(&self, claim: &Claim) -> bool {
        let path = self.place(&claim.provider);
        std::fs::metadata(&path)
            .is_ok_and(|metadata| Stamp::of(&metadata) == claim.stamp && check_owner(&metadata, &path).is_ok())
    }

    fn place(&self, provider: &str) -> PathBuf {
        self.directory.join(format!("{provider}.toml"))
    }
}

/// The state of a file; that of no file where there is none.
fn stamp_of(path: &Path) -> Stamp {
    std::fs::metadata(path).map_or_else(|_| Stamp::default(), |metadata| Stamp::of(&metadata))
}

/// A stamp that a later change is sure to differ from: one so fresh that it may not is as none.
fn settled(stamp: Stamp, now: i64) -> Stamp {
    // The clock is read in whole seconds. A time that lies ahead of it was set on purpose, and a change sets another.
    let racy = now.saturating_sub(RACY_NANOS)..now.saturating_add(1_000_000_000 + RACY_NANOS);
    if racy.contains(&stamp.mtime) {
        Stamp::default()
    } else {
        stamp
    }
}

/// Whether a provider file was written after the index, in place, so that the directory did not tell.
pub(super) fn outdated(directory: &Path, path: &Path) -> bool {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(made) = modified(path) else { return true };
    let newer = |(_, file): &(String, PathBuf)| modified(file).is_ok_and(|written| written >= made);
    files(directory).is_ok_and(|files| files.iter().any(newer))
}

/// The provider files of a directory: name and path of each `NAME.toml`, in no order. None where there is no directory.
pub(super) fn files(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = all_files(directory)?;
    files.retain(|(stem, _)| super::profile::check_name("provider", stem).is_ok());
    Ok(files)
}

/// The same with those whose name is no provider's.
pub(super) fn all_files(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Error::store(format!(
                "reading {}: {}",
                directory.display(),
                error.kind()
            )));
        }
    };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|end| end == "toml") {
            files.push((stem.to_owned(), path.clone()));
        }
    }
    Ok(files)
}

fn bucket_of(origin: &str) -> usize {
    let hash = fnv(origin.as_bytes());
    (hash ^ (hash >> 32)) as usize % BUCKETS
}

/// FNV-1a: spreads origins over buckets and finds chance damage, nothing more.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| {
        (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn read_stamp(bytes: &[u8]) -> Stamp {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes are eight bytes"));
    Stamp {
        mtime: number(0).cast_signed(),
        size: number(8),
        inode: number(16),
    }
}

fn encode(claims: &[Claim], files: &[(String, Stamp)], stamp: Stamp) -> Vec<u8> {
    let mut buckets = vec![Vec::new(); BUCKETS + 1];
    for claim in claims {
        push(&mut buckets[bucket_of(&claim.root.origin())], claim);
    }
    for file in files {
        push(&mut buckets[BUCKETS], file);
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(stamp.mtime.to_le_bytes());
    bytes.extend(stamp.size.to_le_bytes());
    bytes.extend(stamp.inode.to_le_bytes());
    bytes.extend(u32::from(claims.iter().any(|claim| claim.subdomains)).to_le_bytes());
    let mut end = 0_u32;
    bytes.extend(end.to_le_bytes());
    for bucket in &mut buckets {
        if !bucket.is_empty() {
            let sum = fnv(bucket).to_le_bytes();
            bucket.splice(..0, sum);
        }
        end += u32::try_from(bucket.len()).expect("provider files are far smaller than 4 GiB");
        bytes.extend(end.to_le_bytes());
    }
    bytes.extend(fnv(&bytes).to_le_bytes());
    bytes.extend(buckets.concat());
    bytes
}

/// Adds a line.
fn push(lines: &mut Vec<u8>, row: &impl Serialize) {
    lines.extend(serde_json::to_vec(row).expect("a row has only texts and numbers"));
    lines.push(b'\n');
}

/// Replaces the index in one rename; it holds no secret and need not survive a power cut.
///
/// There is one temporary file, so that what a killed writer left is used by the next one. Only who has its lock may
/// write it; whoever comes second leaves the index to the first.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let temporary = directory.join(".index.tmp");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&temporary)?;
    file.try_lock()?;
    // The first may have given it its name between our opening and our lock: then it is the index itself.
    if std::fs::metadata(&temporary)?.ino() != file.metadata()?.ino() {
        return Ok(());
    }
    let written = file.set_len(0).and_then(|()| file.write_all(bytes));
    let renamed = written.and_then(|()| std::fs::rename(&temporary, path));
    renamed.inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}
