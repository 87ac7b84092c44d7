//! The bytes of a slot: one line of header, then the body.
//!
//! It knows no files and no stores: `disk.rs` reads and writes the bytes, a [`super::Store`] makes the body.
//!
//! `{"keyfob":1,"store":"file","family":"…","generation":3,…,"sum":"…"}` LF body. The sum is the last member, and covers
//! every byte before it and the whole body, so that a slot that was torn or altered anywhere is found; it is no proof
//! against somebody who can compute it (a sealed body is). Security review, sections 3d and 4a.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::digest;

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: u64 = 1;

/// The largest slot that is read: a record of 1 MiB sealed and in base64, and its header.
pub(super) const MAX_SLOT: usize = 2 * 1024 * 1024;

/// What stands before the body, in clear.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The name of the store that made the body.
    pub store: String,
    /// [`crate::record::Record::family`].
    pub family: String,
    /// [`crate::record::Record::generation`].
    pub generation: u64,
    /// Members of the store (a nonce), and those of a newer keyfob, which are kept.
    pub extra: Map<String, Value>,
}

impl Header {
    /// A member of the store, if it is there and a text.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.extra.get(member).and_then(Value::as_str)
    }
}

/// Why bytes are not a slot that can be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// They are not what was written; the text says how, without a value.
    Damaged(&'static str),
    /// A newer keyfob wrote them.
    Newer,
}

#[derive(Serialize)]
struct Out<'a> {
    keyfob: u64,
    store: &'a str,
    family: &'a str,
    generation: u64,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Deserialize)]
struct In {
    #[serde(rename = "keyfob")]
    _keyfob: u64,
    store: String,
    family: String,
    generation: u64,
    #[serde(rename = "sum")]
    _sum: String,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct Format {
    keyfob: u64,
}

const SUM_MEMBER: &[u8] = b",\"sum\":\"";
/// The member, the hex digits, the closing quote and brace.
const SUM_LEN: usize = SUM_MEMBER.len() + digest::HEX_LEN + 2;

/// The whole slot. `body` ends in a line feed.
pub(super) fn encode(header: &Header, body: &[u8]) -> Zeroizing<Vec<u8>> {
    let Header {
        store,
        family,
        generation,
        extra,
    } = header;
    let out = Out {
        keyfob: FORMAT,
        store,
        family,
        generation: *generation,
        extra,
    };
    let mut line = serde_json::to_vec(&out).expect("a header has only texts, numbers and their lists");
    line.pop();
    let sum = sum(&line, body);
    let mut bytes = Zeroizing::new(Vec::with_capacity(line.len() + SUM_LEN + 1 + body.len()));
    for part in [&line, SUM_MEMBER, sum.as_bytes(), b"\"}\n", body] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Header and body of a slot.
///
/// # Errors
/// [`Flaw::Newer`] is told from the header alone, as a newer format may count its sum in another way.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, &[u8]), Flaw> {
    let end = bytes.iter().position(|b| *b == b'\n');
    let (line, body) = bytes.split_at(end.ok_or(Flaw::Damaged("it has no header line"))?);
    let body = &body[1..];
    let Format { keyfob } = serde_json::from_slice(line).map_err(|_| Flaw::Damaged("its header is not readable"))?;
    if keyfob > FORMAT {
        return Err(Flaw::Newer);
    }
    let (signed, member) = line.split_at(line.len().saturating_sub(SUM_LEN));
    let found = member
        .strip_prefix(SUM_MEMBER)
        .and_then(|rest| rest.strip_suffix(b"\"}"));
    if found != Some(sum(signed, body).as_bytes()) {
        return Err(Flaw::Damaged("its checksum does not fit"));
    }
    let header: In = serde_json::from_slice(line).map_err(|_| Flaw::Damaged("its header lacks a member"))?;
    let In {
        _keyfob,
        store,
        family,
        generation,
        _sum,
        extra,
    } = header;
    Ok((
        Header {
            store,
            family,
            generation,
            extra,
        },
        body,
    ))
}

fn sum(line: &[u8], body: &[u8]) -> String {
    digest::hex(&[line, b"\n", body])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> (Header, Zeroizing<Vec<u8>>) {
        let header = Header {
            store: "file".into(),
            family: "f\"1".into(),
            generation: 3,
            extra: [("colour".to_string(), Value::from("blue"))].into_iter().collect(),
        };
        let bytes = encode(&header, b"{\"secret\":\"canary\"}\n");
        (header, bytes)
    }

    #[test]
    fn a_slot_reads_back_with_unknown_members() {
        let (header, bytes) = slot();
        assert_eq!(decode(&bytes), Ok((header, b"{\"secret\":\"canary\"}\n".as_slice())));
    }

    #[test]
    fn a_slot_altered_at_any_byte_is_found() {
        let (_, bytes) = slot();
        for place in 0..bytes.len() {
            for bit in [1, 2, 4, 32, 128] {
                let mut altered = bytes.clone();
                altered[place] ^= bit;
                assert!(decode(&altered).is_err(), "byte {place}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_slot_torn_at_any_byte_is_found() {
        let (_, bytes) = slot();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        assert_eq!(decode(b"{\"keyfob\":2,\"anything\":[]}\nx"), Err(Flaw::Newer));
    }
}
