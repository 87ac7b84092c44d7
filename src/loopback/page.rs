//! The pages that a browser shows after a login, as whole HTTP answers. No I/O.
//!
//! Nothing in them comes from elsewhere and nothing runs in them; all text is escaped, whoever wrote it.

use data_encoding::BASE64;

use crate::digest;
use crate::report::printable;

/// For a phone and a desk, by day and by night.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;\
font:1.0625rem/1.5 system-ui,sans-serif;background:#f5f6f8;color:#1c2024}\
main{box-sizing:border-box;width:100%;max-width:30rem;margin:1rem;padding:1.75rem;border-radius:.75rem;\
border-top:.3rem solid #b3261e;background:#fff;box-shadow:0 1px 4px #0003;overflow-wrap:anywhere}\
main.good{border-color:#1b7f4b}\
h1{margin:0 0 .75rem;font-size:1.4rem;line-height:1.25}\
p{margin:.5rem 0 0}\
.note{color:#59636e}\
@media(prefers-color-scheme:dark){body{background:#15181c;color:#e6e8eb}\
main{background:#1f2429;box-shadow:none}.note{color:#a2abb5}}";

/// What a page says.
#[derive(Debug, Clone)]
pub struct Page {
    /// Whether it is about a success.
    pub good: bool,
    /// The heading, which is the title too.
    pub heading: String,
    /// What happened.
    pub text: String,
    /// What to do now.
    pub note: String,
}

impl Page {
    /// The answer with this page.
    pub(super) fn answer(&self, status: u16) -> Vec<u8> {
        let class = if self.good { "good" } else { "bad" };
        let [heading, text, note] = [&self.heading, &self.text, &self.note].map(|text| escape(text));
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{heading}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main class=\"{class}\">\n<h1>{heading}</h1>\n<p>{text}</p>\n<p class=\"note\">{note}</p>\n\
             </main>\n</body>\n</html>\n"
        );
        let style = BASE64.encode(&digest::sha256(STYLE.as_bytes()));
        let policy = format!(
            "Content-Security-Policy: default-src 'none'; style-src 'sha256-{style}'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
        );
        answer(status, &policy, &body)
    }
}

/// The page for a request that is not the one that is waited for.
pub(super) fn wrong(status: u16) -> Vec<u8> {
    let (heading, text) = match status {
        404 => ("No such page", "There is nothing at this address."),
        405 => ("Not this way", "Only a browser that opens a page is answered here."),
        410 => ("This login is over", "The page was used already, and is good once."),
        431 => ("Too long", "The request is longer than any answer of an issuer."),
        _ => (
            "Not understood",
            "This is not the answer to the login that is waited for.",
        ),
    };
    let page = Page {
        good: false,
        heading: heading.into(),
        text: text.into(),
        note: "You may close this page.".into(),
    };
    page.answer(status)
}

/// An answer that sends the browser on, so that the code leaves the address bar.
pub(super) fn onward(path: &str) -> Vec<u8> {
    answer(303, &format!("Location: {path}\r\n"), "")
}

fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        303 => "See Other",
        404 => "Not Found",
        405 => "Method Not Allowed",
        410 => "Gone",
        431 => "Request Header Fields Too Large",
        _ => "Bad Request",
    };
    let allow = if status == 405 { "Allow: GET\r\n" } else { "" };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n{allow}{headers}\r\n{body}"
    )
    .into_bytes()
}

/// Text as HTML has it, between tags and in attributes; without what reorders or hides it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_runs_nothing_loads_nothing_and_is_kept_nowhere() {
        let page = Page {
            good: true,
            heading: "Logged in to <script>alert(1)</script>".into(),
            text: "as \"ann\" & \u{1b}[31m'bob'\u{202e}".into(),
            note: "Close it.".into(),
        };
        let answer = String::from_utf8(page.answer(200)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        for header in [
            "Content-Security-Policy: default-src 'none'; style-src 'sha256-",
            "Cache-Control: no-store",
            "Referrer-Policy: no-referrer",
            "X-Content-Type-Options: nosniff",
        ] {
            assert!(head.contains(header), "{head}");
        }
        assert!(!head.contains("unsafe"), "{head}");
        assert!(body.contains("as &quot;ann&quot; &amp; &#39;bob&#39;"), "{body}");
        assert!(
            !body.contains("<script") && !body.contains("http") && !body.contains("src="),
            "{body}"
        );
    }

    #[test]
    fn every_refusal_has_a_page_that_may_be_closed() {
        for status in [400, 404, 405, 410, 431] {
            let answer = String::from_utf8(wrong(status)).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains("You may close this page."), "{answer}");
            assert_eq!(answer.contains("\r\nAllow: GET\r\n"), status == 405);
        }
        assert!(
            String::from_utf8(onward("/x"))
                .unwrap()
                .contains("\r\nLocation: /x\r\n")
        );
    }
}
