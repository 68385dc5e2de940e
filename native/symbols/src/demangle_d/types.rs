//! Types, and the parameters of functions.

use super::parser::Parser;

impl Parser<'_> {
    /// Of `this`: as they stand behind a method.
    pub(super) fn modifiers(&mut self) -> String {
        let mut found = String::new();
        while let Some(&(code, name)) = MODIFIERS.iter().find(|(code, _)| self.rest().starts_with(code.as_bytes())) {
            self.at += code.len();
            found.push(' ');
            found.push_str(name);
        }
        found
    }

    /// A function's type without what it returns, as its parameters in parentheses.
    pub(super) fn parameters(&mut self) -> Option<()> {
        matches!(self.peek(), b'F' | b'U' | b'W' | b'V' | b'R' | b'Y').then_some(())?;
        self.at += 1;
        while self.peek() == b'N' && self.text.get(self.at + 1).is_some_and(|byte| b"abcdefijlm".contains(byte)) {
            self.at += 2;
        }
        self.out.push('(');
        let mut first = true;
        loop {
            match self.peek() {
                b'X' => break self.out.push_str("..."),
                b'Y' => break self.out.push_str(if first { "..." } else { ", ..." }),
                b'Z' => break,
                _ => {}
            }
            if !std::mem::take(&mut first) {
                self.out.push_str(", ");
            }
            while let Some(&(code, name)) = STORAGE.iter().find(|(code, _)| self.rest().starts_with(code.as_bytes())) {
                self.at += code.len();
                self.out.push_str(name);
            }
            self.nested(Self::type_)?;
        }
        self.at += 1;
        self.out.push(')');
        Some(())
    }

    pub(super) fn type_(&mut self) -> Option<()> {
        if let Some(&(code, name)) = MODIFIERS.iter().find(|(code, _)| self.rest().starts_with(code.as_bytes())) {
            self.at += code.len();
            self.out.push_str(name);
            self.out.push('(');
            self.nested(Self::type_)?;
            self.out.push(')');
            return Some(());
        }
        let kind = self.peek();
        match kind {
            b'Q' => return self.back_reference(Self::type_),
            b'F' | b'U' | b'W' | b'V' | b'R' | b'Y' => return self.function("function"),
            _ => self.at += 1,
        }
        match kind {
            b'A' => self.followed_by("[]"),
            b'P' if matches!(self.peek(), b'F' | b'U' | b'W' | b'V' | b'R' | b'Y') => self.function("function"),
            b'P' => self.followed_by("*"),
            b'G' => {
                let length = self.number()?;
                self.followed_by(&format!("[{length}]"))
            }
            b'H' => {
                let start = self.out.len();
                self.nested(Self::type_)?;
                let key = self.out.split_off(start);
                self.followed_by(&format!("[{key}]"))
            }
            b'D' => {
                let suffix = self.modifiers();
                self.function("delegate")?;
                self.out.push_str(&suffix);
                Some(())
            }
            b'C' | b'S' | b'E' | b'T' | b'I' => self.nested(|parser| parser.qualified(false)),
            b'B' => {
                // Compilers before 2.077 say how many there are, later ones where they end.
                let count = if self.peek().is_ascii_digit() { Some(self.number()?) } else { None };
                self.out.push_str("Tuple!(");
                let mut index = 0;
                while if let Some(count) = count { index < count } else { !self.eat(b'Z') } {
                    self.out.push_str(if index > 0 { ", " } else { "" });
                    self.nested(Self::type_)?;
                    index += 1;
                }
                self.out.push(')');
                Some(())
            }
            b'N' if self.eat(b'n') => self.word("noreturn"),
            b'z' if self.eat(b'i') => self.word("cent"),
            b'z' if self.eat(b'k') => self.word("ucent"),
            _ => self.word(BASIC.iter().find(|(code, _)| *code == kind)?.1),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.out.push_str(word);
        Some(())
    }

    fn followed_by(&mut self, suffix: &str) -> Option<()> {
        self.nested(Self::type_)?;
        self.word(suffix)
    }

    /// `int function(char)`: what it returns is mangled last.
    fn function(&mut self, word: &str) -> Option<()> {
        let start = self.out.len();
        self.parameters()?;
        let parameters = self.out.split_off(start);
        self.nested(Self::type_)?;
        self.out.push_str(&format!(" {word}{parameters}"));
        Some(())
    }
}

const MODIFIERS: [(&str, &str); 5] = [("y", "immutable"), ("x", "const"), ("O", "shared"), ("Ng", "inout"), ("Nh", "__vector")];
const STORAGE: [(&str, &str); 6] = [("M", "scope "), ("Nk", "return "), ("I", "in "), ("J", "out "), ("K", "ref "), ("L", "lazy ")];
#[rustfmt::skip]
const BASIC: [(u8, &str); 23] = [
    (b'v', "void"), (b'g', "byte"), (b'h', "ubyte"), (b's', "short"), (b't', "ushort"), (b'i', "int"), (b'k', "uint"), (b'l', "long"),
    (b'm', "ulong"), (b'f', "float"), (b'd', "double"), (b'e', "real"), (b'o', "ifloat"), (b'p', "idouble"), (b'j', "ireal"), (b'q', "cfloat"),
    (b'r', "cdouble"), (b'c', "creal"), (b'b', "bool"), (b'a', "char"), (b'u', "wchar"), (b'w', "dchar"), (b'n', "typeof(null)"),
];
