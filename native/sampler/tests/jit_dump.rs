//! Names of code that is made at run time, out of a jitdump that a program writes.

#![cfg(target_arch = "x86_64")]

mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use support::decode::Window;
use support::programs::Program;
use support::{Output, assert_books, my_turn, sample_while, skipped};

/// Makes a function that counts down, runs it for a while, and puts another one at the same address, which loops further behind; and
/// says in its jitdump what it does (linux tools/perf/Documentation/jitdump-specification.txt). Prints the CPU time of each.
const RUNTIME: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
static uint64_t now(clockid_t id) { struct timespec t; clock_gettime(id, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
static int dump;
static void put(const void *bytes, size_t length) { if (write(dump, bytes, length) != (ssize_t)length) exit(2); }
static void words(const uint64_t *words, int n) { put(words, n * 8); }
static void load(const char *name, const uint8_t *code, uint32_t size) {
  uint32_t prefix[2] = {0, 16 + 40 + strlen(name) + 1 + size};
  put(prefix, 8);
  uint64_t pids = (uint64_t)getpid() << 32 | getpid();
  words((uint64_t[]){now(CLOCK_MONOTONIC), pids, (uintptr_t)code, (uintptr_t)code, size, 1}, 6);
  put(name, strlen(name) + 1);
  put(code, size);
}
static uint64_t run(const char *name, uint8_t *code, int offset, int ms) {
  /* mov $2000000, %rcx; 1: dec %rcx; jnz 1b; ret */
  static const uint8_t body[] = {0x48, 0xb9, 0x80, 0x84, 0x1e, 0, 0, 0, 0, 0, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc3};
  memset(code, 0x90, 256);
  memcpy(code + offset, body, sizeof body);
  load(name, code, 256);
  uint64_t begin = now(CLOCK_PROCESS_CPUTIME_ID), end = now(CLOCK_MONOTONIC) + ms * 1000000ull;
  while (now(CLOCK_MONOTONIC) < end) ((void (*)(void))code)();
  return now(CLOCK_PROCESS_CPUTIME_ID) - begin;
}
int main(int argc, char **argv) {
  char path[256], line[16];
  snprintf(path, sizeof path, "%s/jit-%d.dump", argv[1], getpid());
  dump = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
  put((uint32_t[]){0x4a695444, 1, 40, 62, 0, getpid()}, 24);
  words((uint64_t[]){now(CLOCK_MONOTONIC), 0}, 2);
  void *mark = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, dump, 0);
  uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mark == MAP_FAILED || code == MAP_FAILED || !fgets(line, sizeof line, stdin)) return 1;
  uint64_t first = run("jitted_first", code, 0, 1200), second = run("jitted_second", code, 128, 500);
  printf("%llu %llu\n", (unsigned long long)first, (unsigned long long)second);
  fflush(stdout);
  return fgets(line, sizeof line, stdin) ? 0 : 1;
}
"#;

