//! Loads the BPF object in the variant that this kernel takes, with maps of the sizes that this machine needs.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use libbpf_rs::{MapCore, Object, ObjectBuilder, PrintLevel};

use crate::host;
use crate::off_cpu;
use crate::table_maps;

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sampler.bpf.o"));
/// `BPF_FUNC_loop` (Linux 5.17).
const HELPER_LOOP: u32 = 181;

/// `enum cause` of the BPF program.
const CAUSES: u32 = 2;

/// Entries of the maps.
pub struct Sizes {
    /// Stacks and counts of a window.
    pub stacks: u32,
    /// 64-bit words for tables and mappings.
    pub arena_words: u32,
    pub processes: u32,
    /// Bytes for deferred samples; a power of two.
    pub ring_bytes: u32,
    /// How many CPUs there could be.
    pub cpus: u32,
    /// Blocked time, too (bpf/off_cpu.h).
    pub off_cpu: bool,
    /// Of the kernel in a stack, at most; a stack that has so many is marked as cut.
    pub kernel_frames: u32,
}

pub struct Descriptors {
    pub program: i32,
    /// Stacks are walked by tail calls, for want of bpf_loop.
    pub by_calls: bool,
    pub active: i32,
    pub excluded: i32,
    pub books: i32,
    pub stacks: [i32; 2],
    pub counts: [i32; 2],
}

/// True when the kernel has the helper that walks a stack in one program.
fn has_loop() -> bool {
    // SAFETY: takes numbers and an optional pointer.
    unsafe { libbpf_sys::libbpf_probe_bpf_helper(libbpf_sys::BPF_PROG_TYPE_PERF_EVENT, HELPER_LOOP, std::ptr::null()) == 1 }
}

impl Descriptors {
    pub fn of(object: &Object) -> Result<Descriptors> {
        let map = |name| map_fd(object, name);
        let name = if program_fd(object, "take_sample").is_ok() { "take_sample" } else { "take_sample_by_calls" };
        let descriptors = Descriptors {
            program: program_fd(object, name)?,
            by_calls: name == "take_sample_by_calls",
            active: map("active")?,
            excluded: map("excluded")?,
            books: map("books")?,
            stacks: [map("stacks_0")?, map("stacks_1")?],
            counts: [map("counts_0")?, map("counts_1")?],
        };
        if descriptors.by_calls {
            let next = program_fd(object, "take_sample_on_by_calls")?;
            crate::bpf_maps::set(map("calls")?, &0u32, &(next as u32)).context("cannot link the parts of the BPF program")?;
        }
        Ok(descriptors)
    }
}

/// The maps that tables are kept in.
pub fn table_descriptors(object: &Object) -> Result<table_maps::Descriptors> {
    let map = |name| map_fd(object, name);
    Ok(table_maps::Descriptors {
        arena: map("arena")?,
        rules: map("rules")?,
        binaries: map("binaries")?,
        processes: map("processes")?,
        epoch: map("epoch")?,
    })
}

pub fn map_fd(object: &Object, name: &str) -> Result<i32> {
    let found = object.maps().find(|map| map.name() == name).map(|map| map.as_fd().as_raw_fd());
    found.with_context(|| format!("the BPF object has no map {name}"))
}

/// Programs that were not loaded have no descriptor.
pub fn program_fd(object: &Object, name: &str) -> Result<i32> {
    let found = object.progs().find(|program| program.name() == name).map(|program| program.as_fd().as_raw_fd());
    found.filter(|&fd| fd >= 0).with_context(|| format!("the BPF object has no program {name}"))
}

/// Names of the programs and maps that only blocked time needs.
fn of_off_cpu(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"off_")
}

