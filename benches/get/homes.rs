//! Directories with as many records and provider files as a measurement asks for.
//!
//! Nobody stores a hundred thousand records by starting a hundred thousand processes: one is stored by keyfob, and its file is
//! laid out again under other names. `get` of the first never reads the others; that their content does not belong to their
//! name is of no concern here. It must not know what a record's file holds.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::build::scratch;
use crate::case::{Case, HOST, holds, stored};
use crate::timing::Random;

/// A directory that is removed when dropped.
pub(crate) struct Home(PathBuf);

impl Home {
    /// An empty one.
    pub(crate) fn empty(name: &str) -> Result<Home> {
        let path = scratch().join("homes").join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .context("a home directory")?;
        Ok(Home(path))
    }

    /// One with the benchmark's credential.
    pub(crate) fn with_one(name: &str, keyfob: &Path) -> Result<Home> {
        let home = Home::empty(name)?;
        Case::keyfob_store(keyfob, home.path(), HOST).must_run()?;
        Ok(home)
    }

    /// One with the benchmark's credential among others, `count` in all.
    pub(crate) fn with_records(name: &str, keyfob: &Path, count: usize) -> Result<Home> {
        let home = Home::with_one(name, keyfob)?;
        let slot = home.slot()?;
        let content = fs::read(&slot).context("the stored record")?;
        let records = home.records();
        let mut directories = DirBuilder::new();
        directories.recursive(true).mode(0o700);
        let mut random = Random::new();
        for _ in 1..count {
            let group = format!("{:016x}{:016x}", random.next(), random.next());
            let directory = records.join(&group[..2]).join(&group[2..]);
            directories.create(&directory).context("a record's directory")?;
            let file = directory.join(format!("{:016x}{:016x}", random.next(), random.next()));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
            file.write_all(&content)?;
        }
        Ok(home)
    }

    /// One with the benchmark's credential and `count` provider files that claim other targets.
    pub(crate) fn with_providers(name: &str, keyfob: &Path, count: usize) -> Result<Home> {
        let home = Home::with_one(name, keyfob)?;
        let directory = home.path().join("config/providers");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .context("the providers' directory")?;
        for number in 0..count {
            let text = format!(
                "format = 1\nname = \"p{number}\"\ntitle = \"Provider {number}\"\n\n[login]\nflow = \"key\"\n\n\
                 [[target]]\nurl = \"https://p{number}.example\"\nscheme = \"bearer\"\n\n\
                 [env]\nvariables = [\"P{number}_TOKEN\"]\n"
            );
            fs::write(directory.join(format!("p{number}.toml")), text).context("a provider file")?;
        }
        // Whatever keyfob derives from these files, it may derive now: what is measured is the road after that.
        let mut list = Case::keyfob_get("list", keyfob, home.path());
        list.args = vec!["provider".into(), "list".into()];
        list.run()?;
        Ok(home)
    }

    /// One whose record is sealed, its data key in the kernel's keyring; made in a session bus of its own with a keychain.
    ///
    /// # Errors
    ///
    /// In words what is missing, when no keychain can be had here or the record was not sealed.
    pub(crate) fn sealed(name: &str, keyfob: &Path) -> Result<Home> {
        let home = Home::empty(name)?;
        // The keychain's daemon would outlive its bus, so it is asked for its id and ended.
        let script = "printf '%s' canary-keychain | gnome-keyring-daemon --unlock --components=secrets >/dev/null && \
                      \"$0\" store; status=$?; \
                      id=$(dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
                      org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets | \
                      sed -n 's/.*uint32 //p'); \
                      kill $id; exit $status";
        let mut command = Command::new("dbus-run-session");
        command.args(["--", "sh", "-c", script]).arg(keyfob).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for variable in ["HOME", "XDG_RUNTIME_DIR", "KEYFOB_HOME"] {
            command.env(variable, home.path());
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("dbus-run-session is not installed")?;
        // The first reader of this pipe is the shell's last command: the keychain reads its own.
        child
            .stdin
            .take()
            .context("stdin")?
            .write_all(stored(HOST).as_bytes())?;
        if !child.wait()?.success() {
            bail!("a private session bus with gnome-keyring could not store");
        }
        if holds(&fs::read(home.slot()?)?, crate::case::SECRET) {
            bail!("the keychain of a private session bus did not answer; the record is a plain file");
        }
        home.sealed_get("check", keyfob)
            .check()
            .context("the data key is not in the kernel's keyring")?;
        Ok(home)
    }

    /// `get` of a sealed record, without any session bus.
    pub(crate) fn sealed_get(&self, name: &str, keyfob: &Path) -> Case {
        Case::keyfob_get(name, keyfob, self.path()).without("KEYFOB_KEYCHAIN")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn records(&self) -> PathBuf {
        self.0.join("data/records")
    }

    /// The file of the only record.
    pub(crate) fn slot(&self) -> Result<PathBuf> {
        let mut place = self.records();
        while place.is_dir() {
            let mut entries = fs::read_dir(&place)?;
            place = entries
                .next()
                .with_context(|| format!("nothing in {}", place.display()))??
                .path();
        }
        if !place.is_file() {
            bail!("keyfob stored nothing below {}", self.records().display());
        }
        Ok(place)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
