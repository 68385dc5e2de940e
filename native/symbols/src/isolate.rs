//! Work on hostile files runs in a forked child with limits: a stack overflow in deeply nested DWARF, a file that is cut short
//! under its mapping, a section that claims terabytes or a parser that does not end costs one answer and never the process.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

#[derive(Clone, Copy)]
pub struct Limits {
    pub wall: Duration,
    pub cpu_seconds: u64,
    /// Memory that the work may allocate, bytes.
    pub memory: u64,
    /// Longest answer, bytes.
    pub answer: u64,
    /// Longest file that the work may write, bytes.
    pub file: u64,
}

/// Held from the creation of a pipe until its writing end is closed here, so that no other child inherits that end and
/// keeps the pipe open after its own child crashed.
static FORKING: Mutex<()> = Mutex::new(());

/// Whether work may succeed with more memory.
pub fn is_out_of_memory(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains("MiB of memory"))
}

const OK: u8 = 0;
const FAILED: u8 = 1;

/// What `work` answers, from a child process. Errors are those of `work`, or how the child ended.
pub fn isolated(limits: Limits, work: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let deadline = Instant::now() + limits.wall;
    let data = data_bytes().unwrap_or(1 << 36);
    let guard = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    // SAFETY: the child calls nothing that needs another thread: it allocates (glibc makes that safe after a fork), reads and
    // writes files, writes to its pipe and ends by `_exit`. Errors take no backtrace, which would need a lock (index.cjs).
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        run_child(limits, data, writer, work);
    }
    let error = std::io::Error::last_os_error();
    drop(writer);
    drop(guard);
    ensure!(pid > 0, "cannot start a process for the parser: {error}");
    let answer = read_answer(reader, limits.answer.max(1 << 16), deadline);
    let status = end_child(pid, answer.is_err() && Instant::now() >= deadline);
    match answer {
        Ok((OK, bytes)) => Ok(bytes),
        Ok((_, bytes)) => bail!("{}", String::from_utf8_lossy(&bytes)),
        Err(error) if Instant::now() >= deadline => Err(error),
        Err(_) if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGXCPU => {
            bail!("the parser took more than {} s", limits.cpu_seconds)
        }
        // So ends an allocation that the limit refuses.
        Err(_) if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT => {
            bail!("its parser needed more than {} MiB of memory, or gave up (signal 6)", limits.memory >> 20)
        }
        Err(_) if libc::WIFSIGNALED(status) => bail!("the file is corrupt: its parser ended by signal {}", libc::WTERMSIG(status)),
        Err(error) => Err(error),
    }
}

fn run_child(limits: Limits, data: u64, mut writer: PipeWriter, work: impl FnOnce() -> Result<Vec<u8>>) -> ! {
    // SAFETY: plain system calls on this process, which no other thread shares.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT, libc::SIGILL, libc::SIGFPE, libc::SIGXCPU] {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut mask = std::mem::zeroed();
        libc::sigemptyset(&mut mask);
        libc::sigprocmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut());
        // A write beyond the limit is an error then, which says so.
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        set_limit(libc::RLIMIT_CORE, 0);
        set_limit(libc::RLIMIT_FSIZE, limits.file);
        set_limit(libc::RLIMIT_CPU, limits.cpu_seconds);
        set_limit(libc::RLIMIT_DATA, data.saturating_add(limits.memory));
        // A panic's message is of no use to the service's log.
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
        if null >= 0 {
            libc::dup2(null, libc::STDERR_FILENO);
        }
    }
    let (status, bytes) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(bytes)) if bytes.len() as u64 > limits.answer => {
            (FAILED, format!("its symbols take {} bytes, more than the {} that are kept", bytes.len(), limits.answer).into_bytes())
        }
        Ok(Ok(bytes)) => (OK, bytes),
        Ok(Err(error)) => (FAILED, format!("{error:#}").into_bytes()),
        Err(_) => (FAILED, b"the file is corrupt: its parser gave up".to_vec()),
    };
    let mut head = [status, 0, 0, 0, 0, 0, 0, 0, 0];
    head[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    let written = writer.write_all(&head).and_then(|()| writer.write_all(&bytes));
    // SAFETY: ends this process without running the parent's exit handlers.
    unsafe { libc::_exit(if written.is_ok() { 0 } else { 1 }) }
}

