//! A stopped process: started under ptrace, run from breakpoint to breakpoint or instruction by instruction.

// Each test file uses a part of it.
#![allow(dead_code)]

use perfleet_unwind::stepper::{Bx, Memory, Regs};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

pub struct Tracee {
    child: Child,
    memory: File,
    /// The thread that is looked at: the one that stopped last
    pub thread: libc::pid_t,
}

/// Why the process stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stopped {
    /// At a breakpoint or after a single step
    Trap,
    /// A signal is about to be delivered.
    Signal(i32),
    Exited(i32),
}

impl Tracee {
    pub fn start(command: &mut Command) -> Tracee {
        // SAFETY: the closure runs in the child after fork and makes one system call that is safe there.
        unsafe {
            command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the program starts");
        let thread = child.id() as libc::pid_t;
        let memory = File::open(format!("/proc/{thread}/mem")).expect("the memory of a traced process can be read");
        let mut tracee = Tracee { child, memory, thread };
        assert_eq!(tracee.wait(), Stopped::Trap, "a traced program stops at exec");
        // exec replaced the address space that the file was opened on.
        tracee.memory = File::open(format!("/proc/{thread}/mem")).expect("the memory of a traced process can be read");
        let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACECLONE;
        // SAFETY: sets options of a stopped tracee; no memory is passed.
        let set = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, thread, 0, options) };
        assert_eq!(set, 0, "ptrace options: {}", std::io::Error::last_os_error());
        tracee
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs to the next breakpoint of any thread.
    pub fn run(&mut self) -> Stopped {
        self.resume(libc::PTRACE_CONT, 0);
        self.wait()
    }

    pub fn deliver(&mut self, signal: i32) -> Stopped {
        self.resume(libc::PTRACE_CONT, signal);
        self.wait()
    }

    pub fn step(&mut self) -> Stopped {
        self.resume(libc::PTRACE_SINGLESTEP, 0);
        self.wait()
    }

    fn resume(&mut self, request: libc::c_uint, signal: i32) {
        // SAFETY: resumes a stopped tracee; no memory is passed.
        let resumed = unsafe { libc::ptrace(request, self.thread, 0, signal) };
        assert_eq!(resumed, 0, "ptrace: {}", std::io::Error::last_os_error());
    }

    fn wait(&mut self) -> Stopped {
        loop {
            let mut status = 0;
            // SAFETY: `status` is a valid place for the result.
            let who = unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) };
            assert!(who > 0, "waitpid: {}", std::io::Error::last_os_error());
            if libc::WIFSTOPPED(status) {
                let event = status >> 16;
                let new_thread = libc::WSTOPSIG(status) == libc::SIGSTOP && who != self.child.id() as libc::pid_t;
                if event != 0 || new_thread {
                    // SAFETY: resumes a stopped tracee; no memory is passed.
                    unsafe { libc::ptrace(libc::PTRACE_CONT, who, 0, 0) };
                    continue;
                }
                self.thread = who;
                return match libc::WSTOPSIG(status) {
                    libc::SIGTRAP => Stopped::Trap,
                    signal => Stopped::Signal(signal),
                };
            }
            if who == self.child.id() as libc::pid_t {
                return Stopped::Exited(status);
            }
        }
    }

    /// Registers of the stopped thread, and rbx.
    pub fn regs(&self) -> Regs {
        // SAFETY: all bytes zero are a valid value of this structure of integers.
        let mut regs: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: `regs` is a valid place for the result.
        let got = unsafe { libc::ptrace(libc::PTRACE_GETREGS, self.thread, 0, &mut regs) };
        assert_eq!(got, 0, "registers: {}", std::io::Error::last_os_error());
        let scratch = [regs.rax, regs.rcx, regs.rsi, regs.r9, regs.r10, regs.r11];
        Regs { ip: regs.rip, sp: regs.rsp, fp: regs.rbp, fp_lost: false, lr: regs.rdi, bx: Bx::Value(regs.rbx), scratch: Some(scratch), exact: true }
    }

    /// Puts a breakpoint at an address. The stopped thread is one byte past it.
    pub fn break_at(&self, address: u64) {
        let memory = File::options().write(true).open(format!("/proc/{}/mem", self.pid())).expect("a tracer may write");
        memory.write_all_at(&[0xcc], address).expect("code can be written by a tracer");
    }

    pub fn read(&self, address: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.memory.read_at(buffer, address)
    }
}

impl Memory for Tracee {
    fn read_u64(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.memory.read_exact_at(&mut word, address).ok()?;
        Some(u64::from_le_bytes(word))
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        // A process that ended by itself is already gone: there is nothing left to do then.
        let _ = self.child.kill();
        // The first thread of a process is not reaped before the others, which only a wait for any of them does.
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        while unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) } > 0 {}
    }
}
