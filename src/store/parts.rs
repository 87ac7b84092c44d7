//! A text in the keychain, however long: in one item, or in numbered parts where an item of the platform holds less.
//!
//! The item under the text's own name is written last and in one step, so that a reader, and whoever comes after a kill,
//! finds the old text or the new one, whole. Parts have one of two turns in their names; a new text takes the turn that
//! the old one has not. It knows nothing of what the text is.

use zeroize::Zeroizing;

use super::StoreError;
use crate::digest;

/// Keeps texts as items of a keychain, each under a service and an account.
pub trait Items {
    /// Whether items can be put in now. `person` allows it to ask somebody to unlock the keychain, here and below.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Denied`] or [`StoreError::Unavailable`].
    fn ready(&self, person: bool) -> Result<(), StoreError>;

    /// The text of an item; none only when the keychain is sure that there is none.
    ///
    /// # Errors
    /// As [`Items::ready`].
    fn find_item(&self, service: &str, account: &str, person: bool) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;

    /// Makes or replaces an item, in one step.
    ///
    /// # Errors
    /// As [`Items::ready`].
    fn keep_item(&self, service: &str, account: &str, text: &[u8], person: bool) -> Result<(), StoreError>;

    /// Removes an item if it is there.
    ///
    /// # Errors
    /// As [`Items::ready`].
    fn remove_item(&self, service: &str, account: &str, person: bool) -> Result<(), StoreError>;

    /// The bytes that one item holds at most; none where that is no limit in practice.
    fn limit(&self) -> Option<usize>;
}

/// The place of one text.
pub(super) struct Spot<'a> {
    pub items: &'a dyn Items,
    pub service: &'a str,
    pub account: &'a str,
    pub person: bool,
}

/// Begins the item that only counts parts.
const INDEX: &str = "keyfob-parts ";

/// How often a text is read anew when somebody replaces it meanwhile.
const TRIES: usize = 3;

/// What the item under the text's own name says when the text is in parts.
struct Index {
    turn: Turn,
    count: usize,
    sum: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    A,
    B,
}

impl Turn {
    fn letter(self) -> char {
        match self {
            Turn::A => 'a',
            Turn::B => 'b',
        }
    }
}

impl Index {
    fn parse(text: &[u8]) -> Option<Index> {
        let mut words = std::str::from_utf8(text).ok()?.strip_prefix(INDEX)?.split(' ');
        let turn = match words.next()? {
            "a" => Turn::A,
            "b" => Turn::B,
            _ => return None,
        };
        let count = words.next()?.parse().ok()?;
        let sum = words.next()?.to_owned();
        Some(Index { turn, count, sum })
    }

    fn text(&self) -> String {
        format!("{INDEX}{} {} {}", self.turn.letter(), self.count, self.sum)
    }
}

