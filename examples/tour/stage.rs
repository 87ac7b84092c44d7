//! What the tour plays on: the servers, the temporary home, the program, and what is installed on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::git_server::{self, Scheme};
use crate::http_server::Server;
use crate::issuer::{DeviceEnd, Issuer, Script};
use crate::registry;
use crate::sandbox::{Output, Run, Sandbox};
use crate::story::Story;

/// Everything that a step needs.
pub struct Stage {
    /// Where it is told.
    pub story: Story,
    /// The issuer of tokens.
    pub issuer: Issuer,
    /// The temporary home.
    pub sandbox: Sandbox,
    /// The container registry.
    pub registry: Server,
    /// Whether git is installed.
    pub has_git: bool,
    /// Its version, as far as it decides what can be shown.
    pub git_version: (u32, u32),
    /// Whether docker's command line is installed.
    pub has_docker: bool,
    basic: Server,
    bearer: Server,
}

impl Stage {
    /// Builds the program where it is missing, starts the servers and writes the provider file.
    pub fn set() -> Result<Stage, String> {
        let story = Story::new();
        story.says("Building keyfob itself; after the first time that takes a second.");
        let keyfob = built()?;
        let issuer = Issuer::start(Script::default());
        issuer.script(|script| script.device.end = DeviceEnd::ByPerson);
        let mut sandbox = Sandbox::of(&keyfob);
        let repositories = sandbox.path().join("repositories");
        let basic = git_server::start(repositories.clone(), Scheme::Basic, issuer.checker());
        let bearer = git_server::start(repositories, Scheme::Bearer, issuer.checker());
        let registry = registry::start(issuer.checker());
        story.step("Servers on this machine, and a provider file");
        for (what, url) in [
            ("issuer", issuer.url()),
            ("git", basic.url()),
            ("registry", registry.url()),
        ] {
            story.says(&format!("{what:<9}{url}"));
        }
        let https = format!("https://{}", registry.host());
        let file = sandbox.provider_for(
            &issuer,
            &[
                (&basic.url(), "basic"),
                (&bearer.url(), "bearer"),
                (&registry.url(), "basic"),
                // docker does not say how it reaches a registry; keyfob takes it for https.
                (&https, "basic"),
            ],
        );
        let length = std::fs::read_to_string(file)
            .map_err(|error| error.to_string())?
            .lines()
            .count();
        story.says(&format!(
            "provider acme.toml, {length} lines: all that keyfob knows of these servers"
        ));
        link_docker_helper(&mut sandbox, &registry.host())?;
        let git_version = git_version();
        let stage = Stage {
            has_git: git_version.is_some(),
            git_version: git_version.unwrap_or_default(),
            has_docker: Command::new("docker").arg("--version").output().is_ok(),
            story,
            issuer,
            sandbox,
            registry,
            basic,
            bearer,
        };
        if stage.has_git {
            stage.make_repository()?;
        }
        Ok(stage)
    }

    /// A run of keyfob, told.
    pub fn keyfob(&self, words: &str) -> Run {
        self.story.runs(&format!("keyfob {words}"));
        let words: Vec<&str> = words.split(' ').collect();
        self.sandbox.keyfob(&words)
    }

    /// Runs git, told. `BASIC` and `BEARER` stand for the two servers.
    pub fn git(&self, words: &str) -> Result<Output, String> {
        let words = words
            .replace("BASIC", &self.basic.url())
            .replace("BEARER", &self.bearer.url());
        self.story.runs(&format!("git {words}"));
        self.quiet_git(&words)
    }

    /// Runs git.
    pub fn quiet_git(&self, words: &str) -> Result<Output, String> {
        let words: Vec<&str> = words.split(' ').collect();
        Ok(self.sandbox.program("git", &words).run())
    }

