//! What a block of messages inserts: samples added up, and of series, stacks and frames each that is not in the store, once.

use crate::recent::{IdSet, RecentIds};
use crate::row_binary::each_row;
use crate::samples;

/// One table's rows in RowBinary. `ids` are those of the rows, little endian, in their order.
#[derive(Default)]
pub struct Table {
    pub bytes: Vec<u8>,
    pub rows: u32,
    pub ids: Vec<u8>,
}

/// `ROW` is `samples::ROW` or `samples::LINKED_ROW`.
pub fn samples<'a, const ROW: usize>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> Table {
    let bytes = samples::merge::<ROW>(parts);
    let rows = (bytes.len() / ROW) as u32;
    Table { bytes, rows, ids: Vec::new() }
}

/// Rows (`bytes`, `ends`) whose ids are not `written`, each id once, with `last` behind each.
pub fn fresh<'a>(parts: impl Iterator<Item = (&'a [u8], &'a [u32])>, written: &RecentIds, day: u32, last: &[u8]) -> Table {
    let mut known = IdSet::default();
    let mut table = Table::default();
    for (id, row) in parts.flat_map(|(bytes, ends)| each_row(bytes, ends)) {
        if written.has(id, day) || !known.insert(id) {
            continue;
        }
        table.bytes.extend_from_slice(row);
        table.bytes.extend_from_slice(last);
        table.ids.extend_from_slice(&id.to_le_bytes());
        table.rows += 1;
    }
    table
}
