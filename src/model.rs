//! The road's vehicles: what a tool asks ([`Request`]) and what it gets ([`Answer`]).
//!
//! They know no protocol and no store. A protocol turns bytes into the one and the other into bytes.

use crate::secret::Secret;
use crate::target::Target;
use crate::time::Timestamp;

/// What a tool wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Find a credential.
    Get,
    /// Keep the credential of the request.
    Store,
    /// Forget the credential, if it is the one of the request.
    Erase,
    /// Name the targets for which [`Action::Get`] finds something.
    List,
    /// Name the places at the target's origin whose credentials are their own, whether there are any now.
    Places,
}

/// The user name with which docker says that the secret beside it is an identity token. Anywhere but at the registry's
/// token endpoint it is no password.
pub const IDENTITY_TOKEN: &str = "<token>";

/// The user name of a session that has none, nor an account: whoever was told it asks with it.
pub const ANY_USERNAME: &str = "token";

/// Which optional forms of an answer the tool reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Understands {
    /// A ready `Authorization` scheme and value instead of user name and password.
    pub authtype: bool,
    /// A client certificate with its private key, as one text, for the connection instead of a header.
    pub certificate: bool,
    /// Marks that come back with a later store or erase.
    pub state: bool,
    /// The refresh token of a registry, which docker keeps as the password of [`IDENTITY_TOKEN`].
    pub identity_token: bool,
}

/// One question of a tool.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is to be done.
    pub action: Action,
    /// The protocol that carried it, by its name in the table; `keyfob` for an own command.
    pub tool: &'static str,
    /// What the tool wants to reach. Absent only with a profile, or for [`Action::List`].
    pub target: Option<Target>,
    /// The profile that was named instead of letting the target choose.
    pub profile: Option<String>,
    /// Whether what is kept for an origin that no provider claims is this tool's alone, because what it sends there is
    /// nothing that another tool could send.
    pub apart: bool,
    /// Whether a target without a path means what is kept for any path at its origin, as git means it: for git only what
    /// came by git or the native protocol.
    pub any_path: bool,
    /// Whether the tool cannot say the port of its target: what is kept for other ports of the host must then be the same.
    pub any_port: bool,
    /// Whether the newest will do where several users' credentials fit that tools gave to keep, for an origin or to a
    /// provider whose login is `static`. Otherwise they are named and none is taken.
    pub newest: bool,
    /// The only user name that will do. Absent: any.
    pub username: Option<String>,
    /// The secret to keep, or the one that was rejected. A store without one keeps nothing, and the answer says whether it
    /// would: [`Answer::Done`] or [`Answer::Declined`].
    pub secret: Option<Secret>,
    /// The refresh token to keep beside it.
    pub refresh: Option<Secret>,
    /// The `Authorization` scheme of which `secret` is the ready value. Absent: `secret` is a password. Where there is no
    /// secret, only what was kept with this scheme will do.
    pub authtype: Option<String>,
    /// The credential must not be kept.
    pub ephemeral: bool,
    /// When the credential to keep ends.
    pub expires_at: Option<Timestamp>,
    /// The life that the tool needs, in seconds. Absent: the tool's usual margin.
    pub valid_for_secs: Option<u32>,
    /// The life that the tool would like, in seconds: with less left it is renewed, as long as that is no more than half of
    /// what the issuer gives.
    pub prefers_secs: Option<u32>,
    /// The seconds after which the tool gives up on us. Absent: more than a renewal takes.
    pub within_secs: Option<u32>,
    /// Whether the ID token is wanted, and not the access token.
    pub id_token: bool,
    /// The tool asks for everything that it fetches: the target may lie below the place that a credential was kept for, and
    /// one that the named profile does not serve is declined as for [`Request::wired`].
    pub wide: bool,
    /// The tool names the place, and its configuration the profile, for all places: one that the profile does not serve is
    /// declined, so that the tool asks somebody else. Where a person names both it is refused.
    pub wired: bool,
    /// Scopes that the credential must have.
    pub scopes: Vec<String>,
    /// Whether a person may be asked.
    pub interactive: bool,
    /// What the tool can read.
    pub understands: Understands,
    /// The mark of an earlier answer, if the tool brought it back.
    pub mark: Option<String>,
    /// The one HTTP request for which the tool can send a proof of possession (RFC 9449). Absent: it sends bearer tokens.
    pub proves: Option<Proves>,
}

/// An HTTP request that will carry a proof of possession.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proves {
    /// In upper case.
    pub method: String,
    /// With scheme and host.
    pub url: String,
    /// What the server asked to be repeated.
    pub nonce: Option<String>,
}

