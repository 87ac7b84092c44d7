//! The store `keychain`: each secret is an item of the OS keychain, called as its provider file says. Its person finds it
//! where the keychain shows what it holds, and a program that knows the name can read it without us.
//!
//! The slot is the index: it names the item and has everything but secrets, so that a listing asks no keychain. The item is
//! written before the slot: one that was cut off in between is found newer than its slot, which is no damage. It knows the
//! keychain as [`Items`] only. Design, section 8; systems, rows 4.12 to 4.16.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::parts::{Items, Spot};
use super::slot::Flaw;
use super::{Copies, Header, Seat, Shared, Store, StoreError, address, document, fixed, outline};
use crate::digest;
use crate::record::{Key, Record};
use crate::secret::Secret;

/// The service of an item that no provider file names, as of the data key.
const SERVICE: &str = "keyfob";

/// In the header: [`Secret::mark`] of the text, where the item is a token alone.
const MARK: &str = "mark";

/// In the header of a token alone: a renewal was under way when the slot was written. What is in the item by now is then
/// what the renewal put there, if it was cut off before the slot could follow.
const UNDER_WAY: &str = "under_way";

/// How many logins that were cut off one after the other are known by [`address::COMING`].
const COMING_KEPT: usize = 8;

/// In the header: there is a second item, with the secrets that are not the token.
const REST: &str = "rest";

/// Takes from a header what it knows of the item that it names, because it is to name another one.
pub(super) fn forget_found(extra: &mut Map<String, Value>) {
    for member in [MARK, UNDER_WAY, REST] {
        extra.remove(member);
    }
}

/// See the module.
pub(super) struct ItemStore {
    items: Rc<dyn Items>,
    person: Cell<bool>,
}

/// For the table.
pub(super) fn build(seat: &Seat) -> Box<dyn Store> {
    Box::new(ItemStore {
        items: Rc::clone(&seat.items),
        person: Cell::new(seat.person),
    })
}

/// The names in a header.
struct Names {
    service: String,
    item: String,
    /// Of the second item.
    rest: String,
}

fn names(header: &Header) -> Result<Names, StoreError> {
    let word = |member| header.text(member).map(str::to_owned);
    let (Some(service), Some(item)) = (word(address::SERVICE), word(address::ITEM)) else {
        return Err(StoreError::Damaged("it names no item of the keychain".into()));
    };
    let rest = format!("{item} (keyfob)");
    Ok(Names { service, item, rest })
}

/// Whether a text is the token that the header of its slot knows.
fn is_known(text: &[u8], header: &Header) -> bool {
    let mark = std::str::from_utf8(text).map(|text| Secret::new(text.to_owned()).mark());
    let coming = header.text(address::COMING).unwrap_or_default();
    mark.is_ok_and(|mark| header.text(MARK) == Some(&mark) || coming.split(' ').any(|coming| coming == mark))
}

fn is_bare(header: &Header) -> bool {
    header.text(address::VALUE) == Some(address::REFRESH)
}

impl Names {
    fn shown(&self) -> String {
        format!(
            "the item `{}` of the service `{}` in the keychain",
            self.item, self.service
        )
    }

    fn gone(&self) -> StoreError {
        StoreError::Absent(format!("{} is gone", self.shown()))
    }

    fn foreign(&self) -> StoreError {
        StoreError::Denied(format!(
            "{} was not written by keyfob for this session and is left; remove it there yourself",
            self.shown()
        ))
    }
}

impl ItemStore {
    fn spot<'a>(&'a self, names: &'a Names) -> Spot<'a> {
        Spot {
            items: &*self.items,
            service: &names.service,
            account: &names.item,
            person: self.person.get(),
        }
    }

    fn rest<'a>(&'a self, names: &'a Names) -> Spot<'a> {
        Spot {
            account: &names.rest,
            ..self.spot(names)
        }
    }

    /// Makes sure that the item holds nothing, or a record of this slot, or the token that the header knows. The header of
    /// the record that is found, if one is.
    fn check(&self, names: &Names, header: &Header, slot: &str) -> Result<Option<Header>, StoreError> {
        let Some(text) = self.spot(names).read()? else {
            return Ok(None);
        };
        if is_known(&text, header) {
            return Ok(None);
        }
        match document::decode(&text) {
            Ok((found, record)) if fixed::is_of(&found, record, slot) => Ok(Some(found)),
            Err(Flaw::Newer) => Err(StoreError::Newer(format!("a newer keyfob wrote {}", names.shown()))),
            // Nobody but the owner of the token that was there writes over it, so this is the owner's next one.
            Err(Flaw::Damaged(_)) if is_bare(header) && header.extra.contains_key(UNDER_WAY) => Ok(None),
            _ => Err(names.foreign()),
        }
    }

