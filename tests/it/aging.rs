//! Time that passes in a sandbox at once: what is kept there becomes older.

use crate::sandbox::Sandbox;

impl Sandbox {
    /// Makes the records older, so that nobody has to wait: everything in them happened that many seconds earlier.
    ///
    /// # Panics
    /// Where there is none in a plain file.
    pub fn ages(&self, seconds: i64) {
        let found = self.program("grep", &["-rl", "\"obtained_at\":", "."]).run();
        assert!(!found.text().is_empty(), "there is no record");
        for path in found.text().lines() {
            let path = self.path().join(path);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, aged(&text, seconds)).unwrap();
        }
    }
}

/// A record that is older: a slot of two lines, of which the first has the sum, or a file of one line that ends with it.
fn aged(text: &str, seconds: i64) -> String {
    let mut text = text.to_owned();
    for name in ["obtained_at", "expires_at"] {
        let Some((before, rest)) = text.split_once(&format!("\"{name}\":")) else {
            continue;
        };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        let moment: i64 = rest[..end].parse().unwrap();
        text = format!("{before}\"{name}\":{}{}", moment - seconds, &rest[end..]);
    }
    let (signed, rest) = text.split_once(",\"sum\":\"").unwrap();
    let (_, body) = rest.split_once('\n').unwrap();
    let whole = if body.is_empty() {
        signed.to_owned()
    } else {
        format!("{signed}\n{body}")
    };
    let sum = keyfob::digest::hex(&[whole.as_bytes()]);
    format!("{signed},\"sum\":\"{sum}\"}}\n{body}")
}
