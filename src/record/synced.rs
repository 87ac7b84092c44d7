//! A session on its way to another machine: its access token, what is known of it, and what the provider file says of
//! where it may go. Never a refresh token, a key of the client or an endpoint that would renew it.
//!
//! One keyfob writes it on the standard input of another, or of a shell that puts it into a file; it knows neither.
//! Implements `protocol.md`, section "Synced sessions".

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Group, Key, Record, place};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The form of the document. One of another version is refused.
const VERSION: u64 = 1;

/// One session, or, without a secret, the name of one that is to be taken back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Synced {
    /// The provider's name.
    pub provider: String,
    /// The mode's name; empty where the provider has none.
    #[serde(default)]
    pub mode: String,
    /// The account; absent without a secret: any.
    pub account: Option<String>,
    /// The access token.
    pub secret: Option<Secret>,
    /// When the token ends. Absent: unknown or never.
    pub expires_at: Option<Timestamp>,
    /// Granted scopes, sorted.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whom it speaks for, as the issuer calls them.
    pub subject: Option<String>,
    /// The workspace that it is used in.
    pub workspace: Option<String>,
    /// What the provider file says, for a machine that has none.
    pub about: Option<About>,
}

/// What a provider file says of where a credential goes and what it is called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The provider's name for a person.
    pub title: String,
    /// Environment variables that may hold a credential, in order.
    #[serde(default)]
    pub variables: Vec<String>,
    /// The variable under which a shell gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
    /// Where it may go.
    #[serde(default)]
    pub targets: Vec<Place>,
    /// What is asked whom it speaks for, and where in the reply that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whoami: Option<(String, String)>,
    /// Where else a token of it goes: the endpoints of its issuer and its service. Absent from a sender that does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<String>>,
    /// The header that carries the workspace, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_header: Option<String>,
    /// The program whose sign-in it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramWords>,
}

/// How a program calls itself and our commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgramWords {
    /// How a person calls it.
    pub name: String,
    /// What its variables begin with.
    pub prefix: String,
    /// Whether its commands are below `auth`.
    pub auth: bool,
    /// Its words for our commands, each with ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<(String, String)>,
}

/// A place that a credential may go to, in the words of a `[[target]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// As the provider file spells it.
    pub url: String,
    /// `basic` or `bearer`.
    pub scheme: String,
    /// The user name that goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The only tools that may have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

#[derive(Serialize)]
struct Out<'a> {
    version: u64,
    provider: &'a str,
    mode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    scopes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'a About>,
}

impl Synced {
    /// The name of a session alone.
    pub fn named(provider: &str, mode: &str, account: Option<String>) -> Synced {
        Synced {
            provider: provider.into(),
            mode: mode.into(),
            account,
            secret: None,
            expires_at: None,
            scopes: Vec::new(),
            subject: None,
            workspace: None,
            about: None,
        }
    }

    /// One line of JSON with no line end.
    pub fn encode(&self) -> Zeroizing<String> {
        let Synced {
            provider,
            mode,
            account,
            secret,
            expires_at,
            scopes,
            subject,
            workspace,
            about,
        } = self;
        let out = Out {
            version: VERSION,
            provider,
            mode,
            account: account.as_deref(),
            secret: secret.as_ref().map(Secret::expose),
            expires_at: *expires_at,
            scopes,
            subject: subject.as_deref(),
            workspace: workspace.as_deref(),
            about: about.as_ref(),
        };
        Zeroizing::new(serde_json::to_string(&out).expect("it has only texts, numbers and lists"))
    }

    /// Reads what [`Synced::encode`] made.
    ///
    /// # Errors
    /// The kind of mistake and its place, never a value.
    pub fn decode(bytes: &[u8]) -> Result<Synced, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let Version { version } = serde_json::from_slice(bytes).map_err(|error| place(&error))?;
        if version != VERSION {
            return Err(format!(
                "version {VERSION} is understood, and this is version {version}"
            ));
        }
        let synced: Synced = serde_json::from_slice(bytes).map_err(|error| place(&error))?;
        let strange = |text: &str| text.chars().any(char::is_control);
        let texts = [&synced.account, &synced.subject, &synced.workspace];
        if texts.into_iter().flatten().any(|text| strange(text)) || synced.scopes.iter().any(|text| strange(text)) {
            return Err("a name in it has control characters".into());
        }
        if synced.secret.as_ref().is_some_and(|secret| !secret.is_token()) {
            return Err("its token has characters that no token has, or is too long".into());
        }
        Ok(synced)
    }

    /// Its group in the stores.
    pub fn group(&self) -> Group {
        Group::Session {
            provider: self.provider.clone(),
            mode: self.mode.clone(),
        }
    }

    /// Puts it into a record.
    pub fn fill(&self, record: &mut Record, now: Timestamp) {
        record.secret.clone_from(&self.secret);
        record.expires_at = self.expires_at;
        record.obtained_at = Some(now);
        record.scopes.clone_from(&self.scopes);
        record.subject.clone_from(&self.subject);
        record.workspace.clone_from(&self.workspace);
        record.synced_at = Some(now);
    }

    /// The record of it, for a session that lies in no store.
    pub fn record(&self, now: Timestamp) -> Record {
        let key = Key {
            group: self.group(),
            account: self.account.clone().unwrap_or_default(),
            path: None,
        };
        let mut record = Record::new(key, String::new(), "keyfob");
        self.fill(&mut record, now);
        record
    }

    /// The lines by which a shell has its token in a variable, and its end in Unix seconds in another.
    pub fn assignments(&self, variable: &str) -> Zeroizing<String> {
        let secret = self.secret.as_ref().map_or("", Secret::expose);
        let mut text = Zeroizing::new(String::with_capacity(2 * secret.len() + 256));
        text.push_str(MADE);
        text.push('\n');
        text.push_str(&format!("{OF}{}\n", self.named_as()));
        let value = Zeroizing::new(secret.replace('\'', "'\\''"));
        for part in [variable, "='", &value, "'\n"] {
            text.push_str(part);
        }
        if let Some(end) = self.expires_at {
            text.push_str(&format!("{variable}{EXPIRES}={}\n", end.unix()));
        }
        text
    }

    /// The provider, and the mode where there is one: what both forms of a file say whose they are by.
    pub fn named_as(&self) -> String {
        match self.mode.as_str() {
            "" => self.provider.clone(),
            mode => format!("{}/{mode}", self.provider),
        }
    }

    /// The session in a file that was put there without a keyfob: the document itself, or assignments to one of these
    /// variables. None where it holds neither, or another provider's or mode's. Assignments that do not say whose they
    /// are, which an earlier keyfob made, are anybody's.
    pub fn in_file(bytes: &[u8], provider: &str, mode: &str, variables: &[String]) -> Option<Synced> {
        if bytes.starts_with(b"{") {
            let synced = Synced::decode(bytes.trim_ascii_end()).ok()?;
            return (synced.provider == provider && synced.mode == mode && synced.secret.is_some()).then_some(synced);
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let own = Synced::named(provider, mode, None);
        let of = text.lines().find_map(|line| line.strip_prefix(OF));
        if of.is_some_and(|of| of != own.named_as()) {
            return None;
        }
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let (name, quoted) = variables.iter().find_map(|name| Some((name, value(name)?)))?;
        let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
        let secret = Secret::new(inner.replace("'\\''", "'"));
        let end = value(&format!("{name}{EXPIRES}")).and_then(|end| end.parse().ok());
        secret.is_token().then(|| Synced {
            secret: Some(secret),
            expires_at: end.map(Timestamp::from_unix),
            ..own
        })
    }
}

