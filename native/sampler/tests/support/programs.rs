//! Programs to be sampled, made here, and what their stacks should look like.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::decode::{Sample, Window};

/// C++ without frame pointers: `main` calls `rec`, which calls itself until the depth of its argument, and then `leaf`. With a
/// second argument it ends after so many milliseconds of CPU; with a third it all happens in a thread; with a fourth the main thread ends
/// before that.
pub const RECURSION: &str = r#"
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <pthread.h>
#include <thread>
volatile uint64_t sink;
static clock_t end;
extern "C" __attribute__((noinline)) uint64_t leaf(uint64_t x) {
  for (int i = 0; i < 20000; i++) x = x * 6364136223846793005ULL + 1;
  return x;
}
extern "C" __attribute__((noinline, noclone)) uint64_t rec(int n, uint64_t x) {
  uint64_t y = n <= 1 ? leaf(x) : rec(n - 1, x + 1);
  __asm__ volatile("" : "+r"(y));
  return y * 3 + n;
}
extern "C" __attribute__((noinline)) void work(int depth) {
  do sink = sink + rec(depth, sink); while (!end || clock() < end);
}
int main(int argc, char **argv) {
  if (argc > 2 && atoi(argv[2])) end = atoi(argv[2]) * (CLOCKS_PER_SEC / 1000);
  if (argc > 4) {
    std::thread(work, atoi(argv[1])).detach();
    pthread_exit(nullptr);
  }
  if (argc > 3) std::thread(work, atoi(argv[1])).join(); else work(atoi(argv[1]));
}
"#;

pub const RUST_RECURSION: &str = r#"
#[inline(never)] #[unsafe(no_mangle)] fn leaf(mut x: u64) -> u64 { for _ in 0..20000 { x = std::hint::black_box(x.wrapping_mul(6364136223846793005) + 1); } x }
#[inline(never)] #[unsafe(no_mangle)] fn rec(n: u32, x: u64) -> u64 { let y = if n <= 1 { leaf(x) } else { rec(n - 1, x + 1) }; std::hint::black_box(y).wrapping_mul(3) + u64::from(n) }
fn main() { let mut x = 1; loop { x = rec(38, x) & 0xffff; } }
"#;

pub const GO_RECURSION: &str = r#"
package main
//go:noinline
func leaf(x uint64) uint64 { for i := 0; i < 20000; i++ { x = x*6364136223846793005 + 1 }; return x }
//go:noinline
func rec(n int, x uint64) uint64 { var y uint64; if n <= 1 { y = leaf(x) } else { y = rec(n-1, x+1) }; return y*3 + uint64(n) }
func main() { x := uint64(1); for { x = rec(38, x) } }
"#;

pub struct Program {
    pub dir: PathBuf,
    pub path: PathBuf,
    /// Name, first address, size.
    symbols: Vec<(String, u64, u64)>,
}

impl Program {
    /// None when there is no such compiler. `compile` gets output and source as its last arguments.
    pub fn compile(name: &str, source: &str, extension: &str, compile: &[&str]) -> Option<Program> {
        let dir = std::env::temp_dir().join(format!("perfleet-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (file, path) = (dir.join(format!("{name}.{extension}")), dir.join(name));
        std::fs::write(&file, source).unwrap();
        let status = Command::new(compile[0]).args(&compile[1..]).arg("-o").arg(&path).arg(&file).status().ok()?;
        assert!(status.success(), "{compile:?}");
        Some(Program { symbols: symbols(&path), dir, path })
    }

    pub fn cpp(name: &str, flags: &[&str]) -> Option<Program> {
        Program::compile(name, RECURSION, "cpp", &[&["g++", "-O2", "-fomit-frame-pointer", "-Wl,--build-id"], flags].concat())
    }

    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(&self.path, args)
    }

    /// The function of this program that a frame is in, "" outside of it.
    pub fn name(&self, window: &Window, frame: u32) -> &str {
        let frame = frame as usize;
        let Some(binary) = window.frames.binaries.get(window.frames.binary[frame] as usize) else { return "" };
        if Path::new(&binary.path) != self.path {
            return "";
        }
        let address = window.frames.address[frame];
        self.symbols.iter().find(|(_, start, size)| (*start..start + size.max(&1)).contains(&address)).map_or("", |(name, ..)| name)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn symbols(path: &Path) -> Vec<(String, u64, u64)> {
    let nm = Command::new("nm").arg("-S").arg(path).output().unwrap();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let text = String::from_utf8(nm.stdout).unwrap();
    let rows = text.lines().filter_map(|line| match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [start, size, _, name] => Some((name.to_owned(), hex(start), hex(size))),
        _ => None,
    });
    rows.collect()
}

pub struct Running(pub Child);

impl Running {
    pub fn start(path: &Path, args: &[&str]) -> Running {
        Running(Command::new(path).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Addresses at which processes begin (`e_entry`), by file; the dynamic loader's, too, in which a process begins before its own.
#[derive(Default)]
pub struct Entries(HashMap<String, Option<u64>>);

/// How long the code before the first call may be.
const ENTRY_BYTES: u64 = 64;

impl Entries {
    pub fn entry(&mut self, path: &str) -> Option<u64> {
        let read = |path: &str| {
            use std::os::unix::fs::FileExt;
            let mut bytes = [0u8; 8];
            std::fs::File::open(path).ok()?.read_exact_at(&mut bytes, 24).ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        *self.0.entry(path.to_owned()).or_insert_with(|| read(path))
    }

    /// The outermost frame is the code that a process begins with.
    pub fn is_complete(&mut self, window: &Window, sample: &Sample) -> bool {
        let Some(&last) = window.stacks[sample.stack as usize].last() else { return false };
        let Some(binary) = window.frames.binaries.get(window.frames.binary[last as usize] as usize) else { return false };
        self.holds(&binary.path, window.frames.address[last as usize])
    }

    /// The ELF address is in the code that a process begins with.
    pub fn holds(&mut self, path: &str, address: u64) -> bool {
        self.entry(path).is_some_and(|entry| (entry..entry + ENTRY_BYTES).contains(&address))
    }
}

/// Frames of user space.
pub fn user_frames<'a>(window: &'a Window, sample: &Sample) -> impl Iterator<Item = u32> + 'a {
    window.stacks[sample.stack as usize].iter().copied().filter(|&frame| window.frames.kind[frame as usize] != "kernel")
}
