//! The words of a provider file, as TOML spells them. `provider.rs` turns them into valid values.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A text with its place in the file.
pub(super) type Text = Spanned<String>;

/// A whole provider file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub format: Option<Spanned<u32>>,
    pub name: Option<Text>,
    pub title: Option<String>,
    pub preset: Option<Text>,
    pub store: Option<Text>,
    #[serde(default)]
    pub login: Login,
    #[serde(default)]
    pub oauth: OauthPart,
    #[serde(default)]
    pub whoami: WhoamiPart,
    #[serde(default)]
    pub env: EnvPart,
    #[serde(default)]
    pub key: KeyPart,
    pub target: Option<Vec<TargetPart>>,
    #[serde(default)]
    pub mode: BTreeMap<Text, ModePart>,
}

/// `[login]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    pub flow: Option<Text>,
    pub default_mode: Option<Text>,
    pub register: Option<Text>,
}

/// `[mode.NAME]`: what differs from the rest of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModePart {
    #[serde(default)]
    pub oauth: OauthPart,
    #[serde(default)]
    pub whoami: WhoamiPart,
    #[serde(default)]
    pub env: EnvPart,
    #[serde(default)]
    pub key: KeyPart,
    pub target: Option<Vec<TargetPart>>,
}

/// `[oauth]`
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OauthPart {
    pub device_authorization_endpoint: Option<Text>,
    pub token_endpoint: Option<Text>,
    pub revocation_endpoint: Option<Text>,
    pub client_id: Option<Text>,
    pub client_secret: Option<Text>,
    pub scopes: Option<Vec<Text>>,
    pub audience: Option<Text>,
    pub resource: Option<Vec<Text>>,
}

/// `[whoami]`
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhoamiPart {
    pub url: Option<Text>,
    pub subject: Option<Text>,
}

/// `[env]`
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvPart {
    pub variables: Option<Vec<Text>>,
}

/// `[key]`
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyPart {
    pub prefix: Option<Text>,
}

/// `[[target]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetPart {
    pub url: Text,
    pub scheme: Option<Text>,
    pub username: Option<Text>,
    #[serde(default)]
    pub tools: Vec<Text>,
    #[serde(default)]
    pub exclusive: bool,
}
