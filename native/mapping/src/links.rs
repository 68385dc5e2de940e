//! The span that a sample was taken in (`Link` of the dictionary). One that is none costs no sample.

use crate::wire::{Reader, Result};

/// Trace id (16 bytes) and span id (8 bytes), as they stand on the wire; zeros = unknown.
pub type Link = [u8; 24];

/// Zeros when an id has another length than its own or none: what the sender calls it cannot be told. # Errors: as zeros.
pub fn link_of(mut reader: Reader<'_>) -> Result<Link> {
    let (mut trace, mut span): (&[u8], &[u8]) = (&[], &[]);
    while reader.next()? {
        match reader.field {
            1 => trace = reader.data()?.of(reader.bytes()),
            2 => span = reader.data()?.of(reader.bytes()),
            _ => reader.skip()?,
        }
    }
    let mut link = Link::default();
    if !matches!(trace.len(), 0 | 16) || !matches!(span.len(), 0 | 8) {
        return Ok(link);
    }
    link[..trace.len()].copy_from_slice(trace);
    link[16..16 + span.len()].copy_from_slice(span);
    Ok(link)
}
