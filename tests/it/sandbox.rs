//! A temporary home in which programs run with a cleared environment, and nothing that the machine has is reached.
//!
//! Every run has a deadline, and a run whose stderr holds a fixture's secret fails: all of them contain `canary`.
//! It knows no command of keyfob but those with which a session is made.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::issuer::Issuer;

pub use crate::run::{Output, Run, Running};

/// A temporary home, removed when dropped.
pub struct Sandbox {
    dir: PathBuf,
    keyfob: PathBuf,
    vars: BTreeMap<OsString, OsString>,
    mounted: bool,
}

impl Sandbox {
    /// A home for the program under test.
    #[cfg(test)]
    pub fn new() -> Sandbox {
        Sandbox::of(Path::new(env!("CARGO_BIN_EXE_keyfob")))
    }

    /// A home for this keyfob.
    pub fn of(keyfob: &Path) -> Sandbox {
        let number = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let dir = std::env::temp_dir().join(format!("keyfob-sandbox-{}-{number:016x}", std::process::id()));
        std::fs::create_dir(&dir).expect("the temporary directory can be written");
        let dir = dir.canonicalize().expect("the directory was just made");
        let mut sandbox = Sandbox {
            keyfob: keyfob.into(),
            vars: BTreeMap::new(),
            mounted: false,
            dir,
        };
        let home = sandbox.path().to_path_buf();
        for (name, value) in [
            ("HOME", home.clone()),
            ("KEYFOB_HOME", home.join("keyfob")),
            ("GIT_CONFIG_GLOBAL", home.join("gitconfig")),
            ("DOCKER_CONFIG", home.join("docker")),
            ("TMPDIR", home.clone()),
        ] {
            sandbox.set(name, value);
        }
        for (name, value) in [
            ("KEYFOB_KEYCHAIN", "off"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ] {
            sandbox.set(name, value);
        }
        // Where programs are is all that a run takes from the machine; Windows starts none without its own directory.
        for name in ["PATH", "SystemRoot"] {
            if let Some(value) = std::env::var_os(name) {
                sandbox.set(name, value);
            }
        }
        sandbox
    }

    /// A home on a file system of its own of this size; none, loudly, where that cannot be mounted.
    #[cfg(test)]
    pub fn tiny(kib: u32) -> Option<Sandbox> {
        let mut sandbox = Sandbox::new();
        let options = format!("size={kib}k,mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&sandbox.dir);
        sandbox.mounted = mount.output().is_ok_and(|output| output.status.success());
        if !sandbox.mounted {
            crate::part::skipped("a full disk", "a small file system cannot be mounted here");
        }
        sandbox.mounted.then_some(sandbox)
    }

    /// The home.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The directory that `KEYFOB_HOME` names.
    pub fn keyfob_home(&self) -> PathBuf {
        self.dir.join("keyfob")
    }

    /// Another program under test from now on.
    pub fn use_program(&mut self, keyfob: &Path) {
        self.keyfob = keyfob.into();
    }

    /// The program under test.
    pub fn keyfob_path(&self) -> &Path {
        &self.keyfob
    }

    /// A variable of all later runs.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.vars.insert(name.into(), value.into());
    }

    /// A variable that later runs do not have.
    pub fn unset(&mut self, name: &str) {
        self.vars.remove(OsStr::new(name));
    }

    /// Writes a file below the home, with its directories.
    pub fn write(&self, below: &str, content: &str) -> PathBuf {
        let path = self.dir.join(below);
        let parent = path.parent().expect("a file below the home has a parent");
        std::fs::create_dir_all(parent).expect("the home can be written");
        std::fs::write(&path, content).expect("the home can be written");
        path
    }

    /// A run of keyfob.
    pub fn keyfob(&self, args: &[&str]) -> Run {
        self.program(&self.keyfob, args)
    }

    /// A run of any program.
    pub fn program(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Run {
        Run::new(program.as_ref(), args, self.vars.clone(), &self.dir)
    }

    /// The provider `acme` at this issuer, for `https://acme.example`.
    pub fn provider(&self, issuer: &Issuer) -> PathBuf {
        self.provider_for(issuer, &[("https://acme.example", "basic")])
    }

    /// The provider `acme` at this issuer, for these URLs, each with its scheme.
    pub fn provider_for(&self, issuer: &Issuer, targets: &[(&str, &str)]) -> PathBuf {
        let mut text = oauth_part(&issuer.url());
        for (url, scheme) in targets {
            writeln!(text, "\n[[target]]\nurl = \"{url}\"\nscheme = \"{scheme}\"").expect("a String grows");
            if *scheme == "basic" {
                text += "username = \"oauth2\"\n";
            }
        }
        self.write_provider("acme", &text)
    }

    /// A provider file with this text.
    pub fn write_provider(&self, name: &str, text: &str) -> PathBuf {
        self.write(&format!("keyfob/config/providers/{name}.toml"), text)
    }

    /// Logs in at the issuer, which approves at once.
    pub fn login(&self, issuer: &Issuer) {
        let before = issuer.families().len();
        self.keyfob(&["login", "acme", "--no-browser"]).run().expect_success();
        assert_eq!(issuer.families().len(), before + 1, "the login made one session");
    }

    /// Logs in, and comes back when the access token has ended; later ones live as long as the script said.
    ///
    /// The record is as old as it says: a token of one second, and a wait of one second.
    pub fn login_expired(&self, issuer: &Issuer) {
        let mut usual = 0;
        issuer.script(|script| usual = std::mem::replace(&mut script.life_secs, 1));
        self.login(issuer);
        issuer.script(|script| script.life_secs = usual);
        std::thread::sleep(Duration::from_millis(1100));
    }

    /// The secret that `keyfob token acme` prints.
    pub fn token(&self) -> String {
        self.keyfob(&["token", "acme"])
            .run()
            .expect_success()
            .text()
            .trim_end()
            .into()
    }

    /// Starts `count` runs of `keyfob token acme` at once and waits for all.
    pub fn tokens_at_once(&self, count: usize) -> Vec<Output> {
        let started: Vec<Running> = (0..count)
            .map(|_| {
                let run = self.keyfob(&["token", "acme"]);
                // Each waits for the holder of the lock, and the machine for all of them.
                run.deadline(Duration::from_secs(60)).spawn()
            })
            .collect();
        started.into_iter().map(Running::wait).collect()
    }

    /// Every file below the directory that `KEYFOB_HOME` names, with its content.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut left = vec![self.keyfob_home()];
        while let Some(dir) = left.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => left.push(path),
                    Ok(kind) if kind.is_file() => {
                        let content = std::fs::read(&path).unwrap_or_default();
                        found.insert(path, content);
                    }
                    _ => (),
                }
            }
        }
        found
    }

    /// The files of [`Sandbox::files`] that hold this text.
    pub fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let holds = |content: &[u8]| content.windows(text.len()).any(|part| part == text.as_bytes());
        let files = self.files().into_iter();
        files
            .filter(|(_, content)| holds(content))
            .map(|(path, _)| path)
            .collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.dir).output();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The provider file `acme` up to its targets.
pub fn oauth_part(issuer: &str) -> String {
    format!(
        r#"format = 1
name = "acme"
title = "Acme"

[login]
flow = "device"

[oauth]
device_authorization_endpoint = "{issuer}/device"
token_endpoint = "{issuer}/token"
revocation_endpoint = "{issuer}/revoke"
client_id = "acme-cli"
scopes = ["repo"]

[whoami]
url = "{issuer}/userinfo"
subject = "/sub"

[env]
variables = ["ACME_TOKEN"]

[key]
prefix = "acme_"
"#
    )
}
