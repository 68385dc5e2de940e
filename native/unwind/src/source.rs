//! Bounded reads of a file that nobody vouches for.

use crate::error::{Error, Result};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Random access to the bytes of a file. A `File` is read by position, so that a file that shrinks meanwhile is an error and not
/// a signal, as it would be with a mapping.
pub trait Source {
    /// Length in bytes
    fn size(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset` on, or fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl Source for [u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn size(&self) -> io::Result<u64> {
        S::size(self)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        S::read_at(self, offset, buffer)
    }
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

/// `size` bytes at `offset`. The file's length bounds them as well as `limit`, so that a length that is a lie allocates nothing.
pub fn read(source: &dyn Source, what: &'static str, offset: u64, size: u64, limit: u64) -> Result<Vec<u8>> {
    if size > limit {
        return Err(Error::TooLarge { what, found: size, limit });
    }
    let length = source.size().map_err(|cause| Error::Read { what, cause })?;
    if offset.checked_add(size).is_none_or(|end| end > length) {
        return Err(Error::Malformed(format!("{what}: {size} bytes at {offset:#x} are beyond the end of the file ({length} bytes)")));
    }
    let mut bytes = vec![0; size as usize];
    source.read_at(offset, &mut bytes).map_err(|cause| Error::Read { what, cause })?;
    Ok(bytes)
}