/// What libbpf said last: the verifier's words when a program is refused.
static MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// `by_calls`: the variant for kernels without bpf_loop, whatever this one has.
pub fn load(sizes: &Sizes, only_tgid: u32, subsys: Option<u32>, by_calls: bool) -> Result<Object> {
    libbpf_rs::set_print(Some((PrintLevel::Warn, |_, text| {
        let mut last = MESSAGES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        last.push(text);
        let surplus = last.len().saturating_sub(40);
        last.drain(..surplus);
    })));
    let mut open = ObjectBuilder::default().open_memory(PROGRAM)?;
    let by_calls = by_calls || !has_loop();
    for mut program in open.progs_mut() {
        let of_calls = program.name().to_string_lossy().ends_with("_by_calls");
        program.set_autoload(of_calls == by_calls && (sizes.off_cpu || !of_off_cpu(program.name())));
    }
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if !sizes.off_cpu && of_off_cpu(map.name()) {
            map.set_autocreate(false)?;
            continue;
        }
        let entries = match name.as_str() {
            "stacks_0" | "stacks_1" | "counts_0" | "counts_1" | "off_counts_0" | "off_counts_1" => Some(sizes.stacks),
            "off_stacks" => Some(off_cpu::MAX_CHUNKS),
            "off_blocks" => Some(off_cpu::MAX_BLOCKS),
            "arena" => Some(sizes.arena_words),
            "processes" => Some(sizes.processes),
            "deferred_ring" => Some(sizes.ring_bytes),
            "deferred_scratch" => Some(sizes.cpus * CAUSES),
            _ => None,
        };
        if let Some(entries) = entries {
            map.set_max_entries(entries)?;
        } else if name.ends_with(".rodata") {
            // struct config of the program.
            let mut config = Vec::new();
            config.extend_from_slice(&only_tgid.to_le_bytes());
            config.extend_from_slice(&subsys.unwrap_or(u32::MAX).to_le_bytes());
            config.extend_from_slice(&seed().to_le_bytes());
            config.extend_from_slice(&kernel_stack_bytes().to_le_bytes());
            config.extend_from_slice(&sizes.kernel_frames.to_le_bytes());
            let value = map.initial_value_mut().context("the BPF object has no configuration")?;
            value.get_mut(..config.len()).context("the BPF object's configuration is too short")?.copy_from_slice(&config);
        }
    }
    Ok(open.load()?)
}

/// THREAD_SIZE of both architectures without KASAN (arch/x86/include/asm/page_64_types.h, arch/arm64/include/asm/memory.h): 16 KiB,
/// and a page at least. Only kernels before 5.15 are asked by it, see bpf/registers.h.
fn kernel_stack_bytes() -> u64 {
    // SAFETY: takes a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    (page.max(0) as u64).max(16 << 10)
}

/// Nobody can prepare stacks whose hashes are equal.
fn seed() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: fills at most the buffer's length.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    u64::from_le_bytes(bytes)
}

pub fn explain(error: anyhow::Error) -> anyhow::Error {
    let said = MESSAGES.lock().map(|messages| messages.join("").trim().replace('\n', " | ")).unwrap_or_default();
    let said: String = said.chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect();
    let refused = format!("{error:#}").contains("ermi");
    let locked = if refused { short_of_locked_memory() } else { None };
    let fix = if let Some(kilobytes) = locked {
        &format!("kernels before 5.11 charge BPF maps to RLIMIT_MEMLOCK: raise it (now {kilobytes} kB), or grant CAP_SYS_RESOURCE")
    } else if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        "the kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF"
    } else if refused {
        "run as root or with CAP_BPF and CAP_PERFMON; where the kernel locks down BPF, nothing but another rung helps"
    } else {
        "kernels from 5.10 on are known to work"
    };
    anyhow!("eBPF: {error:#}; {fix}{}{said}", if said.is_empty() { "" } else { "; libbpf: " })
}

/// The limit in kB, where it alone can be why the kernel refuses a map to somebody who has the privilege.
fn short_of_locked_memory() -> Option<u64> {
    let release = host::kernel_release();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    let privileged = host::capabilities().iter().any(|name| ["CAP_BPF", "CAP_SYS_ADMIN"].contains(name));
    // SAFETY: fills the structure that it is given.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit);
        limit.rlim_cur
    };
    (version < (5, 11) && privileged && limit != libc::RLIM_INFINITY).then_some(limit >> 10)
}
