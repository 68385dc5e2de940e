//! Unwind tables are made in a process of its own, which has no privileges (confine.rs): files of any container are parsed there, and
//! a file that breaks the parser breaks nothing that can load BPF programs or read other processes.
//!
//! One file at a time: its descriptor goes to the process over a socket, the table comes back (compile_messages.rs).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::again;
use crate::compile_messages::{read_answer, write_answer};
use crate::compiler::{Input, make};
use crate::confine::confine;
use crate::packed_table::PackedTable;
use crate::passing::{receive, send};

/// More than a table may take (`compiler.rs`), on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that makes tables; started at the first need, and again after it has ended.
#[derive(Default)]
pub struct CompileProcess {
    running: Option<(Child, UnixStream)>,
}

impl CompileProcess {
    /// The error says why there is no table; a process that did not answer is gone then.
    pub fn make(&mut self, input: Input) -> Result<PackedTable, String> {
        let made = self.ask(input);
        made.unwrap_or_else(|error| {
            let status = self.end().map_or(String::new(), |status| match status.signal() {
                Some(signal) => format!(" (signal {signal})"),
                None => format!(" ({status})"),
            });
            Err(format!("the process that makes unwind tables did not answer: {error}{status}"))
        })
    }

    /// Lets go of what the last tables took. The next one starts another process.
    pub fn end(&mut self) -> Option<std::process::ExitStatus> {
        let (mut child, socket) = self.running.take()?;
        // Without work it ends by itself; one that is stuck does not.
        drop(socket);
        if child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = child.kill();
        }
        child.wait().ok()
    }

    fn ask(&mut self, input: Input) -> io::Result<Result<PackedTable, String>> {
        let file = match input {
            Input::File(file) => file,
            Input::Bytes(bytes) => in_memory(&bytes)?,
        };
        // One that was killed while it had nothing to do is no fault of this file.
        if self.running.as_mut().is_none_or(|(child, _)| child.try_wait().is_ok_and(|status| status.is_some())) {
            self.running = Some(start()?);
        }
        let Some((_, socket)) = &mut self.running else { return Err(io::ErrorKind::NotConnected.into()) };
        send(socket, &[0], Some(&file))?;
        read_answer(&mut io::BufReader::new(socket))
    }
}

impl Drop for CompileProcess {
    fn drop(&mut self) {
        self.end();
    }
}

fn start() -> io::Result<(Child, UnixStream)> {
    let (own, other) = UnixStream::pair()?;
    own.set_read_timeout(Some(PATIENCE))?;
    own.set_write_timeout(Some(PATIENCE))?;
    let child = again::command(FLAG, "compile_process").stdin(Stdio::from(OwnedFd::from(other))).stdout(Stdio::null()).spawn()?;
    Ok((child, own))
}

pub const FLAG: &str = "--compile";

/// The life of such a process: standard input is the socket. Returns when the other side is gone.
pub fn serve() -> io::Result<()> {
    // SAFETY: the parent gave the socket as standard input, and nobody else reads it here.
    let mut socket = unsafe { UnixStream::from_raw_fd(0) };
    confine()?;
    while let (1.., file) = receive(&socket, &mut [0])? {
        let file = file.ok_or_else(|| io::Error::other("a message without a file"))?;
        write_answer(&mut socket, &make(&file))?;
        socket.flush()?;
    }
    Ok(())
}

fn in_memory(bytes: &[u8]) -> io::Result<File> {
    // SAFETY: the name is a constant; the result is checked.
    let fd = unsafe { libc::memfd_create(c"image".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let mut file = unsafe { File::from_raw_fd(fd) };
    file.write_all(bytes)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Is the process that the other tests start; nothing in the tests' own process.
    #[test]
    fn acts_as_the_process() {
        again::act(serve);
    }

    fn own() -> Input {
        Input::File(File::open("/proc/self/exe").unwrap())
    }

    #[test]
    fn makes_tables_one_after_another_and_says_why_there_is_none() {
        let mut process = CompileProcess::default();
        let groups = process.make(own()).unwrap().groups.len();
        assert!(groups > 1000);
        let reason = process.make(Input::Bytes(b"nonsense".to_vec())).unwrap_err();
        assert!(!reason.contains("did not answer"), "{reason}");
        let pid = process.running.as_ref().unwrap().0.id();
        assert_eq!(process.make(own()).unwrap().groups.len(), groups);
        assert_eq!(process.running.as_ref().unwrap().0.id(), pid);
    }

    #[test]
    fn a_file_that_kills_the_process_costs_one_answer() {
        let mut process = CompileProcess::default();
        let (own_end, other) = UnixStream::pair().unwrap();
        let dies = Command::new("/bin/sh").args(["-c", "dd bs=1 count=1 > /dev/null 2>&1; kill -SEGV $$"]).stdin(OwnedFd::from(other)).spawn();
        process.running = Some((dies.unwrap(), own_end));
        let reason = process.make(own()).unwrap_err();
        assert!(reason.contains("did not answer") && reason.contains("signal 11"), "{reason}");
        assert!(process.make(own()).is_ok());
    }

    #[test]
    fn a_process_that_was_killed_without_work_costs_nothing() {
        let mut process = CompileProcess::default();
        process.make(own()).unwrap();
        let child = &mut process.running.as_mut().unwrap().0;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.make(own()).is_ok());
    }

    /// As seen from outside while it works.
    #[test]
    fn the_process_has_no_privileges() {
        let mut process = CompileProcess::default();
        process.make(own()).unwrap();
        let pid = process.running.as_ref().unwrap().0.id();
        // The test's main thread is not the one that serves.
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let statuses: Vec<String> = tasks.map(|task| std::fs::read_to_string(task.path().join("status")).unwrap()).collect();
        let serving = statuses.iter().find(|status| status.contains("Seccomp:\t2")).expect("a thread with a filter");
        for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"] {
            assert!(serving.contains(line), "{line}: {serving}");
        }
        // SAFETY: takes nothing.
        if unsafe { libc::geteuid() } == 0 {
            assert!(serving.contains("Uid:\t65534\t65534\t65534\t65534"), "{serving}");
        }
    }
}