impl Spot<'_> {
    /// The text; none if there is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when parts are missing or altered; else as [`Items::find_item`].
    pub(super) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        for _ in 0..TRIES {
            let Some(head) = self.find(self.account)? else {
                return Ok(None);
            };
            let Some(index) = Index::parse(&head) else {
                return Ok(Some(head));
            };
            if let Some(text) = self.join(&index)? {
                return Ok(Some(text));
            }
        }
        Err(StoreError::Damaged(format!(
            "the item `{}` of the service `{}` lacks a part",
            self.account, self.service
        )))
    }

    fn join(&self, index: &Index) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let mut parts = Vec::new();
        for number in 1..=index.count {
            match self.find(&self.part(index.turn, number))? {
                Some(part) => parts.push(part),
                None => return Ok(None),
            }
        }
        let mut text = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| text.extend_from_slice(part));
        Ok((digest::hex(&[&text]) == index.sum).then_some(text))
    }

    /// Replaces the text. The caller holds the lock of its record.
    ///
    /// # Errors
    /// As [`Items::keep_item`]; the old text is then as it was.
    pub(super) fn write(&self, text: &[u8]) -> Result<(), StoreError> {
        let old = self.find(self.account)?.and_then(|head| Index::parse(&head));
        let fits = self.items.limit().is_none_or(|limit| text.len() <= limit);
        // What reads as an index must not stand alone.
        let new = if fits && Index::parse(text).is_none() {
            self.keep(self.account, text)?;
            None
        } else {
            let turn = match &old {
                Some(old) if old.turn == Turn::A => Turn::B,
                _ => Turn::A,
            };
            Some(self.write_parts(text, turn)?)
        };
        // Where everything fits no part was ever written.
        if self.items.limit().is_some() || old.is_some() {
            for turn in [Turn::A, Turn::B] {
                let kept = new
                    .filter(|(current, _)| *current == turn)
                    .map_or(0, |(_, count)| count);
                self.sweep(turn, kept + 1)?;
            }
        }
        Ok(())
    }

    fn write_parts(&self, text: &[u8], turn: Turn) -> Result<(Turn, usize), StoreError> {
        let limit = self.items.limit().unwrap_or(text.len());
        let mut count = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let (part, more) = rest.split_at(boundary(rest, limit));
            count += 1;
            self.keep(&self.part(turn, count), part)?;
            rest = more;
        }
        let sum = digest::hex(&[text]);
        self.keep(self.account, Index { turn, count, sum }.text().as_bytes())?;
        Ok((turn, count))
    }

    /// Removes the text, and whatever a change that was cut off left of it.
    ///
    /// # Errors
    /// As [`Items::remove_item`].
    pub(super) fn remove(&self) -> Result<(), StoreError> {
        let split = self.find(self.account)?.and_then(|head| Index::parse(&head)).is_some();
        self.items.remove_item(self.service, self.account, self.person)?;
        if split || self.items.limit().is_some() {
            self.sweep(Turn::A, 1)?;
            self.sweep(Turn::B, 1)?;
        }
        Ok(())
    }

    /// Removes the parts of a turn from a number on, the last one first, so that one who is cut off leaves no gap.
    fn sweep(&self, turn: Turn, from: usize) -> Result<(), StoreError> {
        let mut end = from;
        while self.find(&self.part(turn, end))?.is_some() {
            end += 1;
        }
        for number in (from..end).rev() {
            let part = self.part(turn, number);
            self.items.remove_item(self.service, &part, self.person)?;
        }
        Ok(())
    }

    fn part(&self, turn: Turn, number: usize) -> String {
        format!("{} (part {number}{})", self.account, turn.letter())
    }

    fn find(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.items.find_item(self.service, account, self.person)
    }

    fn keep(&self, account: &str, text: &[u8]) -> Result<(), StoreError> {
        self.items.keep_item(self.service, account, text, self.person)
    }
}