    /// The same before a write, which must be made from what is found.
    fn check_to_write(&self, names: &Names, header: &Header, slot: &str) -> Result<(), StoreError> {
        match self.check(names, header, slot)? {
            Some(found) if !fixed::follows(&found, header) => Err(StoreError::Changed(format!(
                "{} was changed by another keyfob",
                names.shown()
            ))),
            _ => Ok(()),
        }
    }

    /// The token alone in one item, and what other secrets there are in a second one.
    fn seal_bare(&self, names: &Names, header: &mut Header, record: &[u8]) -> Result<(), StoreError> {
        let mut record = decode(header, record)?;
        match record.intent {
            Some(_) => header.extra.insert(UNDER_WAY.into(), true.into()),
            None => header.extra.remove(UNDER_WAY),
        };
        // Of a session that nothing renews it is the token or key itself.
        let bare = record.refresh.take().or_else(|| record.secret.take());
        match &bare {
            Some(bare) => {
                self.spot(names).write(bare.expose().as_bytes())?;
                header.extra.insert(MARK.into(), bare.mark().into());
            }
            None => {
                self.spot(names).remove()?;
                header.extra.remove(MARK);
            }
        }
        if record.secret.is_some() || record.id_token.is_some() || record.learnt.is_some() || !record.extra.is_empty() {
            self.rest(names).write(&document::encode(header, &record.encode()))?;
            header.extra.insert(REST.into(), true.into());
            Ok(())
        } else {
            self.without_rest(names, header)
        }
    }

    /// Whether the item is a record, of whatever key.
    fn has_record(&self, names: &Names) -> Result<bool, StoreError> {
        let text = self.spot(names).read()?;
        Ok(text.is_some_and(|text| document::decode(&text).is_ok()))
    }

    fn has_rest_of(&self, names: &Names, slot: &str) -> Result<bool, StoreError> {
        let text = self.rest(names).read()?;
        let rest = text.as_deref().and_then(|text| document::decode(text).ok());
        Ok(rest.is_some_and(|(header, record)| fixed::is_of(&header, record, slot)))
    }

    fn without_rest(&self, names: &Names, header: &mut Header) -> Result<(), StoreError> {
        if header.extra.remove(REST).is_some() {
            self.rest(names).remove()?;
        }
        Ok(())
    }

    fn open_bare(&self, names: &Names, header: &Header, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let index = decode(header, body)?;
        if index.refresh.is_none() && index.secret.is_none() {
            return Ok(index.encode());
        }
        let text = self.spot(names).read()?.ok_or_else(|| names.gone())?;
        let text = std::str::from_utf8(&text).map_err(|_| names.foreign())?;
        let bare = Secret::new(text.to_owned());
        let same = header.text(MARK) == Some(bare.mark().as_str());
        // Only a renewal that was cut off writes a token that the slot does not know yet.
        if !same && index.intent.is_none() {
            return Err(StoreError::Absent(format!("{} was replaced", names.shown())));
        }
        let rest = match header.extra.contains_key(REST) {
            true => self.rest(names).read()?,
            false => None,
        };
        let is_refresh = index.refresh.is_some();
        let mut record = match rest.as_deref().map(|rest| document::decode(rest)) {
            Some(Ok((of, rest))) if of.family == header.family => decode(header, rest)?,
            Some(Err(flaw)) => return Err(flaw_of(names, &flaw)),
            _ => Record {
                secret: None,
                ..index.clone()
            },
        };
        if !same {
            (record.secret, record.expires_at) = (None, None);
        }
        record.intent = index.intent;
        match is_refresh {
            true => record.refresh = Some(bare),
            false => record.secret = Some(bare),
        }
        Ok(record.encode())
    }
}

fn flaw_of(names: &Names, flaw: &Flaw) -> StoreError {
    let shown = names.shown();
    match flaw {
        Flaw::Damaged(how) => StoreError::Damaged(format!("{shown} is damaged: {how}")),
        Flaw::Newer => StoreError::Newer(format!("a newer keyfob wrote {shown}")),
    }
}

fn decode(header: &Header, record: &[u8]) -> Result<Record, StoreError> {
    Record::decode(record, header.family.clone(), header.generation).map_err(StoreError::Damaged)
}

