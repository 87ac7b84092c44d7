//! Providers that everybody knows, as the same TOML that a user would write.
//!
//! A preset claims no target until the user has a provider file: one that says `preset = "NAME"`, or the one that
//! `login` writes. So a tool's own password for a well-known host is kept like any other.

/// Name and text of each preset.
const TABLE: &[(&str, &str)] = &[
    ("github", include_str!("presets/github.toml")),
    ("gitlab", include_str!("presets/gitlab.toml")),
    ("huggingface", include_str!("presets/huggingface.toml")),
];

/// The text of a preset.
pub fn find(name: &str) -> Option<&'static str> {
    TABLE.iter().find(|(row, _)| *row == name).map(|(_, text)| *text)
}

/// The names of all presets, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Provider;

    #[test]
    fn every_preset_is_a_good_provider_once_a_client_id_is_added() {
        for (name, _) in TABLE {
            let file = format!("format = 1\npreset = \"{name}\"\n[oauth]\nclient_id = \"mine\"\n");
            let provider = Provider::parse(&file, name, "test").unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!provider.modes[0].targets.is_empty(), "{name}");
        }
        assert!(TABLE.is_sorted_by_key(|(name, _)| *name));
    }
}
