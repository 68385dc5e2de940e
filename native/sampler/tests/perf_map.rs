//! Names of code that is made at run time, out of the perf map of a process with a root and process numbers of its own, as in a container;
//! and what such a process can put in the place of its map.

#![cfg(target_arch = "x86_64")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use support::decode::Window;
use support::programs::Program;
use support::{Output, assert_books, my_turn, sampler, skipped};

/// For each line of its input (a name, milliseconds): puts a function of that name at the same address as the one before, appends it to the map
/// unless the name is `-`, runs it for so long and prints the nanoseconds of CPU time that it took.
const RUNTIME: &str = r#"
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
static uint64_t now(void) { struct timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
int main(void) {
  /* mov $2000000, %rcx; 1: dec %rcx; jnz 1b; ret */
  static const uint8_t body[] = {0x48, 0xb9, 0x80, 0x84, 0x1e, 0, 0, 0, 0, 0, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc3};
  uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char path[64], name[64];
  int ms;
  snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
  printf("%d\n", getpid());
  fflush(stdout);
  while (scanf("%63s %d", name, &ms) == 2) {
    memcpy(code, body, sizeof body);
    if (strcmp(name, "-")) {
      FILE *map = fopen(path, "a");
      fprintf(map, "%lx 100 %s\n", (unsigned long)code, name);
      fclose(map);
    }
    uint64_t begin = now();
    while (now() < begin + ms * 1000000ull) ((void (*)(void))code)();
    printf("%lu\n", (unsigned long)(now() - begin));
    fflush(stdout);
  }
}
"#;

struct Container {
    _program: Program,
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    /// As its host knows it.
    pid: u32,
    tmp: PathBuf,
}

impl Container {
    /// None, with the reason said, where such a process cannot be started.
    fn start(test: &str, name: &str) -> Option<Container> {
        let program = Program::compile(name, RUNTIME, "c", &["gcc", "-static", "-O1", "-fno-omit-frame-pointer"])?;
        let tmp = program.dir.join("tmp");
        std::fs::create_dir(&tmp).unwrap();
        let unshare = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--root"])
            .arg(&program.dir)
            .arg(format!("/{name}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = unshare else {
            println!("SKIP {test}: no unshare (util-linux)");
            return None;
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().expect("it has begun").unwrap(), "1", "a process number of its own");
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
        Some(Container { _program: program, pid: children.trim().parse().unwrap(), child, lines, tmp })
    }

    /// Nanoseconds of CPU time that it took.
    fn run(&mut self, name: &str, ms: u32) -> f64 {
        writeln!(self.child.stdin.as_mut().unwrap(), "{name} {ms}").unwrap();
        self.lines.next().unwrap().unwrap().parse().unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sampler of one process that is read window by window.
struct Sampling {
    child: Child,
    output: Output,
}

impl Sampling {
    fn start(pid: u32) -> Sampling {
        let mut child = sampler(&["--rung", "1", "--pid", &pid.to_string(), "--window", "1", "--rate", "499"]);
        let mut output = Output::new();
        assert!(output.read(child.stdout.as_mut().unwrap()));
        Sampling { child, output }
    }

    /// Until what is in the kernel now has come, and a whole window after it.
    fn two_windows(&mut self) {
        let until = self.output.windows.len() + 2;
        while self.output.windows.len() < until {
            assert!(self.output.read(self.child.stdout.as_mut().unwrap()), "{:?}", self.output.logs);
        }
    }

    fn end(mut self) -> Output {
        drop(self.child.stdin.take());
        while self.output.read(self.child.stdout.as_mut().unwrap()) {}
        assert!(self.child.wait().unwrap().success());
        assert_books(&self.output);
        self.output
    }
}

/// Samples whose leaf is in code that was made at run time, by its name.
fn leaves(windows: &[Window]) -> Vec<(String, u32)> {
    let mut counts: Vec<(String, u32)> = Vec::new();
    for (window, sample) in windows.iter().flat_map(|window| window.samples.iter().map(move |sample| (window, sample))) {
        let Some(&leaf) = window.stacks[sample.stack as usize].first() else { continue };
        let (kind, function) = (&window.frames.kind[leaf as usize], &window.frames.function[leaf as usize]);
        if kind == "jit" || window.frames.file[leaf as usize] == "[anon]" {
            match counts.iter_mut().find(|(name, _)| name == function) {
                Some((_, count)) => *count += sample.count,
                None => counts.push((function.clone(), sample.count)),
            }
        }
    }
    counts
}

#[test]
fn an_address_that_is_used_again_has_each_name_for_its_time() {
    let test = "an_address_that_is_used_again_has_each_name_for_its_time";
    if skipped(test) {
        return;
    }
    let _turn = my_turn();
    let Some(mut container) = Container::start(test, "again") else { return };
    let mut sampling = Sampling::start(container.pid);
    let mut expected = Vec::new();
    for name in ["first", "second"] {
        expected.push((name, container.run(name, 700) * 499.0 / 1e9));
        // A window in which one address has two names gives it the later one.
        sampling.two_windows();
    }
    let counts = leaves(&sampling.end().windows);
    assert_eq!(counts.len(), 2, "{counts:?}");
    for (name, expected) in expected {
        let count = counts.iter().find(|(other, _)| other == name).map_or(0.0, |&(_, count)| f64::from(count));
        assert!((count - expected).abs() < 5.0 * expected.sqrt() + 0.1 * expected, "{name}: {count} of {expected}, {counts:?}");
    }
}

/// Nothing of what is put there is read, and nothing waits for it: the samples are there, without names.
#[test]
fn what_is_no_map_of_the_process_discloses_and_blocks_nothing() {
    let test = "what_is_no_map_of_the_process_discloses_and_blocks_nothing";
    if skipped(test) {
        return;
    }
    let _turn = my_turn();
    let Some(mut container) = Container::start(test, "hostile") else { return };
    let map = container.tmp.join("perf-1.map");
    // It would give everything a name.
    let all = "0 fffffffffffffff0 disclosed\n";
    let host = container.tmp.with_file_name("host.map");
    std::fs::write(&host, all).unwrap();
    let mut sampling = Sampling::start(container.pid);
    let places: [(&str, &dyn Fn()); 3] = [
        ("a link to a file of the host", &|| symlink(&host, &map).unwrap()),
        ("a pipe", &|| assert!(Command::new("mkfifo").arg(&map).status().unwrap().success())),
        ("somebody else's file", &|| {
            std::fs::write(&map, all).unwrap();
            std::os::unix::fs::chown(&map, Some(4711), None).unwrap();
        }),
    ];
    for (what, put) in places {
        put();
        let before = sampling.output.windows.len();
        container.run("-", 200);
        sampling.two_windows();
        let counts = leaves(&sampling.output.windows[before..]);
        assert!(counts.len() == 1 && counts[0].0.is_empty() && counts[0].1 > 20, "{what}: {counts:?}");
        std::fs::remove_file(&map).unwrap();
    }
    // The map that it should be.
    std::fs::write(&map, all).unwrap();
    let before = sampling.output.windows.len();
    container.run("-", 200);
    sampling.two_windows();
    let counts = leaves(&sampling.output.windows[before..]);
    assert!(counts.len() == 1 && counts[0].0 == "disclosed", "{counts:?}");
    sampling.end();
}
