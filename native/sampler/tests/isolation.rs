//! The process that makes unwind tables from files of anybody, as the built sampler starts it.

mod support;

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use support::decode::Window;
use support::programs::{Program, Running};
use support::{Output, assert_books, my_turn, sampler, skipped};

/// Processes of a sampler that make tables, zombies left out.
fn children(pid: u32) -> Vec<u32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |number: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let rest: Vec<&str> = stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_ascii_whitespace().collect());
        rest.get(1).is_some_and(|parent| *parent == pid.to_string()) && rest[0] != "Z"
    };
    let makes_tables = |number: &u32| std::fs::read(format!("/proc/{number}/cmdline")).is_ok_and(|line| line.ends_with(b"\0--compile\0"));
    numbers.filter(is_child).filter(makes_tables).collect()
}

fn status(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

/// Reads and forgets, so that the sampler never waits for its reader.
fn read_away(child: &mut Child) {
    let mut out = child.stdout.take().unwrap();
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
}

#[test]
fn files_are_parsed_without_privileges_by_a_process_that_ends_with_the_sampler() {
    if skipped("files_are_parsed_without_privileges_by_a_process_that_ends_with_the_sampler") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("isolated", &[]) else { return println!("SKIP files_are_parsed…: no g++") };
    let mut parent = sampler(&["--rung", "1", "--rate", "99", "--window", "1"]);
    read_away(&mut parent);
    let _running = program.start(&["40"]);
    // It has dropped everything before it takes its first file; while it starts it has not.
    // The first filter is the sampler's own.
    let confined = |pid: &u32| status(*pid).contains("Seccomp_filters:\t2");
    let child = loop {
        assert!(parent.try_wait().unwrap().is_none());
        if let Some(child) = children(parent.id()).into_iter().find(confined) {
            break child;
        }
        std::thread::yield_now();
    };
    let text = status(child);
    for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapInh:\t0000000000000000", "NoNewPrivs:\t1", "Uid:\t65534\t65534"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let links = std::fs::read_dir(format!("/proc/{child}/fd")).unwrap().flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    let links: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    assert!(!links.iter().any(|link| link.contains("bpf") || link.contains("perf_event")), "{links:?}");
    // As one in the middle of a large file: it does not read that nobody is at the other end any more.
    // SAFETY: takes numbers.
    unsafe { libc::kill(child as i32, libc::SIGSTOP) };
    parent.kill().unwrap();
    parent.wait().unwrap();
    while status(child).contains("State:") && !status(child).contains("State:\tZ") {
        std::thread::yield_now();
    }
}

/// What a file that hangs or crashes its parser costs: nothing of the sampling, not even the stacks of a program that is new then.
#[test]
fn a_parser_that_hangs_or_crashes_does_not_stop_the_sampling() {
    if skipped("a_parser_that_hangs_or_crashes_does_not_stop_the_sampling") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("before", &[]) else { return println!("SKIP a_parser_that_hangs…: no g++") };
    let another = Program::cpp("after", &["-DOTHER"]).unwrap();
    let mut parent = sampler(&["--rung", "1", "--rate", "199", "--window", "1"]);
    let (mut out, stdin) = (parent.stdout.take().unwrap(), parent.stdin.take());
    let mut output = Output::new();
    assert!(output.read(&mut out));
    // Whatever process makes tables is stopped before it has made one, or soon after: it never answers.
    let (stop, sampler) = (AtomicBool::new(false), parent.id());
    let all_stopped = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for child in children(sampler) {
                    let mut stopped = all_stopped.lock().unwrap();
                    // SAFETY: takes numbers.
                    if !stopped.contains(&child) && unsafe { libc::kill(child as i32, libc::SIGSTOP) } == 0 {
                        stopped.push(child);
                    }
                }
            }
        });
        let _running = program.start(&["20"]);
        // Those without work are ended by the sampler after two seconds: what is there after four windows was asked for a table.
        let hanging = || all_stopped.lock().unwrap().iter().copied().find(|&child| status(child).contains("State:\tT"));
        let mut first = hanging();
        let mut since = 0;
        while first.is_none() || output.windows.len() < since + 4 {
            assert!(output.read(&mut out), "the sampler has ended: {:?}", output.logs);
            if first.is_none() || hanging() != first {
                (first, since) = (hanging(), output.windows.len());
            }
        }
        let from = output.windows.len();
        let new = another.start(&["20"]);
        complete_samples(&mut output, &mut out, &another, &new, from);
        stop.store(true, Ordering::Relaxed);
    });
    // They die as by a file that breaks the parser.
    for child in children(sampler) {
        // SAFETY: takes numbers.
        unsafe { libc::kill(child as i32, libc::SIGSEGV) };
        // SAFETY: as above.
        unsafe { libc::kill(child as i32, libc::SIGCONT) };
    }
    let from = output.windows.len();
    let new = another.start(&["20"]);
    complete_samples(&mut output, &mut out, &another, &new, from);
    drop(stdin);
    while output.read(&mut out) {}
    assert!(parent.wait().unwrap().success());
    assert_books(&output);
    // One table was lost by it, at least.
    assert!(output.stats.last().unwrap()["tables"]["failed"].as_u64().unwrap() > 0, "{:?}", output.stats.last());
}

