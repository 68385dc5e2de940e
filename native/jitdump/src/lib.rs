//! Names of code that a runtime makes while it runs, out of what it writes down: a perf map (`perf_map.rs`) or a jitdump.
//!
//! jitdump: a file to which a runtime appends a record for each function that it compiles, with the time, so that addresses which are
//! used again over time can be told apart (linux tools/perf/Documentation/jitdump-specification.txt). `perf inject` makes ELF files of
//! it; here only names are read, and code is skipped.
//!
//! The file is anybody's: every length is checked, and what is kept is bounded (`symbols.rs`).

mod perf_map;
mod records;
mod symbols;

pub use perf_map::{CodeName, PerfMap, parse_name};
pub use records::{Code, Error, JitDump, Source, What};
pub use symbols::{Symbol, Symbols};

/// Whether a mapping of this path is the mark by which a runtime says where its dump is: `…/jit-PID.dump`.
pub fn is_dump(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or("");
    let number = name.strip_prefix("jit-").and_then(|rest| rest.strip_suffix(".dump"));
    number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
