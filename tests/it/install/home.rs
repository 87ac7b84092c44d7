//! A home with a configuration of every tool, each as odd as people write them, and programs of these names.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::run::Run;
use crate::sandbox::Sandbox;

/// What lies at a path: its mode and content, or where a link leads.
pub(super) type Files = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// The configurations: path below the home, mode, content. All but git's lie where their names say; that one is a link.
pub(super) const CONFIGURATIONS: &[(&str, u32, &str)] = &[
    (
        ".gitconfig",
        0o640,
        "# mine\r\n[user]\r\n\tname = Ann ; not Bob\r\n[credential]\r\n  helper = store\r\n\thelper =\tcache --timeout 9\r\n[alias]\r\n\tx = y",
    ),
    (
        ".docker/config.json",
        0o600,
        "{\"auths\":{\"a.example\":{\"auth\" : \"canary\"}} ,\r\n\t\"credsStore\":\"desktop\",\"HttpHeaders\": { }\r\n}\r\n\r\n",
    ),
    (
        ".cargo/config.toml",
        0o644,
        "# c\n[build]   # d\n jobs=2\n\n[registry]\nglobal-credential-providers = [ # e\n  'cargo:token', # f\n]\ntoken = \"canary\"\n[registries.x]\nindex = 'y'\n\n# end",
    ),
    (
        ".kube/config",
        0o600,
        "# k\napiVersion: v1\nkind: Config\ncurrent-context: \"c\" # now\ncontexts:\n  - context: {cluster: x, user: ann} # d\n    name: c\nusers:\n  - name: ann\n    user:\n      token: canary # t\n\nclusters:\n  - name: x\n    cluster: {server: \"https://k.example\"}\n# end\n",
    ),
    (
        ".aws/config",
        0o600,
        "\u{feff}[default]\n  region=eu-central-1\n\n  [profile acme]\n  # a comment\n  output = json\n  credential_process : /opt/other canary\n  s3 =\n    max_queue_size = 9\n\n[profile z]\n",
    ),
    (
        ".terraformrc",
        0o644,
        "// t\nplugin_cache_dir   = \"$HOME/.cache\" # p\ncredentials_helper \"other\" {\n  args = [ \"}\" , \"word\" ]\n} # q\ncredentials \"h.example\" { token = \"canary\" }\n",
    ),
    (
        ".bazelrc",
        0o664,
        "# b\nbuild --jobs=4 \\\n  --color=no\ncommon --credential_helper=acme.example=/opt/x\nquery --x \\",
    ),
    (".config/go/env", 0o644, "GOFLAGS=-mod=mod\nGOAUTH=off\n\nGONOSUMDB=x"),
    (
        ".config/pip/pip.conf",
        0o644,
        "; p\n[global]\nindex-url = https://ann:canary@pip.example/simple\nKEYRING_PROVIDER: disabled\nextra-index-url =\n    a\n\n    b\n[install]\n",
    ),
    (
        ".config/uv/uv.toml",
        0o644,
        "\n\n# u\nkeyring-provider='disabled' # v\n\t\n[[index]]\nurl = \"https://ann:canary@uv.example\"\n",
    ),
    (
        ".npmrc",
        0o600,
        ";n\r\n//acme.example/:_authToken=canary\r\nregistry = https://npm.example/\r\n//npm.example/:_authToken=canary",
    ),
    (".vault", 0o600, "/* v */ token_helper   =  \"/opt/x\" // w\n\n"),
    (
        ".ansible.cfg",
        0o644,
        "[defaults]\nvault_identity_list = a@/b, ; mine\n   # the other\n\n   c@/d\n# z\n[x]\ny = 1\n",
    ),
];

/// The programs that a tool is recognised by, which are not on every machine.
const STUBS: [&str; 16] = [
    "ansible-vault",
    "aws",
    "bazel",
    "cargo",
    "docker",
    "dotnet",
    "git",
    "go",
    "kubectl",
    "pip",
    "pnpm",
    "podman",
    "ssh",
    "terraform",
    "uv",
    "vault",
];

