//! Cgroups that the parent does not want, on the real kernel.

mod support;

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use support::decode::Window;
use support::{Output, assert_books, my_turn, sampler, skipped};

struct Loop(Child);

impl Loop {
    fn start() -> Loop {
        Loop(Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cgroup of its own in the hierarchy that samples are tagged with.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make(controller: &str, name: &str) -> std::io::Result<Cgroup> {
        let path = PathBuf::from("/sys/fs/cgroup").join(controller).join(format!("perfleet-{name}-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Cgroup(path))
    }

    fn take_in(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    fn id(&self) -> u64 {
        std::fs::metadata(&self.0).unwrap().ino()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The processes left a moment ago, if they have.
        for _ in 0..1000 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::yield_now();
        }
    }
}

fn samples_of(window: &Window, pid: u32) -> u64 {
    window.samples.iter().filter(|sample| window.processes[sample.process as usize].pid == pid).map(|sample| u64::from(sample.count)).sum()
}

fn filtered(window: &Window) -> u64 {
    window.lost.iter().find(|row| row.0 == "filtered").map_or(0, |row| row.1)
}

/// Reads until a window is as wanted.
fn until(output: &mut Output, out: &mut impl std::io::Read, what: &str, wanted: impl Fn(&Window) -> bool) {
    for _ in 0..40 {
        let known = output.windows.len();
        while output.windows.len() == known {
            assert!(output.read(out), "the sampler ended before {what}");
        }
        if wanted(output.windows.last().unwrap()) {
            return;
        }
    }
    panic!("no window came with {what}");
}

fn say(stdin: &mut ChildStdin, command: &serde_json::Value) {
    writeln!(stdin, "{command}").unwrap();
}

/// The mount that samples name: version 1's where one is mounted, else version 2's.
fn hierarchy() -> (String, &'static str) {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let memory = text.lines().any(|line| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == "memory")));
    if memory { ("memory".to_owned(), "v1") } else { (String::new(), "v2") }
}

fn excludes_and_includes_again(more: &[&str], feature: &str) {
    let test = "excludes_and_includes_again";
    if skipped(test) {
        return;
    }
    let _turn = my_turn();
    let (controller, version) = hierarchy();
    let cgroup = match Cgroup::make(&controller, test) {
        Ok(cgroup) => cgroup,
        Err(error) => return println!("SKIP {test}: cannot make a cgroup: {error}"),
    };
    let (inside, outside) = (Loop::start(), Loop::start());
    cgroup.take_in(inside.pid());
    let mut child = sampler(&[&["--rung", "1", "--rate", "199", "--window", "1", "--cgroup-controller", "memory"], more].concat());
    let (mut out, mut stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let mut output = Output::new();
    until(&mut output, &mut out, "both", |window| samples_of(window, inside.pid()) > 0 && samples_of(window, outside.pid()) > 0);
    assert!(output.hello["features"].as_array().unwrap().iter().any(|name| name == feature), "{}", output.hello);
    assert!(output.windows.iter().all(|window| filtered(window) == 0));

    let id = cgroup.id().to_string();
    say(&mut stdin, &serde_json::json!({ "exclude": { version: [id] } }));
    until(&mut output, &mut out, "the outside only", |window| {
        samples_of(window, inside.pid()) == 0 && samples_of(window, outside.pid()) > 0 && filtered(window) > 0
    });
    // A window of whole length: it filtered what the loop would have had.
    let before = filtered(output.windows.last().unwrap());
    until(&mut output, &mut out, "another one", |window| samples_of(window, inside.pid()) == 0 && filtered(window) > before);

    say(&mut stdin, &serde_json::json!({ "include": { version: [id] } }));
    until(&mut output, &mut out, "both again", |window| samples_of(window, inside.pid()) > 0);
    let settled = filtered(output.windows.last().unwrap());
    until(&mut output, &mut out, "nothing filtered", |window| filtered(window) == settled && samples_of(window, inside.pid()) > 0);

    say(&mut stdin, &serde_json::json!({ "exclude": { version: [id] } }));
    until(&mut output, &mut out, "the outside only, again", |window| samples_of(window, inside.pid()) == 0);
    say(&mut stdin, &serde_json::json!({ "exclude": { "clear": true } }));
    until(&mut output, &mut out, "both after all", |window| samples_of(window, inside.pid()) > 0);
    drop(stdin);
    while output.read(&mut out) {}
    assert!(child.wait().unwrap().success());
    assert_books(&output);
    assert_eq!(output.stats.last().unwrap()["lost"]["filtered"], filtered(output.windows.last().unwrap()));
    drop((inside, outside));
}

#[test]
fn excludes_and_includes_again_while_it_runs() {
    excludes_and_includes_again(&[], "walk:bpf_loop");
}

#[test]
fn excludes_and_includes_again_where_stacks_are_walked_by_calls() {
    excludes_and_includes_again(&["--walk-by-calls"], "walk:tail-calls");
}

#[test]
fn takes_as_many_cgroups_as_there_is_room_for_and_says_so() {
    if skipped("takes_as_many_cgroups_as_there_is_room_for_and_says_so") {
        return;
    }
    let _turn = my_turn();
    let mut child = sampler(&["--rung", "1", "--rate", "19", "--window", "1"]);
    let (mut out, mut stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    for from in (0..5000u64).step_by(500) {
        // Ids that no cgroup has.
        let ids: Vec<String> = (from..from + 500).map(|id| (u64::MAX - id).to_string()).collect();
        say(&mut stdin, &serde_json::json!({ "exclude": { "v2": ids } }));
    }
    let mut output = Output::new();
    until(&mut output, &mut out, "samples", |window| window.total() > 0);
    drop(stdin);
    while output.read(&mut out) {}
    assert!(child.wait().unwrap().success());
    assert!(output.logs.iter().any(|line| line.contains("no room for more than 4096 excluded cgroups")), "{:?}", output.logs);
    assert_books(&output);
}

/// Nanoseconds of CPU that a process has had.
fn cpu_ns(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn keeps_one_in_so_many_samples_and_each_stands_for_as_many() {
    let test = "keeps_one_in_so_many_samples";
    if skipped(test) {
        return;
    }
    let _turn = my_turn();
    let (controller, version) = hierarchy();
    let cgroup = match Cgroup::make(&controller, test) {
        Ok(cgroup) => cgroup,
        Err(error) => return println!("SKIP {test}: cannot make a cgroup: {error}"),
    };
    let busy = Loop::start();
    cgroup.take_in(busy.pid());
    let mut child = sampler(&["--rung", "1", "--rate", "999", "--window", "1", "--cgroup-controller", "memory"]);
    let (mut out, mut stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let mut output = Output::new();
    assert!(output.read(&mut out));
    let before = cpu_ns(busy.pid());
    say(&mut stdin, &serde_json::json!({ "exclude": { version: [cgroup.id().to_string()], "oneIn": 4 } }));
    let rows = |window: &Window| -> Vec<(u32, f64)> {
        let own = window.samples.iter().filter(|sample| window.processes[sample.process as usize].pid == busy.pid());
        own.map(|sample| (sample.one_in, f64::from(sample.count))).collect()
    };
    until(&mut output, &mut out, "samples that stand for four", |window| rows(window).iter().any(|row| row.0 == 4));
    until(&mut output, &mut out, "no others", |window| !rows(window).is_empty() && rows(window).iter().all(|row| row.0 == 4));
    // Before the end: on a busy machine the last window waits for tables while nothing is sampled any more.
    let cpu = cpu_ns(busy.pid()) - before;
    drop(stdin);
    while output.read(&mut out) {}
    assert!(child.wait().unwrap().success());
    assert_books(&output);
    let period = output.windows[0].period as f64;
    let all: Vec<(u32, f64)> = output.windows.iter().flat_map(rows).collect();
    let (sum, kept) = all.iter().fold((0.0, 0.0), |(sum, kept), &(one_in, count)| (sum + f64::from(one_in) * count, kept + count));
    // Of n samples one in four is kept by chance: a deviation of sqrt(3 n), of which five, and what ran before and after.
    let spread = 5.0 * (3.0 * sum).sqrt() + 0.1 * sum;
    assert!((sum - cpu / period).abs() < spread, "{kept} samples stand for {sum}, {} were due", cpu / period);
    assert!(kept < 0.6 * sum, "{kept} of {sum}");
    assert!(filtered(output.windows.last().unwrap()) > 0);
}
