//! From a binary to its table.

use crate::{Limits, Result, Table, error::Error};

/// Random access to the bytes of a file. A `File` is read by position, so that a file that shrinks meanwhile is an error and not
/// a signal, as it would be with a mapping.
pub trait Source {
    /// Bytes
    fn len(&self) -> Result<u64>;
    /// Fills `buffer` from `offset` on, or fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()>;
}

/// The table of an ELF file; a table without rows when it has no CFI.
pub fn compile(_source: &dyn Source, _limits: &Limits) -> Result<Table> {
    Err(Error::Unsupported("not written yet".to_owned()))
}
