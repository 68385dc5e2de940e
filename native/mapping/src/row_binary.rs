//! ClickHouse's RowBinary (https://clickhouse.com/docs/interfaces/formats/RowBinary): values one after another, row by
//! row, little endian, no separators.

/// LEB128, as lengths are written.
pub fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn string(out: &mut Vec<u8>, text: &str) {
    varint(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Rows of one table whose first column is the 64-bit id: what has an id is written once.
#[derive(Default)]
pub struct Rows {
    pub bytes: Vec<u8>,
    /// Where each row ends in `bytes`.
    pub ends: Vec<u32>,
}

impl Rows {
    /// Ends the row whose bytes were appended. At most 4 GiB: what is made for one message is bounded, and so is a batch.
    pub fn end(&mut self) {
        self.ends.push(self.bytes.len() as u32);
    }

    /// Drops what was appended of a row that will not be ended.
    pub fn abandon(&mut self) {
        self.bytes.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }
}

/// `(id, row)` of rows that lie in memory as `Rows` does. What is no such memory is no row.
pub fn each_row<'a>(bytes: &'a [u8], ends: &'a [u32]) -> impl Iterator<Item = (u64, &'a [u8])> {
    let mut start = 0;
    ends.iter().map_while(move |&end| {
        let row = bytes.get(start..end as usize)?;
        start = end as usize;
        Some((u64::from_le_bytes(row.get(..8)?.try_into().ok()?), row))
    })
}
