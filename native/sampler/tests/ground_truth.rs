//! Real programs of the machine, stopped while they are sampled: the stack that gdb shows must be among those that were sampled. gdb
//! has its own reader of CFI and all the time in the world. Its frames but the leaf are compared one by one, from the first function
//! on; where a program goes on by another path than in any sample, the comparison ends.
//!
//! And the same programs while `perf record --call-graph dwarf` samples them beside the sampler: perf copies the whole stack and walks it
//! afterwards by DWARF. The callers of its stacks are compared with those that were sampled in the same way.
//!
//! `PERFLEET_STOPS=30 cargo test --release -p perfleet-sampler --test ground_truth -- --nocapture --test-threads 1` takes more stops
//! than the short form; `PERFLEET_PERF_SECONDS=30` as much of perf.

#![cfg(target_arch = "x86_64")]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::decode::{Sample, Window};
use support::programs::{Entries, Running, user_frames};
use support::{Output, assert_books, my_turn, sample_while, skipped};

/// File and ELF address; None for code that is in no file.
type Place = Option<(String, u64)>;

/// How long each thread of a process has run, in nanoseconds.
fn run_times(pid: u32) -> HashMap<u32, u64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .filter_map(|task| {
            let times = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, times.split(' ').next()?.parse().ok()?))
        })
        .collect()
}

/// Return addresses of each thread as gdb sees them, leaf first.
fn backtraces(pid: u32) -> HashMap<u32, Vec<u64>> {
    let commands = ["set backtrace past-main on", "set backtrace past-entry on", "thread apply all -s -- frame apply all -q -s -- p/x $pc"];
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-p", &pid.to_string()]).env_remove("DEBUGINFOD_URLS").stdin(Stdio::null()).stderr(Stdio::null());
    let output = gdb.args(commands.iter().flat_map(|command| ["-ex", command])).output().unwrap();
    let mut stacks: HashMap<u32, Vec<u64>> = HashMap::new();
    let mut thread = None;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some((_, rest)) = line.strip_prefix("Thread ").and_then(|rest| rest.split_once("LWP ")) {
            thread = rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok());
        } else if let (Some(thread), Some((_, pc))) = (thread, line.strip_prefix('$').and_then(|rest| rest.split_once("= 0x"))) {
            let (pc, stack) = (u64::from_str_radix(pc.trim(), 16).unwrap(), stacks.entry(thread).or_default());
            // Functions that were inlined have the address of the one that they are in.
            if stack.last() != Some(&pc) {
                stack.push(pc);
            }
        }
    }
    stacks
}

/// From addresses of a process to places in its files.
struct Files {
    /// Start, end, offset, path
    mappings: Vec<(u64, u64, u64, String)>,
    /// Offset, size, address of the loaded segments
    segments: HashMap<String, Vec<(u64, u64, u64)>>,
}

impl Files {
    fn of(pid: u32) -> Files {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let mappings = maps.lines().filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let offset = hex(fields.nth(1)?);
            let path = fields.nth(2).filter(|path| path.starts_with('/'))?;
            Some((hex(start), hex(end), offset, path.to_owned()))
        });
        Files { mappings: mappings.collect(), segments: HashMap::new() }
    }

    fn place(&mut self, address: u64) -> Place {
        let (start, _, offset, path) = self.mappings.iter().find(|(start, end, ..)| (*start..*end).contains(&address))?;
        let (at, path) = (address - start + offset, path.clone());
        self.place_in(&path, at)
    }

    /// @param `at` offset in the file
    fn place_in(&mut self, path: &str, at: u64) -> Place {
        let segments = self.segments.entry(path.to_owned()).or_insert_with(|| segments(path));
        let (first, _, virtual_address) = segments.iter().find(|(first, size, _)| (*first..first + size).contains(&at))?;
        Some((path.to_owned(), at - first + virtual_address))
    }
}

fn segments(path: &str) -> Vec<(u64, u64, u64)> {
    let output = Command::new("readelf").args(["-lW", path]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let rows = text.lines().filter_map(|line| match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        ["LOAD", offset, address, _, size, ..] => Some((hex(offset), hex(size), hex(address))),
        _ => None,
    });
    rows.collect()
}

/// The callers of a sampled stack, outermost first.
fn callers(window: &Window, sample: &Sample) -> Vec<Place> {
    let frames: Vec<u32> = user_frames(window, sample).skip(1).collect();
    let place = |frame: u32| {
        let binary = window.frames.binaries.get(window.frames.binary[frame as usize] as usize)?;
        Some((binary.path.clone(), window.frames.address[frame as usize]))
    };
    frames.into_iter().rev().map(place).collect()
}

