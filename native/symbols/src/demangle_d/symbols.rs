//! Names of symbols: qualified names, templates and their arguments.

use super::parser::Parser;

impl Parser<'_> {
    /// Whether a symbol's name begins here; a `Q` may also be a type.
    fn at_symbol(&self) -> bool {
        let rest = self.rest();
        match rest.first() {
            Some(b'0'..=b'9') => true,
            Some(b'_') => rest.starts_with(b"__T") || rest.starts_with(b"__U"),
            Some(b'Q') => {
                let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_uppercase()).count();
                let Some(digits_of) = rest.get(1..digits + 2) else { return false };
                let distance = digits_of.iter().try_fold(0usize, |sum, byte| {
                    let digit = if byte.is_ascii_lowercase() { byte - b'a' } else { byte.wrapping_sub(b'A') };
                    sum.checked_mul(26)?.checked_add(usize::from(digit))
                });
                let target = distance.and_then(|distance| self.at.checked_sub(distance)).and_then(|at| self.text.get(at));
                target.is_some_and(u8::is_ascii_digit)
            }
            _ => false,
        }
    }

    /// @param whole the name of the symbol itself: the parameters of its last part belong to it
    pub(super) fn qualified(&mut self, whole: bool) -> Option<()> {
        let mut parts = 0;
        while self.at_symbol() {
            if parts > 0 {
                self.out.push('.');
            }
            parts += 1;
            if self.eat(b'0') {
                self.out.push_str("__anonymous");
                continue;
            }
            self.nested(Self::symbol)?;
            self.attempt(|parser| {
                let suffix = if parser.eat(b'M') { parser.modifiers() } else { String::new() };
                parser.parameters()?;
                parser.out.push_str(&suffix);
                (whole || parser.at_symbol()).then_some(())
            });
        }
        (parts > 0).then_some(())
    }

    fn symbol(&mut self) -> Option<()> {
        if self.peek() == b'Q' {
            return self.back_reference(Self::symbol);
        }
        let length = if self.peek() == b'_' { None } else { Some(self.number()?) };
        if self.eat_all(b"__T") || self.eat_all(b"__U") {
            return self.template();
        }
        let from = self.at;
        self.at = from.checked_add(length?)?;
        let name = std::str::from_utf8(self.text.get(from..self.at)?).ok().filter(|name| !name.is_empty())?;
        self.out.push_str(match name {
            "__ctor" => "this",
            "__dtor" => "~this",
            "__postblit" => "this(this)",
            name => name,
        });
        Some(())
    }

    fn template(&mut self) -> Option<()> {
        self.symbol()?;
        self.out.push_str("!(");
        let mut first = true;
        while !self.eat(b'Z') {
            if !std::mem::take(&mut first) {
                self.out.push_str(", ");
            }
            self.eat(b'H');
            self.nested(Self::template_argument)?;
        }
        self.out.push(')');
        Some(())
    }

    fn template_argument(&mut self) -> Option<()> {
        let kind = self.peek();
        self.at += 1;
        match kind {
            b'T' => self.type_(),
            b'S' => {
                self.eat_all(b"_D");
                self.attempt(|parser| {
                    parser.qualified(false)?;
                    // An alias of a function has its type, too.
                    parser
                        .attempt(|parser| parser.silently(Self::type_).filter(|()| matches!(parser.peek(), b'T' | b'S' | b'V' | b'X' | b'H' | b'Z')));
                    Some(())
                })
                .then_some(())
            }
            b'V' => {
                let kind = self.peek();
                self.silently(Self::type_)?;
                self.value(kind)
            }
            b'X' => {
                let length = self.number()?;
                let name = self.text.get(self.at..self.at.checked_add(length)?)?;
                self.out.push_str(std::str::from_utf8(name).ok()?);
                self.at += length;
                Some(())
            }
            _ => None,
        }
    }

    /// @param kind first byte of its type
    fn value(&mut self, kind: u8) -> Option<()> {
        let first = self.peek();
        match first {
            b'n' => {
                self.at += 1;
                self.out.push_str("null");
            }
            b'a' | b'w' | b'd' => {
                self.at += 1;
                let length = self.number()?;
                (self.eat(b'_')).then_some(())?;
                let hex = self.text.get(self.at..self.at.checked_add(length.checked_mul(2)?)?)?;
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                let bytes: Option<Vec<u8>> = hex.chunks_exact(2).map(byte).collect();
                self.out.push_str(&format!("{:?}", String::from_utf8_lossy(&bytes?)));
                self.at += length * 2;
            }
            b'A' | b'S' => {
                self.at += 1;
                let count = self.number()?;
                self.out.push('[');
                for index in 0..count {
                    self.out.push_str(if index > 0 { ", " } else { "" });
                    self.nested(|parser| parser.value(0))?;
                }
                self.out.push(']');
            }
            b'i' | b'N' | b'0'..=b'9' => {
                self.at += usize::from(!first.is_ascii_digit());
                let number = self.number()?;
                match (kind, number) {
                    (b'b', 0 | 1) => self.out.push_str(if number == 1 { "true" } else { "false" }),
                    (b'a', 32..127) => self.out.push_str(&format!("'{}'", number as u8 as char)),
                    _ => {
                        let suffix = match kind {
                            b'h' | b't' | b'k' => "u",
                            b'l' => "L",
                            b'm' => "uL",
                            _ => "",
                        };
                        self.out.push_str(&format!("{}{number}{suffix}", if first == b'N' { "-" } else { "" }));
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}
