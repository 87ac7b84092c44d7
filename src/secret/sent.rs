//! The secrets of one request, so that none comes back to a person in the words of whoever answered it.
//!
//! It knows no request and no wire: those who send say what was secret, those who read words ask.

use zeroize::Zeroizing;

use super::Secret;

/// As much of a secret, in bytes, as may stand in somebody's words. At half of it most words would be taken for a part of
/// some secret; at double a password could be read from what is shown.
const PART: usize = 6;

/// The codes that specifications and well-known issuers have for a refusal; none is a secret, whatever a secret is like.
/// RFC 6749, 6750, 7009, 7591, 8628, 8707, 9126 and 9449, OpenID Connect Core, section 3.1.2.6, and GitHub.
const CODES: &[&str] = &[
    "access_denied",
    "account_selection_required",
    "authorization_pending",
    "bad_refresh_token",
    "bad_verification_code",
    "consent_required",
    "device_flow_disabled",
    "expired_token",
    "incorrect_client_credentials",
    "incorrect_device_code",
    "insufficient_scope",
    "interaction_required",
    "invalid_client",
    "invalid_client_metadata",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_redirect_uri",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "invalid_token",
    "login_required",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "use_dpop_nonce",
];

/// The secrets that went with one request.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    secrets: Vec<Secret>,
    /// How keys begin, which is no secret.
    prefix: Option<String>,
}

/// A request without a secret.
pub static NOTHING: Sent = Sent {
    secrets: Vec::new(),
    prefix: None,
};

impl Sent {
    /// Adds one.
    pub fn add(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.push(Secret::new(secret.to_owned()));
        }
    }

    /// Adds all of another request.
    pub fn add_all(&mut self, other: &Sent) {
        self.secrets.extend(other.secrets.iter().cloned());
    }

    /// Says how keys begin: of a whole one in somebody's words that much is shown.
    pub fn begin(&mut self, prefix: &str) {
        self.prefix = Some(prefix.to_owned());
    }

    /// Words in which there is no secret, nor a part of one of six bytes or more, also with spaces or line ends in
    /// between. Others are dropped whole: what is left of them could be put together.
    pub fn words(&self, words: Option<String>) -> Option<String> {
        let mut words = words?;
        let prefix = self.prefix.as_deref().unwrap_or_default();
        for secret in &self.secrets {
            let rest = match secret.expose().strip_prefix(prefix) {
                Some(rest) if !prefix.is_empty() && !rest.is_empty() => {
                    words = words.replace(secret.expose(), &format!("{prefix}…"));
                    &Secret::new(rest.to_owned())
                }
                _ => secret,
            };
            if rest.has_part_in(&words, PART) {
                return None;
            }
        }
        Some(words)
    }

    /// Whether a text is nothing but the code of a refusal, and no secret in disguise.
    pub fn is_code(&self, text: &str) -> bool {
        CODES.contains(&text) || !self.secrets.iter().any(|secret| secret.has_part_in(text, PART))
    }

    /// Whether a whole secret is in a text; one that is too short to be told from a word is not looked for.
    pub fn is_in(&self, text: &str) -> bool {
        self.secrets
            .iter()
            .any(|secret| secret.len() >= PART && secret.has_part_in(text, usize::MAX))
    }
}

impl Secret {
    /// Whether a text has a part of the secret of so many bytes, or the whole of a shorter one, also with spaces or line
    /// ends in between.
    pub fn has_part_in(&self, text: &str, length: usize) -> bool {
        let bare = |text: &str| -> Zeroizing<Vec<u8>> {
            let kept = |b: &u8| !b.is_ascii_whitespace() && !b.is_ascii_control();
            Zeroizing::new(text.bytes().filter(kept).collect())
        };
        let (text, secret) = (bare(text), bare(self.expose()));
        let length = length.min(secret.len());
        length > 0
            && secret
                .windows(length)
                .any(|part| text.windows(length).any(|other| other == part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(secrets: &[&str]) -> Sent {
        let mut sent = Sent::default();
        secrets.iter().for_each(|secret| sent.add(secret));
        sent
    }

    #[test]
    fn words_with_a_part_of_what_was_sent_are_dropped() {
        let sent = sent(&["canary-rt", "4711", "pässword"]);
        for (words, kept) in [
            ("your token is bad", true),
            ("your canary-rt is bad", false),
            ("can\nary- rt", false),
            ("it ends with ry-rt!", true),
            ("it ends with ary-rt!", false),
            ("it begins with canary", false),
            ("the code 4711 is old", false),
            ("the code 471 is old", true),
            ("weak: pässword", false),
        ] {
            assert_eq!(sent.words(Some(words.into())).is_some(), kept, "{words}");
        }
        assert_eq!(sent.words(None), None);
        assert!(NOTHING.words(Some("anything".into())).is_some());
    }

    #[test]
    fn of_a_key_its_beginning_may_be_shown() {
        let mut sent = sent(&["acme_key_canary-1"]);
        assert_eq!(sent.words(Some("an acme_key_ is needed".into())), None);
        sent.begin("acme_key_");
        for (words, shown) in [
            ("the key acme_key_canary-1 is old", Some("the key acme_key_… is old")),
            ("an acme_key_ is needed", Some("an acme_key_ is needed")),
            ("it is acme_key_canary", None),
            ("it ends with nary-1", None),
        ] {
            assert_eq!(sent.words(Some(words.into())).as_deref(), shown, "{words}");
        }
    }

    #[test]
    fn a_code_of_a_specification_is_one_whatever_was_sent() {
        let sent = sent(&["acme_refresh_token_grant"]);
        assert!(sent.is_code("bad_refresh_token") && sent.is_code("invalid_grant"));
        assert!(!sent.is_code("acme_refresh_token_grant") && !sent.is_code("x_refresh"));
    }

    #[test]
    fn a_whole_secret_is_found_where_a_part_is_not() {
        let sent = sent(&["canary-0123456789"]);
        assert!(sent.is_in("x canary-0123456789 y") && !sent.is_in("canary-012345678"));
    }
}
