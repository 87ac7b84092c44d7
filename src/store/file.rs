//! The store of plain JSON: the record itself lies in its slot, protected by the file's mode alone.
//!
//! The last resort where no keychain answers, and never called anything but that. Security review, section 4b.

use zeroize::Zeroizing;

use super::{Header, Seat, Store, StoreError};

/// See the module.
#[derive(Debug)]
pub(super) struct PlainFile;

/// For the table.
pub(super) fn build(_seat: &Seat) -> Box<dyn Store> {
    Box::new(PlainFile)
}

impl Store for PlainFile {
    fn name(&self) -> &'static str {
        "file"
    }

    fn ready(&self, _person: bool) -> Result<(), StoreError> {
        Ok(())
    }

    fn seal(&self, _name: &str, _header: &mut Header, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let mut body = Zeroizing::new(Vec::with_capacity(record.len() + 1));
        body.extend_from_slice(record);
        body.push(b'\n');
        Ok(body)
    }

    fn open(&self, _name: &str, _header: &Header, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        Ok(Zeroizing::new(body.to_vec()))
    }

    fn protection(&self) -> &'static str {
        "not encrypted; only this user's programs, and root, can read the file"
    }
}
