//! Keeps the kernel able to walk: follows the mappings of processes as they change, loads the tables of the binaries that samples
//! come from, and walks itself what the kernel could not. The state here is that of now; the resolver's is that of the last
//! window's samples.

mod walking;

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use crate::binaries::Binaries;
use crate::bpf_structs::Key;
use crate::compiler::{Compiler, Outcome};
use crate::deferred::{Deferred, Walked};
use crate::followed::Followed;
use crate::kernel_mappings::mapped;
use crate::kernel_tables::KernelTables;
use crate::postponed::Postponed;
use crate::protocol;
use crate::records::Record;
use crate::table_maps::{Mapped, NO_BINARY, State};
use crate::vdso::Vdso;

/// An address outside all mappings is worth a look at once after mappings have changed: a process maps its libraries one after
/// another, a runtime makes code all the time. After a look that found nothing new it is not for this time (nanoseconds), and each
/// further one doubles it.
const FIRST_RECHECK_NS: u64 = 10_000_000;
const LAST_RECHECK_NS: u64 = 5_000_000_000;
/// Of samples that wait for tables. More are walked with what is there.
const MAX_WAITING_BYTES: usize = 32 << 20;
/// Where no single rules can be read from a file, its table is made as soon as a sampled process maps it, if it is no larger: the
/// process may be gone when it is needed. The table of a larger one waits until a stack leads there.
const EAGER_BYTES: u64 = 4 << 20;
const MAX_LOGGED: u32 = 100;
/// Binaries without a table on the way of one sample that are opened for it.
const MAX_OPENED: usize = 64;

/// A sample that was deferred, with its stack.
pub struct Finished {
    pub key: Key,
    pub time_ns: u64,
    pub buffer: u32,
    pub walked: Walked,
}

#[derive(Clone, Copy, Default)]
pub struct UnwindStats {
    /// Cumulative samples walked here.
    pub deferred: u64,
    /// Binaries whose table could not be made.
    pub failed: u64,
}

pub struct Unwinder {
    pub tables: KernelTables,
    pub stats: UnwindStats,
    compiler: Compiler,
    followed: Followed,
    vdso: Option<Vdso>,
    /// Slots whose tables are being made, by the compiler's tickets.
    pending: HashMap<u64, u32>,
    postponed: Postponed,
    /// Could not be opened: tried again when another process maps it.
    unopened: Vec<u32>,
    paths: HashMap<u32, Rc<str>>,
    waiting: Vec<Deferred>,
    waiting_bytes: usize,
    finished: Vec<Finished>,
    logged: u32,
}

impl Unwinder {
    pub fn new(tables: KernelTables) -> io::Result<Unwinder> {
        Ok(Unwinder {
            tables,
            stats: UnwindStats::default(),
            compiler: Compiler::start()?,
            followed: Followed::default(),
            vdso: Vdso::own(),
            pending: HashMap::new(),
            postponed: Postponed::default(),
            unopened: Vec::new(),
            paths: HashMap::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            finished: Vec::new(),
            logged: 0,
        })
    }

    /// Readable when tables are made.
    pub fn descriptor(&self) -> i32 {
        self.compiler.descriptor()
    }

    /// Nothing that was built from records can be trusted after a loss of some: everything is read again.
    pub fn forget_all(&mut self) {
        self.tables.remove_all();
        self.followed.by_pid.clear();
    }

    /// Takes in what came since the last call: records and samples, replayed in the order of their clock.
    pub fn take(&mut self, records: &[Record], mut samples: Vec<Deferred>, binaries: &mut Binaries) -> io::Result<()> {
        samples.sort_by_key(|sample| sample.head.time_ns);
        let mut records = records.iter().peekable();
        for sample in samples {
            while let Some(record) = records.next_if(|record| record.time <= sample.head.time_ns) {
                self.followed.apply(&record.event, &mut self.tables);
            }
            self.admit(sample, binaries)?;
        }
        records.for_each(|record| self.followed.apply(&record.event, &mut self.tables));
        for pid in self.followed.due() {
            self.install(pid, binaries)?;
        }
        self.load_tables(binaries)
    }

    /// Samples of this buffer wait for tables.
    pub fn waits_for_tables(&self, buffer: u32) -> bool {
        self.waiting.iter().any(|sample| sample.head.buffer == buffer)
    }

