//! Test programs, compiled where the test runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A compiler and its options.
pub struct Compiler<'a> {
    pub program: &'a str,
    pub options: &'a [&'a str],
}

fn command(compiler: &Compiler) -> Command {
    let mut command = Command::new(compiler.program);
    command.args(compiler.options);
    if compiler.program == "go" {
        command.env("GO111MODULE", "off").env("CGO_ENABLED", "0");
    }
    command
}

/// The built program, or `None` where the compiler is missing (which is said).
pub fn build(test: &str, compiler: &Compiler, source: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(source);
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let done = match command(compiler).arg("-o").arg(&output).arg(source).output() {
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
