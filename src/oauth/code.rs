//! The authorization code grant: RFC 6749, section 4.1, with PKCE (RFC 7636) and the issuer's name (RFC 9207).
//!
//! It makes the URL that a browser opens, reads the query that the browser brings back, and makes the token request.
//! Where the browser comes back to, and who listens there, is not its business.

use percent_encoding::percent_decode_str;

use super::{Client, Form};
use crate::secret::Secret;

/// The longest error code that is believed; the registered ones have under 30 bytes.
const MAX_ERROR: usize = 64;

/// What the browser asks the issuer for.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The client. Its secret never goes through a browser (RFC 6749, section 2.3.1), so it is not part of this.
    pub client_id: &'a str,
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
    /// What to ask for.
    pub scopes: &'a [String],
    /// Binds the answer to this login (RFC 6749, section 10.12).
    pub state: &'a Secret,
    /// The challenge of this login's verifier, by S256.
    pub challenge: &'a str,
    /// Binds the ID token to this login (OpenID Connect Core, section 3.1.2.1).
    pub nonce: Option<&'a Secret>,
    /// A parameter that several issuers want.
    pub audience: Option<&'a str>,
    /// RFC 8707, section 2.
    pub resource: &'a [String],
    /// The account that is wanted (OpenID Connect Core, section 3.1.2.1).
    pub login_hint: Option<&'a str>,
    /// Whether the person is to choose the account, although the browser knows one.
    pub choose_account: bool,
    /// What the provider file says besides; its own `prompt` goes before `choose_account`.
    pub parameters: &'a [(String, String)],
}

impl Ask<'_> {
    /// The parameters of the request, for a URL or to be pushed (RFC 9126).
    pub fn form(&self) -> Form {
        let client = Client {
            id: self.client_id,
            secret: None,
        };
        let scope = self.scopes.join(" ");
        let own_prompt = self.parameters.iter().any(|(name, _)| name == "prompt");
        let prompt = (self.choose_account && !own_prompt).then_some("select_account");
        let form = Form::new(client)
            .with("response_type", "code")
            .with("redirect_uri", self.redirect_uri)
            .with_some("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty()))
            .with("state", self.state.expose())
            .with("code_challenge", self.challenge)
            .with("code_challenge_method", "S256")
            .with_some("nonce", self.nonce.map(Secret::expose))
            .with_some("audience", self.audience)
            .with_some("login_hint", self.login_hint)
            .with_some("prompt", prompt);
        let form = self
            .resource
            .iter()
            .fold(form, |form, resource| form.with("resource", resource));
        let parameters = self.parameters.iter();
        parameters.fold(form, |form, (name, value)| form.with(name, value))
    }
}

/// The URL of an authorization endpoint with these parameters; a query of its own stays (RFC 6749, section 3.1).
pub fn url(endpoint: &str, form: &Form) -> String {
    let mark = match endpoint.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{endpoint}{mark}{}", form.body())
}

/// What an answer must have so that it is this login's.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The state that was sent.
    pub state: &'a Secret,
    /// The issuer's identifier, where it is known.
    pub issuer: Option<&'a str>,
    /// Whether the issuer promised to name itself (RFC 9207, section 3).
    pub issuer_promised: bool,
}

/// What the issuer answered through the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The code, `1*VSCHAR` without spaces.
    Code(Secret),
    /// An error of RFC 6749, section 4.1.2.1.
    Error {
        /// Its code: printable ASCII of at most 64 bytes.
        code: String,
        /// Text for a person, not yet fit for a terminal or a page.
        description: Option<String>,
    },
}

/// Why a query is no answer to this login; the login goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// It has no state, another one, or several: whoever sent it does not know this login.
    State,
    /// It does not name the issuer that was asked (RFC 9207, section 2.4).
    Issuer,
    /// It has neither code nor error, or both, or one that no form can carry.
    Malformed,
}

