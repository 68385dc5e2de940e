//! Keeps the kernel able to walk: follows the mappings of processes as they change, loads the tables of the binaries that samples
//! come from, and walks itself what the kernel could not. The state here is that of now; the resolver's is that of the last
//! window's samples.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use crate::binaries::Binaries;
use crate::bpf_maps::Key;
use crate::compiler::{Compiler, Input, Outcome};
use crate::deferred::{Deferred, Walked};
use crate::followed::Followed;
use crate::kernel_mappings::{VDSO, mapped};
use crate::kernel_tables::{Found, KernelTables};
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
/// Tables of files up to this size are made as soon as a sampled process maps them: it may be gone when they are needed. Larger
/// ones wait until a stack leads there.
const EAGER_BYTES: u64 = 4 << 20;
const MAX_LOGGED: u32 = 100;

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
        for pid in self.followed.changed() {
            self.install(pid, None, binaries)?;
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
                self.give_up(sample);
            } else {
                self.waiting.push(sample);
            }
        }
        self.waiting_bytes = self.waiting.iter().map(Deferred::bytes).sum();
        let (of_buffer, others) = std::mem::take(&mut self.finished).into_iter().partition(|sample| sample.buffer == buffer);
        self.finished = others;
        of_buffer
    }

    /// Lets the process be walked in the kernel from now on, and walks this sample.
    fn admit(&mut self, mut sample: Deferred, binaries: &mut Binaries) -> io::Result<()> {
        self.stats.deferred += 1;
        let pid = sample.head.key.tgid;
        self.install(pid, Some(sample.head.mm), binaries)?;
        sample.mappings = self.followed.by_pid.get(&pid).map_or_else(|| Rc::new([]) as Rc<[Mapped]>, |process| Rc::clone(&process.mappings));
        self.walk(sample, binaries);
        Ok(())
    }

    /// `mm` None: as before.
    fn install(&mut self, pid: u32, mm: Option<u64>, binaries: &mut Binaries) -> io::Result<()> {
        let process = self.followed.get(pid);
        process.recheck_ns = (process.recheck_ns * 2).clamp(FIRST_RECHECK_NS, LAST_RECHECK_NS);
        if process.changed {
            process.recheck_ns = 0;
        }
        if process.mappings.is_empty() || process.changed {
            process.changed = false;
            let mut wanted = Vec::new();
            process.mappings = mapped(pid, &mut process.space, binaries, &mut self.tables, self.vdso.as_ref(), &mut wanted);
            for (slot, path) in wanted {
                self.paths.entry(slot).or_insert(path);
            }
        }
        let Some(mm) = mm.or(process.installed) else { return Ok(()) };
        let mappings = Rc::clone(&process.mappings);
        process.installed = Some(mm);
        let recheck = crate::system::monotonic() + process.recheck_ns;
        if !self.tables.install(pid, mm, &mappings, recheck)? {
            // Frame pointers alone, and no more questions for a while.
            self.tables.install(pid, mm, &(Rc::new([]) as Rc<[Mapped]>), recheck + 60_000_000_000)?;
        }
        let slots: Vec<(u32, u64)> =
            mappings.iter().filter(|mapping| mapping.binary != NO_BINARY).map(|mapping| (mapping.binary as u32, mapping.start)).collect();
        for (slot, start) in slots {
            if let Some(at) = self.unopened.iter().position(|&other| other == slot) {
                self.unopened.swap_remove(at);
                self.tables.set_state(slot, State::Absent)?;
            }
            if self.tables.state(slot) == State::Absent {
                self.want(slot, pid, start, EAGER_BYTES, binaries);
            }
        }
        Ok(())
    }

    /// Has the table of a slot made, unless it is under way or its file is larger than `max_bytes`. False when there is no way to it.
    fn want(&mut self, slot: u32, pid: u32, start: u64, max_bytes: u64, binaries: &mut Binaries) -> bool {
        if self.pending.values().any(|&other| other == slot) {
            return true;
        }
        let Some(mapping) = self.followed.by_pid.get_mut(&pid).and_then(|process| process.space.find(start)) else { return false };
        let input = if &*mapping.path == VDSO {
            self.vdso.as_ref().map(|vdso| Input::Bytes(vdso.bytes.clone()))
        } else {
            match binaries.open(&mapping.wanted(pid)) {
                Some((file, _)) if file.metadata().is_ok_and(|meta| meta.len() > max_bytes) => return true,
                other => other.map(|(file, _)| Input::File(file)),
            }
        };
        let Some(input) = input else { return false };
        self.pending.insert(self.compiler.submit(input), slot);
        true
    }

    fn walk(&mut self, sample: Deferred, binaries: &mut Binaries) {
        match sample.walk(|mapping, pc| self.tables.find(mapping, pc)) {
            Ok(walked) => self.done(&sample, walked),
            Err(slot) => {
                let pid = sample.head.key.tgid;
                let start = sample.mappings.iter().find(|mapping| mapping.binary == u64::from(slot)).map_or(0, |mapping| mapping.start);
                if !self.want(slot, pid, start, u64::MAX, binaries) {
                    // Gone before anybody could open it. Without a table it is not asked for at every sample.
                    let _ = self.tables.set_state(slot, State::WithoutTable);
                    self.unopened.push(slot);
                    self.walk(sample, binaries);
                } else if self.waiting_bytes + sample.bytes() > MAX_WAITING_BYTES {
                    self.give_up(sample);
                } else {
                    self.waiting_bytes += sample.bytes();
                    self.waiting.push(sample);
                }
            }
        }
    }

    /// Walks with the tables that there are.
    fn give_up(&mut self, sample: Deferred) {
        let walked = sample.walk(|mapping, pc| match self.tables.find(mapping, pc) {
            Found::Absent(_) => Found::FramePointer,
            found => found,
        });
        if let Ok(walked) = walked {
            self.done(&sample, walked);
        }
    }

    fn done(&mut self, sample: &Deferred, walked: Walked) {
        let head = &sample.head;
        self.finished.push(Finished { key: head.key, time_ns: head.time_ns, buffer: head.buffer, walked });
    }

    fn retry(&mut self, binaries: &mut Binaries) {
        self.waiting_bytes = 0;
        for sample in std::mem::take(&mut self.waiting) {
            self.walk(sample, binaries);
        }
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
        if self.tables.state(slot) != State::Absent {
            return Ok(());
        }
        match outcome.table {
            Ok(table) => {
                if !self.tables.load(slot, &table, crate::system::grace_period)? {
                    self.log(slot, "no room for its unwind table: walked by frame pointers; raise --table-memory");
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
