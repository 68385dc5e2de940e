//! Test programs, compiled where the test runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A compiler and its options.
pub struct Compiler {
    pub program: &'static str,
    pub options: &'static [&'static str],
}

/// The built program, or `None` where the compiler is missing (which is said).
pub fn build(test: &str, compiler: &Compiler, source: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(source);
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let done = match Command::new(compiler.program).args(compiler.options).arg(source).arg("-o").arg(&output).output() {
        Ok(done) => done,
        Err(error) => {
            println!("SKIP {test}: {} cannot be run: {error}", compiler.program);
            return None;
        }
    };
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{} {:?}: {stderr}", compiler.program, compiler.options);
    Some(output)
}