/// # Safety
/// Only in the child: the limits are those of the whole process.
unsafe fn set_limit(resource: libc::__rlimit_resource_t, soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit.
    unsafe {
        if libc::getrlimit(resource, &mut limit) == 0 {
            limit.rlim_cur = soft.min(limit.rlim_max);
            libc::setrlimit(resource, &limit);
        }
    }
}

/// Bytes of private writable memory that this process has now, in the sense of RLIMIT_DATA.
fn data_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn read_answer(reader: PipeReader, most: u64, deadline: Instant) -> Result<(u8, Vec<u8>)> {
    // SAFETY: the descriptor is owned, and given up by `into_raw_fd`.
    let mut pipe = unsafe { File::from_raw_fd(reader.into_raw_fd()) };
    let mut head = [0u8; 9];
    read_by(&mut pipe, &mut head, deadline)?;
    let length = u64::from_le_bytes(head[1..].try_into()?);
    ensure!(length <= most, "the parser's answer is too long");
    let mut bytes = vec![0; length as usize];
    read_by(&mut pipe, &mut bytes, deadline)?;
    Ok((head[0], bytes))
}

/// Fills `buffer`, or fails at the deadline.
fn read_by(pipe: &mut File, buffer: &mut [u8], deadline: Instant) -> Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "the parser did not end in time");
        let mut poll = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        let ready = unsafe { libc::poll(&mut poll, 1, left.as_millis().clamp(1, 60_000) as i32) };
        if ready <= 0 {
            continue;
        }
        match pipe.read(&mut buffer[filled..]) {
            Ok(0) => bail!("the parser ended without an answer"),
            Ok(n) => filled += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits for the child and returns its wait status. A child that closed its pipe is about to end; one that is late is killed.
fn end_child(pid: libc::pid_t, kill: bool) -> libc::c_int {
    let mut status = 0;
    // SAFETY: `pid` is a child that is not waited for yet, so the number still means it.
    unsafe {
        if kill {
            libc::kill(pid, libc::SIGKILL);
        }
        while libc::waitpid(pid, &mut status, 0) < 0 && *libc::__errno_location() == libc::EINTR {}
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { wall: Duration::from_secs(60), cpu_seconds: 1, memory: 64 << 20, answer: 1 << 20, file: 1 << 10 };

    fn memfd() -> File {
        // SAFETY: a name that ends with a zero; the descriptor is owned.
        unsafe { File::from_raw_fd(libc::memfd_create(c"test".as_ptr(), libc::MFD_CLOEXEC)) }
    }

    fn failure(work: impl FnOnce() -> Result<Vec<u8>>) -> String {
        isolated(LIMITS, work).unwrap_err().to_string()
    }

    #[test]
    fn hands_over_answers_and_errors() {
        assert_eq!(isolated(LIMITS, || Ok(vec![7; 500_000])).unwrap(), vec![7; 500_000]);
        assert_eq!(failure(|| bail!("bad header")), "bad header");
    }

    #[test]
    fn outlives_whatever_happens_to_the_child() {
        #[allow(unconditional_recursion)]
        fn endless(depth: u64) -> u64 {
            let page = std::hint::black_box([depth; 512]);
            endless(depth + 1) + page[3]
        }
        assert!(failure(|| panic!("parser")).contains("corrupt"));
        assert!(failure(|| Ok(vec![endless(0) as u8])).contains("signal 11"));
        assert!(failure(|| Ok(vec![1; 1 << 30])).contains("signal 6"));
        assert!(failure(|| Ok(vec![0; 2 << 20])).contains("more than"));
        let mut file = memfd();
        assert!(failure(move || Ok(file.write_all(&[1; 2 << 10]).map(|()| vec![])?)).contains("too large"));
        assert!(
            failure(|| loop {
                std::hint::black_box(1);
            })
            .contains("took more than 1 s")
        );
    }

    #[test]
    fn does_not_wait_for_ever() {
        let limits = Limits { wall: Duration::from_millis(200), ..LIMITS };
        let started = Instant::now();
        let error = isolated(limits, || {
            std::thread::sleep(Duration::from_secs(60));
            Ok(vec![])
        })
        .unwrap_err();
        assert!(error.to_string().contains("in time"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}
