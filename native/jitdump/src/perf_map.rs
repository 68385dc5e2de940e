//! `/tmp/perf-PID.map`: names of code that a runtime made (linux tools/perf/Documentation/jit-interface.txt), a line for each piece of
//! code: start and size in hexadecimal, then the name. There are no times in it. What was read later was written later, so an entry
//! counts from the moment on at which the file was last read without it, and code that is replaced keeps its name for samples before
//! that. Between two readings nobody can say when the code changed: there the later name is taken, since a runtime gives an address
//! out again when nothing runs there any more.
//!
//! The file is anybody's: what is kept of it is bounded.

const MAX_NAME_CHARS: usize = 1024;
/// Of the beginning of a line whose end was not written yet.
const MAX_REST_BYTES: usize = 4096;
const MAX_ENTRIES: usize = 1_000_000;
/// Code that begins further back than this many other beginnings is not looked for.
const MAX_NEAR: usize = 16;

/// A name as its runtime writes it, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeName {
    /// A `profile.frame.type`.
    pub kind: &'static str,
    pub function: String,
    /// Source file, "" = not told.
    pub file: String,
}

struct Entry {
    start: u64,
    end: u64,
    /// It was written after this time.
    since: u64,
    name: CodeName,
}

#[derive(Default)]
pub struct PerfMap {
    /// By start; of one start in the order of the file.
    entries: Vec<Entry>,
    rest: Vec<u8>,
    full: bool,
}

impl PerfMap {
    /// Adds what was appended to the file after `since`, in any clock that `lookup` is asked in.
    pub fn add(&mut self, appended: &[u8], since: u64) {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(appended);
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
            let Some((start, end, name)) = parse_line(line) else { continue };
            if self.entries.len() >= MAX_ENTRIES {
                self.full = true;
                break;
            }
            self.entries.push(Entry { start, end, since, name: parse_name(name) });
        }
        self.entries.sort_by_key(|entry| entry.start);
        self.rest = bytes.split_off(whole);
        if self.rest.len() > MAX_REST_BYTES {
            self.rest.clear();
        }
    }

    /// There was more than is kept.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The latest name of the address that was written before `time`, or else the first one: it was written a moment late.
    pub fn lookup(&self, address: u64, time: u64) -> Option<&CodeName> {
        let after = self.entries.partition_point(|entry| entry.start <= address);
        let mut found: Option<&Entry> = None;
        for entry in self.entries[..after].iter().rev().take(MAX_NEAR).filter(|entry| address < entry.end) {
            // Of two that were read together the one in front, which is the later one of the same start, or the nearer.
            let better = found.is_none_or(|best| match (best.since <= time, entry.since <= time) {
                (true, known) => known && entry.since > best.since,
                (false, known) => known || entry.since < best.since,
            });
            found = if better { Some(entry) } else { found };
        }
        found.map(|entry| &entry.name)
    }
}

fn parse_line(line: &str) -> Option<(u64, u64, &str)> {
    let mut parts = line.splitn(3, ' ');
    let mut number = || u64::from_str_radix(parts.next()?.trim_start_matches("0x"), 16).ok();
    let (start, size) = (number()?, number()?);
    Some((start, start.checked_add(size)?, parts.next()?))
}

/// V8 writes `JS:*hot /path/app.js:3:7` (older: `LazyCompile:`), with a tier mark before the name; others write plain names.
pub fn parse_name(name: &str) -> CodeName {
    let name = name.char_indices().nth(MAX_NAME_CHARS).map_or(name, |(end, _)| &name[..end]);
    const SCRIPTED: [&str; 6] = ["JS:", "LazyCompile:", "Function:", "Script:", "Eval:", "Interpreted:"];
    const BUILT_IN: [&str; 6] = ["Builtin:", "BytecodeHandler:", "Bytecode:", "RegExp:", "Stub:", "Handler:"];
    if let Some(rest) = SCRIPTED.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        let rest = rest.trim_start_matches(['*', '~', '^', '+', '\'']);
        let (function, place) = rest.split_once(' ').unwrap_or((rest, ""));
        let function = if function.is_empty() { "(anonymous)" } else { function };
        return CodeName { kind: "v8js", function: function.into(), file: without_position(place).into() };
    }
    let kind = if BUILT_IN.iter().any(|prefix| name.starts_with(prefix)) { "v8js" } else { "jit" };
    CodeName { kind, function: name.into(), file: String::new() }
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
mod tests;
