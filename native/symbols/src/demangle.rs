//! Names as a reader knows them: C++, Rust (legacy and v0) and Swift where that is built in.

use std::borrow::Cow;

use symbolic_common::{Language, Name, NameMangling};
use symbolic_demangle::{Demangle, DemangleOptions};

pub fn demangle(name: &str) -> Cow<'_, str> {
    // Compilers append what a part of a function is (`.cold`, `.part.0`, `.llvm.123`); a demangler may choke on it.
    match attempt(name) {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(name),
    }
}

fn attempt(name: &str) -> Option<String> {
    let mangled = Name::new(name, NameMangling::Unknown, Language::Unknown);
    mangled.demangle(DemangleOptions::complete().return_type(false))
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn demangles_cpp_and_rust() {
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE"), "core::fmt::Formatter::pad");
        assert_eq!(demangle("_RNvCskwGfYPst2Cb_3foo16example_function"), "foo::example_function");
        assert_eq!(demangle("main.(*Cart).Total[go.shape.int]"), "main.(*Cart).Total[go.shape.int]");
        assert_eq!(demangle("plain"), "plain");
    }
}
