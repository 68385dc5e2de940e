//! Each rung forced, with the reason that the sampler states. What needs another kernel or the machine's own settings (a higher
//! perf_event_paranoid, CPUs that go away) is in tests/kernels.

mod support;

use std::io;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Output, assert_books, my_turn, parse, skipped};

/// The sampler's output beside a thread that is busy, after `confine` ran in the new process, just before its program.
fn confined(confine: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Output {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // An idle machine has no samples.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                std::hint::spin_loop()
            }
        });
        let output = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sampled(confine)));
        over.store(true, Ordering::Relaxed);
        output.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn sampled(confine: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfleet-sampler"));
    command.args(["--window", "1", "--duration", "2"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    // SAFETY: the closures of this file make system calls only.
    unsafe { command.pre_exec(confine) };
    let mut child = command.spawn().unwrap();
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert!(child.wait().unwrap().success());
    parse(&bytes)
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets these system calls fail with `errno`, as the profile of a container runtime does.
fn refuse(calls: &[libc::c_long], errno: i32) -> io::Result<()> {
    let row = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    // The number of the call is the first word of struct seccomp_data.
    let mut rows = [row(0, 0, 0, 0); 8];
    rows[0] = row(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0);
    for (i, &call) in calls.iter().enumerate() {
        rows[1 + i] = row(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, (calls.len() - i) as u8, 0, call as u32);
    }
    rows[1 + calls.len()] = row(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW);
    rows[2 + calls.len()] = row(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32);
    let program = libc::sock_fprog { len: calls.len() as u16 + 3, filter: rows.as_mut_ptr() };
    // SAFETY: the program outlives the call, which copies it.
    checked(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
}

fn reasons(output: &Output) -> Vec<&str> {
    output.hello["tried"].as_array().unwrap().iter().map(|tried| tried["error"].as_str().unwrap()).collect()
}

#[test]
fn a_seccomp_filter_that_refuses_bpf_leaves_rung_2() {
    if skipped("a_seccomp_filter_that_refuses_bpf_leaves_rung_2") {
        return;
    }
    let _turn = my_turn();
    let output = confined(|| refuse(&[libc::SYS_bpf], libc::EPERM));
    assert_eq!(output.hello["rung"], 2, "{}", output.hello);
    assert!(reasons(&output)[0].contains("CAP_BPF"), "{}", output.hello);
    assert!(output.hello["reason"].as_str().unwrap().starts_with("rung 1: eBPF: "), "{}", output.hello);
    assert_books(&output);
}

#[test]
fn a_seccomp_filter_that_refuses_perf_events_too_leaves_none_and_says_why() {
    if skipped("a_seccomp_filter_that_refuses_perf_events_too_leaves_none_and_says_why") {
        return;
    }
    let _turn = my_turn();
    for (errno, words) in [(libc::EPERM, "CAP_PERFMON"), (libc::ENOSYS, "seccomp")] {
        let output = confined(move || refuse(&[libc::SYS_bpf, libc::SYS_perf_event_open], errno));
        assert_eq!(output.hello["rung"], 4, "{}", output.hello);
        let reasons = reasons(&output);
        assert!(reasons.len() == 3 && reasons[0].starts_with("eBPF: ") && reasons[1..].iter().all(|reason| reason.contains(words)), "{reasons:?}");
        assert!(output.windows.is_empty() && output.stats.len() >= 2);
    }
}

#[test]
fn hidden_btf_leaves_rung_2() {
    if skipped("hidden_btf_leaves_rung_2") {
        return;
    }
    let _turn = my_turn();
    let output = confined(|| {
        let nothing = std::ptr::null();
        let (tmpfs, btf, root) = (c"tmpfs".as_ptr(), c"/sys/kernel/btf".as_ptr(), c"/".as_ptr());
        // SAFETY: the strings are constants; it all happens in a mount namespace of this process.
        unsafe {
            checked(libc::unshare(libc::CLONE_NEWNS))?;
            checked(libc::mount(nothing, root, nothing, libc::MS_REC | libc::MS_PRIVATE, nothing.cast()))?;
            checked(libc::mount(tmpfs, btf, tmpfs, 0, nothing.cast()))
        }
    });
    assert_eq!(output.hello["rung"], 2, "{}", output.hello);
    assert!(reasons(&output)[0].contains("BTF (/sys/kernel/btf/vmlinux)"), "{}", output.hello);
    assert_books(&output);
}

/// Whether the first CPU counts its cycles for everybody, as `struct perf_event_attr` of linux/perf_event.h asks for it.
fn counts_cycles() -> io::Result<()> {
    const TYPE_HARDWARE_CYCLES: u64 = 0;
    let mut attr = [0u64; 16];
    attr[0] = TYPE_HARDWARE_CYCLES | (size_of_val(&attr) as u64) << 32;
    // SAFETY: the structure outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), -1, 0, -1, 0) };
    checked(if fd < 0 { -1 } else { 0 })?;
    // SAFETY: it was opened above, for nobody else.
    checked(unsafe { libc::close(fd as i32) })
}

#[test]
fn cycles_drive_the_samples_where_they_are_counted_and_the_clock_where_not_which_is_said() {
    if skipped("cycles_drive_the_samples_where_they_are_counted_and_the_clock_where_not_which_is_said") {
        return;
    }
    let _turn = my_turn();
    let cycles = counts_cycles();
    println!("cycles of this machine: {cycles:?}");
    for confine in [|| Ok(()), || refuse(&[libc::SYS_bpf], libc::EPERM)] {
        let output = confined(confine);
        let (event, reason) = (output.hello["event"].as_str().unwrap(), output.hello["eventReason"].as_str().unwrap());
        match cycles {
            Ok(()) => assert_eq!((event, reason), ("cycles", "")),
            Err(_) => assert!(event == "cpu-clock" && reason.contains("cycles"), "{}", output.hello),
        }
        assert_books(&output);
    }
}

/// From 5.11 on BPF's memory is the cgroup's; the rings of perf events become smaller. tests/kernels has 5.10.
#[test]
fn locked_memory_that_cannot_be_raised_is_no_reason_to_give_up() {
    if skipped("locked_memory_that_cannot_be_raised_is_no_reason_to_give_up") {
        return;
    }
    let _turn = my_turn();
    let output = confined(|| {
        let limit = libc::rlimit { rlim_cur: 64 << 10, rlim_max: 64 << 10 };
        const CAP_IPC_LOCK: libc::c_ulong = 14;
        const CAP_SYS_RESOURCE: libc::c_ulong = 24;
        // SAFETY: the structure outlives the call; the others take numbers.
        unsafe {
            checked(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit))?;
            for capability in [CAP_IPC_LOCK, CAP_SYS_RESOURCE] {
                checked(libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0))?;
            }
        }
        Ok(())
    });
    let capabilities = output.hello["capabilities"].to_string();
    assert!(!capabilities.contains("CAP_SYS_RESOURCE") && !capabilities.contains("CAP_IPC_LOCK"), "{capabilities}");
    assert_eq!(output.hello["rung"], 1, "{}", output.hello);
    assert_books(&output);
}