    /// Sleeps until the last access token that was issued has ended.
    pub fn wait_for_expiry(&self) {
        let last = self
            .issuer
            .live_family()
            .and_then(|family| family.access.last().cloned());
        if let Some((_, end)) = last {
            // A tenth of a second more: keyfob began to count when the answer arrived.
            let left = (end + Duration::from_millis(100)).saturating_duration_since(Instant::now());
            self.story
                .says(&format!("waiting {:.1} s for the token to end …", left.as_secs_f32()));
            std::thread::sleep(left);
        }
    }

    /// The helper in git's configuration, and a repository with one commit.
    fn make_repository(&self) -> Result<(), String> {
        let keyfob = self.sandbox.keyfob_path().display().to_string().replace('\\', "/");
        let config = format!(
            "[user]\n\tname = Ann\n\temail = ann@acme.example\n[init]\n\tdefaultBranch = main\n\
             [credential]\n\thelper = \"!'{keyfob}' git\"\n[http]\n\tpostBuffer = 16m\n"
        );
        self.sandbox.write("gitconfig", &config);
        self.sandbox.write("seed/README", "Hello from the server.\n");
        for step in [
            "init --quiet --bare repositories/project.git",
            "-C seed init --quiet",
            "-C seed add README",
            "-C seed commit --quiet -m Begin",
            "-C seed push --quiet ../repositories/project.git HEAD:main",
        ] {
            done(&self.quiet_git(step)?)?;
        }
        Ok(())
    }
}

/// Refuses a run that did not end with 0.
pub fn done(output: &Output) -> Result<(), String> {
    let why = || format!("`{}` ended with {}:\n{}", output.name, output.status, output.stderr);
    output.status.success().then_some(()).ok_or_else(why)
}

/// Refuses what is not as it should be.
pub fn check(good: bool, otherwise: &str) -> Result<(), String> {
    good.then_some(()).ok_or_else(|| otherwise.into())
}

/// keyfob as `docker-credential-keyfob` in a directory at the front of the path, and docker's configuration.
fn link_docker_helper(sandbox: &mut Sandbox, registry: &str) -> Result<(), String> {
    let name = format!("docker-credential-keyfob{}", std::env::consts::EXE_SUFFIX);
    let bin = sandbox.path().join("bin");
    std::fs::create_dir(&bin).map_err(|error| error.to_string())?;
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(sandbox.keyfob_path(), bin.join(name));
    #[cfg(not(unix))]
    let linked = std::fs::copy(sandbox.keyfob_path(), bin.join(name)).map(drop);
    linked.map_err(|error| format!("linking the helper for docker: {error}"))?;
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&usual)));
    sandbox.set("PATH", path.map_err(|error| error.to_string())?);
    let config = serde_json::json!({ "credHelpers": { registry: "keyfob" } });
    sandbox.write("docker/config.json", &config.to_string());
    Ok(())
}

fn git_version() -> Option<(u32, u32)> {
    let output = Command::new("git").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text
        .split_whitespace()
        .nth(2)?
        .split('.')
        .map_while(|part| part.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// keyfob of the same profile, which cargo puts one directory above the examples; built if it is missing or old.
fn built() -> Result<PathBuf, String> {
    let tour = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
    let dir = tour
        .parent()
        .and_then(Path::parent)
        .ok_or("this program is not where cargo puts examples")?;
    let profile = dir.file_name().and_then(|name| name.to_str()).unwrap_or("debug");
    let profile = if profile == "debug" { "dev" } else { profile };
    let keyfob = dir.join(format!("keyfob{}", std::env::consts::EXE_SUFFIX));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--bin", "keyfob", "--profile", profile]);
    build
        .arg("--target-dir")
        .arg(dir.parent().unwrap_or(dir))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    // Where cargo itself is not installed, the program that is there has to do.
    let ended = build.status();
    if ended.is_ok_and(|status| !status.success()) || !keyfob.is_file() {
        return Err("keyfob could not be built".into());
    }
    Ok(keyfob)
}
