//! `/tmp/perf-PID.map`: names of code that a runtime made (linux tools/perf/Documentation/jit-interface.txt).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::proc;
use perfleet_files::open_in_root;

const MAX_FILE_BYTES: u64 = 64 << 20;
const MAX_NAME_BYTES: usize = 1024;
const MAX_ENTRIES: usize = 1_000_000;

#[derive(Clone)]
pub struct JitSymbol {
    pub kind: &'static str,
    pub function: String,
    pub file: String,
}

struct Entry {
    start: u64,
    end: u64,
    symbol: JitSymbol,
}

/// One process's map, read on as it grows. The file belongs to somebody's container: it is opened without following a link at its
/// end and without blocking, must be a regular file, and is read up to a bound.
#[derive(Default)]
pub struct PerfMap {
    entries: Vec<Entry>,
    read_to: u64,
    rest: Vec<u8>,
}

impl PerfMap {
    pub fn refresh(&mut self, pid: u32, inner_pid: u32) {
        if let Ok(file) = open_in_root(proc::alive(pid), &format!("/tmp/perf-{inner_pid}.map"), false) {
            self.read_on(file);
        }
    }

    fn read_on(&mut self, mut file: File) {
        let Ok(meta) = file.metadata() else { return };
        if meta.len() < self.read_to {
            // Not the file it was: the process began anew.
            *self = PerfMap::default();
        }
        if meta.len() == self.read_to || self.read_to >= MAX_FILE_BYTES {
            return;
        }
        if file.seek(SeekFrom::Start(self.read_to)).is_err() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.rest);
        let before = bytes.len();
        if file.take(MAX_FILE_BYTES - self.read_to).read_to_end(&mut bytes).is_err() {
            return;
        }
        self.read_to += (bytes.len() - before) as u64;
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        self.add(&String::from_utf8_lossy(&bytes[..whole]));
        self.rest = bytes.split_off(whole);
        if self.rest.len() > MAX_NAME_BYTES * 4 {
            self.rest.clear();
        }
    }

    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            if self.entries.len() >= MAX_ENTRIES {
                break;
            }
            let mut parts = line.splitn(3, ' ');
            let (Some(start), Some(size), Some(name)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let parse = |s: &str| u64::from_str_radix(s.trim_start_matches("0x"), 16).ok();
            let (Some(start), Some(size)) = (parse(start), parse(size)) else { continue };
            let Some(end) = start.checked_add(size) else { continue };
            let name: String = name.chars().take(MAX_NAME_BYTES).collect();
            self.entries.push(Entry { start, end, symbol: parse_name(&name) });
        }
        // Stable: of two entries at one address the later one, which replaced the code, comes last.
        self.entries.sort_by_key(|entry| entry.start);
    }

    pub fn lookup(&self, address: u64) -> Option<&JitSymbol> {
        let after = self.entries.partition_point(|entry| entry.start <= address);
        self.entries[..after].iter().rev().take(16).find(|entry| address < entry.end).map(|entry| &entry.symbol)
    }
}

/// V8 writes `JS:*hot /path/app.js:3:7` (older: `LazyCompile:`), with a tier mark before the name; others write plain names.
pub fn parse_name(name: &str) -> JitSymbol {
    const SCRIPTED: [&str; 6] = ["JS:", "LazyCompile:", "Function:", "Script:", "Eval:", "Interpreted:"];
    const BUILT_IN: [&str; 6] = ["Builtin:", "BytecodeHandler:", "Bytecode:", "RegExp:", "Stub:", "Handler:"];
    if let Some(rest) = SCRIPTED.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        let rest = rest.trim_start_matches(['*', '~', '^', '+', '\'']);
        let (function, place) = rest.split_once(' ').unwrap_or((rest, ""));
        let function = if function.is_empty() { "(anonymous)" } else { function };
        return JitSymbol { kind: "v8js", function: function.into(), file: without_position(place).into() };
    }
    let kind = if BUILT_IN.iter().any(|prefix| name.starts_with(prefix)) { "v8js" } else { "jit" };
    JitSymbol { kind, function: name.into(), file: String::new() }
}

/// `/a/b.js:3:7` -> `/a/b.js`
fn without_position(place: &str) -> &str {
    let mut path = place;
    for _ in 0..2 {
        match path.rsplit_once(':') {
            Some((head, tail)) if !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_digit()) => path = head,
            _ => break,
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> (&'static str, String, String) {
        let s = parse_name(text);
        (s.kind, s.function, s.file)
    }

    #[test]
    fn reads_v8_names() {
        assert_eq!(name("JS:*hot /a/b.js:3:7"), ("v8js", "hot".into(), "/a/b.js".into()));
        assert_eq!(name("LazyCompile:~ file:///x.mjs:1:1"), ("v8js", "(anonymous)".into(), "file:///x.mjs".into()));
        assert_eq!(name("Builtin:ArrayMap"), ("v8js", "Builtin:ArrayMap".into(), "".into()));
        assert_eq!(name("java.lang.String::hashCode"), ("jit", "java.lang.String::hashCode".into(), "".into()));
    }

    #[test]
    fn the_later_entry_wins_and_gaps_have_no_name() {
        let mut map = PerfMap::default();
        map.add("1000 100 old\n2000 10 other\nnonsense\nffffffffffffffff 10 over\n");
        map.add("1000 80 new\n");
        assert_eq!(map.lookup(0x1010).unwrap().function, "new");
        assert_eq!(map.lookup(0x1090).unwrap().function, "old");
        assert!(map.lookup(0x1fff).is_none());
        assert!(map.lookup(0xfff).is_none());
    }
}
