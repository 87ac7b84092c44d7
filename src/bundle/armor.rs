//! The armour of a file of age: base64 in lines, between two marks, for where only text goes.
//!
//! It knows nothing of what it wraps. RFC 7468 in its strict form, as age-encryption.org/v1 asks, section "ASCII armor".

use std::borrow::Cow;

use data_encoding::BASE64;

use super::Flaw;

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
/// Letters of a line.
const COLUMNS: usize = 64;

/// The bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = format!("{BEGIN}\n");
    for line in bytes.chunks(COLUMNS / 4 * 3) {
        text += &BASE64.encode(line);
        text.push('\n');
    }
    text + END + "\n"
}

/// The bytes in an armour; those that have none as they are.
///
/// White space around the armour, and line ends as on Windows, are no part of it.
///
/// # Errors
/// [`Flaw::CutOff`] when the end mark is missing; [`Flaw::Altered`] when a line is not as it was written.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Flaw> {
    let trimmed = bytes.trim_ascii();
    if !trimmed.starts_with(BEGIN.as_bytes()) {
        let cut = !trimmed.is_empty() && BEGIN.as_bytes().starts_with(trimmed);
        return if cut { Err(Flaw::CutOff) } else { Ok(bytes.into()) };
    }
    let text = std::str::from_utf8(trimmed).map_err(|_| ALTERED)?;
    let inside = text.strip_prefix(BEGIN).unwrap_or_default();
    let inside = inside.strip_suffix(END).ok_or(match inside.contains(END) {
        true => ALTERED,
        false => Flaw::CutOff,
    })?;
    let mut decoded = Vec::with_capacity(inside.len() / 4 * 3);
    let mut lines = inside.lines();
    if lines.next() != Some("") || !inside.ends_with('\n') {
        return Err(ALTERED);
    }
    let mut ended = false;
    for line in lines {
        if ended || line.is_empty() || line.len() > COLUMNS {
            return Err(ALTERED);
        }
        ended = line.len() < COLUMNS || line.ends_with('=');
        decoded.extend(BASE64.decode(line.as_bytes()).map_err(|_| ALTERED)?);
    }
    Ok(decoded.into())
}

const ALTERED: Flaw = Flaw::Altered("its armour");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_come_back() {
        for length in (0..200).chain([48 * 40]) {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let text = encode(&bytes);
            assert!(text.lines().all(|line| line.len() <= COLUMNS));
            assert_eq!(decode(text.as_bytes()).unwrap(), bytes);
            let elsewhere = format!("\n\r\n  {}\n ", text.replace('\n', "\r\n"));
            assert_eq!(decode(elsewhere.as_bytes()).unwrap(), bytes, "{length}");
        }
    }

    #[test]
    fn an_armour_that_ends_early_is_cut_off_at_every_length() {
        let text = encode(&[7; 100]);
        for length in 1..text.len() - 1 {
            assert_eq!(decode(&text.as_bytes()[..length]), Err(Flaw::CutOff), "{length}");
        }
    }

    #[test]
    fn other_ways_to_write_the_same_bytes_are_refused() {
        let text = encode(&[7; 100]);
        let body: Vec<&str> = text.lines().collect();
        for wrong in [
            text.replacen("\n", "\n\n", 1),
            text.replacen("BwcH", "Bw==\nBwcH", 1),
            text.replacen("BwcH", "BwcH ", 1),
            text.replace(body[1], &format!("{}{}", body[1], body[2])),
            format!("{text}more"),
            format!("{BEGIN}\nAB==\n{END}\n"),
            format!("{BEGIN}AAAA{END}"),
        ] {
            assert_eq!(decode(wrong.as_bytes()), Err(ALTERED), "{wrong}");
        }
    }
}
