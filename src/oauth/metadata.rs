//! What an issuer says of itself: RFC 8414 and OpenID Connect Discovery 1.0.
//!
//! The issuer is the person's choice, and its document is believed only if it calls itself by that very name. It cannot
//! send anybody to plain http, or from the internet into the person's own network. It knows nothing of provider files.

use serde::Deserialize;
use serde_json::Value;

use super::token;
use crate::record;
use crate::target::Target;

/// The longest document that is read, in bytes; the largest known are under 16 KiB. A longer one would be kept in pieces
/// in each record.
pub const MAX_DOCUMENT: usize = 256 * 1024;

/// The longest endpoint, in bytes.
const MAX_ENDPOINT: usize = 2048;

/// What an issuer offers. Each endpoint is https, or http to the loopback interface where the issuer is there itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Its own name, equal to the one that was asked for.
    pub issuer: String,
    /// RFC 6749, section 3.1.
    pub authorization_endpoint: Option<String>,
    /// RFC 6749, section 3.2.
    pub token_endpoint: Option<String>,
    /// RFC 8628, section 4.
    pub device_authorization_endpoint: Option<String>,
    /// RFC 7009.
    pub revocation_endpoint: Option<String>,
    /// RFC 7591.
    pub registration_endpoint: Option<String>,
    /// RFC 9126, section 5.
    pub pushed_authorization_request_endpoint: Option<String>,
    /// OpenID Connect Core, section 5.3.
    pub userinfo_endpoint: Option<String>,
    /// Whether an authorization request must be pushed (RFC 9126, section 5).
    pub pushed_only: bool,
    /// Whether every redirect names the issuer (RFC 9207, section 3).
    pub iss_parameter: bool,
    /// Whether it takes proofs of possession signed with ES256 (RFC 9449, section 5.1).
    pub dpop: bool,
    /// What may be asked for, as far as it tells.
    pub scopes: Vec<String>,
}

/// Why there is no metadata in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The document is not here, and may be at another place.
    Absent(String),
    /// The server is out of order; it may answer later.
    Busy(String),
    /// There is a document, and it must not be believed.
    Refused(String),
}

/// Members that are not texts or lists where they should be count as absent.
#[derive(Deserialize)]
struct Wire {
    issuer: Option<Value>,
    authorization_endpoint: Option<Value>,
    token_endpoint: Option<Value>,
    device_authorization_endpoint: Option<Value>,
    revocation_endpoint: Option<Value>,
    registration_endpoint: Option<Value>,
    pushed_authorization_request_endpoint: Option<Value>,
    userinfo_endpoint: Option<Value>,
    require_pushed_authorization_requests: Option<Value>,
    authorization_response_iss_parameter_supported: Option<Value>,
    dpop_signing_alg_values_supported: Option<Value>,
    code_challenge_methods_supported: Option<Value>,
    scopes_supported: Option<Value>,
}

