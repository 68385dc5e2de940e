//! Names of the D language, functions with their parameters: https://dlang.org/spec/abi.html#name_mangling

/// Levels of nested types, templates and back references.
const MAX_DEPTH: usize = 64;
/// Rules that are applied to one name: back references may stand for exponentially many.
const MAX_STEPS: usize = 20_000;
/// Of one name, bytes.
const MAX_LENGTH: usize = 16 << 10;

/// None for what is no mangled name of D.
pub fn demangle_d(name: &str) -> Option<String> {
    if name == "_Dmain" {
        return Some("D main".to_owned());
    }
    let mut parser = Parser { text: name.as_bytes(), at: 2, depth: 0, steps: 0, out: String::new() };
    (name.starts_with("_D") && name.is_ascii()).then_some(())?;
    parser.qualified(true)?;
    if !parser.eat(b'Z') {
        // Of a variable its type, of a function what it returns.
        parser.silently(Parser::type_)?;
    }
    // What compilers add to clones and parts: `.cold`, `.constprop.0`.
    let rest = &name[parser.at..];
    (rest.is_empty() || rest.starts_with('.')).then_some(())?;
    parser.out.push_str(rest);
    Some(parser.out)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    steps: usize,
    out: String,
}

impl Parser<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == byte;
        self.at += usize::from(is);
        is
    }

    fn eat_all(&mut self, bytes: &[u8]) -> bool {
        let is = self.text[self.at.min(self.text.len())..].starts_with(bytes);
        self.at += if is { bytes.len() } else { 0 };
        is
    }

    /// One level deeper, within the limits.
    fn nested(&mut self, rule: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.steps += 1;
        if self.depth == MAX_DEPTH || self.steps > MAX_STEPS || self.out.len() > MAX_LENGTH {
            return None;
        }
        self.depth += 1;
        let done = rule(self);
        self.depth -= 1;
        done
    }

    fn silently(&mut self, rule: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let length = self.out.len();
        let done = self.nested(rule);
        self.out.truncate(length);
        done
    }

    /// Nothing happened when the rule does not apply.
    fn attempt(&mut self, rule: impl FnOnce(&mut Self) -> Option<()>) -> bool {
        let (at, length) = (self.at, self.out.len());
        let done = self.nested(rule).is_some();
        if !done {
            self.at = at;
            self.out.truncate(length);
        }
        done
    }

    fn number(&mut self) -> Option<usize> {
        let digits = self.text[self.at.min(self.text.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.text[self.at.min(self.text.len())..][..digits]).ok()?;
        self.at += digits;
        text.parse().ok()
    }

    /// What stands at an earlier place: the distance in base 26, its last digit lower case.
    fn back_reference(&mut self, rule: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
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

    /// Whether a symbol's name begins here; a `Q` may also be a type.
    fn at_symbol(&self) -> bool {
        let rest = &self.text[self.at.min(self.text.len())..];
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
    fn qualified(&mut self, whole: bool) -> Option<()> {
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

    /// Of `this`: as they stand behind a method.
    fn modifiers(&mut self) -> String {
        let mut found = String::new();
        while let Some(&(code, name)) = MODIFIERS.iter().find(|(code, _)| self.text[self.at.min(self.text.len())..].starts_with(code.as_bytes())) {
            self.at += code.len();
            found.push(' ');
            found.push_str(name);
        }
        found
    }

    /// A function's type without what it returns, as its parameters in parentheses.
    fn parameters(&mut self) -> Option<()> {
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
            while let Some(&(code, name)) = STORAGE.iter().find(|(code, _)| self.text[self.at.min(self.text.len())..].starts_with(code.as_bytes())) {
                self.at += code.len();
                self.out.push_str(name);
            }
            self.nested(Self::type_)?;
        }
        self.at += 1;
        self.out.push(')');
        Some(())
    }

    fn type_(&mut self) -> Option<()> {
        if let Some(&(code, name)) = MODIFIERS.iter().find(|(code, _)| self.text[self.at.min(self.text.len())..].starts_with(code.as_bytes())) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// But for the attributes of function types as binutils' `c++filt --format=dlang` has them.
    #[test]
    fn demangles_d() {
        let cases = [
            ("_Dmain", "D main"),
            ("_D3std5stdio7writelnFNaNbAyaZv", "std.stdio.writeln(immutable(char)[])"),
            ("_D4core6thread6Thread5startMFNbZC4core6thread6Thread", "core.thread.Thread.start()"),
            ("_D8demangle4testFPFNaNbZaZv", "demangle.test(char function())"),
            ("_D8demangle4testFDFNaZaZv", "demangle.test(char delegate())"),
            ("_D8demangle4testFG42aZv", "demangle.test(char[42])"),
            ("_D8demangle4testFHbaZv", "demangle.test(char[bool])"),
            ("_D8demangle4testFAaXv", "demangle.test(char[]...)"),
            ("_D8demangle4testFLAaKbJiZv", "demangle.test(lazy char[], ref bool, out int)"),
            ("_D8demangle4testFOxaZv", "demangle.test(shared(const(char)))"),
            ("_D8demangle4testFS8demangle1S1T1UZv", "demangle.test(demangle.S.T.U)"),
            ("_D8demangle4test6__ctorMFZC8demangle4test", "demangle.test.this()"),
            ("_D8demangle4test6__dtorMFZv", "demangle.test.~this()"),
            ("_D8demangle3fooMxFZv", "demangle.foo() const"),
            ("_D8demangle4testFB2OaaZv", "demangle.test(Tuple!(shared(char), char))"),
            ("_D8demangle4testFBOaaZZv", "demangle.test(Tuple!(shared(char), char))"),
            ("_D8demangle__T4testTaTbZ3fooFZv", "demangle.test!(char, bool).foo()"),
            ("_D8demangle13__T4testTaTbZ3fooFZv", "demangle.test!(char, bool).foo()"),
            ("_D8demangle__T4testVki42Vbi1Z3barFZv", "demangle.test!(42u, true).bar()"),
            ("_D8demangle__T4testVAyaa3_616263Z1xFZv", "demangle.test!(\"abc\").x()"),
            ("_D8demangle3funFZ5innerFiZv", "demangle.fun().inner(int)"),
            ("_D3foo3barFS3std5array__T8AppenderTAyaZQoZv", "foo.bar(std.array.Appender!(immutable(char)[]).Appender)"),
            ("_D4test3fooFAyaQdZv", "test.foo(immutable(char)[], immutable(char)[])"),
            ("_D4test3fooFiZv.cold", "test.foo(int).cold"),
        ];
        for (mangled, expected) in cases {
            assert_eq!(demangle_d(mangled).as_deref(), Some(expected), "{mangled}");
        }
    }

    #[test]
    fn leaves_what_is_not_of_d() {
        for name in ["", "_D", "_D3", "_D99foo", "_Dynamic", "_D3fooFQa", "_D3fooFQzzzzzzzzzzzzzzzzzzzzzzzzZv", "_D3f\u{fc}oi", "_DYNAMIC", "main"] {
            assert_eq!(demangle_d(name), None, "{name}");
        }
    }

    #[test]
    fn ends_whatever_a_name_refers_to() {
        let nested = format!("_D1aF{}iZv", "A".repeat(100_000));
        // Each parameter is the two before it, twice.
        let doubling = format!("_D1aFH{}Zv", "HiiQc".repeat(4000));
        for name in [nested, doubling, format!("_D{}", "1a".repeat(50_000))] {
            assert!(demangle_d(&name).is_none_or(|text| text.len() <= 2 * MAX_LENGTH));
        }
    }
}
