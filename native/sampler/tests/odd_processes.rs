//! Processes whose files, names and ends are unusual.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::decode::{Sample, Window};
use support::programs::{Program, RECURSION, Running, user_frames};
use support::{Output, assert_books, my_turn, run_until, sample_while, skipped};

fn sample(pid: &str) -> Output {
    let output = run_until(100, &["--rung", "1", "--rate", "499", "--window", "1", "--duration", "20", "--pid", pid]);
    assert_books(&output);
    output
}

/// Samples with user frames, and those of them that `good` says yes to.
fn count(output: &Output, good: impl Fn(&Window, &Sample) -> bool) -> (u32, u32) {
    let rows = output.windows.iter().flat_map(|window| window.samples.iter().map(move |sample| (window, sample)));
    let user = rows.filter(|(window, sample)| user_frames(window, sample).next().is_some());
    user.fold((0, 0), |(all, right), (window, sample)| (all + sample.count, right + if good(window, sample) { sample.count } else { 0 }))
}

fn build_id(path: &Path) -> String {
    let text = Command::new("readelf").arg("-n").arg(path).output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    text.split("Build ID: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned()
}

/// 41 frames or more, those of the recursion in a file with this build id.
fn assert_walked(output: &Output, build_id: &str) {
    let (all, right) = count(output, |window, sample| {
        let binary = |frame| window.frames.binaries.get(window.frames.binary[frame as usize] as usize);
        user_frames(window, sample).filter(|&frame| binary(frame).is_some_and(|binary| binary.build_id == build_id)).count() >= 41
    });
    assert!(all >= 100 && f64::from(right) >= f64::from(all) * 0.97, "{right} of {all}: {} {:?}", output.stats.last().unwrap(), output.logs);
}

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("perfleet-odd-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn a_binary_that_was_replaced_is_still_the_one_that_runs() {
    if skipped("a_binary_that_was_replaced_is_still_the_one_that_runs") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("replaced", &[]) else { return println!("SKIP a_binary_that_was_replaced…: no g++") };
    let other = Program::compile("replacement", RECURSION, "cpp", &["g++", "-O1", "-Wl,--build-id"]).unwrap();
    let id = build_id(&program.path);
    assert_ne!(id, build_id(&other.path));
    let running = program.start(&["40"]);
    std::fs::rename(&other.path, &program.path).unwrap();
    assert_walked(&sample(&running.pid()), &id);
}

#[test]
fn a_binary_that_was_deleted_is_walked_and_named() {
    if skipped("a_binary_that_was_deleted_is_walked_and_named") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("deleted", &[]) else { return println!("SKIP a_binary_that_was_deleted…: no g++") };
    let (id, running) = (build_id(&program.path), program.start(&["40"]));
    std::fs::remove_file(&program.path).unwrap();
    let output = sample(&running.pid());
    assert_walked(&output, &id);
    let process = &output.windows.iter().find(|window| !window.processes.is_empty()).unwrap().processes[0];
    assert_eq!(Path::new(&process.executable), program.path);
}

#[test]
fn code_in_a_memfd_is_walked() {
    if skipped("code_in_a_memfd_is_walked") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("memfd", &[]) else { return println!("SKIP code_in_a_memfd…: no g++") };
    // SAFETY: the name is a constant; the descriptor, which no program started later inherits, is used below.
    let fd = unsafe { libc::memfd_create(c"code".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(fd >= 0);
    let path = format!("/proc/self/fd/{fd}");
    std::fs::copy(&program.path, &path).unwrap();
    let running = Running::start(path.as_ref(), &["40"]);
    // SAFETY: the descriptor is this test's own.
    unsafe { libc::close(fd) };
    let output = sample(&running.pid());
    assert_walked(&output, &build_id(&program.path));
    let paths: Vec<&str> = output.windows.iter().flat_map(|window| &window.frames.binaries).map(|binary| binary.path.as_str()).collect();
    assert!(paths.iter().any(|path| path.starts_with("/memfd:code")), "{paths:?}");
}

/// Directories with long names below each other, and the program in the last one. Made step by step: no call takes longer paths.
fn at_depth(program: &Path, dir: &Path, length: usize) -> String {
    let mut path = dir.to_str().unwrap().to_owned();
    while path.len() + 2 < length {
        let name = "d".repeat(200.min(length - path.len() - 3).max(1));
        path = format!("{path}/{name}");
    }
    std::fs::create_dir_all(&path).unwrap();
    let file = format!("{path}/p");
    std::fs::copy(program, &file).unwrap();
    file
}

#[test]
fn paths_of_4095_characters_are_whole() {
    if skipped("paths_of_4095_characters_are_whole") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("long", &[]) else { return println!("SKIP paths_of_4095_characters…: no g++") };
    // The longest that the kernel opens, and the longest that its records hold.
    for length in [4095, 4000] {
        let dir = scratch("path");
        let path = at_depth(&program.path, &dir, length);
        assert!((length - 1..=length).contains(&path.len()), "{}", path.len());
        let running = Running::start(path.as_ref(), &["40"]);
        let output = sample(&running.pid());
        assert_walked(&output, &build_id(&program.path));
        let process = &output.windows.iter().find(|window| !window.processes.is_empty()).unwrap().processes[0];
        assert_eq!(process.executable, path);
        drop(running);
        std::fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn a_program_below_a_longer_path_than_any_call_takes_is_walked() {
    if skipped("a_program_below_a_longer_path_than_any_call_takes_is_walked") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("deep-path", &[]) else { return println!("SKIP a_program_below_a_longer_path…: no g++") };
    let dir = scratch("deep");
    let inner = dir.join("inner");
    let path = at_depth(&program.path, &inner, 3900);
    // It is longer from here on, with the program running already below it.
    let running = Running::start(path.as_ref(), &["40"]);
    let long = dir.join("o".repeat(250));
    std::fs::create_dir(&long).unwrap();
    let to = long.join("i".repeat(250));
    assert!(to.as_os_str().len() + 3850 > libc::PATH_MAX as usize);
    std::fs::rename(&inner, &to).unwrap();
    let output = sample(&running.pid());
    drop(running);
    Command::new("rm").arg("-rf").arg(&dir).status().unwrap();
    assert_walked(&output, &build_id(&program.path));
}

/// No library of 32 bits is needed for a program without any.
const I386: &str = r##"
static volatile unsigned sink;
__attribute__((noinline)) unsigned leaf(unsigned x) { for (int i = 0; i < 20000; i++) x = x * 1664525u + 1u; return x; }
__attribute__((noinline)) unsigned middle(unsigned x) { unsigned y = leaf(x); __asm__ volatile("" : "+r"(y)); return y + 1; }
void run(void) { for (;;) sink = middle(sink); }
/* As the C library begins: the outermost frame has no caller. */
__asm__(".globl _start\n_start: xor %ebp, %ebp\n call run\n");
"##;

#[test]
fn a_32_bit_program_has_its_frames_in_its_file() {
    if skipped("a_32_bit_program_has_its_frames_in_its_file") {
        return;
    }
    let _turn = my_turn();
    let gcc = ["gcc", "-m32", "-nostdlib", "-static", "-O1", "-fno-omit-frame-pointer", "-fno-pic", "-no-pie", "-fno-stack-protector"];
    let Some(program) = Program::compile("i386", I386, "c", &gcc) else { return println!("SKIP a_32_bit_program…: no gcc") };
    let running = program.start(&[]);
    let output = sample(&running.pid());
    let path = program.path.to_str().unwrap();
    let (all, right) = count(&output, |window, sample| {
        let frames: Vec<u32> = user_frames(window, sample).collect();
        frames.len() >= 3 && frames.iter().all(|&frame| window.frames.file[frame as usize] == path)
    });
    let example = &output.windows.iter().find(|window| !window.samples.is_empty()).unwrap().frames;
    assert!(all >= 100 && f64::from(right) >= f64::from(all) * 0.95, "{right} of {all}: {:?} {:?}", example.kind, example.file);
}

#[test]
fn what_a_zombie_did_while_it_lived_has_names() {
    if skipped("what_a_zombie_did_while_it_lived_has_names") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("zombie", &[]) else { return println!("SKIP what_a_zombie_did…: no g++") };
    let start = || Command::new(&program.path).args(["40", "200"]).stdin(Stdio::null()).spawn().unwrap();
    let is_zombie = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ");
    // One is a zombie before the sampler begins, the others become zombies while it runs; nobody waits for them until it has ended.
    let mut before = start();
    while !is_zombie(before.id()) {
        std::thread::yield_now();
    }
    let mut zombies = Vec::new();
    let output = sample_while(&["--rung", "1", "--rate", "499", "--window", "1"], || {
        zombies.extend((0..5).map(|_| start()));
        while !zombies.iter().all(|child| is_zombie(child.id())) {
            std::thread::yield_now();
        }
    });
    assert_books(&output);
    let pids: Vec<u32> = zombies.iter().map(|child| child.id()).collect();
    let of_zombies = |window: &Window, sample: &Sample| pids.contains(&window.processes[sample.process as usize].pid);
    let (mut named, mut all) = (0, 0);
    for window in &output.windows {
        for sample in window.samples.iter().filter(|sample| of_zombies(window, sample)) {
            let process = &window.processes[sample.process as usize];
            assert_ne!(process.pid, before.id());
            all += sample.count;
            // Before its exec it is this test.
            named += if process.comm == "zombie" && Path::new(&process.executable) == program.path { sample.count } else { 0 };
        }
    }
    assert!(all >= 300 && f64::from(named) >= f64::from(all) * 0.95, "{named} of {all}");
    before.wait().unwrap();
    for child in &mut zombies {
        child.wait().unwrap();
    }
}
