//! Runs the built sampler and reads what it writes.

// Each test file uses a part of it.
#![allow(dead_code)]

pub mod decode;
pub mod fuse;
pub mod programs;

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use decode::Window;

/// The tests share the machine's few CPUs: one at a time.
pub static TURN: Mutex<()> = Mutex::new(());

pub fn my_turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// True when the test has to be left out, which it says.
pub fn skipped(test: &str) -> bool {
    // SAFETY: geteuid has no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        println!("SKIP {test}: sampling the whole system needs root");
    }
    !root
}

pub struct Output {
    pub hello: serde_json::Value,
    pub windows: Vec<Window>,
    pub stats: Vec<serde_json::Value>,
    pub logs: Vec<String>,
}

impl Output {
    pub fn new() -> Output {
        Output { hello: serde_json::Value::Null, windows: Vec::new(), stats: Vec::new(), logs: Vec::new() }
    }

    /// Takes in one frame; false at the end.
    pub fn read(&mut self, from: &mut impl Read) -> bool {
        let mut head = [0u8; 5];
        if from.read_exact(&mut head).is_err() {
            return false;
        }
        let mut payload = vec![0u8; u32::from_le_bytes(head[..4].try_into().unwrap()) as usize - 1];
        from.read_exact(&mut payload).unwrap();
        let json = || serde_json::from_slice(&payload).unwrap();
        match head[4] {
            1 => self.hello = json(),
            2 => self.windows.push(Window::decode(&payload)),
            3 => self.stats.push(json()),
            4 => self.logs.push(String::from_utf8_lossy(&payload).into_owned()),
            kind => panic!("frame of type {kind}"),
        }
        true
    }
}

pub fn parse(mut bytes: &[u8]) -> Output {
    let mut output = Output::new();
    while output.read(&mut bytes) {}
    output
}

pub fn sampler(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_perfleet-sampler")).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Until so many samples have come, or `--duration` is over.
pub fn run_until(samples: u64, args: &[&str]) -> Output {
    let mut child = sampler(args);
    let mut out = child.stdout.take().unwrap();
    let mut stdin = child.stdin.take();
    let mut output = Output::new();
    while output.read(&mut out) {
        if output.windows.iter().map(Window::total).sum::<u64>() >= samples {
            drop(stdin.take());
        }
    }
    assert!(child.wait().unwrap().success());
    output
}

/// From the moment on at which the sampler has begun until `busy` returns.
pub fn sample_while(args: &[&str], busy: impl FnOnce()) -> Output {
    let mut child = sampler(args);
    let mut out = child.stdout.take().unwrap();
    let stdin = child.stdin.take();
    let mut output = Output::new();
    assert!(output.read(&mut out));
    let reader = std::thread::spawn(move || {
        while output.read(&mut out) {}
        output
    });
    busy();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    reader.join().unwrap()
}

/// taken − taken of the window before = samples + losses, exactly, in every window.
pub fn assert_books(output: &Output) {
    let (mut taken, mut lost) = (0, 0);
    for window in &output.windows {
        assert_eq!(window.taken - taken, window.total() + window.lost_total() - lost, "{:?} {:?}", window.lost, output.logs);
        (taken, lost) = (window.taken, window.lost_total());
        assert!(window.processes.iter().all(|process| process.pid != 0));
    }
    assert!(output.windows.last().unwrap().last);
    assert!(taken > 0);
    assert_eq!(output.stats.last().unwrap()["taken"], taken);
    assert!(!output.logs.iter().any(|line| line.contains(r#""level":"error""#)), "{:?}", output.logs);
}
