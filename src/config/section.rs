//! The tables of a provider file that a mode may repeat: one file a table, one line in `sections`.
//!
//! A table's file has its words as TOML spells them, its valid values, and how the one becomes the other. A key that a
//! mode does not repeat is the whole file's, one that the file does not repeat is its preset's.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A text with its place in the file.
pub(super) type Text = Spanned<String>;

/// The words of one table, all of which may be absent; a word in brackets is a table with words of its own.
macro_rules! words {
    ($($(#[$note:meta])* $key:ident: $kind:ty,)* $([$table:ident]: $words:ty,)*) => {
        /// The table as TOML spells it.
        #[derive(Debug, Default, Clone, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::config) struct Words {
            $($(#[$note])* pub $key: Option<$kind>,)*
            $(#[serde(default)] pub $table: $words,)*
        }

        impl Words {
            /// Each key of `self`, else that of `base`.
            pub(in crate::config) fn over(&self, base: &Words) -> Words {
                Words {
                    $($key: self.$key.clone().or_else(|| base.$key.clone()),)*
                    $($table: self.$table.over(&base.$table),)*
                }
            }
        }
    };
}

/// Makes the whole file, the part of a mode and what they have in common.
macro_rules! sections {
    ($($name:ident),* $(,)?) => {
        $(pub(super) mod $name;)*

        /// All tables that a mode may repeat.
        #[derive(Debug, Clone)]
        pub(super) struct Parts {
            $(pub $name: $name::Words,)*
        }

        impl Parts {
            /// Key by key: those of `self`, else those of `base`.
            pub(super) fn over(&self, base: &Parts) -> Parts {
                Parts { $($name: self.$name.over(&base.$name),)* }
            }
        }

        /// A whole provider file.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct File {
            pub format: Option<Spanned<u32>>,
            pub name: Option<Text>,
            pub title: Option<String>,
            pub preset: Option<Text>,
            #[serde(default)]
            pub instance: BTreeMap<Text, Text>,
            pub store: Option<Text>,
            pub persist: Option<Text>,
            #[serde(default)]
            pub login: Login,
            pub program: Option<program::Words>,
            $(#[serde(default)] pub $name: $name::Words,)*
            pub target: Option<Vec<TargetPart>>,
            #[serde(default)]
            pub mode: BTreeMap<Text, ModePart>,
        }

        impl File {
            /// Its tables.
            pub(super) fn parts(&self) -> Parts {
                Parts { $($name: self.$name.clone(),)* }
            }

            /// This file over its preset: what it says wins, key by key; its targets and its modes replace the preset's.
            pub(super) fn over(self, base: File) -> File {
                let Parts { $($name,)* } = self.parts().over(&base.parts());
                File {
                    format: self.format,
                    name: self.name,
                    title: self.title.or(base.title),
                    preset: self.preset,
                    instance: self.instance,
                    store: self.store.or(base.store),
                    persist: self.persist.or(base.persist),
                    login: self.login.over(&base.login),
                    program: match (self.program, base.program) {
                        (Some(own), Some(base)) => Some(own.over(&base)),
                        (own, base) => own.or(base),
                    },
                    $($name,)*
                    target: self.target.or(base.target),
                    mode: if self.mode.is_empty() { base.mode } else { self.mode },
                }
            }
        }

        /// `[mode.NAME]`: what differs from the rest of the file.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct ModePart {
            $(#[serde(default)] pub $name: $name::Words,)*
            pub target: Option<Vec<TargetPart>>,
        }

        impl ModePart {
            /// Its tables.
            pub(super) fn parts(&self) -> Parts {
                Parts { $($name: self.$name.clone(),)* }
            }
        }
    };
}

/// The call that other tables have in them.
pub(super) mod call;

sections! { aws, context, env, grant, key, mfa, oauth, otp, password, place, poll, refresh, service, signing, sync, whoami }

pub(super) mod program;
pub(super) mod redirect;

/// `[login]`, which is the whole file's.
pub(super) use login::Words as Login;

mod login {
    use super::Text;

    words! {
        flow: Text,
        default_mode: Text,
        register: Text,
        revoke: Text,
    }
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
