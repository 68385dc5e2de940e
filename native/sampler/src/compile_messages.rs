//! What the process that makes unwind tables answers, and what may be believed of it: it may be in the hands of a hostile file.
//!
//!     answer = u8 0 | u32 first page | u32 counts of index, groups, shapes, rules | these, rules as 16 bytes each
//!            | u8 1 | u32 length | why there is no table (UTF-8)

use std::io::{self, Read, Write};

use perfleet_unwind::Rule;

use crate::elf::u32_at;
use crate::packed_table::{GROUP_ROWS, LAST, MAX_GROUPS_AND_SHAPES, MAX_PAGES, MAX_RULES, PackedTable, RULE_BITS, SHAPE_BITS};

const MAX_REASON_BYTES: usize = 1000;
const RULE_BYTES: usize = 16;

pub fn write_answer(to: &mut impl Write, answer: &Result<PackedTable, String>) -> io::Result<()> {
    let mut bytes = Vec::new();
    match answer {
        Ok(table) => {
            bytes.push(0);
            let lengths = [table.index.len(), table.groups.len(), table.shapes.len(), table.rules.len()].map(|length| length as u32);
            let words = [table.first_page].into_iter().chain(lengths);
            let words = words.chain(table.index.iter().chain(&table.groups).chain(&table.shapes).copied());
            bytes.extend(words.flat_map(u32::to_le_bytes));
            for rule in &table.rules {
                bytes.extend([rule.cfa, rule.fp, rule.ra, rule.bx]);
                bytes.extend([rule.cfa_offset, rule.fp_offset, rule.extra].into_iter().flat_map(i32::to_le_bytes));
            }
        }
        Err(reason) => {
            let length = reason.floor_char_boundary(MAX_REASON_BYTES);
            bytes.push(1);
            bytes.extend((length as u32).to_le_bytes());
            bytes.extend(&reason.as_bytes()[..length]);
        }
    }
    to.write_all(&bytes)
}

/// The outer error is one of the way here, after which nothing more that comes can be believed.
pub fn read_answer(from: &mut impl Read) -> io::Result<Result<PackedTable, String>> {
    let mut kind = [0u8];
    from.read_exact(&mut kind)?;
    if kind[0] != 0 {
        let length = read_words(from, 1)?[0] as usize;
        let bytes = read_bytes(from, bounded("reason", length, MAX_REASON_BYTES)?)?;
        return Ok(Err(String::from_utf8_lossy(&bytes).into_owned()));
    }
    let head = read_words(from, 5)?;
    let [index, groups, shapes, rules] = [head[1], head[2], head[3], head[4]].map(|count| count as usize);
    bounded("index", index, MAX_PAGES as usize + 1)?;
    bounded("groups and shapes", groups.saturating_add(shapes), MAX_GROUPS_AND_SHAPES)?;
    bounded("rules", rules, MAX_RULES)?;
    let table = PackedTable {
        first_page: head[0],
        index: read_words(from, index)?,
        groups: read_words(from, groups)?,
        shapes: read_words(from, shapes)?,
        rules: read_bytes(from, rules * RULE_BYTES)?.chunks_exact(RULE_BYTES).filter_map(rule).collect(),
    };
    match fault(&table) {
        None => Ok(Ok(table)),
        Some(what) => Err(io::Error::other(format!("{what} of its table is wrong"))),
    }
}

fn rule(bytes: &[u8]) -> Option<Rule> {
    let number = |at| Some(u32_at(bytes, at)? as i32);
    Some(Rule { cfa: bytes[0], fp: bytes[1], ra: bytes[2], bx: bytes[3], cfa_offset: number(4)?, fp_offset: number(8)?, extra: number(12)? })
}

