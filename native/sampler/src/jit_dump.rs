//! The jitdump of a process (`perfleet_jitdump`), found by the mapping that marks it and read on as it grows. The file belongs to
//! somebody's container: opened like perf maps.

use std::rc::Rc;

use perfleet_jitdump::{CodeName, JitDump, Symbols, parse_name};

use crate::open_messages::{Found, Place};
use crate::opener::Opener;
use crate::proc;
use crate::protocol;

pub struct ProcessDump {
    path: Rc<str>,
    reader: JitDump,
    symbols: Symbols,
    length: u64,
}

impl ProcessDump {
    pub fn new(path: Rc<str>) -> ProcessDump {
        ProcessDump { path, reader: JitDump::default(), symbols: Symbols::default(), length: 0 }
    }

    pub fn refresh(&mut self, pid: u32, opener: &mut Opener) {
        let place = Place::Own { pid: proc::alive(pid), path: &self.path, from: self.reader.read_to() };
        let Ok((Some(file), Found { key: [_, _, length, ..], .. })) = opener.open(place) else { return };
        if length < self.length {
            // Not the file it was: the process began anew.
            *self = ProcessDump::new(Rc::clone(&self.path));
        }
        self.length = length;
        let symbols = &mut self.symbols;
        if let Err(error) = self.reader.read_on(&file, |code| symbols.add(code)) {
            // Said once: nothing more is read of it. A parent that is gone shows at the next window.
            let _ = protocol::log("warn", &format!("{} of process {pid}: {error:?}; code that was made after this has no names", self.path));
        }
    }

    /// `time`: nanoseconds of CLOCK_MONOTONIC.
    pub fn lookup(&self, address: u64, time: u64) -> Option<CodeName> {
        let symbol = self.symbols.lookup(address, time)?;
        let mut named = parse_name(&symbol.name);
        if named.file.is_empty() {
            named.file.clone_from(&symbol.file);
        }
        Some(named)
    }
}
