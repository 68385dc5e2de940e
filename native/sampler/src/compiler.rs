//! A thread that compiles unwind tables, so that sampling never waits for a large binary.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use perfleet_unwind::{Limits, Source, compile};

use crate::packed_table::PackedTable;

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
    jobs: Sender<Job>,
    outcomes: Receiver<Outcome>,
    /// Readable when there are outcomes.
    ready: OwnedFd,
    tickets: u64,
}

impl Compiler {
    pub fn start() -> std::io::Result<Compiler> {
        // SAFETY: takes no pointers; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        let ready = unsafe { OwnedFd::from_raw_fd(fd) };
        let signal = ready.try_clone()?;
        let (jobs, queue) = channel::<Job>();
        let (results, outcomes) = channel();
        std::thread::Builder::new().name("tables".into()).spawn(move || {
            for Job { ticket, input } in queue {
                let table = match &input {
                    Input::File(file) => make(file),
                    Input::Bytes(bytes) => make(bytes.as_slice()),
                };
                if results.send(Outcome { ticket, table }).is_err() {
                    return;
                }
                let one = 1u64;
                // SAFETY: writes 8 bytes that outlive the call; a full counter is readable all the same.
                unsafe { libc::write(signal.as_raw_fd(), (&raw const one).cast(), 8) };
            }
        })?;
        Ok(Compiler { jobs, outcomes, ready, tickets: 0 })
    }

    pub fn descriptor(&self) -> i32 {
        self.ready.as_raw_fd()
    }

    pub fn submit(&mut self, input: Input) -> u64 {
        self.tickets += 1;
        // The thread ends only together with this side.
        let _ = self.jobs.send(Job { ticket: self.tickets, input });
        self.tickets
    }

    pub fn next(&mut self) -> Option<Outcome> {
        let mut count = 0u64;
        // SAFETY: reads 8 bytes into a number that outlives the call.
        unsafe { libc::read(self.ready.as_raw_fd(), (&raw mut count).cast(), 8) };
        self.outcomes.try_recv().ok()
    }

    /// Waits for an outcome until the deadline.
    pub fn wait(&mut self, deadline: Instant) -> Option<Outcome> {
        match self.outcomes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }
}

fn make(source: &(impl Source + ?Sized)) -> Result<PackedTable, String> {
    let limits = Limits { max_rows: 4 << 20, max_time: Duration::from_secs(5), ..Limits::default() };
    let table = compile(source, &limits).map_err(|error| error.to_string())?;
    PackedTable::new(&table).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_a_binary_and_says_why_another_has_no_table() {
        let mut compiler = Compiler::start().unwrap();
        let good = compiler.submit(Input::File(File::open("/proc/self/exe").unwrap()));
        let bad = compiler.submit(Input::Bytes(b"nonsense".to_vec()));
        let deadline = Instant::now() + Duration::from_secs(60);
        let (first, second) = (compiler.wait(deadline).unwrap(), compiler.wait(deadline).unwrap());
        assert_eq!((first.ticket, second.ticket), (good, bad));
        assert!(first.table.unwrap().rows.len() > 1000);
        assert!(!second.table.unwrap_err().is_empty());
    }
}
