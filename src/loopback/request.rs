//! What one request of a browser asks, read from the bytes that came so far. No I/O.

use crate::secret::Secret;

/// The longest request that is read: a code with a long scope list fits many times, and so do a browser's cookies of
/// other programs on this host.
pub(super) const MAX_REQUEST: usize = 32 * 1024;

/// The most headers of a request; browsers send about 20.
const MAX_HEADERS: usize = 64;

/// What to do with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Read on.
    Partial,
    /// A page is asked for, from this machine and by its right name.
    Get {
        /// Without the query.
        path: String,
        /// Without the question mark; may have a code in it.
        query: Secret,
    },
    /// It is no request for us: the status that says why.
    Wrong(u16),
}

/// Reads a request. `authority` is the only `Host` that is answered: whoever comes by another name was led here by
/// somebody else's DNS.
pub(super) fn read(bytes: &[u8], authority: &str) -> Request {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => (),
        Ok(httparse::Status::Partial) if bytes.len() < MAX_REQUEST => return Request::Partial,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Request::Wrong(431),
        Err(_) => return Request::Wrong(400),
    }
    let all = |name: &str| -> Vec<&[u8]> {
        let headers = request
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        headers.map(|header| header.value).collect()
    };
    let is_ours = matches!(all("host")[..], [host] if host.eq_ignore_ascii_case(authority.as_bytes()));
    // A page that leads here sends none; a script of another page does. `null` is what some browsers make of a redirect.
    let is_led = all("origin").iter().all(|origin| *origin == b"null");
    if !is_ours || !is_led {
        return Request::Wrong(400);
    }
    if request.method != Some("GET") {
        return Request::Wrong(405);
    }
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request::Get {
        path: path.into(),
        query: Secret::new(query.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOST: &str = "127.0.0.1:4711";

    fn status(request: &str) -> u16 {
        match read(request.as_bytes(), HOST) {
            Request::Wrong(status) => status,
            Request::Get { .. } => 200,
            Request::Partial => 0,
        }
    }

    #[test]
    fn a_page_is_read_once_its_headers_are_there() {
        let whole = "GET /a?b=c%20d HTTP/1.1\r\nHost: 127.0.0.1:4711\r\nAccept: */*\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(status(&whole[..end]), 0, "{end}");
        }
        let page = Request::Get {
            path: "/a".into(),
            query: Secret::new("b=c%20d".into()),
        };
        assert_eq!(read(whole.as_bytes(), HOST), page);
    }

    #[test]
    fn only_the_exact_host_is_answered() {
        for (headers, expected) in [
            ("Host: 127.0.0.1:4711\r\n", 200),
            ("Origin: null\r\nhOST: 127.0.0.1:4711\r\n", 200),
            ("", 400),
            ("Host: 127.0.0.1\r\n", 400),
            ("Host: 127.0.0.1:4712\r\n", 400),
            ("Host: localhost:4711\r\n", 400),
            ("Host: evil.example:4711\r\n", 400),
            ("Host: 127.0.0.1:4711\r\nHost: evil.example\r\n", 400),
            ("Host: 127.0.0.1:4711\r\nOrigin: https://evil.example\r\n", 400),
        ] {
            assert_eq!(
                status(&format!("GET / HTTP/1.1\r\n{headers}\r\n")),
                expected,
                "{headers}"
            );
        }
    }

    #[test]
    fn what_is_not_a_get_or_not_http_is_refused() {
        for (first, expected) in [
            ("POST / HTTP/1.1", 405),
            ("HEAD / HTTP/1.1", 405),
            ("OPTIONS * HTTP/1.1", 405),
            ("\u{16}\u{3}\u{1}", 400),
            ("GET / HTTP/9.9", 400),
            ("GET /a b HTTP/1.1", 400),
            ("nonsense", 400),
        ] {
            assert_eq!(status(&format!("{first}\r\nHost: {HOST}\r\n\r\n")), expected, "{first}");
        }
    }

    #[test]
    fn a_request_without_end_is_too_long() {
        assert_eq!(status(&format!("GET /{}", "a".repeat(MAX_REQUEST))), 431);
        let many = "A: b\r\n".repeat(MAX_HEADERS + 1);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), 431);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let named = bytes.windows(HOST.len()).any(|part| part == HOST.as_bytes());
            let got = matches!(read(&bytes, HOST), Request::Get { .. });
            prop_assert!(named || !got);
        }
    }
}
