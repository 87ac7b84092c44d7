//! Providers that everybody knows, as the same TOML that a user would write.
//!
//! A preset claims no target until the user has a provider file: one that says `preset = "NAME"`, or the one that
//! `login` writes. So a tool's own password for a well-known host is kept like any other.

use super::instance;
use super::provider::Provider;
use super::section::File;
use crate::error::Error;

/// Name and text of each preset.
const TABLE: &[(&str, &str)] = &[
    ("azure-devops", include_str!("presets/azure-devops.toml")),
    ("bitbucket", include_str!("presets/bitbucket.toml")),
    ("codeberg", include_str!("presets/codeberg.toml")),
    ("forgejo", include_str!("presets/forgejo.toml")),
    ("gitea", include_str!("presets/gitea.toml")),
    ("github", include_str!("presets/github.toml")),
    ("github-enterprise", include_str!("presets/github-enterprise.toml")),
    ("gitlab", include_str!("presets/gitlab.toml")),
    ("gitlab-self-managed", include_str!("presets/gitlab-self-managed.toml")),
    ("google", include_str!("presets/google.toml")),
    (
        "google-service-account",
        include_str!("presets/google-service-account.toml"),
    ),
    ("huggingface", include_str!("presets/huggingface.toml")),
    ("microsoft", include_str!("presets/microsoft.toml")),
    ("oidc", include_str!("presets/oidc.toml")),
];

/// The text of a preset.
pub fn find(name: &str) -> Option<&'static str> {
    TABLE.iter().find(|(row, _)| *row == name).map(|(_, text)| *text)
}

/// What a preset says to a person before anything else: what to register, where, and which scopes do what.
pub fn page(name: &str) -> Option<String> {
    let text = find(name)?;
    let lines = text.lines().map_while(|line| line.strip_prefix('#'));
    Some(
        lines
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect(),
    )
}

/// The names of what a preset must be told of one's own instance of the service, unless it has a usual value.
pub fn wants(name: &str) -> impl Iterator<Item = &'static str> {
    let text = find(name).unwrap_or_default();
    let usual = toml::from_str::<File>(text)
        .map(|file| file.instance)
        .unwrap_or_default();
    instance::names()
        .filter(move |slot| text.contains(&instance::braced(slot)) && !usual.keys().any(|key| key.get_ref() == slot))
}

/// The text of the file that takes a preset into use, up to where its own tables begin.
pub fn file(name: &str) -> String {
    format!("format = 1\npreset = \"{name}\"\n")
}

/// The preset as one has it who registered an app; none where it must be told more than the client id.
pub fn with_any_client(name: &str) -> Option<Provider> {
    find(name)?;
    Provider::parse(&format!("{}[oauth]\nclient_id = \"id\"\n", file(name)), name, name).ok()
}

/// What a preset must be told before it can be used, in place of what is wrong with it until then.
pub(super) fn lacks(name: &str, error: &Error) -> Error {
    let slots: String = wants(name).map(|slot| format!(" --set {slot}=…")).collect();
    let only_id = with_any_client(name).is_some();
    let lacks = match only_id {
        true => format!("the preset `{name}` needs the client id of your OAuth app"),
        false => format!("the preset `{name}` must be told what only you know: {error}"),
    };
    let page = format!("`keyfob provider show {name}` says where to register");
    Error::usage(lacks).hint(match only_id || !slots.is_empty() {
        true => format!("run `keyfob login {name}{slots} --client-id ID`; {page}"),
        false => page,
    })
}

