//! The store of plain JSON: the record itself lies in its slot, or in a file at a fixed path, protected by the file's mode
//! alone.
//!
//! The last resort where no keychain answers, and never called anything but that. Security review, section 4b.

use std::path::Path;

use zeroize::Zeroizing;

use super::{Copies, Header, Seat, Shared, Store, StoreError, address, fixed, outline};

/// See the module.
#[derive(Debug)]
pub(super) struct PlainFile;

/// For the table.
pub(super) fn build(_seat: &Seat) -> Box<dyn Store> {
    Box::new(PlainFile)
}

/// The path where the record lies instead of in its slot.
fn path(header: &Header) -> Option<&Path> {
    header.text(address::AT).map(Path::new)
}

impl Store for PlainFile {
    fn name(&self) -> &'static str {
        "file"
    }

    fn ready(&self, _person: bool) -> Result<(), StoreError> {
        Ok(())
    }

    fn prove(&self, header: &Header, size: usize) -> Result<(), StoreError> {
        path(header).map_or(Ok(()), |path| fixed::prove(path, size))
    }

    fn seal(&self, name: &str, header: &mut Header, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        if let Some(path) = path(header) {
            fixed::write(path, name, header, record)?;
            return outline(header, record);
        }
        let mut body = Zeroizing::new(Vec::with_capacity(record.len() + 1));
        body.extend_from_slice(record);
        body.push(b'\n');
        Ok(body)
    }

    fn open(&self, _name: &str, header: &mut Header, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        match path(header).map(Path::to_owned) {
            Some(path) => fixed::read(&path, header),
            None => Ok(Zeroizing::new(body.to_vec())),
        }
    }

    fn elsewhere(&self, header: &Header) -> Option<String> {
        header.text(address::AT).map(str::to_owned)
    }

    fn shared(&self, header: &Header) -> Option<Shared> {
        path(header).map(|path| Shared::File(path.to_owned()))
    }

    fn prove_own(&self, name: &str, header: &Header) -> Result<(), StoreError> {
        path(header).map_or(Ok(()), |path| fixed::prove_own(path, name))
    }

    fn is_others(&self, name: &str, header: &Header) -> bool {
        path(header).is_some_and(|path| fixed::is_others(path, name))
    }

    fn sweep(&self, header: &Header) -> Result<(), StoreError> {
        path(header).map_or(Ok(()), fixed::sweep)
    }

    fn copy(&self, header: &Header) -> Result<Copies, StoreError> {
        path(header).map(fixed::copy).into_iter().collect()
    }

    fn put_back(&self, header: &Header, copies: &Copies) -> Result<(), StoreError> {
        match (path(header), copies.first()) {
            (Some(path), Some(copy)) => fixed::put_back(path, copy.as_ref()),
            _ => Ok(()),
        }
    }

    fn discard(&self, name: &str, header: &Header) -> Result<(), StoreError> {
        path(header).map_or(Ok(()), |path| fixed::remove(path, name))
    }

    fn protection(&self) -> &'static str {
        "not encrypted; only this user's programs, and root, can read the file"
    }
}
