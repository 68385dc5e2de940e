//! Protocol Buffers wire format (https://protobuf.dev/programming-guides/encoding/) over one message's bytes.
//!
//! Nested messages are read in place: `enter` narrows the end, `leave` restores it. Groups (wire types 3 and 4) are
//! refused: proto3 has none.

/// The bytes are not a message this crate takes; `offset` is where reading stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    pub reason: String,
    pub offset: usize,
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (at byte {})", self.reason, self.offset)
    }
}

impl std::error::Error for WireError {}

pub type Result<T> = std::result::Result<T, WireError>;

/// A stretch of the message's bytes. Messages are far smaller than 4 GiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub length: u32,
}

impl Span {
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..(self.start + self.length) as usize]
    }
}

pub struct Reader<'a> {
    bytes: &'a [u8],
    pub offset: usize,
    end: usize,
    /// Field number and wire type of the last tag.
    pub field: u32,
    pub wire: u32,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, offset: 0, end: bytes.len(), field: 0, wire: 0 }
    }

    /// A reader of a nested message alone, whose offsets stay those of the whole.
    pub fn at(bytes: &'a [u8], span: Span) -> Self {
        let offset = span.start as usize;
        Reader { bytes, offset, end: offset + span.length as usize, field: 0, wire: 0 }
    }

    #[cold]
    #[inline(never)]
    pub fn fail<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(WireError { reason: reason.into(), offset: self.offset })
    }

    #[inline]
    pub fn more(&self) -> bool {
        self.offset < self.end
    }

    /// Reads the next tag; false at the end of the message.
    #[inline]
    pub fn next(&mut self) -> Result<bool> {
        if !self.more() {
            return Ok(false);
        }
        let tag = self.varint32()?;
        self.field = tag >> 3;
        self.wire = tag & 7;
        if self.field == 0 {
            return self.fail("field number 0");
        }
        Ok(true)
    }

    #[inline]
    pub fn expect(&self, wire: u32) -> Result<()> {
        if self.wire != wire {
            return self.fail(format!("field {}: wire type {} instead of {wire}", self.field, self.wire));
        }
        Ok(())
    }

    /// Low 32 bits of a varint; higher bits (a sign extension) are read and dropped.
    #[inline]
    pub fn varint32(&mut self) -> Result<u32> {
        Ok(self.varint64()? as u32)
    }

    #[inline]
    pub fn varint64(&mut self) -> Result<u64> {
        let Some(&first) = self.bytes[..self.end].get(self.offset) else {
            return self.fail("varint cut off");
        };
        if first < 0x80 {
            self.offset += 1;
            return Ok(u64::from(first));
        }
        match short_varint(self.bytes, self.offset) {
            Some((value, length)) if self.offset + length <= self.end => {
                self.offset += length;
                Ok(value)
            }
            _ => self.long_varint(),
        }
    }

    /// Byte after byte: what is long, cut off or stands at the very end.
    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for i in 0..10 {
            if !self.more() {
                return self.fail("varint cut off");
            }
            let byte = self.bytes[self.offset];
            self.offset += 1;
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        self.fail("varint longer than ten bytes")
    }

    /// The rest of this message, when it is one packed field of varints of 32 bits of at most `most` bytes, into `out`.
    /// False, and nothing read, when it is anything else: the caller then reads it tag by tag.
    #[inline]
    pub fn only_packed(&mut self, tag: u8, most: usize, out: &mut Vec<u32>) -> bool {
        let rest = &self.bytes[self.offset..self.end];
        let Some((header, length)) = packed_header(rest, tag) else { return false };
        if length != rest.len() - header || length > most {
            return false;
        }
        let before = out.len();
        out.reserve(length);
        let mut at = header;
        while at < rest.len() {
            let first = rest[at];
            let (value, length) = match rest.get(at + 1) {
                _ if first < 0x80 => (u32::from(first), 1),
                Some(&second) if second < 0x80 => (u32::from(first & 0x7f) | u32::from(second) << 7, 2),
                _ => match short_varint(self.bytes, self.offset + at) {
                    Some((value, length)) if at + length <= rest.len() => (value as u32, length),
                    _ => {
                        out.truncate(before);
                        return false;
                    }
                },
            };
            out.push(value);
            at += length;
        }
        self.offset = self.end;
        true
    }

    /// All bytes, which spans are stretches of.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes that are left of this message.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.offset..self.end]
    }

    pub fn fixed64(&mut self) -> Result<u64> {
        self.eight("fixed64 cut off")
    }

    pub fn double(&mut self) -> Result<u64> {
        self.eight("double cut off")
    }

    fn eight(&mut self, cut: &str) -> Result<u64> {
        if self.end - self.offset < 8 {
            return self.fail(cut);
        }
        let bytes = self.bytes[self.offset..self.offset + 8].try_into().expect("eight bytes");
        self.offset += 8;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Length of a length-delimited field, checked against the end.
    #[inline]
    pub fn length(&mut self) -> Result<usize> {
        self.expect(2)?;
        let length = self.varint32()? as usize;
        if length > self.end - self.offset {
            return self.fail(format!("field {}: length {length} goes past the end", self.field));
        }
        Ok(length)
    }

    pub fn data(&mut self) -> Result<Span> {
        let length = self.length()?;
        let span = Span { start: self.offset as u32, length: length as u32 };
        self.offset += length;
        Ok(span)
    }

    pub fn text(&mut self, max_bytes: usize) -> Result<Span> {
        let span = self.data()?;
        if span.length as usize > max_bytes {
            return self.fail(format!("string of {} bytes is over {max_bytes}", span.length));
        }
        Ok(span)
    }

    /// Enters a nested message and answers the end to restore with `leave`.
    #[inline]
    pub fn enter(&mut self) -> Result<usize> {
        let length = self.length()?;
        let outer = self.end;
        self.end = self.offset + length;
        Ok(outer)
    }

    #[inline]
    pub fn leave(&mut self, outer: usize) {
        self.offset = self.end;
        self.end = outer;
    }

    /// Calls `read` for each element of a repeated scalar, packed or not.
    #[inline]
    pub fn repeated(&mut self, scalar_wire: u32, mut read: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.wire == scalar_wire {
            return read(self);
        }
        let outer = self.enter()?;
        while self.more() {
            read(self)?;
        }
        self.leave(outer);
        Ok(())
    }

    /// Values of a repeated field of varints of 32 bits, packed or not, behind those that are in `into`, which must not get longer
    /// than `end`: a row of `most`.
    pub fn scalars(&mut self, into: &mut Vec<u32>, end: usize, most: usize) -> Result<()> {
        self.repeated(0, |reader| {
            if into.len() >= end {
                return reader.fail(format!("more than {most} entries in one row"));
            }
            into.push(reader.varint32()?);
            Ok(())
        })
    }

    pub fn skip(&mut self) -> Result<()> {
        match self.wire {
            0 => self.varint64().map(drop),
            1 => self.advance(8),
            2 => {
                let length = self.length()?;
                self.advance(length)
            }
            5 => self.advance(4),
            wire => self.fail(format!("field {}: wire type {wire}", self.field)),
        }
    }

    pub fn advance(&mut self, bytes: usize) -> Result<()> {
        if bytes > self.end - self.offset {
            return self.fail("field cut off");
        }
        self.offset += bytes;
        Ok(())
    }
}