/// Reads the query of a redirect. Nothing of it is believed, an error as little as a code, before state and issuer are
/// those of this login.
///
/// # Errors
/// [`Stray`].
pub fn read(query: &str, expected: Expected) -> Result<Answer, Stray> {
    let state = one(query, "state").map_err(|_| Stray::State)?.ok_or(Stray::State)?;
    if state != *expected.state {
        return Err(Stray::State);
    }
    let named = one(query, "iss").map_err(|_| Stray::Issuer)?;
    match (named, expected.issuer) {
        (Some(named), Some(issuer)) if named.expose() != issuer => return Err(Stray::Issuer),
        (None, _) if expected.issuer_promised => return Err(Stray::Issuer),
        _ => (),
    }
    match (one(query, "code")?, one(query, "error")?) {
        (Some(code), None) if code.is_token() => Ok(Answer::Code(code)),
        (None, Some(error)) => {
            let code = error.expose();
            if !(1..=MAX_ERROR).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(Stray::Malformed);
            }
            let description = one(query, "error_description").ok().flatten();
            Ok(Answer::Error {
                code: code.into(),
                description: description.map(|text| text.expose().to_owned()),
            })
        }
        _ => Err(Stray::Malformed),
    }
}

/// The query of an address that a person copied, if it is one that the issuer sent the browser to.
pub fn pasted<'a>(text: &'a str, redirect_uri: &str) -> Option<&'a str> {
    let query = text.trim().strip_prefix(redirect_uri)?.strip_prefix('?')?;
    query.split('#').next()
}

/// The one value of a parameter, decoded; none where it is absent.
fn one(query: &str, name: &str) -> Result<Option<Secret>, Stray> {
    let mut found = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key).is_none_or(|key| key.expose() != name) {
            continue;
        }
        let value = decode(value).ok_or(Stray::Malformed)?;
        if found.replace(value).is_some() {
            return Err(Stray::Malformed);
        }
    }
    Ok(found)
}

/// A text of `application/x-www-form-urlencoded`; none where it is not UTF-8.
fn decode(text: &str) -> Option<Secret> {
    let spaced = Secret::new(text.replace('+', " "));
    let decoded = percent_decode_str(spaced.expose()).decode_utf8().ok()?;
    Some(Secret::new(decoded.into_owned()))
}

