//! The built sampler on the real kernel.

mod support;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::decode::Frames;
use support::{Output, assert_books, my_turn, parse, run_until, sample_while, sampler, skipped};

const BURN: &str = r#"
#include <stdint.h>
/* Makes the compiler keep a frame even in a function that calls nothing. */
#define FRAME __asm__ volatile("" ::"r"(__builtin_frame_address(0)) : "memory")
static inline __attribute__((always_inline)) uint64_t spin(uint64_t n, uint64_t x) { for (; n; n--) x = x * 6364136223846793005ULL + 1; return x; }
__attribute__((noinline)) uint64_t hot_seventy(uint64_t x) { FRAME; x = spin(70000, x); return x + 1; }
__attribute__((noinline)) uint64_t cold_thirty(uint64_t x) { FRAME; x = spin(30000, x); return x + 2; }
int main(void) { volatile uint64_t x = 1; for (;;) { x = hot_seventy(x); x = cold_thirty(x); } }
"#;

struct Burn {
    dir: PathBuf,
    child: Child,
    /// Name, first address, size.
    symbols: Vec<(String, u64, u64)>,
}

impl Burn {
    fn start(name: &str) -> Burn {
        let dir = std::env::temp_dir().join(format!("perfleet-burn-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (source, binary) = (dir.join("burn.c"), dir.join("burn"));
        std::fs::write(&source, BURN).unwrap();
        let gcc = ["-O1", "-fno-omit-frame-pointer", "-Wl,--build-id", "-o"];
        assert!(Command::new("gcc").args(gcc).arg(&binary).arg(&source).status().unwrap().success());
        let nm = Command::new("nm").arg("-S").arg(&binary).output().unwrap();
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let symbols = String::from_utf8(nm.stdout).unwrap();
        let symbols = symbols.lines().filter_map(|line| match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            [start, size, _, name] => Some((name.to_owned(), hex(start), hex(size))),
            _ => None,
        });
        let child = Command::new(&binary).stdin(Stdio::null()).spawn().unwrap();
        Burn { symbols: symbols.collect(), child, dir }
    }

    fn path(&self) -> String {
        self.dir.join("burn").to_str().unwrap().to_owned()
    }

    fn name(&self, frames: &Frames, frame: usize) -> Option<&str> {
        let binary = frames.binaries.get(frames.binary[frame] as usize)?;
        if binary.path != self.path() {
            return None;
        }
        assert_eq!(binary.build_id.len(), 40);
        assert_eq!(binary.htl_hash.len(), 32);
        let address = frames.address[frame];
        self.symbols.iter().find(|(_, start, size)| (*start..start + size).contains(&address)).map(|(name, ..)| name.as_str())
    }
}

impl Drop for Burn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn finds_known_shares(rung: &str) {
    if skipped("finds_known_shares") {
        return;
    }
    let _turn = my_turn();
    let burn = Burn::start(&format!("shares-{rung}"));
    let pid = burn.child.id().to_string();
    // With 1500 samples a share of 70 % has a standard deviation of 1.2 points.
    let output = run_until(1500, &["--rung", rung, "--rate", "999", "--window", "1", "--duration", "60", "--pid", &pid]);
    assert_eq!(output.hello["rung"].to_string(), rung);
    assert_books(&output);
    let mut shares: HashMap<String, u64> = HashMap::new();
    let mut total = 0;
    for window in &output.windows {
        for sample in &window.samples {
            let process = &window.processes[sample.process as usize];
            assert_eq!((process.pid.to_string(), &process.executable), (pid.clone(), &burn.path()));
            assert_eq!((&*process.comm, &*sample.thread), ("burn", "burn"));
            assert!(process.cgroup_file.contains(':'));
            assert_eq!(process.cgroup_v2 != 0, rung == "1");
            let stack = &window.stacks[sample.stack as usize];
            let mut names: Vec<&str> = stack.iter().filter_map(|&frame| burn.name(&window.frames, frame as usize)).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                *shares.entry(name.to_owned()).or_default() += u64::from(sample.count);
            }
            total += u64::from(sample.count);
        }
    }
    let percent = |name: &str| 100.0 * shares.get(name).copied().unwrap_or(0) as f64 / total as f64;
    assert!(total >= 1500, "{total} samples");
    assert!((percent("hot_seventy") - 70.0).abs() < 5.0, "{shares:?} of {total}");
    assert!((percent("cold_thirty") - 30.0).abs() < 5.0, "{shares:?} of {total}");
    assert!(percent("main") > 95.0, "{shares:?} of {total}");
}

