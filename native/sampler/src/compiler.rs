//! Threads that have unwind tables made, each by a process of its own, so that sampling never waits for a large binary, nor a small
//! binary for a large one.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use perfleet_unwind::{Error, Limits, Source, compile_into};

use crate::compile_process::CompileProcess;
use crate::first::take_turns;
use crate::packed_table::{PackedTable, Packer};

/// What a table is made from.
pub enum Input {
    File(File),
    /// A copy of an ELF file in memory, as the vdso is.
    Bytes(Vec<u8>),
}

struct Job {
    ticket: u64,
    input: Input,
}

pub struct Outcome {
    /// As `submit` gave it.
    pub ticket: u64,
    pub table: Result<PackedTable, String>,
}

pub struct Compiler {
    /// One for each row of `WORKERS`.
    workers: Vec<Sender<Job>>,
    outcomes: Receiver<Outcome>,
    /// Readable when there are outcomes.
    ready: OwnedFd,
    tickets: u64,
}

/// Threads, the largest files that they take (milliseconds, about a second, many seconds each) and their nice value. As long as a
/// table is missing every sample that needs it is copied and walked here, which costs more than the table; but what takes long
/// must not hold up the node's own work.
const WORKERS: [(&str, u64, i32); 3] = [("tables", 8 << 20, 0), ("large tables", 192 << 20, 5), ("huge tables", u64::MAX, 10)];

/// A process without work ends after that, and what it took is the system's again.
const IDLE: Duration = Duration::from_secs(2);

impl Compiler {
    pub fn start() -> std::io::Result<Compiler> {
        // SAFETY: takes no pointers; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        let ready = unsafe { OwnedFd::from_raw_fd(fd) };
        let (results, outcomes) = channel();
        let workers: std::io::Result<Vec<Sender<Job>>> =
            WORKERS.iter().map(|&(name, _, nice)| worker(name, nice, results.clone(), ready.try_clone()?)).collect();
        Ok(Compiler { workers: workers?, outcomes, ready, tickets: 0 })
    }

    pub fn descriptor(&self) -> i32 {
        self.ready.as_raw_fd()
    }

    pub fn submit(&mut self, input: Input) -> u64 {
        self.tickets += 1;
        let bytes = match &input {
            Input::File(file) => file.metadata().map_or(u64::MAX, |meta| meta.len()),
            Input::Bytes(bytes) => bytes.len() as u64,
        };
        let worker = WORKERS.iter().position(|&(_, limit, _)| bytes <= limit).unwrap_or(0);
        // The threads end only together with this side.
        let _ = self.workers[worker].send(Job { ticket: self.tickets, input });
        self.tickets
    }

    pub fn next(&mut self) -> Option<Outcome> {
        let mut count = 0u64;
        // SAFETY: reads 8 bytes into a number that outlives the call.
        unsafe { libc::read(self.ready.as_raw_fd(), (&raw mut count).cast(), 8) };
        self.outcomes.try_recv().ok()
    }
}

fn worker(name: &str, nice: i32, results: Sender<Outcome>, signal: OwnedFd) -> std::io::Result<Sender<Job>> {
    let (jobs, queue) = channel::<Job>();
    std::thread::Builder::new().name(name.into()).spawn(move || {
        // The thread that starts this one may be above the others.
        take_turns();
        // SAFETY: takes no pointers; 0 is this thread.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
        let mut process = CompileProcess::default();
        loop {
            let Job { ticket, input } = match queue.recv_timeout(IDLE) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => {
                    process.end();
                    match queue.recv() {
                        Ok(job) => job,
                        Err(_) => return,
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if results.send(Outcome { ticket, table: process.make(input) }).is_err() {
                return;
            }
            let one = 1u64;
            // SAFETY: writes 8 bytes that outlive the call; a full counter is readable all the same.
            unsafe { libc::write(signal.as_raw_fd(), (&raw const one).cast(), 8) };
        }
    })?;
    Ok(jobs)
}

/// Of a file. libchdb, which is the ClickHouse server, has 6.3 million rows, 0.7 million entries and 34 MB of CFI; node and LLVM a
/// tenth of it. Memory: 24 bytes an entry, and the packed table, which has a bound of its own. Time is that of the clock, and the
/// thread gives way to everything else: on a full machine two seconds of work take a minute.
const LIMITS: Limits = Limits {
    max_rows: 16 << 20,
    max_fdes: 3 << 19,
    max_section_bytes: 128 << 20,
    max_unpacked_bytes: 16 << 20,
    max_program_bytes: 512 << 20,
    max_time: Duration::from_secs(120),
};

/// In the process that makes tables.
pub fn make(source: &(impl Source + ?Sized)) -> Result<PackedTable, String> {
    let made = || -> Result<PackedTable, Error> {
        let mut packer = Packer::default();
        compile_into(source, &LIMITS, &mut packer)?;
        packer.finish()
    };
    made().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_a_binary_and_says_why_another_has_no_table() {
        let mut compiler = Compiler::start().unwrap();
        let good = compiler.submit(Input::File(File::open("/proc/self/exe").unwrap()));
        compiler.submit(Input::Bytes(b"nonsense".to_vec()));
        let (first, second) = (compiler.outcomes.recv().unwrap(), compiler.outcomes.recv().unwrap());
        let (good, bad) = if first.ticket == good { (first, second) } else { (second, first) };
        assert_ne!(good.ticket, bad.ticket);
        assert!(good.table.unwrap().groups.len() > 1000);
        assert!(!bad.table.unwrap_err().is_empty());
    }
}
