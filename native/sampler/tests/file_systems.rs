//! Programs whose files are on a file system of their own, which may stop to answer.

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::decode::{Sample, Window};
use support::fuse::{FILE_NAME, Fuse};
use support::programs::{Entries, Program, user_frames};
use support::{Output, assert_books, my_turn, sampler, skipped};

/// Runs in a mount name space of its own, from a file of a file system of its own.
struct Container {
    program: Program,
    fuse: Fuse,
    children: Vec<Child>,
}

impl Container {
    /// None, with the reason said, where there is no FUSE.
    fn start(test: &str) -> Option<Container> {
        let program = Program::cpp("fuse", &["-static"])?;
        let (path, place) = (program.path.clone(), program.dir.join("mount"));
        std::fs::create_dir(&place).unwrap();
        let started = in_mounts_of_its_own(move || {
            let fuse = Fuse::mount(&place, std::fs::read(&path).unwrap())?;
            let file = place.join(FILE_NAME);
            // Held, so that the mount stays when this thread has ended; all of the file is in memory from here on.
            std::fs::read(&file)?;
            Ok((fuse, start(&file)))
        });
        match started {
            Ok((fuse, child)) => Some(Container { program, fuse, children: vec![child] }),
            Err(error) => {
                println!("SKIP {test}: no FUSE: {error}");
                None
            }
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start(path: &Path) -> Child {
    Command::new(path).arg("20").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

fn in_mounts_of_its_own<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    let thread = std::thread::spawn(|| {
        // SAFETY: takes numbers, and texts that end with a zero.
        unsafe {
            if libc::unshare(libc::CLONE_FS | libc::CLONE_NEWNS) != 0
                || libc::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE, std::ptr::null()) != 0
            {
                return Err(std::io::Error::last_os_error());
            }
        }
        work()
    });
    thread.join().unwrap()
}

/// Reads on until so many samples have come that are as wanted, fails when the sampler has ended before.
fn read_until(output: &mut Output, child: &mut Child, pid: u32, wanted: u32, mut good: impl FnMut(&Window, &Sample) -> bool) {
    let mut right = 0;
    while right < wanted {
        let before = output.windows.len();
        assert!(output.read(child.stdout.as_mut().unwrap()), "the sampler has ended: {:?}", output.logs);
        for window in &output.windows[before..] {
            let own = window.samples.iter().filter(|sample| window.processes[sample.process as usize].pid == pid);
            right += own.filter(|sample| good(window, sample)).map(|sample| sample.count).sum::<u32>();
        }
    }
}

#[test]
fn programs_of_a_file_system_that_stops_to_answer_hold_up_nobody() {
    let test = "programs_of_a_file_system_that_stops_to_answer_hold_up_nobody";
    if skipped(test) {
        return;
    }
    let _turn = my_turn();
    let Some(container) = Container::start(test) else { return };
    let pid = container.children[0].id();
    let begin = || sampler(&["--rung", "1", "--window", "1", "--rate", "199", "--duration", "90"]);

    // While it answers its programs are as any others: named by their file, and walked by its tables, which are made of a copy.
    let (mut child, mut output) = (begin(), Output::new());
    let entry = Entries::default().entry(container.program.path.to_str().unwrap()).unwrap();
    read_until(&mut output, &mut child, pid, 150, |window, sample| {
        let last = user_frames(window, sample).last().unwrap() as usize;
        let binary = window.frames.binaries.get(window.frames.binary[last] as usize);
        binary.is_some_and(|binary| binary.path.ends_with(FILE_NAME) && !binary.build_id.is_empty())
            && (entry..entry + 64).contains(&window.frames.address[last])
    });
    drop(child.stdin.take());
    while output.read(child.stdout.as_mut().unwrap()) {}
    assert!(child.wait().unwrap().success());

    // A sampler that meets it when it does not: what it counts comes all the same, other programs have all that they had, and it ends.
    container.fuse.freeze();
    let other = Program::cpp("beside", &[]).unwrap();
    let running = other.start(&["20"]);
    let (mut child, mut output) = (begin(), Output::new());
    let known_by_name = |window: &Window, sample: &Sample| {
        user_frames(window, sample).next().is_some()
            && user_frames(window, sample)
                .all(|frame| window.frames.binary[frame as usize] == u32::MAX && window.frames.file[frame as usize].ends_with(FILE_NAME))
    };
    read_until(&mut output, &mut child, pid, 50, known_by_name);
    let mut entries = Entries::default();
    read_until(&mut output, &mut child, running.pid().parse().unwrap(), 100, |window, sample| entries.is_complete(window, sample));
    assert!(output.logs.iter().any(|line| line.contains("mount of process") && line.contains("does not answer")), "{:?}", output.logs);
    drop(child.stdin.take());
    while output.read(child.stdout.as_mut().unwrap()) {}
    assert!(child.wait().unwrap().success());
    assert_books(&output);
}