#[test]
fn rung_1_finds_known_shares() {
    finds_known_shares("1");
}

#[test]
fn rung_2_finds_known_shares() {
    finds_known_shares("2");
}

#[test]
fn rung_3_finds_known_shares() {
    finds_known_shares("3");
}

fn names_short_lived_processes(rung: &str) {
    if skipped("names_short_lived_processes") {
        return;
    }
    let _turn = my_turn();
    let output = sample_while(&["--rung", rung, "--rate", "999", "--window", "1"], || {
        for _ in 0..30 {
            let burst = Command::new("sh").args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]).status().unwrap();
            assert!(burst.success());
        }
    });
    assert_books(&output);
    let (mut named, mut all) = (0, 0);
    for window in &output.windows {
        for sample in &window.samples {
            let process = &window.processes[sample.process as usize];
            let user = window.stacks[sample.stack as usize].iter().any(|&frame| window.frames.binary[frame as usize] != u32::MAX);
            if process.comm == "sh" && process.executable.ends_with("sh") {
                all += sample.count;
                named += if user || window.stack_is_kernel_only(sample.stack as usize) { sample.count } else { 0 };
            }
        }
    }
    assert!(all > 100, "{all} samples of short-lived shells");
    assert!(f64::from(named) > 0.95 * f64::from(all), "{named} of {all} samples have names");
}

#[test]
fn rung_1_names_short_lived_processes() {
    names_short_lived_processes("1");
}

#[test]
fn rung_2_names_short_lived_processes() {
    names_short_lived_processes("2");
}

#[test]
fn rung_1_tags_samples_with_the_inode_of_the_cgroup() {
    if skipped("rung_1_tags_samples_with_the_inode_of_the_cgroup") {
        return;
    }
    let _turn = my_turn();
    let burn = Burn::start("cgroup");
    let output = run_until(50, &["--rung", "1", "--rate", "99", "--window", "1", "--duration", "30", "--pid", &burn.child.id().to_string()]);
    let process = &output.windows.iter().find(|window| !window.processes.is_empty()).unwrap().processes[0];
    let controller = &process.cgroup_v1_controller;
    let line = process.cgroup_file.lines().find(|line| line.split(':').nth(1) == Some(controller)).unwrap();
    let place = line.splitn(3, ':').nth(2).unwrap();
    let (root, id) = if controller.is_empty() { ("", process.cgroup_v2) } else { (controller.as_str(), process.cgroup_v1) };
    match std::fs::metadata(format!("/sys/fs/cgroup/{root}{place}")) {
        Ok(directory) => assert_eq!(directory.ino(), id, "{line}"),
        Err(error) => println!("SKIP the comparison with the directory: {line}: {error}"),
    }
}

