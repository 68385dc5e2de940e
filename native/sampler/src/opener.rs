//! Files of processes are opened in a process of its own (`open_process.rs`). A file system that somebody runs as a program (FUSE), or a server
//! that is away (NFS), may answer late or never, and whoever waits for that cannot be killed. So this program waits for an answer only so
//! long; then the process that waits is given up, another one takes its place, and the directory is left alone until the first one has
//! its answer.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::again;
use crate::elf::u32_at;
use crate::open_messages::{Answer, Found, MAX_ANSWER, Place};
use crate::passing::{receive, send};
use crate::privileges;
use crate::proc;
use crate::protocol;

/// Between looks at what the process does.
const LOOK_MS: i32 = 250;
/// For a process that waits for something.
const PATIENCE: Duration = Duration::from_secs(1);
/// For one that has had no turn on a busy machine.
const PATIENCE_WITHOUT_CPU: Duration = Duration::from_secs(10);
/// A directory that has answered in the end is left alone that much longer.
const PAUSE: Duration = Duration::from_secs(60);
/// Directories of one mount name space; with more of them nothing of it is opened.
const MAX_OF_NAMESPACE: usize = 3;
/// Processes that wait; with more of them nothing is opened.
const MAX_STUCK: usize = 32;

pub const FLAG: &str = "--open";

struct Running {
    child: Child,
    socket: UnixStream,
    cpu_ns: u64,
}

/// Given up: it waits for the file system, or did not long ago.
struct Stuck {
    child: Child,
    until: Instant,
}

/// A mount name space and a directory in it.
type Where = (u64, String);

#[derive(Default)]
pub struct Opener {
    running: Option<Running>,
    stuck: HashMap<Where, Stuck>,
    said: bool,
}

impl Opener {
    /// What is there, and the file unless it is one that must not be read from here.
    pub fn open(&mut self, place: Place) -> io::Result<(Option<File>, Found)> {
        if place.path().len() > libc::PATH_MAX as usize && !matches!(place, Place::Mapped { .. }) {
            return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        if self.is_refused(&place) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "its file system does not answer"));
        }
        match self.ask(place) {
            Ok((file, answer)) => {
                if let Some(running) = &mut self.running {
                    running.cpu_ns = answer.cpu_ns;
                }
                answer.found.map(|found| (file, found)).map_err(io::Error::from_raw_os_error)
            }
            Err(error) => {
                if let Some(Running { mut child, .. }) = self.running.take() {
                    let _ = child.kill();
                    if error.kind() == io::ErrorKind::TimedOut {
                        self.give_up(&place, child);
                    } else {
                        let _ = child.wait();
                    }
                }
                Err(error)
            }
        }
    }

    /// CPU time of the process that runs now.
    pub fn cpu_ms(&self) -> i64 {
        self.running.as_ref().map_or(0, |running| (running.cpu_ns / 1_000_000) as i64)
    }

    fn is_refused(&mut self, place: &Place) -> bool {
        if self.stuck.is_empty() {
            return false;
        }
        self.stuck.retain(|_, stuck| stuck.child.try_wait().is_ok_and(|status| status.is_none()) || Instant::now() < stuck.until);
        let at = where_of(place);
        let of_namespace = self.stuck.keys().filter(|(namespace, _)| *namespace == at.0).count();
        self.stuck.contains_key(&at) || of_namespace >= MAX_OF_NAMESPACE || self.stuck.len() >= MAX_STUCK
    }

    fn give_up(&mut self, place: &Place, child: Child) {
        let at = where_of(place);
        // A parent that is gone shows at the next window.
        let _ = protocol::log(
            "warn",
            &format!("{} of process {}: its file system does not answer; files there are not read until it does", at.1, place.pid()),
        );
        self.stuck.insert(at, Stuck { child, until: Instant::now() + PAUSE });
    }

    fn cannot_start(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.said, true) {
            let message = format!("cannot start the process that opens files: {error}; what runs has neither build ids nor names until it starts");
            let _ = protocol::log("warn", &message);
        }
    }

    fn ask(&mut self, place: Place) -> io::Result<(Option<File>, Answer)> {
        let bytes = place.to_bytes();
        // One that was killed while it had nothing to do is no fault of this file.
        if self.running.as_mut().is_none_or(|running| running.child.try_wait().is_ok_and(|status| status.is_some())) {
            self.running = Some(start().inspect_err(|error| self.cannot_start(error))?);
        }
        let Some(Running { child, socket, .. }) = &mut self.running else { return Err(io::ErrorKind::NotConnected.into()) };
        send(socket, &bytes, None)?;
        wait_for_answer(socket, child.id())?;
        let mut length = [0; 4];
        let (4, file) = receive(socket, &mut length)? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let length = u32_at(&length, 0).unwrap_or(0) as usize;
        if length > MAX_ANSWER {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        socket.read_exact(&mut bytes)?;
        Ok((file, Answer::from_bytes(&bytes)?))
    }
}