fn run(program: &Program, args: &[&str]) -> (Output, Vec<f64>) {
    let mut child = Command::new(&program.path).arg(&program.dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let mut line = String::new();
    // After the first half second one window for the rest: both functions are in the dump when its samples are named.
    let output = sample_while(&[&["--pid", &pid, "--window", "60", "--rate", "499"], args].concat(), || {
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    });
    child.stdin.as_mut().unwrap().write_all(b"end\n").unwrap();
    child.wait().unwrap();
    (output, line.split_whitespace().map(|text| text.parse().unwrap()).collect())
}

fn counts(windows: &[Window]) -> HashMap<String, f64> {
    let mut counts = HashMap::new();
    for window in windows {
        for sample in &window.samples {
            let leaf = window.stacks[sample.stack as usize].iter().find(|&&frame| window.frames.kind[frame as usize] == "jit");
            if let Some(&leaf) = leaf {
                *counts.entry(window.frames.function[leaf as usize].clone()).or_default() += f64::from(sample.count);
            }
        }
    }
    counts
}

/// Runs a loop over two functions, which V8 may inline into it, until V8 has compiled all of it, and then prints the microseconds of
/// CPU time that a second of it took. V8 writes names through a buffer of 2 MiB, so others push them out before. No function is made
/// behind that: a map has no times, and what took the address of code that is gone would take its samples.
const SCRIPT: &str = r#"
function hotInner(n) { let sum = 0; for (let i = 0; i < n; i++) sum = (sum * 31 + i) | 0; return sum; }
function hotOuter(n) { let sum = 0; for (let i = 0; i < n; i++) sum ^= hotInner(2000); return sum; }
function hotLoop(end) { while (Date.now() < end) hotOuter(100); }
for (let i = 0; i < 20; i++) hotLoop(Date.now() + 50);
for (let i = 0; i < process.argv[2]; i++) new Function('a', `return a + ${i}`)(i);
process.stdout.write('ready\n');
process.stdin.once('data', () => {
  const before = process.cpuUsage();
  for (let i = 0; i < 20; i++) hotLoop(Date.now() + 50);
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${user + system}\n`);
});
"#;

/// Samples in the hot functions, and how many there have to be.
fn in_node(option: &str) -> (f64, f64) {
    let dir = std::env::temp_dir().join(format!("perfleet-node-{}{option}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("hot.cjs"), SCRIPT).unwrap();
    let mut node = Command::new("node");
    // A line of a map is shorter than a function's record with its code.
    let functions = if option == "--perf-prof" { "5000" } else { "20000" };
    let node = node
        .args([option, "--always-sparkplug", "--no-flush-bytecode", "hot.cjs", functions])
        .current_dir(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = node.spawn().unwrap();
    let pid = child.id();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let mut used = 0f64;
    let output = sample_while(&["--pid", &pid.to_string(), "--window", "60", "--rate", "499", "--rung", "1"], || {
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        used = lines.next().unwrap().unwrap().parse().unwrap();
    });
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let _ = std::fs::remove_file(format!("/tmp/perf-{pid}.map"));
    assert_books(&output);
    let mut hot = 0;
    for window in &output.windows {
        for sample in &window.samples {
            let is_hot = |&frame: &u32| {
                let (function, file) = (&window.frames.function[frame as usize], &window.frames.file[frame as usize]);
                ["hotInner", "hotOuter", "hotLoop"].contains(&function.as_str())
                    && file.ends_with("hot.cjs")
                    && window.frames.kind[frame as usize] == "v8js"
            };
            hot += if window.stacks[sample.stack as usize].iter().any(is_hot) { sample.count } else { 0 };
        }
    }
    (f64::from(hot), used * 499.0 / 1e6)
}

#[test]
fn names_the_functions_of_a_real_node() {
    if skipped("names_the_functions_of_a_real_node") {
        return;
    }
    if !Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return println!("SKIP names_the_functions_of_a_real_node: no node");
    }
    let _turn = my_turn();
    for option in ["--perf-prof", "--perf-basic-prof"] {
        let (hot, expected) = in_node(option);
        // What threads of V8 (its compiler, its collector) used besides is no JavaScript.
        assert!((hot - expected).abs() < 5.0 * expected.sqrt() + 0.15 * expected, "{option}: {hot} of {expected} samples have their names");
    }
}

#[test]
fn names_code_by_its_jitdump_and_by_when_it_ran() {
    if skipped("names_code_by_its_jitdump_and_by_when_it_ran") {
        return;
    }
    let _turn = my_turn();
    let program = Program::compile("runtime", RUNTIME, "c", &["gcc", "-O1", "-fno-omit-frame-pointer"]).unwrap();
    for rung in ["1", "2"] {
        let (output, cpu) = run(&program, &["--rung", rung]);
        assert_books(&output);
        let counts = counts(&output.windows);
        for (name, cpu) in ["jitted_first", "jitted_second"].iter().zip(&cpu) {
            let expected = cpu * 499.0 / 1e9;
            let count = counts.get(*name).copied().unwrap_or(0.0);
            // Ticks are no random numbers, but a machine with more to do makes them so.
            assert!((count - expected).abs() < 5.0 * expected.sqrt() + 0.1 * expected, "rung {rung}, {name}: {count} of {expected}, {counts:?}");
        }
        assert_eq!(counts.len(), 2, "{counts:?}");
    }
}