/// The form that redeems a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).
pub fn redeem(client: Client, code: &Secret, redirect_uri: &str, verifier: &Secret, resource: &[String]) -> Form {
    let form = Form::new(client)
        .with("grant_type", "authorization_code")
        .with_secret("code", code)
        .with("redirect_uri", redirect_uri)
        .with_secret("code_verifier", verifier);
    resource
        .iter()
        .fold(form, |form, resource| form.with("resource", resource))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REDIRECT: &str = "http://127.0.0.1:4711/r";

    fn check(query: &str, issuer: Option<&str>, issuer_promised: bool) -> Result<Answer, Stray> {
        let state = Secret::new("state-canary".into());
        let expected = Expected {
            state: &state,
            issuer,
            issuer_promised,
        };
        read(query, expected)
    }

    fn code(text: &str) -> Result<Answer, Stray> {
        Ok(Answer::Code(Secret::new(text.into())))
    }

    #[test]
    fn the_url_has_every_parameter_once_and_no_secret() {
        let state = Secret::new("s".into());
        let (scopes, resource) = (["openid".into(), "a:b".into()], ["https://api.example".into()]);
        let parameters = [("access_type".into(), "off line".into())];
        let mut ask = Ask {
            client_id: "acme&cli",
            redirect_uri: REDIRECT,
            scopes: &scopes,
            state: &state,
            challenge: "c",
            nonce: Some(&state),
            audience: None,
            resource: &resource,
            login_hint: Some("ann@acme.example"),
            choose_account: true,
            parameters: &parameters,
        };
        assert_eq!(
            url("https://acme.example/authorize?tenant=1", &ask.form()),
            "https://acme.example/authorize?tenant=1&client_id=acme%26cli&response_type=code\
             &redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fr&scope=openid%20a%3Ab&state=s&code_challenge=c\
             &code_challenge_method=S256&nonce=s&login_hint=ann%40acme.example&prompt=select_account\
             &resource=https%3A%2F%2Fapi.example&access_type=off%20line"
        );
        let own = [("prompt".into(), "consent".into())];
        ask.parameters = &own;
        assert!(ask.form().body().ends_with("&prompt=consent") && !ask.form().body().contains("select"));
        assert!(url("https://acme.example/a", &ask.form()).starts_with("https://acme.example/a?client_id="));
        assert!(url("https://acme.example/a?", &ask.form()).starts_with("https://acme.example/a?client_id="));
    }

    #[test]
    fn only_the_one_state_of_this_login_is_believed() {
        assert_eq!(check("code=c&state=state-canary", None, false), code("c"));
        for query in [
            "",
            "code=c",
            "code=c&state=",
            "code=c&state=state-canarz",
            "code=c&state=state-canary&state=state-canary",
            "code=c&state=x&state=state-canary",
            "error=access_denied&state=x",
            "error=access_denied",
            "code=c&state=%ff",
        ] {
            assert_eq!(check(query, None, false), Err(Stray::State), "{query}");
        }
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte_and_must_be_there_if_promised() {
        let issuer = Some("https://acme.example");
        let good = "code=c&state=state-canary&iss=https%3A%2F%2Facme.example";
        assert_eq!(check(good, issuer, true), code("c"));
        assert_eq!(check(good, None, false), code("c"));
        assert_eq!(check("code=c&state=state-canary", issuer, false), code("c"));
        for query in [
            "code=c&state=state-canary",
            "error=access_denied&state=state-canary",
            "code=c&state=state-canary&iss=",
            "code=c&state=state-canary&iss=https://acme.example/",
            "code=c&state=state-canary&iss=https://ACME.example",
            "code=c&state=state-canary&iss=https://acme.example&iss=https://acme.example",
        ] {
            assert_eq!(check(query, issuer, true), Err(Stray::Issuer), "{query}");
        }
    }

    #[test]
    fn an_answer_is_one_code_or_one_error() {
        for query in [
            "state=state-canary",
            "state=state-canary&code=",
            "state=state-canary&code=a&code=b",
            "state=state-canary&code=a&error=access_denied",
            "state=state-canary&code=a%0d%0aX-Evil:+1",
            "state=state-canary&code=a%00",
            "state=state-canary&code=%ff",
            "state=state-canary&error=",
            "state=state-canary&error=a%0ab",
            "state=state-canary&error=a&error=b",
        ] {
            assert_eq!(check(query, None, false), Err(Stray::Malformed), "{query}");
        }
        let long = format!("state=state-canary&error={}", "e".repeat(65));
        assert_eq!(check(&long, None, false), Err(Stray::Malformed));
        let refused = check(
            "state=state-canary&error=access_denied&error_description=not+now%21",
            None,
            false,
        );
        let error = Answer::Error {
            code: "access_denied".into(),
            description: Some("not now!".into()),
        };
        assert_eq!(refused, Ok(error));
    }

    #[test]
    fn a_copied_address_must_begin_with_the_redirect() {
        let address = format!(" {REDIRECT}?code=c&state=s#fragment\n");
        assert_eq!(pasted(&address, REDIRECT), Some("code=c&state=s"));
        for other in [
            "code=c&state=s",
            "http://127.0.0.1:4711/other?code=c&state=s",
            "http://127.0.0.1:4711/rx?code=c",
            "https://acme.example/authorize?state=s",
            "",
        ] {
            assert_eq!(pasted(other, REDIRECT), None, "{other}");
        }
    }

    #[test]
    fn a_code_is_redeemed_with_verifier_and_redirect() {
        let client = Client {
            id: "acme-cli",
            secret: None,
        };
        let (code, verifier) = (Secret::new("c/1".into()), Secret::new("v".into()));
        let form = redeem(client, &code, REDIRECT, &verifier, &[]);
        assert_eq!(
            form.body(),
            "client_id=acme-cli&grant_type=authorization_code&code=c%2F1\
             &redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fr&code_verifier=v"
        );
    }

    proptest! {
        #[test]
        fn a_code_that_a_form_carries_is_read_back(code in "[!-~]{1,200}") {
            let client = Client { id: "c", secret: None };
            let query = Form::new(client).with("state", "state-canary").with("code", &code);
            prop_assert_eq!(check(query.body(), None, false), Ok(Answer::Code(Secret::new(code))));
        }

        #[test]
        fn any_query_is_read_or_refused(query in "[ -~]{0,200}") {
            let _ = check(&query, Some("https://acme.example"), true);
            let _ = check(&format!("state=state-canary&{query}"), None, false);
        }
    }
}