/// The first line of assignments.
pub const MADE: &str = "# A session that was synced here. Nothing here renews it.";

/// Begins the line of assignments that says whose they are.
pub const OF: &str = "# of ";

/// Behind a variable's name: when it ends.
const EXPIRES: &str = "_EXPIRES";

#[cfg(test)]
mod tests {
    use super::*;

    fn synced() -> Synced {
        Synced {
            secret: Some(Secret::new("canary'$(x)\\".into())),
            expires_at: Some(Timestamp::from_unix(7)),
            scopes: vec!["repo".into()],
            subject: Some("ann".into()),
            workspace: Some("w".into()),
            about: Some(About {
                title: "Acme".into(),
                variables: vec!["ACME_TOKEN".into()],
                export: Some("A".into()),
                targets: vec![Place {
                    url: "https://acme.example".into(),
                    scheme: "basic".into(),
                    username: Some("oauth2".into()),
                    tools: vec!["git".into()],
                }],
                whoami: Some(("https://acme.example/me".into(), "/sub".into())),
                endpoints: Some(vec!["https://acme.example/t".into()]),
                workspace_header: None,
                program: None,
            }),
            ..Synced::named("acme", "dev", Some("ann b".into()))
        }
    }

    #[test]
    fn it_reads_back_in_one_line() {
        let text = synced().encode();
        assert!(!text.contains('\n'));
        assert_eq!(Synced::decode(text.as_bytes()), Ok(synced()));
        let bare = Synced::named("acme", "", None);
        assert_eq!(Synced::decode(bare.encode().as_bytes()), Ok(bare));
    }

    #[test]
    fn what_was_cut_off_is_not_read() {
        let text = synced().encode();
        for end in 0..text.len() {
            assert!(Synced::decode(&text.as_bytes()[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_name_that_could_end_a_line_is_refused_and_not_shown() {
        for wrong in [
            r#"{"version":2,"provider":"acme"}"#,
            r#"{"version":1,"provider":7}"#,
            r#"{"version":1,"provider":"acme","account":"a\nb"}"#,
            r#"{"version":1,"provider":"acme","subject":"a\u001bb"}"#,
            r#"{"version":1,"provider":"acme","secret":"canary canary"}"#,
            r#"{"version":1,"provider":"acme","secret":""}"#,
        ] {
            let why = Synced::decode(wrong.as_bytes()).unwrap_err();
            assert!(!why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn a_file_is_read_in_either_form() {
        let names = ["OTHER".to_string(), "ACME_TOKEN".into()];
        let text = synced().assignments("ACME_TOKEN");
        let found = Synced::in_file(text.as_bytes(), "acme", "dev", &names).unwrap();
        assert_eq!(
            (&found.secret, found.expires_at),
            (&synced().secret, synced().expires_at)
        );
        assert_eq!(
            Synced::in_file(text.as_bytes(), "acme", "prod", &names),
            None,
            "another mode's"
        );
        assert_eq!(Synced::in_file(text.as_bytes(), "acme", "", &names), None);
        let unsaid = text.replace("# of acme/dev\n", "");
        assert!(Synced::in_file(unsaid.as_bytes(), "acme", "prod", &names).is_some());
        let line = format!("{}\n", *synced().encode());
        assert_eq!(Synced::in_file(line.as_bytes(), "acme", "dev", &[]), Some(synced()));
        assert_eq!(Synced::in_file(line.as_bytes(), "acme", "", &[]), None);
        for text in [
            "",
            "ACME_TOKEN=canary",
            "ACME_TOKEN='canary canary'",
            "ACME_TOKENS='canary'",
            "{",
            "\u{fe}",
        ] {
            assert_eq!(Synced::in_file(text.as_bytes(), "acme", "dev", &names), None, "{text}");
        }
    }
}
