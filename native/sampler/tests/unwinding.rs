//! Stacks of real programs, as the kernel walks them: complete, in the right order, from the first sample on.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::decode::{Sample, Window};
use support::programs::{Entries, GO_RECURSION, Program, RUST_RECURSION, Running, user_frames};
use support::{Output, assert_books, my_turn, run_until, sample_while, skipped};

/// Samples with a user stack, and those of them that `good` says yes to.
fn count(output: &Output, mut good: impl FnMut(&Window, &Sample) -> bool) -> (u32, u32) {
    let (mut all, mut right) = (0, 0);
    for window in &output.windows {
        for sample in window.samples.iter().filter(|sample| user_frames(window, sample).next().is_some()) {
            all += sample.count;
            right += if good(window, sample) { sample.count } else { 0 };
        }
    }
    (all, right)
}

fn assert_share((all, right): (u32, u32), percent: f64, output: &Output) {
    let stats = output.stats.last().unwrap();
    assert!(f64::from(right) >= f64::from(all) * percent / 100.0, "{right} of {all} stacks are right: {stats} {:?}", output.logs);
}

/// Every sample has the chain leaf (or rec) … rec … main … first code of the process.
fn has_the_right_chain(program: &Program, depth: &str, args: &[&str]) {
    let running = program.start(&[depth]);
    let output = run_until(300, &[&["--rung", "1", "--rate", "499", "--window", "1", "--duration", "20", "--pid", &running.pid()], args].concat());
    assert_books(&output);
    let mut entries = Entries::default();
    let (all, right) = count(&output, |window, sample| {
        let names: Vec<&str> = user_frames(window, sample).map(|frame| program.name(window, frame)).collect();
        // Between `rec` and the first code are main and the C library's.
        let recursion = names.iter().filter(|name| **name == "rec").count();
        let in_order = names.windows(2).all(|pair| pair[1] != "leaf" && (pair[0] != "main" || pair[1] != "rec"));
        let in_leaf = names.first() == Some(&"leaf") && recursion == depth.parse::<usize>().unwrap();
        entries.is_complete(window, sample) && in_order && (in_leaf || (names.first() == Some(&"rec") && recursion > 0) || recursion == 0)
    });
    assert!(all >= 300);
    assert_share((all, right), 99.0, &output);
}

#[test]
fn recursion_without_frame_pointers_is_walked_to_its_first_frame() {
    if skipped("recursion_without_frame_pointers_is_walked_to_its_first_frame") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("chain", &[]) else { return println!("SKIP recursion_without_frame_pointers…: no g++") };
    has_the_right_chain(&program, "40", &[]);
    has_the_right_chain(&program, "40", &["--walk-by-calls"]);
    has_the_right_chain(&program, "300", &[]);
}

#[test]
fn a_static_position_independent_program_is_walked_to_its_first_frame() {
    if skipped("a_static_position_independent_program_is_walked_to_its_first_frame") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("static-pie", &["-static-pie", "-Wl,-z,norelro"]) else {
        return println!("SKIP a_static_position_independent…: no g++");
    };
    has_the_right_chain(&program, "40", &[]);
}

#[test]
fn a_rust_program_is_walked_to_its_first_frame() {
    if skipped("a_rust_program_is_walked_to_its_first_frame") {
        return;
    }
    let _turn = my_turn();
    let rustc = ["rustc", "--edition", "2024", "-Copt-level=3", "-Cforce-frame-pointers=no"];
    let Some(program) = Program::compile("rust", RUST_RECURSION, "rs", &rustc) else { return println!("SKIP a_rust_program…: no rustc") };
    has_the_right_chain(&program, "38", &[]);
}

#[test]
fn go_code_is_walked_to_where_its_goroutine_began() {
    if skipped("go_code_is_walked_to_where_its_goroutine_began") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::compile("go", GO_RECURSION, "go", &["go", "build"]) else { return println!("SKIP go_code…: no go") };
    let running = program.start(&[]);
    let output = run_until(300, &["--rung", "1", "--rate", "499", "--window", "1", "--duration", "20", "--pid", &running.pid()]);
    assert_books(&output);
    let counted = count(&output, |window, sample| {
        let names: Vec<&str> = user_frames(window, sample).map(|frame| program.name(window, frame)).collect();
        let recursion = names.iter().filter(|name| **name == "main.rec").count();
        // The runtime's own threads do a little, too.
        let own = names.contains(&"main.main");
        !own || (names.ends_with(&["main.main", "runtime.main", "runtime.goexit.abi0"]) && (names[0] != "main.leaf" || recursion == 38))
    });
    assert!(counted.0 >= 300);
    assert_share(counted, 99.0, &output);
    let stats = output.stats.last().unwrap();
    assert!(stats["stacks"]["complete"].as_u64().unwrap() * 100 >= stats["taken"].as_u64().unwrap() * 97, "{stats}");
}