    /// The samples of a buffer that nobody writes to any more, walked with the tables that there are.
    pub fn finish(&mut self, buffer: u32) -> Vec<Finished> {
        for sample in std::mem::take(&mut self.waiting) {
            if sample.head.buffer == buffer {
                self.give_up(&sample);
            } else {
                self.waiting.push(sample);
            }
        }
        self.waiting_bytes = self.waiting.iter().map(Deferred::bytes).sum();
        let (of_buffer, others) = std::mem::take(&mut self.finished).into_iter().partition(|sample| sample.buffer == buffer);
        self.finished = others;
        of_buffer
    }

    /// Walks this sample, and lets the process be walked in the kernel if it does not end first.
    fn admit(&mut self, mut sample: Deferred, binaries: &mut Binaries) -> io::Result<()> {
        self.stats.deferred += 1;
        let pid = sample.head.key.tgid;
        self.followed.get(pid).missed = Some(sample.head.mm);
        sample.mappings = self.mappings(pid, binaries)?;
        self.walk(sample, binaries);
        Ok(())
    }

    /// Of a process as it is now. The files that are new in them are opened.
    fn mappings(&mut self, pid: u32, binaries: &mut Binaries) -> io::Result<Rc<[Mapped]>> {
        let process = self.followed.get(pid);
        if !process.changed && !process.mappings.is_empty() {
            return Ok(Rc::clone(&process.mappings));
        }
        process.fresh |= process.changed;
        process.changed = false;
        let mut wanted = Vec::new();
        let mappings = mapped(pid, &mut process.space, binaries, &mut self.tables, self.vdso.as_ref(), &mut wanted);
        process.mappings = Rc::clone(&mappings);
        for (slot, path) in wanted {
            self.paths.entry(slot).or_insert(path);
        }
        for slot in std::mem::take(&mut self.tables.recycled) {
            self.postponed.remove(slot);
            self.pending.retain(|_, other| *other != slot);
        }
        for mapping in mappings.iter().filter(|mapping| mapping.binary != NO_BINARY) {
            let slot = mapping.binary as u32;
            if let Some(at) = self.unopened.iter().position(|&other| other == slot) {
                self.unopened.swap_remove(at);
                self.tables.set_state(slot, State::Absent)?;
            }
            if self.tables.state(slot) == State::Absent && !self.postponed.contains(slot) && !self.is_pending(slot) {
                self.open(slot, pid, mapping.start, EAGER_BYTES, binaries);
            }
        }
        Ok(mappings)
    }

    /// Gives the kernel the mappings of a process as they are now.
    fn install(&mut self, pid: u32, binaries: &mut Binaries) -> io::Result<()> {
        let mappings = self.mappings(pid, binaries)?;
        let process = self.followed.get(pid);
        process.recheck_ns = (process.recheck_ns * 2).clamp(FIRST_RECHECK_NS, LAST_RECHECK_NS);
        if std::mem::take(&mut process.fresh) {
            process.recheck_ns = 0;
        }
        let Some(mm) = process.missed.take().or(process.installed) else { return Ok(()) };
        process.installed = Some(mm);
        let recheck = crate::system::monotonic() + process.recheck_ns;
        if !self.tables.install(pid, mm, &mappings, recheck)? {
            // Frame pointers alone, and no more questions for a while.
            self.tables.install(pid, mm, &(Rc::new([]) as Rc<[Mapped]>), recheck + 60_000_000_000)?;
        }
        Ok(())
    }

    fn load_tables(&mut self, binaries: &mut Binaries) -> io::Result<()> {
        let mut any = false;
        while let Some(outcome) = self.compiler.next() {
            self.loaded(outcome)?;
            any = true;
        }
        if any {
            self.retry(binaries);
        }
        Ok(())
    }

    fn loaded(&mut self, outcome: Outcome) -> io::Result<()> {
        let Some(slot) = self.pending.remove(&outcome.ticket) else { return Ok(()) };
        self.postponed.remove(slot);
        if self.tables.state(slot) != State::Absent {
            return Ok(());
        }
        match outcome.table {
            Ok(table) => {
                if !self.tables.load(slot, &table, crate::system::grace_period)? {
                    self.log(slot, "no room for its unwind table: walked by frame pointers; raise --table-memory (PERFLEET_SAMPLER_TABLES_MB)");
                }
            }
            Err(error) => {
                self.stats.failed += 1;
                self.tables.set_state(slot, State::WithoutTable)?;
                self.log(slot, &format!("{error}; walked by frame pointers"));
            }
        }
        Ok(())
    }

    fn log(&mut self, slot: u32, message: &str) {
        self.logged += 1;
        if self.logged <= MAX_LOGGED {
            let path = self.paths.get(&slot).map_or("?", |path| path);
            // A parent that is gone shows at the next window.
            let _ = protocol::log("warn", &format!("{path}: {message}"));
        }
    }
}