/// A home.
pub(super) struct Home {
    pub(super) sandbox: Sandbox,
}

impl Home {
    /// A home with nothing but a provider file and keyfob on `PATH`.
    pub(super) fn empty() -> Home {
        let mut sandbox = Sandbox::new();
        for name in ["GIT_CONFIG_GLOBAL", "DOCKER_CONFIG"] {
            sandbox.unset(name);
        }
        let (bin, stubs) = (sandbox.path().join("bin"), sandbox.path().join("stubs"));
        for directory in [&bin, &stubs] {
            std::fs::create_dir(directory).unwrap();
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink(sandbox.keyfob_path(), bin.join("keyfob")).unwrap();
        for name in STUBS {
            // The real one comes first on PATH where there is one.
            symlink("/bin/false", stubs.join(name)).unwrap();
        }
        let path = std::env::var_os("PATH").unwrap();
        let directories = [bin].into_iter().chain(std::env::split_paths(&path)).chain([stubs]);
        sandbox.set("PATH", std::env::join_paths(directories).unwrap());
        sandbox.write_provider("acme", PROVIDER);
        Home { sandbox }
    }

    /// A home with a configuration of every tool.
    pub(super) fn full() -> Home {
        let home = Home::empty();
        for (name, mode, content) in CONFIGURATIONS {
            let below = if *name == ".gitconfig" {
                "dotfiles/gitconfig"
            } else {
                name
            };
            let path = home.sandbox.write(below, content);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        symlink("dotfiles/gitconfig", home.path(".gitconfig")).unwrap();
        home
    }

    /// A run of keyfob, as it is found on `PATH`.
    pub(super) fn keyfob(&self, args: &[&str]) -> Run {
        let run = self.sandbox.program(self.path("bin/keyfob"), args);
        run.deadline(std::time::Duration::from_secs(120))
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.sandbox.path().join(below)
    }

    pub(super) fn read(&self, below: &str) -> String {
        std::fs::read_to_string(self.path(below)).unwrap()
    }

    /// Somebody else's change.
    pub(super) fn append(&self, below: &str, text: &str) {
        let old = self.read(below);
        std::fs::write(self.path(below), old + text).unwrap();
    }

    /// Everything in the home but what keyfob keeps, which is not the tools' business.
    pub(super) fn look(&self) -> Files {
        let mut found = Files::new();
        let mut left = vec![self.sandbox.path().to_owned()];
        while let Some(directory) = left.pop() {
            for entry in std::fs::read_dir(directory).unwrap().flatten() {
                let (path, metadata) = (entry.path(), entry.metadata().unwrap());
                let name = entry.file_name();
                if path == self.sandbox.keyfob_home() || name == "strace.log" {
                    continue;
                }
                let content = if metadata.is_symlink() {
                    std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                } else if metadata.is_dir() {
                    left.push(path.clone());
                    Vec::new()
                } else {
                    std::fs::read(&path).unwrap()
                };
                found.insert(path, (metadata.permissions().mode(), content));
            }
        }
        found
    }

    /// That the home is as it was then.
    pub(super) fn assert_is(&self, before: &Files) {
        let now = self.look();
        let names = |one: &Files, other: &Files| {
            let differ = one.iter().filter(|(path, state)| other.get(*path) != Some(state));
            differ.map(|(path, _)| path.clone()).collect::<Vec<_>>()
        };
        let (gone, new) = (names(before, &now), names(&now, before));
        assert!(gone.is_empty() && new.is_empty(), "was: {gone:#?}\nis: {new:#?}");
    }
}

/// Whether a real program of this name is on the machine; said where not.
pub(super) fn has(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).any(|directory: PathBuf| Path::new(&directory).join(name).is_file())
}

pub(super) const PROVIDER: &str = r#"format = 1
name = "acme"
title = "Acme"

[login]
flow = "key"

[[target]]
url = "https://acme.example"
scheme = "bearer"

[[target]]
url = "https://*.wide.example"
scheme = "bearer"

[[target]]
url = "https://npm.example/team/registry"
scheme = "bearer"
tools = ["pnpm"]
"#;
