//! Names as a reader knows them: C++, Rust (legacy and v0), Swift.

use std::borrow::Cow;

use symbolic_common::{Language, Name, NameMangling};
use symbolic_demangle::{Demangle, DemangleOptions};

/// C++ and Rust. Swift's demangler is C++ code, so that its names are translated in the child process (`swift`).
pub fn demangle(name: &str) -> Cow<'_, str> {
    match if is_swift(name) { None } else { attempt(name) } {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(name),
    }
}

/// None for what is not a name of Swift. Only for a child process (`isolate`).
pub fn swift(name: &str) -> Option<String> {
    if is_swift(name) { attempt(name) } else { None }
}

/// https://github.com/swiftlang/swift/blob/main/docs/ABI/Mangling.rst
fn is_swift(name: &str) -> bool {
    let name = name.strip_prefix('_').unwrap_or(name);
    ["$s", "$S", "$e", "T0"].iter().any(|prefix| name.starts_with(prefix))
}

fn attempt(name: &str) -> Option<String> {
    let mangled = Name::new(name, NameMangling::Unknown, Language::Unknown);
    mangled.demangle(DemangleOptions::complete().return_type(false))
}

#[cfg(test)]
mod tests {
    use super::{demangle, swift};

    #[test]
    fn demangles_cpp_and_rust() {
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE"), "core::fmt::Formatter::pad");
        assert_eq!(demangle("_RNvCskwGfYPst2Cb_3foo16example_function"), "foo::example_function");
        assert_eq!(demangle("main.(*Cart).Total[go.shape.int]"), "main.(*Cart).Total[go.shape.int]");
        assert_eq!(demangle("plain"), "plain");
    }

    #[cfg(feature = "swift")]
    #[test]
    fn demangles_swift_apart() {
        let name = "$s8mangling12GenericUnionO3FooyACyxGSicAEmlF";
        assert_eq!(demangle(name), name);
        assert!(swift(name).unwrap().starts_with("GenericUnion.Foo<A>("), "{:?}", swift(name));
        assert_eq!(swift("_ZN3foo3barEi"), None);
    }
}
