//! Rows of samples: 36 bytes as RowBinary has them (time u32, workload u64, series u64, stack u64, value u64), little endian.
//! Those of samples with a link have it before the value. Between a message and its block the value is an f64: counts of an
//! absurd size are added up as numbers are.

use crate::links::Link;
use crate::recent::Keyed;
use crate::series::SeriesIds;

pub const ROW: usize = 36;
pub const LINKED_ROW: usize = ROW + size_of::<Link>();
/// Of a row without a link; its value stands behind it.
const KEY: usize = 28;
const VALUE: usize = 8;

#[inline]
pub fn push(out: &mut Vec<u8>, time: u32, of: SeriesIds, stack: u64, value: f64) {
    let mut row = [0; ROW];
    row[..4].copy_from_slice(&time.to_le_bytes());
    row[4..12].copy_from_slice(&of.workload.to_le_bytes());
    row[12..20].copy_from_slice(&of.series.to_le_bytes());
    row[20..KEY].copy_from_slice(&stack.to_le_bytes());
    row[KEY..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&row);
}

/// The row that `samples` ends with, once more and with its link.
#[inline]
pub fn push_linked(out: &mut Vec<u8>, samples: &[u8], link: &Link) {
    let (key, value) = samples[samples.len() - ROW..].split_at(KEY);
    out.extend_from_slice(key);
    out.extend_from_slice(link);
    out.extend_from_slice(value);
}

/// Rows of one second, series, stack and link are added up; they stand in the order of their first.
pub fn merge<'a, const ROW: usize>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let rows: usize = parts.clone().map(|part| part.len() / ROW).sum();
    let keyed = Keyed::default();
    // 1 + the row; 0 = free. At most half full.
    let mut slots = vec![0u32; (rows * 2).next_power_of_two()];
    let mask = slots.len() - 1;
    let mut merged: Vec<u8> = Vec::with_capacity(rows * ROW);
    for row in parts.flat_map(|part| part.chunks_exact(ROW)) {
        let mut slot = hash(keyed, row) as usize & mask;
        loop {
            let at = slots[slot] as usize;
            if at == 0 {
                merged.extend_from_slice(row);
                slots[slot] = (merged.len() / ROW) as u32;
                break;
            }
            let known = &mut merged[(at - 1) * ROW..at * ROW];
            let key = ROW - VALUE;
            if known[..key] == row[..key] {
                let sum = f64_of(known) + f64_of(row);
                known[key..].copy_from_slice(&sum.to_le_bytes());
                break;
            }
            slot = (slot + 1) & mask;
        }
    }
    for row in merged.chunks_exact_mut(ROW) {
        let value = whole(f64_of(row));
        row[ROW - VALUE..].copy_from_slice(&value.to_le_bytes());
    }
    merged
}

#[inline]
fn hash(keyed: Keyed, row: &[u8]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(row[at..at + 8].try_into().expect("eight bytes"));
    let time = u32::from_le_bytes(row[..4].try_into().expect("four bytes"));
    // A series has one workload: it tells no rows apart.
    let of = keyed.mix(keyed.mix(word(12) ^ u64::from(time)) ^ word(20));
    (KEY..row.len() - VALUE).step_by(8).fold(of, |of, at| keyed.mix(of ^ word(at)))
}

#[inline]
fn f64_of(row: &[u8]) -> f64 {
    f64::from_le_bytes(row[row.len() - VALUE..].try_into().expect("eight bytes"))
}

/// The nearest whole number modulo 2^64, which is what is left of a sum that no column holds.
fn whole(value: f64) -> u64 {
    // Nearly all are: counts times a period.
    let near = value as u64;
    if near < 1 << 53 && near as f64 == value {
        return near;
    }
    const HALF: f64 = 4_294_967_296.0;
    let value = value.round();
    let (low, high) = (value % HALF, (value / HALF).floor() % HALF);
    low as u64 | (high as u64) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_rows_of_one_key_in_the_order_of_the_first() {
        let mut out = Vec::new();
        for (time, series, stack, value) in [(1, 2, 3, 10.0), (1, 2, 4, 1.0), (1, 2, 3, 5.0), (2, 2, 3, 7.0)] {
            push(&mut out, time, SeriesIds { series, workload: 9 }, stack, value);
        }
        let (first, second) = out.split_at(2 * ROW);
        let merged = merge::<ROW>([first, second].into_iter());
        let values: Vec<u64> = merged.chunks_exact(ROW).map(|row| u64::from_le_bytes(row[KEY..].try_into().unwrap())).collect();
        assert_eq!(values, [15, 1, 7]);
        assert_eq!(&merged[..KEY], &out[..KEY]);
        assert!(merge::<ROW>(std::iter::empty::<&[u8]>()).is_empty());
    }

    #[test]
    fn adds_up_rows_of_one_link_alone() {
        let (mut samples, mut linked) = (Vec::new(), Vec::new());
        for (span, value) in [(1, 10.0), (2, 1.0), (1, 5.0)] {
            push(&mut samples, 1, SeriesIds { series: 2, workload: 9 }, 3, value);
            push_linked(&mut linked, &samples, &[span; 24]);
        }
        let merged = merge::<LINKED_ROW>([&linked[..LINKED_ROW], &linked[LINKED_ROW..]].into_iter());
        let rows: Vec<_> = merged.chunks_exact(LINKED_ROW).map(|row| (row[KEY], row[LINKED_ROW - VALUE])).collect();
        assert_eq!(rows, [(1, 15), (2, 1)]);
    }

    #[test]
    fn keeps_64_bits_of_any_number() {
        assert_eq!([0.0, 0.4, 0.5, 7.0, 9_007_199_254_740_991.0].map(whole), [0, 0, 1, 7, (1 << 53) - 1]);
        assert_eq!(whole(9_007_199_254_740_992.0), 1 << 53);
        assert_eq!(whole(18_446_744_073_709_551_616.0), 0);
        assert_eq!(whole(3.0 * 18_446_744_073_709_551_616.0 + 4096.0 * 4_294_967_296.0), 4096 << 32);
    }
}
