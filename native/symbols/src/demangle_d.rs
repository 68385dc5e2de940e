//! Names of the D language, functions with their parameters: https://dlang.org/spec/abi.html#name_mangling

mod parser;
mod symbols;
mod types;

use parser::Parser;

/// None for what is no mangled name of D.
pub fn demangle_d(name: &str) -> Option<String> {
    if name == "_Dmain" {
        return Some("D main".to_owned());
    }
    let mut parser = Parser::new(name, 2);
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

#[cfg(test)]
mod tests {
    use super::demangle_d;
    use super::parser::MAX_LENGTH;

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
