//! Which entry is in charge of which addresses.

use crate::table::{Arch, Cfa, Ra, Rule};

/// An entry and the addresses it is in charge of: `[start, end)`, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub start: u64,
    pub end: u64,
    pub origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Offset of an entry in `.eh_frame`
    EhFrame(u32),
    /// Offset of an entry in `.debug_frame`
    DebugFrame(u32),
    /// Code without CFI whose rule is known by what it is
    Known(Known),
}

/// Code that neither compilers nor linkers describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Returns from a signal handler
    SignalTrampoline,
    /// Entry of the procedure linkage table that jumps at once
    PltJump,
    /// Entry that pushes the index of its function before it jumps to the first one (x86-64)
    PltLazy,
    /// The first entry: this many words are on the stack besides the return address.
    PltFirst(u8),
}

impl Known {
    pub fn rule(self, arch: Arch) -> Rule {
        let sp = |cfa_offset| Rule { cfa_offset, ..Rule::plain(Cfa::Sp) };
        match (self, arch) {
            (Known::SignalTrampoline, _) => Rule::SIGNAL,
            (Known::PltLazy, _) => Rule { cfa_offset: 8, extra: 11, ..Rule::plain(Cfa::Plt) },
            (Known::PltJump, Arch::X86_64) => sp(8),
            (Known::PltFirst(words), Arch::X86_64) => sp(8 + 8 * i32::from(words)),
            (Known::PltJump | Known::PltFirst(0), Arch::Arm64) => Rule { ra: Ra::Lr as u8, ..sp(0) },
            // stp x16, x30, [sp, #-16]!
            (Known::PltFirst(_), Arch::Arm64) => Rule { extra: -8, ..sp(16) },
        }
    }
}

/// Sorts pieces and cuts them so that none overlaps: one that starts later wins over one that started before, as it does in a
/// search of `.eh_frame_hdr`; of those that start together the longest does. Returns how many were cut or dropped.
pub fn separate(pieces: &mut Vec<Piece>) -> u64 {
    // In place: there may be a million.
    pieces.sort_unstable_by_key(|piece| (piece.start, std::cmp::Reverse(piece.end), piece.origin));
    let before = pieces.len();
    pieces.dedup_by_key(|piece| piece.start);
    let mut overlapping = (before - pieces.len()) as u64;
    for index in 1..pieces.len() {
        let start = pieces[index].start;
        if pieces[index - 1].end > start {
            pieces[index - 1].end = start;
            overlapping += 1;
        }
    }
    overlapping
}

/// Adds the parts of `more` that `pieces` leave free. Both are separate; so is the result.
pub fn fill(pieces: &mut Vec<Piece>, more: &[Piece]) {
    let mut free = Vec::new();
    let mut next = 0;
    for &piece in more {
        // Pieces that end before this one also end before the ones to come.
        while next < pieces.len() && pieces[next].end <= piece.start {
            next += 1;
        }
        let mut start = piece.start;
        for taken in pieces[next..].iter().take_while(|taken| taken.start < piece.end) {
            if taken.start > start {
                free.push(Piece { start, end: taken.start, ..piece });
            }
            start = taken.end;
        }
        if start < piece.end {
            free.push(Piece { start, ..piece });
        }
    }
    if !free.is_empty() {
        pieces.append(&mut free);
        pieces.sort_unstable_by_key(|piece| piece.start);
    }
}

/// Calls `gap` with each range of `[start, end)` that no piece covers.
pub fn gaps(pieces: &[Piece], start: u64, end: u64, mut gap: impl FnMut(u64, u64)) {
    let mut from = start;
    let first = pieces.partition_point(|piece| piece.end <= start);
    for piece in pieces[first..].iter().take_while(|piece| piece.start < end) {
        if piece.start > from {
            gap(from, piece.start);
        }
        from = piece.end;
    }
    if from < end {
        gap(from, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start: u64, end: u64) -> Piece {
        Piece { start, end, origin: Origin::EhFrame(start as u32) }
    }

    fn debug(start: u64, end: u64) -> Piece {
        Piece { start, end, origin: Origin::DebugFrame(0) }
    }

    #[test]
    fn a_later_start_cuts_an_earlier_piece() {
        let mut pieces = vec![piece(20, 30), piece(10, 25), piece(20, 22), piece(40, 50)];
        assert_eq!(separate(&mut pieces), 2);
        assert_eq!(pieces, [piece(10, 20), piece(20, 30), piece(40, 50)]);
    }

    #[test]
    fn filling_takes_only_what_is_free() {
        let mut pieces = vec![piece(10, 20), piece(30, 40)];
        fill(&mut pieces, &[debug(0, 5), debug(8, 35), debug(35, 38), debug(38, 60)]);
        assert_eq!(pieces, [debug(0, 5), debug(8, 10), piece(10, 20), debug(20, 30), piece(30, 40), debug(40, 60)]);
    }

    #[test]
    fn gaps_are_what_no_piece_covers() {
        let mut found = Vec::new();
        gaps(&[piece(0, 5), piece(10, 20), piece(20, 30)], 3, 40, |start, end| found.push((start, end)));
        assert_eq!(found, [(5, 10), (30, 40)]);
    }
}
