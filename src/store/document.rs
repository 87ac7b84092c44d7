//! A record outside of its slot: one JSON object with a checksum, so that another program can read it.
//!
//! `{"keyfob":1,"store":"file","family":"…","generation":3,"record":{…},"sum":"…"}` LF. It knows no files and no stores.
//! The sum is the last member and covers every byte before it, as in a slot.

use serde::{Deserialize, Serialize};
use serde_json::Map;
use zeroize::Zeroizing;

use super::Header;
use super::slot::{FORMAT, Flaw};
use crate::digest;

#[derive(Serialize, Deserialize)]
struct Head {
    keyfob: u64,
    store: String,
    family: String,
    generation: u64,
}

#[derive(Deserialize)]
struct Format {
    keyfob: u64,
}

const RECORD_MEMBER: &[u8] = b",\"record\":";
const SUM_MEMBER: &[u8] = b",\"sum\":\"";
/// The member, the hex digits, the closing quote and brace, the line end.
const SUM_LEN: usize = SUM_MEMBER.len() + digest::HEX_LEN + 3;

/// The whole document of an encoded record. What the header has of its store stays in the slot.
pub(super) fn encode(header: &Header, record: &[u8]) -> Zeroizing<Vec<u8>> {
    let Header {
        store,
        family,
        generation,
        extra: _,
    } = header;
    let head = Head {
        keyfob: FORMAT,
        store: store.clone(),
        family: family.clone(),
        generation: *generation,
    };
    let mut head = serde_json::to_vec(&head).expect("a head has only texts and numbers");
    head.pop();
    let whole = head.len() + RECORD_MEMBER.len() + record.len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(whole + SUM_LEN));
    for part in [&head, RECORD_MEMBER, record] {
        bytes.extend_from_slice(part);
    }
    let sum = digest::hex(&[&bytes]);
    for part in [SUM_MEMBER, sum.as_bytes(), b"\"}\n"] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Header and encoded record of a document.
///
/// # Errors
/// [`Flaw::Newer`] is told before the sum is looked at, which a newer format may count in another way.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, &[u8]), Flaw> {
    let (signed, member) = bytes.split_at(bytes.len().saturating_sub(SUM_LEN));
    let found = member
        .strip_prefix(SUM_MEMBER)
        .and_then(|rest| rest.strip_suffix(b"\"}\n"));
    if found != Some(digest::hex(&[signed]).as_bytes()) {
        return match serde_json::from_slice(bytes) {
            Ok(Format { keyfob }) if keyfob > FORMAT => Err(Flaw::Newer),
            _ => Err(Flaw::Damaged("its checksum does not fit")),
        };
    }
    // A quote inside of a text is escaped, so that the member cannot begin within one.
    let at = signed
        .windows(RECORD_MEMBER.len())
        .position(|part| part == RECORD_MEMBER);
    let (head, record) = signed.split_at(at.ok_or(Flaw::Damaged("it has no record"))?);
    let head = [head, b"}"].concat();
    let Head {
        keyfob,
        store,
        family,
        generation,
    } = serde_json::from_slice(&head).map_err(|_| Flaw::Damaged("its header lacks a member"))?;
    if keyfob > FORMAT {
        return Err(Flaw::Newer);
    }
    let header = Header {
        store,
        family,
        generation,
        extra: Map::new(),
    };
    Ok((header, &record[RECORD_MEMBER.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> (Header, Zeroizing<Vec<u8>>) {
        let header = Header {
            store: "file".into(),
            family: "f\",\"record\":1".into(),
            generation: 3,
            extra: Map::new(),
        };
        let bytes = encode(&header, b"{\"secret\":\"canary\",\"record\":2}");
        (header, bytes)
    }

    #[test]
    fn a_document_reads_back_and_is_json() {
        let (header, bytes) = document();
        let record = b"{\"secret\":\"canary\",\"record\":2}".as_slice();
        assert_eq!(decode(&bytes), Ok((header, record)));
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["record"]["secret"], "canary");
    }

    #[test]
    fn a_document_torn_or_altered_anywhere_is_found() {
        let (_, bytes) = document();
        for place in 0..bytes.len() {
            assert!(decode(&bytes[..place]).is_err(), "{place} bytes");
            let mut altered = bytes.clone();
            altered[place] ^= 1;
            assert!(decode(&altered).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_newer_document_is_told_from_damage() {
        assert_eq!(decode(b"{\"keyfob\":2,\"anything\":[]}\n"), Err(Flaw::Newer));
        assert!(matches!(
            decode(b"{\"access_token\":\"canary\"}\n"),
            Err(Flaw::Damaged(_))
        ));
    }
}