#[test]
fn a_stack_deeper_than_the_limit_is_marked_as_cut() {
    if skipped("a_stack_deeper_than_the_limit_is_marked_as_cut") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("deep", &[]) else { return println!("SKIP a_stack_deeper…: no g++") };
    for how in [&[][..], &["--walk-by-calls"]] {
        let running = program.start(&["600"]);
        let output = run_until(100, &[&["--rung", "1", "--rate", "499", "--window", "1", "--duration", "20", "--pid", &running.pid()], how].concat());
        assert_books(&output);
        let (all, cut) = count(&output, |window, sample| {
            let in_leaf = user_frames(window, sample).next().is_some_and(|frame| program.name(window, frame) == "leaf");
            let cut = window.stack_flags[sample.stack as usize] & 1 == 1 && user_frames(window, sample).count() == 512;
            cut || !in_leaf
        });
        assert_eq!(all, cut);
        let stats = output.stats.last().unwrap();
        assert!(stats["stacks"]["cut"].as_u64().unwrap() > 50, "{stats}");
    }
}

#[test]
fn a_thread_is_walked_to_the_code_that_it_began_in() {
    if skipped("a_thread_is_walked_to_the_code_that_it_began_in") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("thread", &["-pthread"]) else { return println!("SKIP a_thread…: no g++") };
    is_walked_to_where_a_thread_began(&program, &program.start(&["20", "0", "thread"]));
}

/// What /proc says of such a process is in the directories of its threads.
#[test]
fn a_process_whose_main_thread_has_ended_is_walked_like_any_other() {
    if skipped("a_process_whose_main_thread_has_ended_is_walked_like_any_other") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("orphan", &["-pthread"]) else { return println!("SKIP a_process_whose_main…: no g++") };
    let running = program.start(&["20", "0", "thread", "alone"]);
    let maps = format!("/proc/{}/maps", running.pid());
    while !std::fs::read(&maps).unwrap().is_empty() {
        std::thread::yield_now();
    }
    is_walked_to_where_a_thread_began(&program, &running);
}

fn is_walked_to_where_a_thread_began(program: &Program, running: &Running) {
    let output = run_until(300, &["--rung", "1", "--rate", "499", "--window", "1", "--duration", "20", "--pid", &running.pid()]);
    assert_books(&output);
    let counted = count(&output, |window, sample| {
        let frames: Vec<u32> = user_frames(window, sample).collect();
        let work = frames.iter().position(|&frame| program.name(window, frame) == "work");
        // std::thread's, then start_thread and clone3 of the C library.
        let library = |&frame: &u32| {
            window.frames.binaries.get(window.frames.binary[frame as usize] as usize).is_some_and(|binary| binary.path.contains("libc.so"))
        };
        work.is_some_and(|work| frames.len() - work >= 3 && frames[frames.len() - 2..].iter().all(library))
    });
    assert_share(counted, 99.0, &output);
    let stats = output.stats.last().unwrap();
    assert!(stats["stacks"]["complete"].as_u64().unwrap() * 100 >= stats["taken"].as_u64().unwrap() * 99, "{stats}");
}

/// All of an interpreter's or runtime's stacks, through code that it made itself.
fn is_walked_to_its_first_frame(test: &str, program: &str, args: &[&str]) {
    if skipped(test) {
        return;
    }
    if !Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return println!("SKIP {test}: no {program}");
    }
    let _turn = my_turn();
    let running = Running::start(program.as_ref(), args);
    let output = run_until(600, &["--rung", "1", "--rate", "499", "--window", "1", "--duration", "20", "--pid", &running.pid()]);
    assert_books(&output);
    let mut entries = Entries::default();
    let pid = running.0.id();
    let counted = count(&output, |window, sample| window.processes[sample.process as usize].pid == pid && entries.is_complete(window, sample));
    assert!(counted.0 >= 600);
    assert_share(counted, 97.0, &output);
}

#[test]
fn node_is_walked_through_compiled_javascript() {
    let script = "function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } for (;;) f(25)";
    is_walked_to_its_first_frame("node_is_walked_through_compiled_javascript", "node", &["-e", script]);
}

#[test]
fn python_is_walked_to_its_first_frame() {
    let script = "def f(n): return n if n < 2 else f(n - 1) + f(n - 2)\nwhile True: f(20)";
    is_walked_to_its_first_frame("python_is_walked_to_its_first_frame", "python3", &["-c", script]);
}

/// The stacks of programs that live so many milliseconds each, one after another: complete, and a build id for every frame.
fn short_lived(milliseconds: &str, programs: usize) {
    let Some(program) = Program::cpp(&format!("brief{milliseconds}"), &[]) else { return println!("SKIP short-lived programs: no g++") };
    let output = sample_while(&["--rung", "1", "--rate", "499", "--window", "1"], || {
        for _ in 0..programs {
            assert!(Command::new(&program.path).args(["40", milliseconds]).status().unwrap().success());
        }
    });
    assert_books(&output);
    let mut entries = Entries::default();
    let own = |window: &Window, sample: &Sample| Path::new(&window.processes[sample.process as usize].executable) == program.path;
    let (_, of_program) = count(&output, own);
    let known = |window: &Window, frame: u32| {
        let (binary, file) = (window.frames.binary[frame as usize] as usize, &window.frames.file[frame as usize]);
        file == "[vdso]" || window.frames.binaries.get(binary).is_some_and(|binary| !binary.build_id.is_empty())
    };
    let (_, complete) = count(&output, |window, sample| {
        own(window, sample) && entries.is_complete(window, sample) && user_frames(window, sample).all(|frame| known(window, frame))
    });
    assert!(of_program as usize >= programs, "{of_program} samples of {programs} programs");
    assert_share((of_program, complete), 97.0, &output);
}