/// Begins where a process or a thread does.
fn begins_at_the_beginning(entries: &mut Entries, place: &Place) -> bool {
    place.as_ref().is_some_and(|(path, address)| path.contains("/libc.so") || entries.holds(path, *address))
}

/// How many frames a stack has, and its last three.
fn end_of(window: &Window, sample: &Sample) -> String {
    let frames: Vec<u32> = user_frames(window, sample).collect();
    let name = |&frame: &u32| match window.frames.binaries.get(window.frames.binary[frame as usize] as usize) {
        Some(binary) => format!("{}+{:#x}", binary.path.rsplit('/').next().unwrap_or(""), window.frames.address[frame as usize]),
        None => format!("{}{}", window.frames.function[frame as usize], window.frames.file[frame as usize]),
    };
    let last: Vec<String> = frames.iter().rev().take(3).map(name).collect();
    format!("{} frames: {}", frames.len(), last.join(" > "))
}

#[derive(Default, Debug)]
struct Report {
    /// Stacks with a user part, and those that begin where their thread does
    sampled: u32,
    reach_the_first_frame: u32,
    /// Stacks of the other tool (of gdb: of threads that ran), and those that begin where their thread does
    truth: usize,
    truth_reach_the_first_frame: usize,
    /// Of the latter: all callers are those of a sample
    equal: usize,
    /// Callers, and those that are equal from the first function on
    frames: usize,
    frames_equal: usize,
    /// Of stacks that do not begin there: how often each window saw one, and where their last frames are
    cut: BTreeMap<(usize, String), u32>,
}

/// Stops the process so often while it is sampled.
fn compare(pid: u32, stops: usize) -> (Report, Output) {
    let mut truth: Vec<Vec<Place>> = Vec::new();
    let output = sample_while(&["--rung", "1", "--rate", "499", "--window", "1", "--pid", &pid.to_string()], || {
        for _ in 0..stops {
            let before = run_times(pid);
            let ran = |tid: u32, now: &HashMap<u32, u64>| now.get(&tid).map_or(0, |time| time - before.get(&tid).unwrap_or(&0));
            let mut now = run_times(pid);
            // A second of CPU: five hundred samples.
            while now.keys().map(|&tid| ran(tid, &now)).sum::<u64>() < 1_000_000_000 {
                std::thread::sleep(Duration::from_millis(20));
                now = run_times(pid);
            }
            // SAFETY: takes numbers.
            unsafe { libc::kill(pid as i32, libc::SIGSTOP) };
            let mut files = Files::of(pid);
            for (tid, stack) in backtraces(pid) {
                if ran(tid, &now) > 200_000_000 && !stack.is_empty() {
                    truth.push(stack[1..].iter().rev().map(|pc| files.place(pc - 1)).collect());
                }
            }
            // SAFETY: as above.
            unsafe { libc::kill(pid as i32, libc::SIGCONT) };
        }
    });
    (judge(&output, truth), output)
}

/// What was sampled, beside what another tool saw: callers, outermost first.
fn judge(output: &Output, truth: Vec<Vec<Place>>) -> Report {
    assert_books(output);
    let (mut report, mut entries) = (Report::default(), Entries::default());
    let mut sampled: HashSet<Vec<Place>> = HashSet::new();
    for (number, window) in output.windows.iter().enumerate() {
        for sample in window.samples.iter().filter(|sample| user_frames(window, sample).next().is_some()) {
            let callers = callers(window, sample);
            report.sampled += sample.count;
            // A leaf that is the first frame has no callers.
            if entries.is_complete(window, sample) || callers.first().is_some_and(|first| begins_at_the_beginning(&mut entries, first)) {
                report.reach_the_first_frame += sample.count;
            } else {
                *report.cut.entry((number, end_of(window, sample))).or_default() += sample.count;
            }
            sampled.insert(callers);
        }
    }
    for stack in truth {
        report.truth += 1;
        if !stack.first().is_some_and(|first| begins_at_the_beginning(&mut entries, first)) {
            continue;
        }
        report.truth_reach_the_first_frame += 1;
        let common = |other: &Vec<Place>| stack.iter().zip(other).take_while(|(a, b)| a == b).count();
        let equal = sampled.iter().map(common).max().unwrap_or(0);
        report.frames += stack.len();
        report.frames_equal += equal;
        report.equal += usize::from(equal == stack.len());
    }
    report
}

