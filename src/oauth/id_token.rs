//! The ID token: OpenID Connect Core 1.0, section 3.1.3.7.
//!
//! It is read only as it comes from the token endpoint, over TLS that proved who answers. Then its signature proves
//! nothing more, and point 6 of the section lets a client go without checking it; so no algorithm is chosen by what the
//! token says of itself. One from anywhere else must not come here.

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::time::Timestamp;

/// How far the issuer's clock and ours may be apart. At half of it laptops after a sleep would fail; a token that ended
/// two minutes ago still names the person who has just logged in.
const LEEWAY_SECS: i64 = 120;

/// The longest name that is taken for an account.
const MAX_NAME: usize = 255;

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The issuer, where the provider file or its metadata name one.
    pub issuer: Option<&'a str>,
    /// Our client id.
    pub client_id: &'a str,
    /// The nonce of the authorization request, where one was sent.
    pub nonce: Option<&'a str>,
    /// The wall clock.
    pub now: Timestamp,
}

/// Whom a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The claim `sub`, which never changes.
    pub subject: String,
    /// What a person calls the account: the address if the issuer stands for it, else the user name, else the subject.
    ///
    /// Section 5.7 forbids to tell people apart by the first two. Here they only name a session for its owner; what it
    /// may do, the issuer decides by the access token.
    pub name: String,
}

impl Claims {
    /// Whether a person means this account by a name.
    pub fn is(&self, name: &str) -> bool {
        name == self.name || name == self.subject
    }
}

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// It is for somebody or something else: another issuer, client or login. What came with it must not be used.
    Foreign(&'static str),
    /// It says nothing that can be used: it is encrypted, damaged or has ended.
    Unusable(&'static str),
}

#[derive(Deserialize)]
struct Wire {
    iss: Option<Value>,
    sub: Option<Value>,
    aud: Option<Value>,
    azp: Option<Value>,
    exp: Option<Value>,
    nonce: Option<Value>,
    email: Option<Value>,
    email_verified: Option<Value>,
    preferred_username: Option<Value>,
}

/// Reads the reply of a userinfo endpoint (section 5.3.2), which names the person by the same claims.
pub fn userinfo(body: &[u8]) -> Option<Claims> {
    let wire: Wire = serde_json::from_slice(body).ok()?;
    person(&wire).ok()
}

/// Reads the claims, and checks them by the points of the section.
///
/// # Errors
/// [`Mistake`].
pub fn read(token: &Secret, expected: &Expected) -> Result<Claims, Mistake> {
    let wire = payload(token)?;
    // Point 2.
    let issuer = text(wire.iss.as_ref()).ok_or(Mistake::Unusable("names no issuer"))?;
    if expected.issuer.is_some_and(|expected| !is_issuer(issuer, expected)) {
        return Err(Mistake::Foreign("comes from another issuer"));
    }
    // Points 3 to 5.
    let audience = audience(wire.aud.as_ref());
    if !audience.contains(&expected.client_id) {
        return Err(Mistake::Foreign("is for another client"));
    }
    match (&wire.azp, audience.len()) {
        (None, 1) => (),
        (Some(azp), _) if azp.as_str() == Some(expected.client_id) => (),
        _ => return Err(Mistake::Foreign("was made for another client")),
    }
    // Point 11 before point 9: an old token of somebody else is first of all somebody else's.
    if let Some(nonce) = expected.nonce
        && text(wire.nonce.as_ref()) != Some(nonce)
    {
        return Err(Mistake::Foreign("belongs to another login"));
    }
    let end = wire.exp.as_ref().and_then(Value::as_f64);
    let end = end.ok_or(Mistake::Unusable("does not say when it ends"))?;
    // `exp` itself is too late (RFC 7519, section 4.1.4), and may have a fraction.
    #[expect(clippy::cast_precision_loss, reason = "a clock is far below 2^52 seconds")]
    let now = expected.now.unix().saturating_sub(LEEWAY_SECS) as f64;
    if end <= now {
        return Err(Mistake::Unusable("has ended; is the clock of this machine right?"));
    }
    person(&wire)
}

/// When a token that is a JWT ends (RFC 7519, section 4.1.4); none where it does not say so, or is no JWT.
pub fn end(token: &Secret) -> Option<Timestamp> {
    let end = payload(token).ok()?.exp?.as_f64().filter(|end| end.is_finite())?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float beyond the range becomes its end"
    )]
    let end = end as i64;
    Some(Timestamp::from_unix(end))
}

fn person(wire: &Wire) -> Result<Claims, Mistake> {
    let subject = name(wire.sub.as_ref()).ok_or(Mistake::Unusable("names no subject"))?;
    let email = name(wire.email.as_ref()).filter(|_| wire.email_verified.as_ref().is_none_or(is_true));
    let chosen = email.or_else(|| name(wire.preferred_username.as_ref()));
    Ok(Claims {
        name: chosen.unwrap_or_else(|| subject.clone()),
        subject,
    })
}