/// The first part in which the table does not hold together: a search must not leave it.
fn fault(table: &PackedTable) -> Option<&'static str> {
    let (groups, shapes, rules) = (table.groups.len() as u32, table.shapes.len() as u32, table.rules.len() as u32);
    let in_order = table.index.first() == Some(&0) && table.index.is_sorted() && table.index.last() == Some(&groups);
    if !in_order {
        return Some("the index");
    }
    if table.groups.iter().any(|group| group & ((1 << SHAPE_BITS) - 1) >= shapes) {
        return Some("a group");
    }
    // Every shape ends, and within the rows that are looked at.
    let ends = table.shapes.chunk_by(|row, _| row & LAST == 0).all(|shape| shape.len() <= GROUP_ROWS && shape[shape.len() - 1] & LAST != 0);
    let known = table.shapes.iter().all(|row| row & ((1 << RULE_BITS) - 1) < rules);
    if !ends || !known { Some("a shape") } else { None }
}

fn bounded(what: &str, count: usize, most: usize) -> io::Result<usize> {
    if count <= most { Ok(count) } else { Err(io::Error::other(format!("{count} {what}: at most {most}"))) }
}

fn read_words(from: &mut impl Read, count: usize) -> io::Result<Vec<u32>> {
    Ok(read_bytes(from, count * 4)?.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
}

fn read_bytes(from: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed_table::Packer;
    use perfleet_unwind::{Limits, compile_into};

    fn own_table() -> PackedTable {
        let mut packer = Packer::default();
        compile_into(&std::fs::File::open("/proc/self/exe").unwrap(), &Limits::default(), &mut packer).unwrap();
        packer.finish().unwrap()
    }

    fn answered(answer: &Result<PackedTable, String>) -> io::Result<Result<PackedTable, String>> {
        let mut bytes = Vec::new();
        write_answer(&mut bytes, answer).unwrap();
        read_answer(&mut bytes.as_slice())
    }

    #[test]
    fn tables_and_reasons_arrive_as_they_were() {
        let (sent, got) = (own_table(), answered(&Ok(own_table())).unwrap().unwrap());
        assert_eq!((sent.first_page, &sent.index, &sent.groups, &sent.shapes), (got.first_page, &got.index, &got.groups, &got.shapes));
        assert_eq!(sent.rules, got.rules);
        assert_eq!(answered(&Err("no CFI".into())).unwrap().unwrap_err(), "no CFI");
        assert_eq!(answered(&Err("ä".repeat(4000))).unwrap().unwrap_err().len(), MAX_REASON_BYTES);
    }

    #[test]
    fn a_table_that_leads_outside_of_itself_is_refused() {
        type Change = fn(&mut PackedTable);
        let changes: [(Change, &str); 7] = [
            (|table| table.index[3] = u32::MAX, "index"),
            (|table| *table.index.last_mut().unwrap() += 1, "index"),
            (|table| table.index.clear(), "index"),
            (|table| table.groups[5] |= (1 << SHAPE_BITS) - 1, "group"),
            (|table| *table.shapes.last_mut().unwrap() &= !LAST, "shape"),
            (|table| table.shapes.iter_mut().take(100).for_each(|row| *row &= !LAST), "shape"),
            (|table| table.rules.truncate(table.rules.len() - 1), "shape"),
        ];
        for (change, part) in changes {
            let mut table = own_table();
            change(&mut table);
            let error = answered(&Ok(table)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn an_answer_that_claims_too_much_allocates_nothing() {
        for head in [[0, u32::MAX, 0, 0, 0], [0, 1, u32::MAX, 0, 0], [0, 1, 0, u32::MAX, 0], [0, 1, 0, 0, u32::MAX]] {
            let bytes: Vec<u8> = [0].into_iter().chain(head.into_iter().flat_map(u32::to_le_bytes)).collect();
            assert!(read_answer(&mut bytes.as_slice()).unwrap_err().to_string().contains("at most"));
        }
        assert!(read_answer(&mut &b"\x01\xff\xff\xff\xff"[..]).unwrap_err().to_string().contains("at most"));
        assert!(read_answer(&mut &b"\0\0"[..]).is_err());
    }
}