/// Stacks of a process by perf's own walk of copies by DWARF, while it is sampled for so many seconds.
fn compare_with_perf(pid: u32, seconds: u64, scratch: &Path) -> (Report, Output) {
    let data = scratch.join("perf.data");
    let output = sample_while(&["--rung", "1", "--rate", "499", "--window", "1", "--pid", &pid.to_string()], || {
        // No copy is larger than 65,528 bytes.
        let mut perf = Command::new("perf");
        perf.args(["record", "-q", "-B", "-N", "-e", "cpu-clock:u", "--call-graph", "dwarf,65528", "-F", "199", "-p", &pid.to_string()]);
        perf.arg("-o").arg(&data).args(["--", "sleep", &seconds.to_string()]);
        assert!(perf.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    });
    // While the process lives: its files are read by their paths.
    (judge(&output, perf_stacks(&data, &mut Files::of(pid))), output)
}

/// Callers of the stacks of a recording, outermost first.
fn perf_stacks(data: &Path, files: &mut Files) -> Vec<Vec<Place>> {
    let script = Command::new("perf").arg("script").arg("-i").arg(data).args(["--no-inline", "-F", "tid,ip,dso"]).output().unwrap();
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    let text = String::from_utf8_lossy(&script.stdout).into_owned();
    let place = |line: &str, files: &mut Files| {
        let (offset, file) = line.trim().split_once(" (")?;
        files.place_in(file.strip_suffix(')')?, u64::from_str_radix(offset, 16).ok()?)
    };
    // A line with the thread's number, then one a frame, leaf first.
    let stacks = text.split("\n\n").map(|sample| sample.trim_matches('\n').lines().skip(2).map(|line| place(line, files)).collect());
    stacks.filter(|stack: &Vec<Place>| !stack.is_empty()).map(|stack| stack.into_iter().rev().collect()).collect()
}

/// Until the table of a large program is made its stacks are walked from copies of 32 KiB, which a deep recursion of a compiler is longer
/// than: in three seconds that is a small part.
fn perf_seconds() -> u64 {
    std::env::var("PERFLEET_PERF_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(3)
}

fn stops() -> usize {
    std::env::var("PERFLEET_STOPS").ok().and_then(|stops| stops.parse().ok()).unwrap_or(3)
}

/// What holds of every program whose code has CFI or frame pointers throughout.
fn is_sampled_as_others_see_it(test: &str, program: &str, start: impl FnOnce() -> Option<Child>) {
    if skipped(test) {
        return;
    }
    let is_there = |needed: &str| {
        Command::new(needed).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    for needed in ["readelf", program] {
        if !is_there(needed) {
            return println!("SKIP {test}: no {needed}");
        }
    }
    let _turn = my_turn();
    let Some(child) = start() else { return println!("SKIP {test}: {program} does not start") };
    let running = Running(child);
    let scratch = Scratch::new("perf");
    for tool in ["gdb", "perf"] {
        if !is_there(tool) {
            println!("SKIP {test}, compared with {tool}: no {tool}");
            continue;
        }
        let pid = running.0.id();
        let (report, output) = if tool == "gdb" { compare(pid, stops()) } else { compare_with_perf(pid, perf_seconds(), &scratch.0) };
        println!("{test}, {tool}: {report:?}");
        let stats = output.stats.last().unwrap();
        assert!(report.sampled > 0, "{stats}");
        assert!(report.reach_the_first_frame * 100 >= report.sampled * 99, "{report:?} {stats}");
        assert!(report.truth_reach_the_first_frame > 0, "{tool} shows no complete stack: {report:?}");
        // The rest was on a way that no sample went: a compiler has many, and three stops meet few. A walk that goes wrong differs from
        // the first function on.
        assert!(report.frames_equal * 100 >= report.frames * 60, "{report:?} {stats}");
    }
}

/// A directory that goes with the test, whatever its result.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("perfleet-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn quiet(program: &str, args: &[&str]) -> Option<Child> {
    Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

#[test]
fn python() {
    let script = "import re, json\nd = {str(i): [i] * 9 for i in range(300)}\nwhile True: json.loads(json.dumps(d)); re.sub('(a|b)+c', 'x', 'abab' * 500); sorted(map(str, range(2000)), key=len)";
    is_sampled_as_others_see_it("python", "python3", || quiet("python3", &["-c", script]));
}

/// Threads of a pool, which run no JavaScript: gdb does not find its way through that. All four are busy: where one that sleeps
/// stands no sample is taken.
#[test]
fn node_threads() {
    let script = "const { pbkdf2 } = require('crypto'); const go = () => pbkdf2('a', 'b', 9999, 64, 'sha512', go); for (let i = 0; i < 8; i++) go()";
    is_sampled_as_others_see_it("node_threads", "node", || quiet("node", &["-e", script]));
}

#[test]
fn gcc() {
    // The compiler itself, not what starts it.
    let output = Command::new("gcc").arg("-print-prog-name=cc1plus").output();
    let Some(path) = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()) else { return println!("SKIP gcc: no gcc") };
    let path = path.trim();
    if !Path::new(path).is_absolute() {
        return println!("SKIP gcc: no cc1plus");
    }
    let scratch = Scratch::new("cc1plus");
    let source = scratch.0.join("many.cpp");
    let body: String =
        (0..30_000).map(|n| format!("int f{n}(int *p, int n) {{ int s = 0; for (int i = 0; i < n; i++) s += p[i] * {n}; return s; }}\n")).collect();
    std::fs::write(&source, body).unwrap();
    is_sampled_as_others_see_it("gcc", "gcc", || quiet(path, &["-quiet", "-O2", source.to_str().unwrap(), "-o", "/dev/null"]));
}

/// A single backend that runs one long query. It refuses to run as root.
#[test]
fn postgres() {
    const NOBODY: u32 = 65_534;
    let Some(bin) =
        ["/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin"].iter().find(|dir| Path::new(dir).exists())
    else {
        return println!("SKIP postgres: not installed");
    };
    let scratch = Scratch::new("postgres");
    let dir = &scratch.0;
    let start = || {
        std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
        let of_nobody = |program: &str| {
            let mut command = Command::new(format!("{bin}/{program}"));
            command.uid(NOBODY).gid(NOBODY).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let data = dir.join("data");
        let made = of_nobody("initdb").args(["-A", "trust", "--no-sync", "-D"]).arg(&data).status().ok()?;
        if !made.success() {
            return None;
        }
        let mut child = of_nobody("postgres").arg("--single").arg("-D").arg(&data).arg("postgres").stdin(Stdio::piped()).spawn().ok()?;
        // Code that PostgreSQL makes at run time keeps no frame pointers, as that of HotSpot, and gdb is lost there, too.
        let query =
            "SET jit = off;\nSELECT count(*) FROM (SELECT md5(a::text), sum(a) FROM generate_series(1, 100000000) a GROUP BY 1 ORDER BY 1) s;\n";
        std::io::Write::write_all(&mut child.stdin.take()?, query.as_bytes()).ok()?;
        Some(child)
    };
    is_sampled_as_others_see_it("postgres", &format!("{bin}/postgres"), start);
}

const JAVA: &str = r#"
import java.util.*;
public class Work {
  static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
  public static void main(String[] args) {
    long sum = 0;
    for (;;) {
      sum += fib(24);
      Map<String, Integer> map = new TreeMap<>();
      for (int i = 0; i < 3000; i++) map.merge(Integer.toString(i * 7919 % 1000), i, Integer::sum);
      for (String key : map.keySet()) sum += key.hashCode();
      if (sum == 1) System.out.println(sum);
    }
  }
}
"#;

/// Share of stacks, in percent, that begin where their thread does.
fn java_share(options: &[&str]) -> Option<f64> {
    let scratch = Scratch::new("java");
    let dir = &scratch.0;
    std::fs::write(dir.join("Work.java"), JAVA).unwrap();
    let made = Command::new("javac").arg("Work.java").current_dir(dir).status().is_ok_and(|status| status.success());
    let child = Command::new("java").args(options).arg("Work").current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok();
    let running = Running(child.filter(|_| made)?);
    let pid = running.pid();
    let output = support::run_until(3000, &["--rung", "1", "--rate", "499", "--window", "1", "--duration", "20", "--pid", &pid]);
    assert_books(&output);
    let mut entries = Entries::default();
    let (mut all, mut complete) = (0, 0);
    for window in &output.windows {
        for sample in window.samples.iter().filter(|sample| user_frames(window, sample).next().is_some()) {
            all += sample.count;
            let first = callers(window, sample).into_iter().next().flatten();
            complete += if begins_at_the_beginning(&mut entries, &first) { sample.count } else { 0 };
        }
    }
    // What the sampler itself says to be complete is so.
    let claimed = output.stats.last().unwrap()["stacks"]["complete"].as_u64().unwrap();
    assert!(claimed <= u64::from(complete) + u64::from(all) / 50, "{claimed} of {all} said to be complete, {complete} are");
    println!("java {options:?}: {complete} of {all} stacks begin where their thread does; {}", output.stats.last().unwrap()["stacks"]);
    Some(100.0 * f64::from(complete) / f64::from(all))
}

/// Without frame pointers the code that HotSpot makes cannot be walked (README.md says so); with them it is.
#[test]
fn java_with_frame_pointers() {
    if skipped("java_with_frame_pointers") {
        return;
    }
    let _turn = my_turn();
    let Some(without) = java_share(&[]) else { return println!("SKIP java_with_frame_pointers: no JDK") };
    let with = java_share(&["-XX:+PreserveFramePointer"]).unwrap();
    println!("java: {without:.1} % without, {with:.1} % with -XX:+PreserveFramePointer");
    assert!(with >= 97.0, "{with} % with frame pointers");
}
