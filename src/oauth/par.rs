//! Pushed authorization requests: RFC 9126.
//!
//! What the browser would carry goes to the issuer directly, so that nobody on the way can read or change it.

use serde::Deserialize;

use super::refusal::granted;
use super::{Client, Form, Refusal};

/// The longest reference that is taken; RFC 9126, section 2.2 has one of under 100 bytes.
const MAX_REFERENCE: usize = 2048;

/// What the browser carries instead of the parameters (section 4).
pub fn reference(client_id: &str, request_uri: &str) -> Form {
    let client = Client {
        id: client_id,
        secret: None,
    };
    Form::new(client).with("request_uri", request_uri)
}

#[derive(Deserialize)]
struct Wire {
    request_uri: Option<String>,
}

/// The reference (section 2.2) that the browser carries instead of the parameters. It is good once, and not for long.
///
/// # Errors
/// [`Refusal`].
pub fn read(status: u16, content_type: &str, body: &[u8]) -> Result<String, Refusal> {
    let wire: Wire = granted(status, content_type, body, &[200, 201])?;
    let good = |uri: &String| (1..=MAX_REFERENCE).contains(&uri.len()) && uri.bytes().all(|b| b.is_ascii_graphic());
    wire.request_uri
        .filter(good)
        .ok_or_else(|| Refusal::Unusable("its answer has no `request_uri`".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_carries_client_and_reference_alone() {
        let form = reference("c", "urn:x:1");
        assert_eq!(form.body(), "client_id=c&request_uri=urn%3Ax%3A1");
    }

    #[test]
    fn a_reference_is_visible_ascii() {
        let from = |body: &str| read(201, "application/json", body.as_bytes());
        let urn = "urn:ietf:params:oauth:request_uri:abc";
        assert_eq!(
            from(&format!(r#"{{"request_uri":"{urn}","expires_in":60}}"#)),
            Ok(urn.into())
        );
        for body in [
            "{}",
            r#"{"request_uri":""}"#,
            r#"{"request_uri":"a b"}"#,
            r#"{"request_uri":"a\n"}"#,
            "<html>",
        ] {
            assert!(from(body).is_err(), "{body}");
        }
        assert_eq!(
            read(400, "application/json", br#"{"error":"invalid_request"}"#),
            Err(Refusal::Code {
                code: "invalid_request".into(),
                description: None
            })
        );
        assert!(matches!(read(201, "text/html", b"{}"), Err(Refusal::Unusable(_))));
    }
}
