//! The document with which a service names its issuer and its client: RFC 9728, and what services made up themselves.
//!
//! From the one URL that a person knows, everything else is found. Where in the document a name stands is the provider
//! file's word; without it, the members that RFC 9728 and the client metadata of RFC 7591 have.

use serde_json::Value;

use super::metadata::{self, Wrong};

/// The place that RFC 9728, section 3 gives the document, inserted before the service's own path.
pub const PATH: &str = "/.well-known/oauth-protected-resource";

/// Where the issuer stands if the provider file does not say.
const ISSUER: [&str; 3] = ["/authorization_servers/0", "/issuer", "/auth_url"];

/// Where the client id stands if the provider file does not say.
const CLIENT_ID: &str = "/client_id";

/// What the document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The issuer, as [`metadata::places`] takes it.
    pub issuer: String,
    /// The client id, if it names one: visible ASCII of at most 256 bytes.
    pub client_id: Option<String>,
}

/// Where in the document a name stands, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, Copy, Default)]
pub struct Pointers<'a> {
    /// The issuer.
    pub issuer: Option<&'a str>,
    /// The client id.
    pub client_id: Option<&'a str>,
}

/// Where the document of a service is: its path stands before the service's own.
pub fn place(service: &str, path: Option<&str>) -> String {
    let (origin, below) = metadata::split(service);
    format!("{origin}{}{}", path.unwrap_or(PATH), below.trim_end_matches('/'))
}

/// Reads the document.
///
/// # Errors
/// As [`metadata::read`].
pub fn read(service: &str, pointers: Pointers, status: u16, kind: &str, body: &[u8]) -> Result<Named, Wrong> {
    let document: Value = metadata::document(status, kind, body)?;
    // RFC 9728, section 3.3; a document of another kind has no such member.
    if document.get("resource").is_some_and(|resource| resource != service) {
        return Err(Wrong::Refused("its document is that of another service".into()));
    }
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let issuer = match pointers.issuer {
        Some(pointer) => text(pointer),
        None => ISSUER.into_iter().find_map(text),
    };
    let issuer = issuer.ok_or_else(|| Wrong::Refused("its document names no issuer".into()))?;
    let near = crate::target::Target::from_url(service).is_ok_and(|target| target.is_loopback());
    if !metadata::is_endpoint(issuer, near) || metadata::places(issuer).is_err() {
        return Err(Wrong::Refused(
            "the issuer in its document is not an https URL of a public host".into(),
        ));
    }
    let client_id = text(pointers.client_id.unwrap_or(CLIENT_ID));
    let good = |id: &&str| (1..=256).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    Ok(Named {
        issuer: issuer.into(),
        client_id: client_id.filter(good).map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pointers: Pointers, body: &str) -> Result<Named, Wrong> {
        read(
            "https://cloud.acme.example",
            pointers,
            200,
            "application/json",
            body.as_bytes(),
        )
    }

    #[test]
    fn the_place_stands_before_the_path_of_the_service() {
        assert_eq!(
            place("https://a.example/v1/", None),
            "https://a.example/.well-known/oauth-protected-resource/v1"
        );
        assert_eq!(
            place("https://a.example", Some("/cli.json")),
            "https://a.example/cli.json"
        );
    }

    #[test]
    fn names_are_found_where_they_stand() {
        let own = Pointers {
            issuer: Some("/auth/url"),
            client_id: Some("/auth/client"),
        };
        let named = from(own, r#"{"auth":{"url":"https://id.acme.example","client":"cli"}}"#).unwrap();
        assert_eq!(
            (named.issuer.as_str(), named.client_id.as_deref()),
            ("https://id.acme.example", Some("cli"))
        );
        let standard =
            r#"{"resource":"https://cloud.acme.example","authorization_servers":["https://id.acme.example"]}"#;
        let named = from(Pointers::default(), standard).unwrap();
        assert_eq!(
            (named.issuer.as_str(), named.client_id),
            ("https://id.acme.example", None)
        );
    }

    #[test]
    fn a_document_that_points_elsewhere_is_refused() {
        for body in [
            "{}",
            r#"{"issuer":"http://id.acme.example"}"#,
            r#"{"issuer":"https://10.0.0.1"}"#,
            r#"{"issuer":"https://id.acme.example?x"}"#,
            r#"{"issuer":["https://id.acme.example"]}"#,
            r#"{"resource":"https://other.example","issuer":"https://id.acme.example"}"#,
            r#"{"resource":"https://cloud.acme.example/","issuer":"https://id.acme.example"}"#,
        ] {
            assert!(
                matches!(from(Pointers::default(), body), Err(Wrong::Refused(_))),
                "{body}"
            );
        }
    }
}