fn wait_for_answer(socket: &UnixStream, pid: u32) -> io::Result<()> {
    let asked = Instant::now();
    loop {
        let mut fds = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, which outlives the call.
        if unsafe { libc::poll(&raw mut fds, 1, LOOK_MS) } > 0 {
            return Ok(());
        }
        let patience = if wants_cpu(pid) { PATIENCE_WITHOUT_CPU } else { PATIENCE };
        if asked.elapsed() >= patience {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// It runs, or would if it had a turn.
fn wants_cpu(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('R'))
}

fn where_of(place: &Place) -> Where {
    (proc::mount_namespace(place.pid()), place.path().rsplit_once('/').map_or("", |(directory, _)| directory).to_owned())
}

fn start() -> io::Result<Running> {
    let (own, other) = UnixStream::pair()?;
    // An answer comes whole or not at all.
    own.set_read_timeout(Some(PATIENCE))?;
    own.set_write_timeout(Some(PATIENCE))?;
    let mut command = again::command(FLAG, "opener");
    command.stdin(Stdio::from(OwnedFd::from(other))).stdout(Stdio::null());
    // SAFETY: takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        // SAFETY: makes system calls only.
        unsafe { command.pre_exec(privileges::pass_on) };
    }
    Ok(Running { child: command.spawn()?, socket: own, cpu_ns: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Is the process that the other tests start; nothing in the tests' own process.
    #[test]
    fn acts_as_the_process() {
        again::act(crate::open_process::serve);
    }

    fn own() -> Place<'static> {
        Place::InRoot { pid: std::process::id(), path: "/proc/self/exe" }
    }

    #[test]
    fn opens_one_file_after_another_and_says_why_not() {
        let mut opener = Opener::default();
        let here = std::env::current_exe().unwrap();
        let here = Place::Here { path: here.to_str().unwrap() };
        let (file, found) = opener.open(here).unwrap();
        assert_eq!(crate::open_messages::key_of(&file.unwrap().metadata().unwrap()), found.key);
        assert!(!found.elf.unwrap().segments.is_empty());
        let pid = opener.running.as_ref().unwrap().child.id();
        assert_eq!(opener.open(Place::Here { path: "/nowhere" }).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        assert!(opener.open(Place::Here { path: "/dev/null" }).is_err());
        // A link of /proc leads out of any root.
        assert_eq!(opener.open(own()).unwrap_err().raw_os_error(), Some(libc::ELOOP));
        let long = format!("/{}", "a/".repeat(3000));
        assert_eq!(opener.open(Place::Here { path: &long }).unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));
        let (_, found) = opener.open(Place::Here { path: "/etc/passwd" }).unwrap();
        assert_eq!(found.elf, None);
        assert_eq!(opener.running.as_ref().unwrap().child.id(), pid, "the same process all the time");
    }

    #[test]
    fn one_that_was_killed_costs_nothing_more_than_its_answer() {
        let mut opener = Opener::default();
        let etc = Place::Here { path: "/etc/passwd" };
        opener.open(etc).unwrap();
        let child = &mut opener.running.as_mut().unwrap().child;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(opener.open(etc).is_ok() && opener.stuck.is_empty());
    }

    /// Stopped, as one that waits for a file system.
    #[test]
    fn a_directory_that_does_not_answer_is_left_alone_and_others_are_opened() {
        let mut opener = Opener::default();
        let (etc, usr) = (Place::Here { path: "/etc/passwd" }, Place::Here { path: "/usr/lib/os-release" });
        opener.open(etc).unwrap();
        let pid = opener.running.as_ref().unwrap().child.id();
        // SAFETY: takes numbers; the child is not waited for yet, and is not by this: all of its threads stand still then.
        unsafe {
            libc::kill(pid as i32, libc::SIGSTOP);
            libc::waitpid(pid as i32, std::ptr::null_mut(), libc::WUNTRACED);
        }
        assert_eq!(opener.open(etc).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(opener.open(usr).is_ok());
        assert_eq!(opener.open(etc).unwrap_err().kind(), io::ErrorKind::TimedOut);
        // It has ended, and some time has gone by.
        opener.stuck.values_mut().for_each(|stuck| {
            stuck.child.wait().unwrap();
            stuck.until = Instant::now();
        });
        assert!(opener.open(etc).is_ok());
    }
}