/// The names of all presets, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Oauth, Provider};
    use crate::target::Target;

    /// Where each preset may send anything: a host, or `.` and the domain above it.
    const HOSTS: &[(&str, &[&str])] = &[
        (
            "azure-devops",
            &[
                "login.microsoftonline.com",
                "dev.azure.com",
                "visualstudio.com",
                "app.vssps.visualstudio.com",
            ],
        ),
        ("bitbucket", &["bitbucket.org", "api.bitbucket.org"]),
        ("codeberg", &["codeberg.org"]),
        ("forgejo", &["own.example"]),
        ("gitea", &["own.example"]),
        ("github", &["github.com", "api.github.com", "ghcr.io"]),
        ("github-enterprise", &["own.example"]),
        ("gitlab", &["gitlab.com", "registry.gitlab.com"]),
        ("gitlab-self-managed", &["own.example"]),
        (
            "google",
            &[
                "accounts.google.com",
                "oauth2.googleapis.com",
                "openidconnect.googleapis.com",
                "googleapis.com",
                "pkg.dev",
            ],
        ),
        (
            "google-service-account",
            &["oauth2.googleapis.com", "googleapis.com", "pkg.dev"],
        ),
        ("huggingface", &["huggingface.co"]),
        ("microsoft", &["login.microsoftonline.com", "graph.microsoft.com"]),
        ("oidc", &["own.example"]),
    ];

    /// A provider of a preset as somebody has it who registered an app and has an instance.
    fn own(name: &str) -> Provider {
        let instance = match find(name).unwrap() {
            text if text.contains("{host}") => "[instance]\nhost = \"own.example\"\n",
            text if text.contains("{issuer}") => "[instance]\nissuer = \"https://own.example\"\n",
            _ => "",
        };
        let rest = "[oauth]\nclient_id = \"mine\"\n[signing]\nkey_file = \"/key\"\n";
        let text = format!("{}{instance}{rest}", file(name));
        Provider::parse(&text, name, "test").unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn every_preset_is_a_good_provider_of_its_own_hosts_alone() {
        assert!(TABLE.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(TABLE.len(), HOSTS.len());
        for (name, hosts) in HOSTS {
            let provider = own(name);
            assert_eq!(provider.preset.as_deref(), Some(*name));
            let mode = &provider.modes[0];
            assert!(!mode.targets.is_empty() || *name == "oidc", "{name}");
            let Oauth {
                issuer,
                authorization_endpoint,
                device_authorization_endpoint,
                token_endpoint,
                revocation_endpoint,
                ..
            } = &mode.oauth;
            let whoami = mode.whoami.as_ref().map(|whoami| &whoami.url);
            let endpoints = [
                issuer.as_ref(),
                authorization_endpoint.as_ref(),
                device_authorization_endpoint.as_ref(),
                token_endpoint.as_ref(),
                revocation_endpoint.as_ref(),
                whoami,
            ];
            let endpoints = endpoints.into_iter().flatten().map(|url| {
                let base = url.split('?').next().unwrap();
                Target::from_url(base).unwrap_or_else(|error| panic!("{name}: {url}: {error}"))
            });
            let targets = mode.targets.iter().map(|serves| serves.root.clone());
            for target in endpoints.chain(targets) {
                assert_eq!(target.scheme(), "https", "{name}: {target}");
                assert!(hosts.contains(&target.host()), "{name}: {target}");
            }
        }
    }

    #[test]
    fn what_a_preset_wants_is_what_it_has_no_usual_value_for() {
        for (name, wanted) in [
            ("github", ""),
            ("forgejo", "host"),
            ("gitlab-self-managed", "host"),
            ("microsoft", ""),
            ("oidc", "issuer"),
        ] {
            assert_eq!(wants(name).collect::<Vec<_>>().join(","), wanted, "{name}");
        }
    }

    #[test]
    fn every_preset_says_what_to_register_and_where() {
        for name in names() {
            let page = page(name).unwrap();
            assert!(page.lines().count() >= 2, "{name}: {page}");
            assert!(page.lines().all(|line| line.chars().count() <= 80), "{name}: {page}");
            let is_set = find(name).unwrap().lines().any(|line| line.starts_with("client_id"));
            assert!(!is_set, "{name} has somebody's client id");
            if name != "oidc" {
                let register = own(name).register.unwrap_or_default();
                assert!(register.starts_with("https://"), "{name}");
            }
        }
    }
}