/// Bytes of tag and length, and that length, of a field of at most 16 KiB.
#[inline]
fn packed_header(bytes: &[u8], tag: u8) -> Option<(usize, usize)> {
    match *bytes {
        [first, low, ..] if first == tag && low < 0x80 => Some((2, usize::from(low))),
        [first, low, high, ..] if first == tag && high < 0x80 => Some((3, usize::from(low & 0x7f) | usize::from(high) << 7)),
        _ => None,
    }
}

/// A varint of at most eight bytes that stand in memory with as many behind it, read at once: its value and length.
#[inline]
pub fn short_varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
    // The first byte without the continuation bit is the last.
    let stop = !word & 0x8080_8080_8080_8080;
    if stop == 0 {
        return None;
    }
    let bits = word & (stop ^ (stop - 1)) & 0x7f7f_7f7f_7f7f_7f7f;
    // Groups of seven bits close up: pairs, fours, all.
    let bits = (bits & 0x007f_007f_007f_007f) | (bits & 0x7f00_7f00_7f00_7f00) >> 1;
    let bits = (bits & 0x0000_3fff_0000_3fff) | (bits & 0x3fff_0000_3fff_0000) >> 2;
    let bits = (bits & 0x0fff_ffff) | (bits & 0x0fff_ffff_0000_0000) >> 4;
    Some((bits, stop.trailing_zeros() as usize / 8 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    #[test]
    fn reads_varints_of_every_length_and_place() {
        for bits in 0..64 {
            for value in [1u64 << bits, (1u64 << bits) - 1, u64::MAX >> bits, 0x0123_4567_89ab_cdef >> bits] {
                for behind in [0, 9] {
                    let mut bytes = varint(value);
                    let length = bytes.len();
                    bytes.resize(length + behind, 0xff);
                    let mut reader = Reader::new(&bytes);
                    assert_eq!((reader.varint64().unwrap(), reader.offset), (value, length));
                    let mut cut = Reader::at(&bytes, Span { start: 0, length: length as u32 - 1 });
                    assert_eq!(cut.varint64().unwrap_err().to_string(), format!("varint cut off (at byte {})", length - 1));
                }
            }
        }
        let mut long = Reader::new(&[0xff; 20]);
        assert_eq!(long.varint64().unwrap_err().to_string(), "varint longer than ten bytes (at byte 10)");
    }

    #[test]
    fn reads_packed_fields_at_once_or_not_at_all() {
        let values = [0, 1, 127, 128, 300, 16_384, u32::MAX];
        let body: Vec<u8> = values.iter().flat_map(|&value| varint(u64::from(value))).collect();
        let mut bytes = vec![0x0a, body.len() as u8];
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&[0; 8]);
        let length = (bytes.len() - 8) as u32;
        let mut out = vec![9];
        let mut reader = Reader::at(&bytes, Span { start: 0, length });
        assert!(reader.only_packed(0x0a, 100, &mut out));
        assert_eq!(out[1..], values);
        for (tag, most, length) in [(0x12, 100, length), (0x0a, 5, length), (0x0a, 100, length - 1), (0x0a, 100, length + 1)] {
            let mut reader = Reader::at(&bytes, Span { start: 0, length });
            let mut out = vec![9];
            assert!(!reader.only_packed(tag, most, &mut out));
            assert_eq!((out, reader.offset), (vec![9], 0));
        }
    }
}