impl Store for ItemStore {
    fn name(&self) -> &'static str {
        "keychain"
    }

    fn ready(&self, person: bool) -> Result<(), StoreError> {
        self.items.ready(person)?;
        // Whoever was asked once may be asked for the rest of the same change.
        self.person.set(self.person.get() || person);
        Ok(())
    }

    fn address(&self, header: &mut Header, key: &Key) {
        let mut fill = |member: &str, text: String| {
            header.extra.entry(member.to_owned()).or_insert_with(|| text.into());
        };
        fill(address::SERVICE, SERVICE.into());
        fill(address::ITEM, key.to_string());
    }

    fn seal(&self, name: &str, header: &mut Header, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let names = names(header)?;
        let body = outline(header, record)?;
        self.check_to_write(&names, header, name)?;
        if is_bare(header) {
            self.seal_bare(&names, header, record)?;
        } else {
            self.spot(&names).write(&document::encode(header, record))?;
            header.extra.remove(MARK);
            header.extra.remove(UNDER_WAY);
            self.without_rest(&names, header)?;
        }
        header.extra.remove(address::COMING);
        Ok(body)
    }

    fn open(&self, _name: &str, header: &mut Header, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let names = names(header)?;
        if is_bare(header) {
            return self.open_bare(&names, header, body);
        }
        let text = self.spot(&names).read()?.ok_or_else(|| names.gone())?;
        let (found, record) = document::decode(&text).map_err(|flaw| flaw_of(&names, &flaw))?;
        if fixed::is_older(&found, header) {
            return Err(StoreError::Damaged(format!("{} is older than it was", names.shown())));
        }
        let record = Zeroizing::new(record.to_vec());
        fixed::adopt(header, found);
        Ok(record)
    }

    fn glance(&self, _name: &str, _header: &mut Header, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        Ok(Zeroizing::new(body.to_vec()))
    }

    fn elsewhere(&self, header: &Header) -> Option<String> {
        names(header).ok().map(|names| names.shown())
    }

    fn shared(&self, header: &Header) -> Option<Shared> {
        let names = names(header).ok()?;
        let digest = digest::hex(&[names.service.as_bytes(), b"\0", names.item.as_bytes()]);
        Some(Shared::Item(format!("item-{}", &digest[..32])))
    }

    fn forewarn(&self, header: &mut Header, record: &Record) -> bool {
        let token = record.refresh.as_ref().or(record.secret.as_ref());
        let Some(token) = token.filter(|_| is_bare(header) && !header.extra.contains_key(UNDER_WAY)) else {
            return false;
        };
        let is_new = header.text(MARK) != Some(token.mark().as_str());
        if is_new {
            // What was cut off before may be there still.
            let earlier = header.text(address::COMING).unwrap_or_default();
            let marks = earlier
                .split(' ')
                .rev()
                .take(COMING_KEPT)
                .fold(token.mark(), |marks, mark| format!("{mark} {marks}"));
            header.extra.insert(address::COMING.into(), marks.trim_start().into());
        }
        is_new
    }

    fn copy(&self, header: &Header) -> Result<Copies, StoreError> {
        let names = names(header)?;
        Ok(vec![self.spot(&names).read()?, self.rest(&names).read()?])
    }

    fn put_back(&self, header: &Header, copies: &Copies) -> Result<(), StoreError> {
        let names = names(header)?;
        for (spot, copy) in [self.spot(&names), self.rest(&names)].iter().zip(copies) {
            match copy {
                Some(text) => spot.write(text)?,
                None => spot.remove()?,
            }
        }
        Ok(())
    }

    fn prove_own(&self, name: &str, header: &Header) -> Result<(), StoreError> {
        self.check(&names(header)?, header, name).map(|_| ())
    }

    fn is_others(&self, name: &str, header: &Header) -> bool {
        let Ok(names) = names(header) else { return false };
        // A keychain that denies access denies both.
        self.spot(&names).read().is_ok() && matches!(self.check(&names, header, name), Err(StoreError::Denied(_)))
    }

    fn discard(&self, name: &str, header: &Header) -> Result<(), StoreError> {
        let names = names(header)?;
        match self.check(&names, header, name) {
            Ok(_) => self.spot(&names).remove()?,
            // Our token is not there any more, and whatever is belongs to somebody else; so does another account's record.
            Err(StoreError::Denied(_)) if is_bare(header) || self.has_record(&names)? => (),
            Err(error) => return Err(error),
        }
        // One who was killed may have had no time to note it.
        if header.extra.contains_key(REST) || (is_bare(header) && self.has_rest_of(&names, name)?) {
            self.rest(&names).remove()?;
        }
        Ok(())
    }

    fn protection(&self) -> &'static str {
        "in the keychain itself, which answers this user's programs while it is unlocked"
    }
}
