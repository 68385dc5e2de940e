//! The perf map of a process (`perfleet_jitdump`), read on as it grows.

use std::io::{Read, Seek, SeekFrom};

use perfleet_jitdump::{CodeName, PerfMap};

use crate::open_messages::{Found, Place};
use crate::opener::Opener;
use crate::proc;
use crate::protocol;
use crate::system::monotonic;

const MAX_FILE_BYTES: u64 = 64 << 20;

/// The file belongs to somebody's container: it is opened without following a link at its end and without blocking, must be a regular
/// file of the process's user or root, and is read up to a bound.
#[derive(Default)]
pub struct ProcessMap {
    names: PerfMap,
    read_to: u64,
    /// When it was read last, in nanoseconds of CLOCK_MONOTONIC.
    read_at: u64,
    cut: bool,
}

impl ProcessMap {
    pub fn refresh(&mut self, pid: u32, inner_pid: u32, opener: &mut Opener) {
        let since = std::mem::replace(&mut self.read_at, monotonic());
        let path = format!("/tmp/perf-{inner_pid}.map");
        let place = Place::Own { pid: proc::alive(pid), path: &path, from: self.read_to };
        let Ok((Some(mut file), Found { key: [_, _, length, ..], .. })) = opener.open(place) else { return };
        if length < self.read_to {
            // Not the file it was: the process began anew.
            *self = ProcessMap { read_at: self.read_at, ..ProcessMap::default() };
        }
        let mut appended = Vec::new();
        let wanted = MAX_FILE_BYTES - self.read_to;
        if length == self.read_to || file.seek(SeekFrom::Start(self.read_to)).and_then(|_| file.take(wanted).read_to_end(&mut appended)).is_err() {
            return;
        }
        self.read_to += appended.len() as u64;
        self.names.add(&appended, since);
        if !self.cut && (self.names.is_full() || self.read_to >= MAX_FILE_BYTES) {
            self.cut = true;
            // Said once. A parent that is gone shows at the next window.
            let _ =
                protocol::log("warn", &format!("{path} of process {pid} is larger than is read of one; code that was made after that has no names"));
        }
    }

    /// `time`: nanoseconds of CLOCK_MONOTONIC.
    pub fn lookup(&self, address: u64, time: u64) -> Option<&CodeName> {
        self.names.lookup(address, time)
    }
}