/// Where a part of at most `limit` bytes ends: between two letters, because some keychains take only whole ones.
fn boundary(text: &[u8], limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    let inside = |at: &usize| (text[*at] & 0b1100_0000) == 0b1000_0000;
    let end = (1..=limit).rev().find(|at| !inside(at));
    end.unwrap_or(limit.max(1))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;

    /// A keychain of this many bytes an item, which is cut off at a call that changes something.
    struct Small {
        limit: Option<usize>,
        items: RefCell<BTreeMap<String, Vec<u8>>>,
        changes: Cell<usize>,
        cut_at: Cell<usize>,
    }

    impl Small {
        fn new(limit: Option<usize>) -> Small {
            Small {
                limit,
                items: RefCell::default(),
                changes: Cell::new(0),
                cut_at: Cell::new(usize::MAX),
            }
        }

        fn change(&self) -> Result<(), StoreError> {
            self.changes.set(self.changes.get() + 1);
            if self.changes.get() > self.cut_at.get() {
                return Err(StoreError::Failed("cut off".into()));
            }
            Ok(())
        }

        fn spot(&self) -> Spot<'_> {
            Spot {
                items: self,
                service: "acme",
                account: "ann",
                person: false,
            }
        }

        fn text(&self) -> Option<Vec<u8>> {
            self.spot().read().unwrap().map(|text| text.to_vec())
        }
    }

    impl Items for Small {
        fn ready(&self, _person: bool) -> Result<(), StoreError> {
            Ok(())
        }

        fn find_item(&self, _: &str, account: &str, _: bool) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
            Ok(self.items.borrow().get(account).cloned().map(Zeroizing::new))
        }

        fn keep_item(&self, _: &str, account: &str, text: &[u8], _: bool) -> Result<(), StoreError> {
            self.change()?;
            assert!(
                self.limit.is_none_or(|limit| text.len() <= limit),
                "{} bytes",
                text.len()
            );
            assert!(std::str::from_utf8(text).is_ok(), "a letter was cut");
            self.items.borrow_mut().insert(account.into(), text.to_vec());
            Ok(())
        }

        fn remove_item(&self, _: &str, account: &str, _: bool) -> Result<(), StoreError> {
            self.change()?;
            self.items.borrow_mut().remove(account);
            Ok(())
        }

        fn limit(&self) -> Option<usize> {
            self.limit
        }
    }

    const TEXTS: &[&str] = &[
        "canary",
        "canary canary canary canary canary canary canary canary canary canary canary canary",
        "canary-üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü",
        "canary canary canary canary canary canary canary canary canary canary canary canary canary canary canary \
         canary canary canary canary canary canary canary canary canary canary canary canary canary canary canary",
        "keyfob-parts a 2 canary",
        "",
    ];

    #[test]
    fn any_text_follows_any_other_and_nothing_is_left_behind() {
        for limit in [None, Some(50), Some(64)] {
            let keychain = Small::new(limit);
            for text in TEXTS.iter().chain(TEXTS.iter().rev()) {
                keychain.spot().write(text.as_bytes()).unwrap();
                assert_eq!(keychain.text().as_deref(), Some(text.as_bytes()));
            }
            keychain.spot().remove().unwrap();
            assert_eq!(keychain.text(), None);
            assert!(keychain.items.borrow().is_empty(), "{limit:?}");
        }
    }

    #[test]
    fn whoever_is_cut_off_anywhere_leaves_the_old_text_or_the_new_one_whole() {
        let texts = TEXTS.iter().flat_map(|old| TEXTS.iter().map(move |new| (*old, *new)));
        for (old, new) in texts {
            for cut in 0.. {
                let keychain = Small::new(Some(50));
                keychain.spot().write(old.as_bytes()).unwrap();
                keychain.cut_at.set(keychain.changes.get() + cut);
                let done = keychain.spot().write(new.as_bytes()).is_ok();
                let now = keychain.text().unwrap();
                assert!(now == old.as_bytes() || now == new.as_bytes(), "{old} {new} {cut}");
                keychain.cut_at.set(usize::MAX);
                keychain.spot().write(b"canary, the next one").unwrap();
                let left = keychain.items.borrow().len();
                assert_eq!(left, 1, "{old} {new} {cut}");
                if done {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_removal_that_is_cut_off_is_finished_by_the_next_one() {
        for cut in 0..8 {
            let keychain = Small::new(Some(50));
            keychain.spot().write(TEXTS[3].as_bytes()).unwrap();
            keychain.cut_at.set(keychain.changes.get() + cut);
            let _ = keychain.spot().remove();
            keychain.cut_at.set(usize::MAX);
            keychain.spot().remove().unwrap();
            assert!(keychain.items.borrow().is_empty(), "{cut}");
        }
    }

    #[test]
    fn a_missing_or_altered_part_is_damage() {
        let keychain = Small::new(Some(50));
        keychain.spot().write(TEXTS[3].as_bytes()).unwrap();
        let whole = keychain.items.borrow().clone();
        for name in whole.keys().filter(|name| name.contains("part")) {
            keychain.items.borrow_mut().remove(name);
            assert!(matches!(keychain.spot().read(), Err(StoreError::Damaged(_))));
            keychain.items.borrow_mut().insert(name.clone(), b"other".to_vec());
            assert!(matches!(keychain.spot().read(), Err(StoreError::Damaged(_))));
            keychain.items.borrow_mut().clone_from(&whole);
        }
    }
}
