//! The pc-value tables of a Go binary: pairs of a value and the code that has it, delta-coded.
//! Format: "Go 1.2 Runtime Symbol Table" (https://go.dev/s/go12symtab) and `runtime.step` of Go 1.18 to 1.26.

use std::ops::Range;

/// Values of one function, as (offsets in the function, value), in order. Ends where the table does, or is corrupt.
pub struct Values<'a> {
    table: &'a [u8],
    quantum: u32,
    offset: u32,
    value: i32,
    first: bool,
}

impl<'a> Values<'a> {
    /// @param at offset in the table of all values; 0 says that the function has none
    pub fn new(tables: &'a [u8], at: u32, quantum: u8) -> Values<'a> {
        let table = if at == 0 { &[][..] } else { tables.get(at as usize..).unwrap_or_default() };
        Values { table, quantum: quantum.into(), offset: 0, value: -1, first: true }
    }

    /// LEB128, 32 bits.
    fn number(&mut self) -> Option<u32> {
        let mut number = 0u32;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.table.split_first()?;
            self.table = rest;
            number |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

impl Iterator for Values<'_> {
    type Item = (Range<u32>, i32);

    fn next(&mut self) -> Option<Self::Item> {
        let delta = self.number()?;
        if delta == 0 && !self.first {
            self.table = &[];
            return None;
        }
        self.first = false;
        // Zigzag: the lowest bit is the sign.
        self.value = self.value.wrapping_add(((delta >> 1) as i32) ^ -((delta & 1) as i32));
        let start = self.offset;
        let length = self.number()?.checked_mul(self.quantum)?;
        self.offset = start.checked_add(length)?;
        Some((start..self.offset, self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_deltas() {
        // value 4 (delta 5) for 16 bytes, value 3 (delta -1) for 200 bytes, end.
        let tables = [0xff, 10, 16, 1, 0xc8, 0x01, 0];
        let rows: Vec<_> = Values::new(&tables, 1, 1).collect();
        assert_eq!(rows, [(0..16, 4), (16..216, 3)]);
        assert_eq!(Values::new(&tables, 0, 1).count(), 0);
        assert_eq!(Values::new(&tables, 99, 1).count(), 0);
    }

    #[test]
    fn ends_where_the_table_is_cut_short() {
        assert_eq!(Values::new(&[0, 10], 1, 1).count(), 0);
        assert_eq!(Values::new(&[0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], 1, 1).count(), 0);
        assert_eq!(Values::new(&[0, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 10, 0xff, 0xff, 0xff, 0xff, 0x0f], 1, 4).count(), 0);
    }
}
