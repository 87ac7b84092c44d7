//! What lies in a bundle: records whole, with what a newer keyfob wrote into them, and provider files as text.
//!
//! JSON, so that whoever opened the envelope with `age` can read it. It knows nothing of the envelope, and nothing of
//! what the records mean here: the commands do.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Flaw;
use crate::digest;
use crate::record::{MAX_RECORD, Record};
use crate::time::Timestamp;

/// The format that is written, and the newest that is read. It grows when an older keyfob would restore something wrong.
const FORMAT: u64 = 1;

/// What tells the document from others.
const KIND: &str = "keyfob";

/// The most records of a bundle: the store keeps no more with good speed, and a bundle is opened in memory.
pub(super) const MAX_RECORDS: usize = 10_000;

/// The longest text of one entry: a record as long as one may be, whose short texts have a line and its margin each.
/// What is read of an entry takes up to ten times its text in memory, so it is looked at before.
const MAX_ENTRY: usize = 8 * MAX_RECORD;

/// Credentials on their way.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// When it was made, for a person.
    pub created: String,
    /// The records. Family and generation are those of the store that they came from, and mean nothing elsewhere.
    pub records: Vec<Record>,
    /// The provider files that go along.
    pub providers: Vec<Provider>,
}

/// A provider file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// The provider's name, which is the file's.
    pub name: String,
    /// What is in the file.
    pub text: String,
}

#[derive(Serialize)]
struct Out<'a> {
    bundle: &'a str,
    format: u64,
    created: &'a str,
    records: Vec<Entry>,
    providers: Vec<Entry>,
}

#[derive(Deserialize)]
struct Head {
    bundle: String,
    format: u64,
}

#[derive(Deserialize)]
struct In<'a> {
    #[serde(default)]
    created: String,
    #[serde(borrow, default)]
    records: Few<'a>,
    #[serde(borrow, default)]
    providers: Few<'a>,
}

/// The texts of as many entries as there may be, none of them read yet: whoever made the bundle may mean ill.
#[derive(Default)]
struct Few<'a> {
    entries: Vec<&'a RawValue>,
    is_more: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Few<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Few<'a>, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Few<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few<'de>, A::Error> {
                let mut few = Few::default();
                while let Some(entry) = list.next_element()? {
                    match few.entries.len() < MAX_RECORDS {
                        true => few.entries.push(entry),
                        false => few.is_more = true,
                    }
                }
                Ok(few)
            }
        }
        from.deserialize_seq(Bounded)
    }
}

impl Few<'_> {
    fn checked(&self) -> Result<(), Flaw> {
        if self.is_more {
            return Err(Flaw::Altered("it has more entries than any"));
        }
        match self.entries.iter().all(|entry| entry.get().len() <= MAX_ENTRY) {
            true => Ok(()),
            false => Err(Flaw::Altered("an entry is longer than any")),
        }
    }
}

/// One thing, and the digest of it.
#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    content: Map<String, Value>,
    sum: String,
}

impl Entry {
    fn of(content: &impl Serialize) -> Entry {
        let value = serde_json::to_value(content).expect("what is kept has only texts, numbers and lists");
        let content = value.as_object().cloned().unwrap_or_default();
        Entry {
            sum: sum(&content),
            content,
        }
    }

    fn read(text: &RawValue) -> Result<Entry, Flaw> {
        let malformed = Flaw::Altered("an entry is malformed");
        let mut content: Map<String, Value> = serde_json::from_str(text.get()).map_err(|_| malformed)?;
        match content.remove("sum") {
            Some(Value::String(sum)) => Ok(Entry { content, sum }),
            _ => Err(malformed),
        }
    }

    /// The bytes of its JSON, if the digest fits.
    fn checked(&self) -> Result<Zeroizing<Vec<u8>>, Flaw> {
        if self.sum != sum(&self.content) {
            return Err(Flaw::Altered("the checksum of an entry does not fit"));
        }
        Ok(encoded(&self.content))
    }
}

/// A map is written in the order of its keys, so that it does not matter who wrote it down before.
fn encoded(content: &Map<String, Value>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(serde_json::to_vec(content).expect("JSON that was read can be written"))
}

fn sum(content: &Map<String, Value>) -> String {
    digest::hex(&[&encoded(content)])
}

impl Document {
    /// A document of this moment.
    pub fn new(now: Timestamp, records: Vec<Record>, providers: Vec<Provider>) -> Document {
        Document {
            created: now.rfc3339(),
            records,
            providers,
        }
    }