/// Where an issuer's document may be, in the order of asking.
///
/// OpenID Connect Discovery (section 4) appends its path, RFC 8414 (section 3) inserts it before the issuer's own path;
/// the third form is RFC 8414, section 5, for issuers that mix them.
///
/// # Errors
/// When the text is no issuer: https, or http to the loopback interface, without query and fragment (RFC 8414, section 2).
pub fn places(issuer: &str) -> Result<Vec<String>, String> {
    let target = Target::from_url(issuer).map_err(|error| error.to_string())?;
    if target.scheme() != "https" && !(target.scheme() == "http" && target.is_loopback()) {
        return Err("it is neither https nor on the loopback interface".into());
    }
    let (origin, path) = split(issuer);
    let path = path.trim_end_matches('/');
    let mut places = vec![
        format!("{origin}{path}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ];
    if !path.is_empty() {
        places.push(format!("{origin}/.well-known/openid-configuration{path}"));
    }
    Ok(places)
}

/// Scheme and authority, and the path after them with its slash.
pub(super) fn split(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    url.split_at(end)
}

/// Reads the answer at one of [`places`].
///
/// # Errors
/// [`Wrong`], with no value of the document.
pub fn read(issuer: &str, status: u16, content_type: &str, body: &[u8]) -> Result<Metadata, Wrong> {
    let wire: Wire = document(status, content_type, body)?;
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let Some(own) = text(wire.issuer) else {
        return Err(Wrong::Absent("it answered with JSON that names no issuer".into()));
    };
    if own != issuer {
        return Err(Wrong::Refused(other_name(issuer, &own)));
    }
    if list(wire.code_challenge_methods_supported.as_ref()).is_some_and(|methods| !methods.contains(&"S256")) {
        return Err(Wrong::Refused(
            "it offers no `S256`, without which a code can be stolen".into(),
        ));
    }
    let near = Target::from_url(issuer).is_ok_and(|target| target.is_loopback());
    let endpoint = |name: &str, value: Option<Value>| match text(value) {
        None => Ok(None),
        Some(url) if is_endpoint(&url, near) => Ok(Some(url)),
        Some(_) => Err(Wrong::Refused(format!(
            "its `{name}` is not an https URL of a public host"
        ))),
    };
    let is_true = |value: &Option<Value>| value.as_ref().and_then(Value::as_bool) == Some(true);
    let scopes = list(wire.scopes_supported.as_ref()).unwrap_or_default();
    Ok(Metadata {
        issuer: own,
        authorization_endpoint: endpoint("authorization_endpoint", wire.authorization_endpoint)?,
        token_endpoint: endpoint("token_endpoint", wire.token_endpoint)?,
        device_authorization_endpoint: endpoint("device_authorization_endpoint", wire.device_authorization_endpoint)?,
        revocation_endpoint: endpoint("revocation_endpoint", wire.revocation_endpoint)?,
        registration_endpoint: endpoint("registration_endpoint", wire.registration_endpoint)?,
        pushed_authorization_request_endpoint: endpoint(
            "pushed_authorization_request_endpoint",
            wire.pushed_authorization_request_endpoint,
        )?,
        userinfo_endpoint: endpoint("userinfo_endpoint", wire.userinfo_endpoint)?,
        pushed_only: is_true(&wire.require_pushed_authorization_requests),
        iss_parameter: is_true(&wire.authorization_response_iss_parameter_supported),
        dpop: list(wire.dpop_signing_alg_values_supported.as_ref()).is_some_and(|algs| algs.contains(&"ES256")),
        scopes: scopes.into_iter().map(Into::into).collect(),
    })
}

/// The JSON of an answer that should be a document at a well-known place.
pub(super) fn document<T: serde::de::DeserializeOwned>(
    status: u16,
    content_type: &str,
    body: &[u8],
) -> Result<T, Wrong> {
    match status {
        200 => (),
        429 | 500..=599 => return Err(Wrong::Busy(format!("it answered with status {status}"))),
        300..=399 => {
            return Err(Wrong::Absent(format!(
                "it answered with status {status}, and a redirect is not followed"
            )));
        }
        status => return Err(Wrong::Absent(format!("it answered with status {status}"))),
    }
    if !token::is_json(content_type) {
        return Err(Wrong::Absent("it answered with something other than JSON".into()));
    }
    if body.len() > MAX_DOCUMENT {
        return Err(Wrong::Refused("its document is longer than 256 KiB".into()));
    }
    serde_json::from_slice(body).map_err(|error| Wrong::Refused(format!("in its document {}", record::place(&error))))
}

/// How the name in the document differs from the one that was asked for; the document's own is not shown.
fn other_name(issuer: &str, own: &str) -> String {
    let bare = |name: &str| name.trim_end_matches('/').to_owned();
    let how = match () {
        () if bare(issuer) == bare(own) && own.ends_with('/') => "with a slash at the end",
        () if bare(issuer) == bare(own) => "without the slash at the end",
        () if bare(issuer).eq_ignore_ascii_case(&bare(own)) => "with other capital letters",
        () => "by another name",
    };
    format!("its document calls the issuer {how}")
}

fn list(value: Option<&Value>) -> Option<Vec<&str>> {
    let items = value?.as_array()?;
    Some(items.iter().filter_map(Value::as_str).collect())
}

/// Whether requests may go to a URL that a document names: `near` where the document itself is on the loopback interface.
pub(super) fn is_endpoint(url: &str, near: bool) -> bool {
    let base = url.split('?').next().unwrap_or(url);
    let Ok(target) = Target::from_url(base) else {
        return false;
    };
    let visible = url.len() <= MAX_ENDPOINT
        && url
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\\<>\"{}|^`'#".contains(&b));
    let scheme = target.scheme() == "https" || (near && target.scheme() == "http" && target.is_loopback());
    visible && scheme && (near || is_public(target.host()))
}

/// Whether a host may be named by somebody on the internet: not this machine, and no address of a private network.
fn is_public(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    if name == "localhost" || name.ends_with(".localhost") {
        return false;
    }
    if let Ok(ip) = name.parse::<std::net::Ipv4Addr>() {
        return !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified());
    }
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner.and_then(|inner| inner.parse::<std::net::Ipv6Addr>().ok()) {
        Some(ip) => {
            let mapped = ip.to_ipv4_mapped().is_none_or(|ip| is_public(&ip.to_string()));
            mapped && !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.acme.example/tenant";

    fn from(issuer: &str, rest: &str) -> Result<Metadata, Wrong> {
        let body = format!(r#"{{"issuer":"{issuer}"{rest}}}"#);
        read(ISSUER, 200, "application/json", body.as_bytes())
    }

    #[test]
    fn both_layouts_are_asked() {
        assert_eq!(
            places("https://a.example").unwrap(),
            [
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server"
            ]
        );
        let below = [
            "https://a.example/x/y/.well-known/openid-configuration",
            "https://a.example/.well-known/oauth-authorization-server/x/y",
            "https://a.example/.well-known/openid-configuration/x/y",
        ];
        assert_eq!(places("https://a.example/x/y").unwrap(), below);
        assert_eq!(places("https://a.example/x/y/").unwrap(), below);
    }

    #[test]
    fn an_issuer_has_no_query_and_no_plain_http() {
        for bad in [
            "http://a.example",
            "https://a.example?x",
            "https://a.example/#x",
            "https://u@a.example",
            "a.example",
            "file:///x",
        ] {
            assert!(places(bad).is_err(), "{bad}");
        }
        assert!(places("http://127.0.0.1:8080").is_ok());
    }

    #[test]
    fn only_the_very_name_is_believed() {
        assert!(from(ISSUER, "").is_ok());
        for (own, how) in [
            ("https://id.acme.example/tenant/", "with a slash"),
            ("https://id.acme.example/Tenant", "capital letters"),
            ("https://id.acme.example:443/tenant", "another name"),
            ("https://id.acme.example", "another name"),
            ("https://evil.example/tenant", "another name"),
        ] {
            match from(own, "").unwrap_err() {
                Wrong::Refused(why) => assert!(why.contains(how) && !why.contains(own), "{why}"),
                other => panic!("{own}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_endpoint_is_https_of_a_public_host() {
        for bad in [
            "http://id.acme.example/t",
            "https://id.acme.example/t#x",
            "https://u@id.acme.example/t",
            "https://127.0.0.1/t",
            "https://[::1]/t",
            "https://[::ffff:10.0.0.1]/t",
            "https://10.1.2.3/t",
            "https://192.168.1.1/t",
            "https://169.254.169.254/latest",
            "https://localhost/t",
            "https://x.localhost/t",
            "javascript:x",
            "file:///etc/passwd",
            "-x",
            "a:$(id)",
            "https://a.example/|calc",
            "https://a.example/'x",
        ] {
            let wrong = from(ISSUER, &format!(r#","token_endpoint":"{bad}""#));
            assert!(matches!(wrong, Err(Wrong::Refused(_))), "{bad}");
        }
        let good = from(ISSUER, r#","token_endpoint":"https://other.example/t?x=1""#).unwrap();
        assert_eq!(good.token_endpoint.as_deref(), Some("https://other.example/t?x=1"));
        let near = br#"{"issuer":"http://127.0.0.1:1","token_endpoint":"http://127.0.0.1:2/t"}"#;
        assert!(read("http://127.0.0.1:1", 200, "application/json", near).is_ok());
        let plain = br#"{"issuer":"http://127.0.0.1:1","token_endpoint":"http://a.example/t"}"#;
        assert!(read("http://127.0.0.1:1", 200, "application/json", plain).is_err());
    }

    #[test]
    fn only_an_answer_that_may_be_elsewhere_or_later_is_looked_for_again() {
        let good = format!(r#"{{"issuer":"{ISSUER}"}}"#);
        let kind = |status, content_type: &str, body: &str| match read(ISSUER, status, content_type, body.as_bytes()) {
            Ok(_) => "good",
            Err(Wrong::Absent(_)) => "absent",
            Err(Wrong::Busy(_)) => "busy",
            Err(Wrong::Refused(_)) => "refused",
        };
        let json = "application/json";
        assert_eq!(kind(200, json, &good), "good");
        assert_eq!(kind(404, json, &good), "absent");
        assert_eq!(kind(302, json, &good), "absent");
        assert_eq!(kind(200, "text/html", &good), "absent");
        assert_eq!(kind(200, json, "{}"), "absent");
        assert_eq!(kind(503, json, &good), "busy");
        assert_eq!(kind(429, json, &good), "busy");
        assert_eq!(kind(200, json, "<html>"), "refused");
        assert_eq!(
            kind(
                200,
                json,
                &good.replace('}', r#","code_challenge_methods_supported":["plain"]}"#)
            ),
            "refused"
        );
        let long = good.replace('}', &format!(r#","x":"{}"}}"#, "x".repeat(MAX_DOCUMENT)));
        assert_eq!(kind(200, json, &long), "refused");
    }

    #[test]
    fn what_an_issuer_promises_is_read() {
        let found = from(
            ISSUER,
            r#","require_pushed_authorization_requests":true,"authorization_response_iss_parameter_supported":true,
            "dpop_signing_alg_values_supported":["RS256","ES256"],"scopes_supported":["openid",1,"email"],"jwks_uri":7"#,
        );
        let found = found.unwrap();
        assert!(found.pushed_only && found.iss_parameter && found.dpop);
        assert_eq!(found.scopes, ["openid", "email"]);
    }
}