#[test]
fn the_books_balance_under_load_and_changes_of_rate() {
    if skipped("the_books_balance_under_load_and_changes_of_rate") {
        return;
    }
    let _turn = my_turn();
    let _burns = [Burn::start("books-a"), Burn::start("books-b")];
    let mut child = sampler(&["--rung", "1", "--rate", "999", "--window", "1", "--duration", "5"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"rateHz\":4999}\n").unwrap();
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let output = parse(&bytes);
    assert_books(&output);
    assert_eq!(output.windows.last().unwrap().period, 1_000_000_000 / 4999);
    assert!(output.windows.last().unwrap().taken > 10_000);
}

#[test]
fn samples_of_more_stacks_than_there_is_room_for_are_lost_and_counted() {
    if skipped("samples_of_more_stacks_than_there_is_room_for_are_lost_and_counted") {
        return;
    }
    let _turn = my_turn();
    let burn = Burn::start("full");
    let pid = burn.child.id().to_string();
    let output = run_until(1000, &["--rung", "1", "--rate", "999", "--window", "1", "--duration", "60", "--stacks", "2", "--pid", &pid]);
    assert_books(&output);
    let full = output.windows.last().unwrap().lost.iter().find(|(reason, _)| reason == "map-full").map_or(0, |&(_, count)| count);
    let delivered: u64 = output.windows.iter().map(|window| window.total()).sum();
    // The program is in many places, of which few find room in a window.
    assert!(full > 20 && delivered >= 1000, "{full} lost, {delivered} delivered");
}

#[test]
fn whoever_starts_it_has_whole_windows_soon_however_long_they_are() {
    if skipped("whoever_starts_it_has_whole_windows_soon_however_long_they_are") {
        return;
    }
    let _turn = my_turn();
    let _burn = Burn::start("soon");
    let mut child = sampler(&["--rung", "1", "--rate", "99", "--window", "600", "--duration", "60"]);
    let mut out = child.stdout.take().unwrap();
    let mut stdin = child.stdin.take();
    let mut output = Output::new();
    while output.read(&mut out) {
        if output.windows.len() == 3 {
            drop(stdin.take());
        }
    }
    assert!(child.wait().unwrap().success());
    assert_books(&output);
    let windows = &output.windows;
    assert!(windows.len() > 3, "{} windows in a minute", windows.len());
    // What they hold follows from their lengths, which are told.
    for (i, pair) in windows.windows(2).enumerate() {
        assert_eq!(pair[0].end, pair[1].start);
        assert!(pair[0].last || pair[0].end - pair[0].start >= 250_000_000 << i, "window {i}");
    }
}

#[test]
fn ends_soon_when_told_in_any_way_and_with_the_last_window() {
    if skipped("ends_soon_when_told_in_any_way_and_with_the_last_window") {
        return;
    }
    let _turn = my_turn();
    for way in ["signal", "end of input", "command"] {
        let mut child = sampler(&["--window", "60"]);
        let mut out = child.stdout.take().unwrap();
        // The hello: it has begun.
        let mut head = [0u8; 5];
        out.read_exact(&mut head).unwrap();
        let mut hello = vec![0u8; u32::from_le_bytes(head[..4].try_into().unwrap()) as usize - 1];
        out.read_exact(&mut hello).unwrap();
        let asked = Instant::now();
        let mut stdin = child.stdin.take();
        match way {
            // SAFETY: signals a child that has not been waited for.
            "signal" => assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGTERM) }, 0),
            "command" => stdin.as_mut().unwrap().write_all(b"{\"stop\":true}\n").unwrap(),
            _ => drop(stdin.take()),
        }
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).unwrap();
        assert!(child.wait().unwrap().success(), "{way}");
        assert!(asked.elapsed() < Duration::from_secs(1), "{way}: {:?}", asked.elapsed());
        assert!(parse(&bytes).windows.last().unwrap().last, "{way}");
    }
}

#[test]
fn without_privileges_it_takes_the_next_rung_and_says_why() {
    if skipped("without_privileges_it_takes_the_next_rung_and_says_why") || !Path::new("/usr/bin/setpriv").exists() {
        println!("SKIP without_privileges_it_takes_the_next_rung_and_says_why: needs root and setpriv");
        return;
    }
    let _turn = my_turn();
    // A copy in a place that everybody may reach.
    let copy = std::env::temp_dir().join(format!("perfleet-sampler-{}", std::process::id()));
    std::fs::copy(env!("CARGO_BIN_EXE_perfleet-sampler"), &copy).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
    let mut child = Command::new("setpriv")
        .args(nobody)
        .arg(&copy)
        .args(["--window", "1", "--duration", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert!(child.wait().unwrap().success());
    std::fs::remove_file(copy).unwrap();
    let output = parse(&bytes);
    let paranoid: i32 = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap().trim().parse().unwrap();
    assert_eq!(output.hello["rung"], if paranoid <= 2 { 3 } else { 4 }, "{}", output.hello);
    let tried = output.hello["tried"].as_array().unwrap();
    assert!(tried.len() >= 2 && tried.iter().all(|rung| rung["error"].as_str().unwrap().contains("CAP_PERFMON")), "{tried:?}");
    assert!(output.stats.len() >= 2);
}