    /// The document as JSON in lines.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Document {
            created,
            records,
            providers,
        } = self;
        let record = |record: &Record| {
            let value: Value = serde_json::from_slice(&record.encode()).expect("a record is JSON");
            Entry::of(&value)
        };
        let out = Out {
            bundle: KIND,
            format: FORMAT,
            created,
            records: records.iter().map(record).collect(),
            providers: providers.iter().map(Entry::of).collect(),
        };
        let mut text = Zeroizing::new(serde_json::to_vec_pretty(&out).expect("the same"));
        text.push(b'\n');
        text
    }

    /// Reads what [`Document::encode`] made, all of it or nothing.
    ///
    /// # Errors
    /// [`Flaw::NotBundle`]; [`Flaw::Newer`], told from the head alone; [`Flaw::Altered`] when an entry's checksum does not
    /// fit, a record is malformed, or two have one name.
    pub fn decode(bytes: &[u8]) -> Result<Document, Flaw> {
        let head: Head = serde_json::from_slice(bytes).map_err(|_| Flaw::NotBundle)?;
        match head {
            Head { bundle, .. } if bundle != KIND => return Err(Flaw::NotBundle),
            Head { format, .. } if format > FORMAT => return Err(Flaw::Newer),
            Head { format: 0, .. } => return Err(Flaw::Altered("its format")),
            Head { .. } => (),
        }
        let read: In = serde_json::from_slice(bytes).map_err(|_| Flaw::Altered("an entry is malformed"))?;
        read.records.checked()?;
        read.providers.checked()?;
        let mut document = Document {
            created: read.created,
            records: Vec::new(),
            providers: Vec::new(),
        };
        for entry in read.records.entries {
            let record = Record::decode(&Entry::read(entry)?.checked()?, String::new(), 1);
            document
                .records
                .push(record.map_err(|_| Flaw::Altered("a record is malformed"))?);
        }
        for entry in read.providers.entries {
            let provider = serde_json::from_slice(&Entry::read(entry)?.checked()?);
            let provider = provider.map_err(|_| Flaw::Altered("a provider file is malformed"))?;
            document.providers.push(provider);
        }
        let mut keys: Vec<_> = document.records.iter().map(|record| &record.key).collect();
        let mut names: Vec<_> = document.providers.iter().map(|provider| &provider.name).collect();
        keys.sort();
        names.sort();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) || names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Flaw::Altered("it has an entry twice"));
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Group, Key};
    use crate::secret::Secret;

    fn record(account: &str) -> Record {
        let key = Key {
            group: Group::Session {
                provider: "acme".into(),
                mode: "dev".into(),
            },
            account: account.into(),
            path: None,
        };
        let mut record = Record::new(key, String::new(), "keyfob");
        record.secret = Some(Secret::new("canary\"\u{2028}".into()));
        record
            .extra
            .insert("colour".into(), serde_json::json!({"b": [1, -2, 0.5], "a": null}));
        record
    }

    fn document() -> Document {
        let provider = Provider {
            name: "acme".into(),
            text: "format = 1\n".into(),
        };
        Document::new(
            Timestamp::from_unix(1_893_456_000),
            vec![record("ann"), record("")],
            vec![provider],
        )
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Result<Document, Flaw> {
        let mut value: Value = serde_json::from_slice(&document().encode()).unwrap();
        change(&mut value);
        Document::decode(value.to_string().as_bytes())
    }

    #[test]
    fn a_document_reads_back_with_unknown_fields() {
        assert_eq!(Document::decode(&document().encode()), Ok(document()));
        assert_eq!(changed(|_| ()), Ok(document()), "on one line");
    }

    #[test]
    fn unknown_members_of_the_document_are_nobodys_business() {
        assert_eq!(changed(|value| value["more"] = 1.into()), Ok(document()));
    }

    #[test]
    fn a_newer_document_is_told_from_damage() {
        let newer = changed(|value| {
            value["format"] = 2.into();
            value["records"] = "elsewhere".into();
        });
        assert_eq!(newer, Err(Flaw::Newer));
    }

    #[test]
    fn what_is_no_bundle_is_told_from_damage() {
        for text in [
            "",
            "canary",
            "[]",
            "{}",
            "{\"bundle\":\"other\",\"format\":9}",
            "{\"format\":1}",
        ] {
            assert_eq!(Document::decode(text.as_bytes()), Err(Flaw::NotBundle), "{text}");
        }
    }

    #[test]
    fn an_entry_that_was_changed_by_hand_is_found() {
        for path in [
            "/records/0/secret",
            "/records/1/key",
            "/records/0/sum",
            "/providers/0/text",
        ] {
            let flaw = changed(|value| *value.pointer_mut(path).unwrap() = "canary".into());
            assert_eq!(
                flaw,
                Err(Flaw::Altered("the checksum of an entry does not fit")),
                "{path}"
            );
        }
        let twice = changed(|value| {
            let first = value["records"][0].clone();
            value["records"].as_array_mut().unwrap().push(first);
        });
        assert_eq!(twice, Err(Flaw::Altered("it has an entry twice")));
    }

    #[test]
    fn entries_without_end_are_refused_before_one_of_them_is_read() {
        for list in ["records", "providers"] {
            let head = format!("{{\"bundle\":\"keyfob\",\"format\":1,\"{list}\":[");
            let many = format!("{head}{}1]}}", "1,".repeat(MAX_RECORDS));
            let flaw = Flaw::Altered("it has more entries than any");
            assert_eq!(Document::decode(many.as_bytes()), Err(flaw), "{list}");
            let long = format!("{head}[{}1]]}}", "1,".repeat(MAX_ENTRY / 2));
            let flaw = Flaw::Altered("an entry is longer than any");
            assert_eq!(Document::decode(long.as_bytes()), Err(flaw), "{list}");
            let most = format!("{head}{}1]}}", "1,".repeat(MAX_RECORDS - 1));
            let flaw = Flaw::Altered("an entry is malformed");
            assert_eq!(Document::decode(most.as_bytes()), Err(flaw), "{list}");
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let text = String::from_utf8(document().encode().to_vec()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let entry = &value["providers"][0];
        // As another program may write it down.
        let turned = format!(
            "{{\"text\":{},\"sum\":{},\"name\":{}}}",
            entry["text"], entry["sum"], entry["name"]
        );
        let whole = value.to_string().replace(&entry.to_string(), &turned);
        assert_ne!(whole, value.to_string());
        assert_eq!(Document::decode(whole.as_bytes()), Ok(document()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, place: prop::sample::Index) {
            let _ = Document::decode(&bytes);
            let mut whole = document().encode().to_vec();
            let at = place.index(whole.len());
            whole.splice(at..at, bytes);
            let _ = Document::decode(&whole);
        }
    }
}
