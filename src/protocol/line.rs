//! Lines of a tool that waits for an answer to each before it writes the next.
//!
//! It knows nothing of what stands in a line. It never reads on when it has a line: the tool would wait for us, and we
//! for it.

use std::io::Read;

use zeroize::Zeroizing;

use super::{MAX_INPUT, USUAL_INPUT};
use crate::error::{Error, Result};

/// What was read and not yet given out.
pub(super) struct Lines {
    bytes: Zeroizing<Vec<u8>>,
    ended: bool,
}

impl Lines {
    pub(super) fn new() -> Lines {
        Lines {
            bytes: Zeroizing::new(Vec::with_capacity(USUAL_INPUT)),
            ended: false,
        }
    }

    /// The next line without its end; the last one may have none. Nothing where the input has ended.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is longer than [`MAX_INPUT`] or cannot be read; nothing can be read after it.
    pub(super) fn next(&mut self, input: &mut dyn Read) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.bytes[seen..].iter().position(|b| *b == b'\n') {
                let rest = Zeroizing::new(self.bytes.split_off(seen + at + 1));
                let mut line = std::mem::replace(&mut self.bytes, rest);
                line.pop();
                return Ok(Some(line));
            }
            seen = self.bytes.len();
            if self.ended {
                let line = std::mem::take(&mut self.bytes);
                return Ok((!line.is_empty()).then_some(line));
            }
            if seen > MAX_INPUT {
                return Err(Error::usage("reading the request: it is longer than 1 MiB"));
            }
            self.more(input)?;
        }
    }

    fn more(&mut self, input: &mut dyn Read) -> Result<()> {
        let mut piece = Zeroizing::new([0; USUAL_INPUT]);
        let read = input.read(&mut *piece);
        let length = read.map_err(|error| Error::usage(format!("reading the request: {}", error.kind())))?;
        self.ended = length == 0;
        self.bytes.extend_from_slice(&piece[..length]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &mut dyn Read) -> Vec<String> {
        let mut lines = Lines::new();
        let mut found = Vec::new();
        while let Some(line) = lines.next(input).unwrap() {
            found.push(String::from_utf8(line.to_vec()).unwrap());
        }
        found
    }

    #[test]
    fn lines_come_one_by_one_and_the_last_needs_no_end() {
        assert_eq!(all(&mut &b"a\n\nbc\nd"[..]), ["a", "", "bc", "d"]);
        assert_eq!(all(&mut &b"a\n"[..]), ["a"]);
        assert!(all(&mut &b""[..]).is_empty());
        let long = format!("{}\nx\n", "a".repeat(3 * USUAL_INPUT));
        assert_eq!(all(&mut long.as_bytes()), [&long[..long.len() - 3], "x"]);
    }

    #[test]
    fn a_line_is_given_out_before_more_is_read() {
        /// Gives one piece for each call, and must not be asked a second time.
        struct Waiting(bool);
        impl Read for Waiting {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                assert!(!std::mem::replace(&mut self.0, true), "it was asked again");
                buffer[..3].copy_from_slice(b"a\nb");
                Ok(3)
            }
        }
        let line = Lines::new().next(&mut Waiting(false)).unwrap();
        assert_eq!(&line.unwrap()[..], b"a");
    }

    #[test]
    fn a_line_without_end_is_not_read_for_ever() {
        let error = Lines::new().next(&mut std::io::repeat(b'a')).unwrap_err();
        assert_eq!(error.to_string(), "reading the request: it is longer than 1 MiB");
    }
}