fn payload(token: &Secret) -> Result<Wire, Mistake> {
    let mut parts = token.expose().splitn(4, '.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Mistake::Unusable("is encrypted or no token"));
    };
    let bytes = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes());
    let bytes = Zeroizing::new(bytes.map_err(|_| Mistake::Unusable("is damaged"))?);
    serde_json::from_slice(&bytes).map_err(|_| Mistake::Unusable("is damaged"))
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text that can name an account: in a line of a protocol, on a screen, and in a command that is shown to a person.
fn name(value: Option<&Value>) -> Option<String> {
    let hidden =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let good = |text: &&str| text.len() <= MAX_NAME && !text.contains(|c: char| c.is_control() || hidden(c));
    text(value).filter(good).map(str::to_owned)
}

/// Some issuers write the truth as a text.
fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or(false) || value.as_str() == Some("true")
}

fn audience(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Byte for byte, except that Google leaves out the scheme in some tokens (its page "OpenID Connect", field `iss`).
fn is_issuer(found: &str, expected: &str) -> bool {
    found == expected || (found == "accounts.google.com" && expected == "https://accounts.google.com")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn good() -> Value {
        json!({
            "iss": "https://id.example", "sub": "248289761001", "aud": "acme-cli", "exp": NOW + 600, "nonce": "n",
        })
    }

    fn token(claims: &Value) -> Secret {
        let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        Secret::new(format!(
            "{}.{}.sig",
            part("{\"alg\":\"none\"}"),
            part(&claims.to_string())
        ))
    }

    fn check(claims: &Value) -> Result<Claims, Mistake> {
        let expected = Expected {
            issuer: Some("https://id.example"),
            client_id: "acme-cli",
            nonce: Some("n"),
            now: Timestamp::from_unix(NOW),
        };
        read(&token(claims), &expected)
    }

    fn with(name: &str, value: Value) -> Result<Claims, Mistake> {
        let mut claims = good();
        claims[name] = value;
        check(&claims)
    }

    #[test]
    fn a_token_for_somebody_else_is_foreign() {
        for (name, value) in [
            ("iss", json!("https://id.example/")),
            ("iss", json!("https://ID.example")),
            ("iss", json!("accounts.google.com")),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("aud", json!(null)),
            ("aud", json!(["acme-cli", "other"])),
            ("azp", json!("other")),
            ("azp", json!(1)),
            ("nonce", json!("m")),
            ("nonce", json!(null)),
        ] {
            assert!(
                matches!(with(name, value.clone()), Err(Mistake::Foreign(_))),
                "{name} {value}"
            );
        }
        let mut claims = good();
        claims["aud"] = json!(["acme-cli", "other"]);
        claims["azp"] = json!("acme-cli");
        assert!(check(&claims).is_ok());
    }

    #[test]
    fn a_token_that_has_ended_or_says_nothing_is_unusable() {
        for (name, value) in [
            ("exp", json!(NOW - LEEWAY_SECS)),
            ("exp", json!("1900000000")),
            ("exp", json!(null)),
            ("sub", json!(null)),
            ("sub", json!("")),
            ("sub", json!("s".repeat(256))),
            ("iss", json!(7)),
        ] {
            assert!(
                matches!(with(name, value.clone()), Err(Mistake::Unusable(_))),
                "{name} {value}"
            );
        }
        assert!(with("exp", json!(NOW as f64 - 119.5)).is_ok());
    }

    #[test]
    fn what_is_no_signed_token_is_unusable() {
        let expected = Expected {
            issuer: None,
            client_id: "a",
            nonce: None,
            now: Timestamp::from_unix(NOW),
        };
        for text in [
            "",
            "x",
            "a.b",
            "a.b.c.d.e",
            "a.!.c",
            "a.bm90IGpzb24.c",
            &".".repeat(60_000),
        ] {
            let read = read(&Secret::new(text.into()), &expected);
            assert!(matches!(read, Err(Mistake::Unusable(_))), "{}", text.len());
        }
    }

    #[test]
    fn the_name_is_the_one_that_a_person_knows() {
        let named = |extra: Value| {
            let mut claims = good();
            for (name, value) in extra.as_object().unwrap() {
                claims[name] = value.clone();
            }
            check(&claims).unwrap().name
        };
        assert_eq!(named(json!({})), "248289761001");
        assert_eq!(named(json!({"preferred_username": "ann"})), "ann");
        let both = json!({"preferred_username": "ann", "email": "ann@acme.example"});
        assert_eq!(named(both), "ann@acme.example");
        for (verified, name) in [
            (json!(true), "ann@acme.example"),
            (json!("true"), "ann@acme.example"),
            (json!(false), "248289761001"),
            (json!("false"), "248289761001"),
        ] {
            let claims = json!({"email": "ann@acme.example", "email_verified": verified});
            assert_eq!(named(claims), name);
        }
        let claims = check(&good()).unwrap();
        assert!(claims.is("248289761001") && !claims.is("ann"));
    }
}
