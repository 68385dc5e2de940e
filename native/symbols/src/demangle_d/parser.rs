//! Reading a mangled name from left to right, within limits.

/// Levels of nested types, templates and back references.
const MAX_DEPTH: usize = 64;
/// Rules that are applied to one name: back references may stand for exponentially many.
const MAX_STEPS: usize = 20_000;
/// Of one name, bytes.
pub(super) const MAX_LENGTH: usize = 16 << 10;

pub(super) struct Parser<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    depth: usize,
    steps: usize,
    pub(super) out: String,
}

impl<'a> Parser<'a> {
    /// @param at where the first rule applies
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Parser { text: text.as_bytes(), at, depth: 0, steps: 0, out: String::new() }
    }

    pub(super) fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at.min(self.text.len())..]
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == byte;
        self.at += usize::from(is);
        is
    }

    pub(super) fn eat_all(&mut self, bytes: &[u8]) -> bool {
        let is = self.rest().starts_with(bytes);
        self.at += if is { bytes.len() } else { 0 };
        is
    }

    /// One level deeper, within the limits.
    pub(super) fn nested(&mut self, rule: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.steps += 1;
        if self.depth == MAX_DEPTH || self.steps > MAX_STEPS || self.out.len() > MAX_LENGTH {
            return None;
        }
        self.depth += 1;
        let done = rule(self);
        self.depth -= 1;
        done
    }

    pub(super) fn silently(&mut self, rule: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let length = self.out.len();
        let done = self.nested(rule);
        self.out.truncate(length);
        done
    }

    /// Nothing happened when the rule does not apply.
    pub(super) fn attempt(&mut self, rule: impl FnOnce(&mut Self) -> Option<()>) -> bool {
        let (at, length) = (self.at, self.out.len());
        let done = self.nested(rule).is_some();
        if !done {
            self.at = at;
            self.out.truncate(length);
        }
        done
    }

    pub(super) fn number(&mut self) -> Option<usize> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.rest()[..digits]).ok()?;
        self.at += digits;
        text.parse().ok()
    }

    /// What stands at an earlier place: the distance in base 26, its last digit lower case.
    pub(super) fn back_reference(&mut self, rule: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let from = self.at;
        self.at += 1;
        let mut distance = 0usize;
        loop {
            let byte = self.peek();
            self.at += 1;
            match byte {
                b'A'..=b'Z' => distance = distance.checked_mul(26)?.checked_add(usize::from(byte - b'A'))?,
                b'a'..=b'z' => break distance = distance.checked_mul(26)?.checked_add(usize::from(byte - b'a'))?,
                _ => return None,
            }
        }
        let after = self.at;
        self.at = from.checked_sub(distance).filter(|_| distance > 0)?;
        let done = self.nested(rule);
        self.at = after;
        done
    }
}