#[test]
fn programs_that_live_for_milliseconds_have_complete_stacks_from_their_first_sample_on() {
    if skipped("programs_that_live_for_milliseconds_have_complete_stacks_from_their_first_sample_on") {
        return;
    }
    let _turn = my_turn();
    short_lived("5", 200);
    short_lived("30", 50);
}

/// Copies of a program that differ in their build ids.
fn variants(program: &Program, count: u8) -> Vec<std::path::PathBuf> {
    let bytes = std::fs::read(&program.path).unwrap();
    let note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    let at = bytes.windows(note.len()).position(|window| window == note).unwrap() + note.len();
    let variant = |n: u8| {
        let mut bytes = bytes.clone();
        bytes[at..at + 2].copy_from_slice(&[n, !n]);
        let path = program.dir.join(format!("variant{n}"));
        std::fs::copy(&program.path, &path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    };
    (0..count).map(variant).collect()
}

#[test]
fn tables_stay_within_their_memory_and_the_least_used_go_first() {
    if skipped("tables_stay_within_their_memory_and_the_least_used_go_first") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = Program::cpp("variants", &["-static"]) else { return println!("SKIP tables_stay…: no g++") };
    let variants = variants(&program, 60);
    let output = sample_while(&["--rung", "1", "--rate", "499", "--window", "1", "--table-memory", "1"], || {
        for path in variants.iter().chain(&variants[..10]) {
            assert!(Command::new(path).args(["20", "250"]).status().unwrap().success());
        }
    });
    assert_books(&output);
    for stats in &output.stats {
        assert!(stats["tables"]["bytes"].as_u64() <= stats["tables"]["limit"].as_u64(), "{stats}");
        assert_eq!(stats["tables"]["limit"], 1 << 20);
    }
    let stats = output.stats.last().unwrap();
    assert!(stats["tables"]["evicted"].as_u64().unwrap() > 0, "{stats}");
    let mut entries = Entries::default();
    let own = |window: &Window, sample: &Sample| window.processes[sample.process as usize].executable.contains("/variant");
    let (_, of_variants) = count(&output, own);
    let (_, complete) = count(&output, |window, sample| own(window, sample) && entries.is_complete(window, sample));
    assert!(of_variants > 500, "{of_variants} samples");
    // Whatever else runs on the machine wants tables, too: some of the programs' stacks were walked without.
    assert_share((of_variants, complete), 70.0, &output);
}

/// Frames of the kernel in the stacks of a program that is in it nearly all the time, and whether each is marked as cut.
fn kernel_depths(args: &[&str]) -> Vec<(usize, bool)> {
    let dd = Command::new("dd").args(["if=/dev/zero", "of=/dev/null", "bs=64M"]).stderr(Stdio::null()).spawn().unwrap();
    let running = Running(dd);
    let output = run_until(100, &[&["--rung", "1", "--rate", "499", "--window", "1", "--duration", "20", "--pid", &running.pid()], args].concat());
    assert_books(&output);
    let depth_of = |window: &Window, stack: usize| {
        let of_kernel = |frame: &&u32| window.frames.kind[**frame as usize] == "kernel";
        (window.stacks[stack].iter().filter(of_kernel).count(), window.stack_flags[stack] & 1 == 1)
    };
    output.windows.iter().flat_map(|window| window.samples.iter().map(move |sample| depth_of(window, sample.stack as usize))).collect()
}

/// No kernel's stack of this machine has 127 frames, which is what its 16 KiB would hold of small ones: so the limit is lowered.
#[test]
fn a_stack_of_more_kernel_frames_than_the_limit_is_marked_as_cut() {
    if skipped("a_stack_of_more_kernel_frames_than_the_limit_is_marked_as_cut") {
        return;
    }
    let _turn = my_turn();
    let whole = kernel_depths(&[]);
    let deepest = whole.iter().map(|(depth, _)| *depth).max().unwrap();
    assert!((3..127).contains(&deepest), "{whole:?}");
    assert!(whole.iter().all(|(_, cut)| !cut), "{whole:?}");
    for how in [&[][..], &["--walk-by-calls"]] {
        let few = kernel_depths(&[&["--kernel-frames", "2"], how].concat());
        assert!(few.contains(&(2, true)), "{few:?}");
        assert!(few.iter().all(|(depth, cut)| *depth <= 2 && *cut == (*depth == 2)), "{few:?}");
    }
    // The most that can be had is what is taken unless something else is said.
    assert!(include_str!("../bpf/sampler.bpf.c").contains("#define MAX_KERNEL_FRAMES 127"));
    assert!(include_str!("../src/bpf/opening.rs").contains("const MAX_KERNEL_FRAMES: u32 = 127;"));
}
