//! The authorization code grant of the scripted issuer, which approves at once: RFC 6749 section 4.1, RFC 7636, RFC 9207.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::{State, random};
use crate::http_server::{Reply, Request, form};

/// A code that was given.
pub(super) struct Code {
    code: String,
    client_id: String,
    redirect_uri: String,
    challenge: String,
    redeemed: bool,
}

/// What is wrong with a request that a browser brings.
pub(super) fn violation(request: &Request) -> Option<String> {
    let fields = form(request.query.as_bytes());
    let value = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| field == name)
            .map_or("", |(_, value)| value)
    };
    if request.method != "GET" {
        return Some("not a GET".into());
    }
    if let Some((twice, _)) = fields
        .iter()
        .find(|(name, _)| name != "resource" && fields.iter().filter(|(field, _)| field == name).count() > 1)
    {
        return Some(format!("{twice} twice"));
    }
    for (name, good) in [
        ("response_type", value("response_type") == "code"),
        ("client_id", !value("client_id").is_empty()),
        ("client_secret", value("client_secret").is_empty()),
        ("state", value("state").len() >= 43),
        ("code_challenge", value("code_challenge").len() == 43),
        ("code_challenge_method", value("code_challenge_method") == "S256"),
        ("state is the challenge", value("state") != value("code_challenge")),
        ("redirect_uri", is_loopback(value("redirect_uri"))),
    ] {
        if !good {
            return Some(name.into());
        }
    }
    None
}

/// RFC 8252 section 7.3: any port of the loopback interface.
fn is_loopback(uri: &str) -> bool {
    ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"]
        .iter()
        .any(|start| uri.starts_with(start))
}

impl State {
    /// Sends the browser back with a code, and with the issuer's name if the script has one.
    pub(super) fn authorize(&mut self, fields: &[(String, String)]) -> Reply {
        let value = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name);
            found.map_or_else(String::new, |(_, value)| value.clone())
        };
        let code = Code {
            code: random("ac"),
            client_id: value("client_id"),
            redirect_uri: value("redirect_uri"),
            challenge: value("code_challenge"),
            redeemed: false,
        };
        let mut location = format!("{}?code={}&state={}", code.redirect_uri, code.code, value("state"));
        if let Some(issuer) = &self.script.named {
            location += &format!("&iss={}", issuer.replace(':', "%3A").replace('/', "%2F"));
        }
        self.codes.push(code);
        Reply::redirect(303, &location)
    }

    /// Gives tokens for a code, once, to who has the verifier.
    pub(super) fn redeem_code(&mut self, fields: &BTreeMap<String, String>) -> Reply {
        let value = |name: &str| fields.get(name).map_or("", String::as_str);
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(value("code_verifier").as_bytes()));
        let found = self.codes.iter_mut().find(|code| code.code == value("code"));
        let Some(code) = found.filter(|code| {
            let same = code.client_id == value("client_id") && code.redirect_uri == value("redirect_uri");
            same && code.challenge == challenge && !code.redeemed
        }) else {
            return Reply::error(400, "invalid_grant");
        };
        code.redeemed = true;
        self.begin_family()
    }
}
