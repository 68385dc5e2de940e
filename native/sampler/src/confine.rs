//! Takes from this process, for good, what it does not need to read files that are open already: privileges, other system calls than
//! a few, and most resources.

use std::io;

const NOBODY: u32 = 65_534;
/// A table's parts are bounded below that: 128 MB of CFI, 16 MB unpacked, and what is made of it.
const MEMORY: u64 = 1 << 30;
/// Standard streams, the file, and the one that comes next.
const OPEN_FILES: u64 = 16;

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// Reading, memory, the socket, time, the end. No way to open, start, trace, change or reach anything.
const ALLOWED: [libc::c_long; 24] = [
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
/// Allowed as long as no memory becomes code.
const ALLOWED_WITHOUT_EXEC: [libc::c_long; 2] = [libc::SYS_mmap, libc::SYS_mprotect];

/// Errors of what has to succeed: without a privilege to drop some calls have nothing to do.
pub fn confine() -> io::Result<()> {
    // SAFETY: numbers, and structures that outlive the calls.
    unsafe {
        for (resource, limit) in [(libc::RLIMIT_AS, MEMORY), (libc::RLIMIT_NOFILE, OPEN_FILES), (libc::RLIMIT_CORE, 0), (libc::RLIMIT_FSIZE, 0)] {
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            checked(libc::setrlimit(resource, &limit))?;
        }
        if libc::geteuid() == 0 {
            // A root without these two capabilities stays root by name; it has no capability after the next call.
            let _ = libc::setgroups(0, std::ptr::null());
            let _ = libc::setresgid(NOBODY, NOBODY, NOBODY);
            let _ = libc::setresuid(NOBODY, NOBODY, NOBODY);
        }
        // Not before: a change of user takes the parent's death signal back (prctl(2)), and this process would outlive it.
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        if libc::getppid() == 1 {
            return Err(io::Error::other("its parent is gone"));
        }
        drop_capabilities()?;
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        checked(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0))?;
        allow_few_calls()
    }
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Man 2 capset, version 3: effective, permitted and inheritable, twice 32 bits each.
fn drop_capabilities() -> io::Result<()> {
    let header: [u32; 2] = [0x2008_0522, 0];
    let none = [0u32; 6];
    // SAFETY: both arrays have the sizes that this version states and outlive the call.
    checked(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) } as libc::c_int)
}

/// Anything else ends the process.
fn allow_few_calls() -> io::Result<()> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    // struct seccomp_data: nr, arch, instruction pointer, arguments; the third argument's lower half.
    const NUMBER: u32 = 0;
    const ARCH: u32 = 4;
    const PROTECTION: u32 = 32;
    let row = |code: u32, yes: u8, no: u8, k: u32| libc::sock_filter { code: code as u16, jt: yes, jf: no, k };
    let mut rows =
        vec![row(LOAD, 0, 0, ARCH), row(EQUAL, 1, 0, AUDIT_ARCH), row(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS), row(LOAD, 0, 0, NUMBER)];
    for call in ALLOWED {
        rows.extend([row(EQUAL, 0, 1, call as u32), row(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW)]);
    }
    for call in ALLOWED_WITHOUT_EXEC {
        rows.extend([
            row(EQUAL, 0, 4, call as u32),
            row(LOAD, 0, 0, PROTECTION),
            row(BITS, 0, 1, libc::PROT_EXEC as u32),
            row(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
            row(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        ]);
    }
    // glibc's allocator looks at a setting of the system when it gives memory back; it can do without.
    let denied = libc::SECCOMP_RET_ERRNO | libc::EACCES as u32;
    rows.extend([row(EQUAL, 0, 1, libc::SYS_openat as u32), row(RETURN, 0, 0, denied), row(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS)]);
    let program = libc::sock_fprog { len: rows.len() as u16, filter: rows.as_mut_ptr() };
    // SAFETY: the program outlives the call, which copies it.
    checked(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
}
