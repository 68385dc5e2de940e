//! A start that goes before everything else: what has that priority, and until when.

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Output, my_turn, skipped};

/// What a look at the threads of a process finds of each: its policy, without flags, and its nice value.
fn threads(pid: u32) -> Vec<(i32, i32)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks.filter_map(|task| of_stat(&std::fs::read_to_string(task.path().join("stat")).ok()?)).collect()
}

/// The 41st and the 19th field, the name being the second.
fn of_stat(stat: &str) -> Option<(i32, i32)> {
    let fields: Vec<&str> = stat[stat.rfind(')')? + 2..].split(' ').collect();
    Some((fields.get(38)?.parse().ok()?, fields.get(16)?.parse().ok()?))
}

fn real_time_is_allowed() -> bool {
    Command::new("chrt").args(["--rr", "1", "true"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A process that the launcher became; its last argument is the command of the image.
fn launched(command: &str) -> Command {
    let mut launcher = Command::new(env!("CARGO_BIN_EXE_perfleet-sampler"));
    launcher.args(["--first", "sh", "-c", &format!("exec {} --window 1", env!("CARGO_BIN_EXE_perfleet-sampler")), command]);
    launcher.stdin(Stdio::piped()).stdout(Stdio::piped());
    launcher
}

#[test]
fn a_sampler_goes_first_until_it_has_started_and_what_makes_tables_never_does() {
    let test = "a_sampler_goes_first_until_it_has_started_and_what_makes_tables_never_does";
    if skipped(test) {
        return;
    }
    if !real_time_is_allowed() {
        return println!("SKIP {test}: no share of real time, or no chrt");
    }
    let _turn = my_turn();
    let mut child = launched("collector").spawn().unwrap();
    let pid = child.id();
    let (mut out, mut output) = (child.stdout.take().unwrap(), Output::new());
    assert!(output.read(&mut out));
    let mut at_start = threads(pid);
    assert_eq!(at_start.remove(0), (libc::SCHED_RR, -10));
    assert!(!at_start.is_empty() && at_start.iter().all(|(policy, _)| *policy == libc::SCHED_OTHER), "{at_start:?}");
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let of_tables = |pid: &&str| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.windows(6).any(|part| part == b"--open"));
    for child in children.split_ascii_whitespace().filter(of_tables) {
        assert!(threads(child.parse().unwrap()).iter().all(|(policy, _)| *policy == libc::SCHED_OTHER), "process {child}");
    }
    // Windows of 250, 500 and 1,000 ms, and those of a second after them.
    let deadline = Instant::now() + Duration::from_secs(20);
    while threads(pid)[0] != (libc::SCHED_OTHER, -10) {
        assert!(Instant::now() < deadline, "{:?}", threads(pid));
        assert!(output.read(&mut out));
    }
    assert!(output.windows.len() >= 3, "{} windows", output.windows.len());
    drop(child.stdin.take());
    while output.read(&mut out) {}
    assert!(child.wait().unwrap().success());
}

#[test]
fn another_command_of_the_image_takes_its_turn() {
    if skipped("another_command_of_the_image_takes_its_turn") {
        return;
    }
    let _turn = my_turn();
    let mut child = launched("up").spawn().unwrap();
    let mut output = Output::new();
    assert!(output.read(child.stdout.as_mut().unwrap()));
    assert_eq!(threads(child.id())[0], (libc::SCHED_OTHER, -10));
    drop(child.stdin.take());
    while output.read(child.stdout.as_mut().unwrap()) {}
    assert!(child.wait().unwrap().success());
}

/// As a container of a user without capabilities is.
#[test]
fn what_may_not_go_first_says_so_and_starts() {
    if skipped("what_may_not_go_first_says_so_and_starts") {
        return;
    }
    let launcher = env!("CARGO_BIN_EXE_perfleet-sampler");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-sys_nice", "--inh-caps=-sys_nice", launcher, "--first", "sh", "-c", "echo started $1", "sh", "collector"]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "started collector\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("takes turns with other processes") && said.contains("CAP_SYS_NICE"), "{said}");
}