/// Reads on until the program has fifty samples, in the windows from that one on, that show all of its own functions.
fn complete_samples(output: &mut Output, out: &mut impl Read, program: &Program, running: &Running, from: usize) {
    let pid: u32 = running.pid().parse().unwrap();
    let complete = |output: &Output| -> u32 {
        let of_window = |window: &Window| -> u32 {
            let own = window.samples.iter().filter(|sample| window.processes[sample.process as usize].pid == pid);
            let names = |stack: u32| window.stacks[stack as usize].iter().map(|&frame| program.name(window, frame)).collect::<Vec<_>>();
            own.filter(|sample| ["rec", "work", "main"].iter().all(|name| names(sample.stack).contains(name))).map(|sample| sample.count).sum()
        };
        output.windows[from..].iter().map(of_window).sum()
    };
    while complete(output) < 50 {
        assert!(output.read(out), "the sampler has ended: {:?}", output.logs);
    }
}

/// What a hostile file could make it do, asked of it directly: without a socket it ends, and it never answers what it is told.
#[test]
fn the_process_takes_nothing_but_files() {
    let program = env!("CARGO_BIN_EXE_perfleet-sampler");
    let mut child = Command::new(program).arg("--compile").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    assert!(!child.wait().unwrap().success() && out.is_empty());
}

/// The process that opens files, and reads headers of anybody's, is the one that could use what the sampler can do.
#[test]
fn files_are_opened_by_a_process_that_can_do_nothing_else() {
    if skipped("files_are_opened_by_a_process_that_can_do_nothing_else") {
        return;
    }
    let _turn = my_turn();
    // It is started at the first need, and nothing else may run here.
    let mut load = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let mut parent = sampler(&["--rung", "1", "--rate", "99", "--window", "1"]);
    let mut output = Output::new();
    while !output.windows.iter().any(|window| window.processes.iter().any(|process| process.pid == load.id())) {
        assert!(output.read(parent.stdout.as_mut().unwrap()));
    }
    load.kill().unwrap();
    load.wait().unwrap();
    let pid = parent.id();
    let mut children = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let opens = |child: &u32| {
        status(*child).contains(&format!("PPid:\t{pid}\n"))
            && std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.ends_with(b"\0--open\0"))
    };
    let child = children.find(opens).expect("a process that opens files");
    let text = status(child);
    let line = text.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap();
    let permitted = u64::from_str_radix(line.trim(), 16).unwrap();
    // DAC_READ_SEARCH, SYS_PTRACE, CHECKPOINT_RESTORE; SYS_ADMIN before Linux 5.9 in its place.
    assert_eq!(permitted & !(1 << 2 | 1 << 19 | 1 << 21 | 1 << 40), 0, "{line}");
    assert_ne!(permitted >> 19 & 1, 0, "{line}");
    assert!(permitted >> 40 == 0 || permitted >> 21 & 1 == 0, "{line}");
    let links = std::fs::read_dir(format!("/proc/{child}/fd")).unwrap().flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    let links: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    assert!(!links.iter().any(|link| link.contains("bpf") || link.contains("perf_event")), "{links:?}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    while status(child).contains("State:") && !status(child).contains("State:\tZ") {
        std::thread::yield_now();
    }
}

/// What a file that breaks a parser in the sampler itself would find.
#[test]
fn the_sampler_gives_up_what_it_does_not_need_once_its_programs_are_loaded() {
    if skipped("the_sampler_gives_up_what_it_does_not_need_once_its_programs_are_loaded") {
        return;
    }
    let _turn = my_turn();
    let paranoid: i32 = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap().trim().parse().unwrap();
    for rung in ["1", "2"] {
        let mut child = sampler(&["--rung", rung, "--rate", "99", "--window", "1"]);
        let mut out = child.stdout.take().unwrap();
        let mut output = Output::new();
        while output.windows.is_empty() {
            assert!(output.read(&mut out));
        }
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().flatten();
        let mut threads = 0;
        for task in tasks {
            let text = std::fs::read_to_string(task.path().join("status")).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap();
            let permitted = u64::from_str_radix(line.trim(), 16).unwrap();
            // DAC_OVERRIDE, NET_ADMIN, SYS_MODULE, SYS_BOOT; SYS_ADMIN where the kernel does not ask for it.
            for bit in [1, 12, 16, 22].into_iter().chain((paranoid <= 2).then_some(21)) {
                assert_eq!(permitted >> bit & 1, 0, "rung {rung}, capability {bit}: {line}");
            }
            assert!(text.contains("NoNewPrivs:\t1") && text.contains("Seccomp:\t2"), "rung {rung}: {text}");
            threads += 1;
        }
        assert!(threads >= if rung == "1" { 2 } else { 1 });
        assert!(!output.logs.iter().any(|line| line.contains("privileges")), "{:?}", output.logs);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