impl Proves {
    /// A method of capital letters, an https URL or one of the loopback interface, and a nonce of visible ASCII.
    ///
    /// # Errors
    /// Which of them is something else.
    pub fn new(method: &str, url: &str, nonce: Option<&str>) -> Result<Proves, &'static str> {
        let visible = |text: &str| text.len() <= 4096 && text.bytes().all(|b| b.is_ascii_graphic());
        if !(1..=32).contains(&method.len()) || !method.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err("the method is not a word of capital letters");
        }
        let target = Target::from_url(url.split(['?', '#']).next().unwrap_or(url));
        let web = target.is_ok_and(|target| match target.scheme() {
            "https" => true,
            scheme => scheme == "http" && target.is_loopback(),
        });
        if !web || !visible(url) {
            return Err("the URL is not an https URL");
        }
        if nonce.is_some_and(|nonce| nonce.is_empty() || !visible(nonce)) {
            return Err("the nonce is not visible ASCII");
        }
        Ok(Proves {
            method: method.into(),
            url: url.into(),
            nonce: nonce.map(Into::into),
        })
    }
}

impl Request {
    /// A request with nothing but its action and the name of its protocol.
    pub fn new(action: Action, tool: &'static str) -> Self {
        Request {
            action,
            tool,
            target: None,
            profile: None,
            apart: false,
            any_path: false,
            any_port: false,
            newest: false,
            username: None,
            secret: None,
            refresh: None,
            authtype: None,
            ephemeral: false,
            expires_at: None,
            valid_for_secs: None,
            prefers_secs: None,
            within_secs: None,
            id_token: false,
            wide: false,
            wired: false,
            scopes: Vec::new(),
            interactive: false,
            understands: Understands::default(),
            mark: None,
            proves: None,
        }
    }
}

/// The reply to a [`Request`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Here it is.
    Found(Box<Credential>),
    /// Stored or erased, or there was nothing to do.
    Done,
    /// It would be mine, but there is nothing.
    Absent,
    /// It is there, as a bearer token of this profile, which the tool has no way to send.
    Unsendable(String),
    /// Not mine, or not an action that I do for this target.
    Declined,
    /// Targets with the user name at each, for [`Action::List`]; without one for [`Action::Places`].
    Listed(Vec<(Target, String)>),
}

/// What a tool sends to a server, and what it may know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// The user name, where the server wants one.
    pub username: Option<String>,
    /// The password, token, or ready header value.
    pub secret: Secret,
    /// The `Authorization` scheme of which `secret` is the ready value. Absent: `secret` is a password.
    pub authtype: Option<String>,
    /// Whether it is an issuer's token of which no target says how it is sent, because the request named a profile alone.
    /// A user name beside it is that of the provider's first target, and nobody's whose password it is.
    pub is_token: bool,
    /// The refresh token, only where a tool gave it to keep.
    pub refresh: Option<Secret>,
    /// When the secret ends. Absent: unknown or never.
    pub expires_at: Option<Timestamp>,
    /// The account under which it is kept; absent for none, and for one of the environment.
    pub account: Option<String>,
    /// Whom it speaks for.
    pub subject: Option<String>,
    /// The workspace that it is used in.
    pub workspace: Option<Workspace>,
    /// Where it was found.
    pub source: Source,
    /// What a later store or erase of this very value will carry.
    pub mark: Option<String>,
    /// The header `DPoP` that must go with it, where the token is bound to a key (RFC 9449). It is good once.
    pub proof: Option<Secret>,
}

/// A workspace, for whoever sends the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its name: visible ASCII.
    pub name: String,
    /// The name of the request header that carries it, where a header does.
    pub header: Option<String>,
}

/// Where a credential was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the environment variable of this name.
    Environment(String),
    /// In a store, under this profile; without a profile it was kept for its origin.
    Store {
        /// The store's name in the table.
        store: &'static str,
        /// The profile as a person types it.
        profile: Option<String>,
    },
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Environment(name) => write!(f, "env:{name}"),
            Source::Store {
                store,
                profile: Some(profile),
            } => write!(f, "{store}:{profile}"),
            Source::Store { store, profile: None } => f.write_str(store),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_for_one_http_request() {
        let good = |method, url, nonce| Proves::new(method, url, nonce).is_ok();
        assert!(good("GET", "https://api.acme.example/me?x=1", None));
        assert!(good("POST", "http://127.0.0.1:8080/", Some("n-1")));
        for (method, url, nonce) in [
            ("get", "https://a.example/", None),
            ("", "https://a.example/", None),
            ("GET", "http://a.example/", None),
            ("GET", "ftp://127.0.0.1/", None),
            ("GET", "https://u@a.example/", None),
            ("GET", "https://a.example/\n", None),
            ("GET", "a.example", None),
            ("GET", "https://a.example/", Some("")),
            ("GET", "https://a.example/", Some("a b")),
        ] {
            assert!(!good(method, url, nonce), "{method} {url} {nonce:?}");
        }
    }
}
