//! This program once more, as one of its helpers: its standard input is a socket to this one.

use std::process::Command;

/// @param `flag` makes the program that helper; `module` is where it is, for tests
#[cfg(not(test))]
pub fn command(flag: &str, _module: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(flag).env_clear();
    command
}

/// Set in a process that a test started as a helper.
#[cfg(test)]
const ACTS: &str = "PERFLEET_TEST_ACTS";

/// The program of the tests is another one: it becomes a helper by a test that acts as one.
#[cfg(test)]
pub fn command(_flag: &str, module: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", &format!("{module}::tests::acts_as_the_process"), "--nocapture"]).env(ACTS, "1");
    command
}

/// What the test of that name does: it is the process that others start, and nothing in the tests' own process.
#[cfg(test)]
pub fn act(serve: impl FnOnce() -> std::io::Result<()>) {
    if std::env::var_os(ACTS).is_some() {
        std::process::exit(if serve().is_ok() { 0 } else { 3 });
    }
}
