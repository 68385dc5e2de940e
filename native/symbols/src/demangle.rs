//! Names as a reader knows them: C++, Rust (legacy and v0), Swift, D.

use std::borrow::Cow;

use symbolic_common::{Language, Name, NameMangling};
use symbolic_demangle::{Demangle, DemangleOptions};

use crate::demangle_d::demangle_d;

/// Longer names are cut: a mangled name may stand for one that is longer by any factor.
const MAX_BYTES: usize = 16 << 10;

/// All languages. Their demanglers read what anybody wrote, and Swift's is C++ code: only for a child process (`isolate`).
pub fn readable(name: &str) -> Cow<'_, str> {
    match attempt(name) {
        Some(mut text) => {
            text.truncate(text.floor_char_boundary(MAX_BYTES));
            Cow::Owned(text)
        }
        None => Cow::Borrowed(&name[..name.floor_char_boundary(MAX_BYTES)]),
    }
}

/// C++, Rust and D.
pub fn demangle(name: &str) -> Cow<'_, str> {
    if is_swift(name) { Cow::Borrowed(name) } else { readable(name) }
}

/// https://github.com/swiftlang/swift/blob/main/docs/ABI/Mangling.rst
fn is_swift(name: &str) -> bool {
    let name = name.strip_prefix('_').unwrap_or(name);
    ["$s", "$S", "$e", "T0"].iter().any(|prefix| name.starts_with(prefix))
}

fn attempt(name: &str) -> Option<String> {
    if name.starts_with("_D") {
        return demangle_d(name);
    }
    let mangled = Name::new(name, NameMangling::Unknown, Language::Unknown);
    mangled.demangle(DemangleOptions::complete().return_type(false))
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, demangle, readable};

    #[test]
    fn demangles_cpp_rust_and_d() {
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE"), "core::fmt::Formatter::pad");
        assert_eq!(demangle("_RNvCskwGfYPst2Cb_3foo16example_function"), "foo::example_function");
        assert_eq!(demangle("main.(*Cart).Total[go.shape.int]"), "main.(*Cart).Total[go.shape.int]");
        assert_eq!(demangle("_D3std5stdio7writelnFNaNbAyaZv"), "std.stdio.writeln(immutable(char)[])");
        assert_eq!(demangle("plain"), "plain");
    }

    #[cfg(feature = "swift")]
    #[test]
    fn demangles_swift_apart() {
        let name = "$s8mangling12GenericUnionO3FooyACyxGSicAEmlF";
        assert_eq!(demangle(name), name);
        assert!(readable(name).starts_with("GenericUnion.Foo<A>("), "{:?}", readable(name));
    }

    #[test]
    fn cuts_what_no_real_name_reaches() {
        assert_eq!(readable(&"x".repeat(1 << 20)).len(), MAX_BYTES);
        assert_eq!(readable(&"ü".repeat(1 << 20)).len(), MAX_BYTES);
    }
}
