//! The BPF program's maps as seen from here: the same structures, read in batches.

use std::collections::HashMap;
use std::ffi::c_void;
use std::io;

use anyhow::{Context, Result};

use crate::exclusions::CgroupKey;

pub const CHUNK_FRAMES: usize = 32;
pub const MAX_USER_FRAMES: usize = 512;
/// A flag of `Key`: the kernel stack is at its limit.
const KERNEL_CUT: u32 = 1 << 8;
/// Of time that a thread was blocked.
const OFF_CPU: u32 = 1 << 9;
/// `user_stack` is the number under which user space has walked the stack.
const WALKED_BY_USER: u32 = 1 << 10;
const ONE_IN_SHIFT: u32 = 16;
/// Larger batches are slower: the kernel copies them through one allocation.
const BATCH: usize = 1024;

/// A structure of the BPF program: plain numbers, so that any bytes are a value.
///
/// # Safety
/// Only for `repr(C)` types without padding in which every bit pattern is valid.
pub unsafe trait Plain: Copy {}

/// `struct chunk`: some frames of a stack, leaf first.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Chunk {
    /// The chunk nearer to the root, 0 = none.
    parent: u64,
    count: u64,
    ip: [u64; CHUNK_FRAMES],
}

/// `enum stop`: how the walk of a user stack ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The outermost frame was reached.
    End,
    /// Cut at the limit.
    Depth,
    /// A word of the stack could not be read.
    Memory,
    /// A caller's frame was not above its callee's.
    NoProgress,
    UnknownRule,
    LostRegister,
    /// A frame pointer led outside all code.
    Stray,
    /// User space should have walked and could not get the sample.
    NotDeferred,
}

/// `struct key`
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub kernel_stack: u64,
    pub user_stack: u64,
    pub cgroup_v2: u64,
    pub cgroup_v1: u64,
    pub tgid: u32,
    flags: u32,
    comm: [u8; 16],
}

/// `struct count`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Count {
    pub samples: u64,
    pub first_ns: u64,
}

/// `struct books`
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Books {
    pub taken: u64,
    pub stored: u64,
    pub deferred: u64,
    pub map_full: u64,
    pub map_busy: u64,
    pub filtered: u64,
    pub not_deferred: u64,
    /// Nanoseconds that samples took of whoever they interrupted.
    pub run_ns: u64,
}

/// `struct off_settings`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OffSettings {
    /// Of 1,024 ns.
    pub period_us: u64,
    /// Walks of a CPU in an interval (`OFF_INTERVAL_NS`).
    pub budget: u64,
}

/// `INTERVAL_SHIFT`
pub const OFF_INTERVAL_NS: u64 = 1 << 27;

/// `struct off_books`
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct OffBooks {
    pub blocks: u64,
    pub taken: u64,
    pub stored: u64,
    pub map_full: u64,
    pub map_busy: u64,
    pub filtered: u64,
    pub over_budget: u64,
    pub not_deferred: u64,
    /// Nanoseconds that walks took.
    pub run_ns: u64,
}

/// `struct off_count`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OffCount {
    pub samples: u64,
    pub first_ns: u64,
    /// Estimated nanoseconds of all such blocks.
    pub ns: u64,
}

/// In the value of `active`, beside the buffer: `excluded` is not empty.
pub const SOME_EXCLUDED: u32 = 1 << 1;

/// `struct registers`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Registers {
    pub ip: u64,
    pub sp: u64,
    pub fp: u64,
    pub lr: u64,
    pub bx: u64,
    pub scratch: [u64; 8],
}

/// How `struct deferred` begins; `stack_bytes` of the stack follow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DeferredHead {
    pub key: Key,
    pub time_ns: u64,
    pub at: Registers,
    pub mm: u64,
    pub why: u32,
    pub buffer: u32,
    pub stack_at: u64,
    pub stack_bytes: u64,
}

// SAFETY: as below.
unsafe impl Plain for OffSettings {}
// SAFETY: as below.
unsafe impl Plain for OffBooks {}
// SAFETY: as below.
unsafe impl Plain for OffCount {}
// SAFETY: as below.
unsafe impl Plain for Books {}
// SAFETY: integers and arrays of them, without padding.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for CgroupKey {}
// SAFETY: as above.
unsafe impl Plain for Chunk {}
// SAFETY: as above.
unsafe impl Plain for Key {}
// SAFETY: as above.
unsafe impl Plain for Count {}
// SAFETY: as above.
unsafe impl Plain for DeferredHead {}

impl Key {
    pub fn thread_name(&self) -> String {
        let end = self.comm.iter().position(|&b| b == 0).unwrap_or(self.comm.len());
        String::from_utf8_lossy(&self.comm[..end]).into_owned()
    }
}

impl Key {
    pub fn kernel_cut(&self) -> bool {
        self.flags & KERNEL_CUT != 0
    }

    /// How many samples of its cgroup it stands for.
    pub fn one_in(&self) -> u32 {
        (self.flags >> ONE_IN_SHIFT).max(1)
    }

    pub fn off_cpu(&self) -> bool {
        self.flags & OFF_CPU != 0
    }

    pub fn walked_by_user(&self) -> bool {
        self.flags & WALKED_BY_USER != 0
    }

    pub fn stop(&self) -> Stop {
        match self.flags & 0xff {
            1 => Stop::End,
            2 => Stop::Depth,
            3 => Stop::Memory,
            4 => Stop::NoProgress,
            5 => Stop::UnknownRule,
            6 => Stop::LostRegister,
            7 => Stop::Stray,
            _ => Stop::NotDeferred,
        }
    }
}

impl Books {
    /// No run of the program is under way: whatever was taken has ended somewhere.
    pub fn balanced(&self) -> bool {
        self.taken == self.stored + self.deferred + self.map_full + self.map_busy + self.filtered
    }
}

impl std::ops::Add for Books {
    type Output = Books;

    fn add(self, other: Books) -> Books {
        Books {
            taken: self.taken + other.taken,
            stored: self.stored + other.stored,
            deferred: self.deferred + other.deferred,
            map_full: self.map_full + other.map_full,
            map_busy: self.map_busy + other.map_busy,
            filtered: self.filtered + other.filtered,
            not_deferred: self.not_deferred + other.not_deferred,
            run_ns: self.run_ns + other.run_ns,
        }
    }
}

impl std::ops::Add for OffBooks {
    type Output = OffBooks;

    fn add(self, other: OffBooks) -> OffBooks {
        OffBooks {
            blocks: self.blocks + other.blocks,
            taken: self.taken + other.taken,
            stored: self.stored + other.stored,
            map_full: self.map_full + other.map_full,
            map_busy: self.map_busy + other.map_busy,
            filtered: self.filtered + other.filtered,
            over_budget: self.over_budget + other.over_budget,
            not_deferred: self.not_deferred + other.not_deferred,
            run_ns: self.run_ns + other.run_ns,
        }
    }
}

/// Leaf first; empty for id 0.
pub fn stack(chunks: &HashMap<u64, Chunk>, id: u64) -> Vec<u64> {
    stack_of(|id| chunks.get(&id).copied(), id).0
}

/// Leaf first; false when a chunk is missing.
pub fn stack_of(mut find: impl FnMut(u64) -> Option<Chunk>, mut id: u64) -> (Vec<u64>, bool) {
    let mut frames = Vec::new();
    while id != 0 && frames.len() < MAX_USER_FRAMES {
        let Some(chunk) = find(id) else { return (frames, false) };
        frames.extend_from_slice(&chunk.ip[..(chunk.count as usize).min(CHUNK_FRAMES)]);
        id = chunk.parent;
    }
    (frames, true)
}

/// A value of the program's out of the bytes that it wrote; None when there are too few.
pub fn from_bytes<T: Plain>(bytes: &[u8]) -> Option<T> {
    // SAFETY: there are as many bytes as the type has, and any bytes are a value of it.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

fn check(error: i32) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-error)) }
}

/// Sets an element; the types are the map's.
pub fn set<K: Plain, V: Plain>(map: i32, key: &K, value: &V) -> io::Result<()> {
    // SAFETY: key and value have the sizes of the map's.
    check(unsafe { libbpf_sys::bpf_map_update_elem(map, std::ptr::from_ref(key).cast(), std::ptr::from_ref(value).cast(), 0) })
}

/// An element; the types are the map's.
pub fn get<K: Plain, V: Plain>(map: i32, key: &K) -> Option<V> {
    let mut value = std::mem::MaybeUninit::<V>::uninit();
    // SAFETY: key and value have the sizes of the map's; the value is filled when there is no error, and any bytes are one.
    unsafe { (libbpf_sys::bpf_map_lookup_elem(map, std::ptr::from_ref(key).cast(), value.as_mut_ptr().cast()) == 0).then(|| value.assume_init()) }
}

/// Removes an element, if it is there.
pub fn delete<K: Plain>(map: i32, key: &K) {
    // SAFETY: the key has the size of the map's.
    unsafe { libbpf_sys::bpf_map_delete_elem(map, std::ptr::from_ref(key).cast()) };
}

/// The books of a buffer, all CPUs together; `T` is the map's type.
pub fn books<T: Plain + Default + std::ops::Add<Output = T>>(map: i32, buffer: u32) -> Result<T> {
    let mut each = vec![T::default(); libbpf_rs::num_possible_cpus()?];
    // SAFETY: a per-CPU value is copied as one structure for each possible CPU: as many as the vector has.
    let error = unsafe { libbpf_sys::bpf_map_lookup_elem(map, (&raw const buffer).cast(), each.as_mut_ptr().cast()) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(-error)).context("cannot read the counters of the BPF program");
    }
    Ok(each.into_iter().fold(T::default(), T::add))
}

/// Takes every element out of a hash map that nobody writes to.
pub fn take_all<K: Plain, V: Plain>(map: i32, each: impl FnMut(&K, &V)) -> Result<()> {
    in_batches(map, libbpf_sys::bpf_map_lookup_and_delete_batch, each)
}

/// Every element of a hash map that stays as it is. What is added or removed meanwhile may be among them or not.
pub fn read_all<K: Plain, V: Plain>(map: i32, each: impl FnMut(&K, &V)) -> Result<()> {
    in_batches(map, libbpf_sys::bpf_map_lookup_batch, each)
}

type Batch = unsafe extern "C" fn(i32, *mut c_void, *mut c_void, *mut c_void, *mut c_void, *mut u32, *const libbpf_sys::bpf_map_batch_opts) -> i32;

fn in_batches<K: Plain, V: Plain>(map: i32, batch: Batch, mut each: impl FnMut(&K, &V)) -> Result<()> {
    let mut size = BATCH;
    let mut keys: Vec<K> = Vec::with_capacity(size);
    let mut values: Vec<V> = Vec::with_capacity(size);
    // The kernel's own mark of where it stands: a bucket's number, for keys larger than that as well.
    let mut at = [0u8; 64];
    let mut begun = false;
    loop {
        let mut count = size as u32;
        let from: *mut c_void = if begun { at.as_mut_ptr().cast() } else { std::ptr::null_mut() };
        // SAFETY: both vectors have room for `count` elements of the map's sizes, and `at` for the mark (4 bytes).
        let error =
            unsafe { batch(map, from, at.as_mut_ptr().cast(), keys.as_mut_ptr().cast(), values.as_mut_ptr().cast(), &mut count, std::ptr::null()) };
        match -error {
            0 | libc::ENOENT => {}
            // A bucket holds more than fits.
            libc::ENOSPC if size < 1 << 20 => {
                size *= 2;
                keys.reserve(size);
                values.reserve(size);
                continue;
            }
            code => return Err(io::Error::from_raw_os_error(code)).context("cannot read a map of the BPF program"),
        }
        begun = true;
        // SAFETY: the kernel has filled `count` elements, and any bytes are valid values of these types.
        unsafe {
            keys.set_len(count as usize);
            values.set_len(count as usize);
        }
        for (key, value) in keys.iter().zip(&values) {
            each(key, value);
        }
        keys.clear();
        values.clear();
        if -error == libc::ENOENT {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_large_as_the_programs() {
        let sizes = [
            size_of::<Chunk>(),
            size_of::<Key>(),
            size_of::<Count>(),
            size_of::<Books>(),
            size_of::<DeferredHead>(),
            size_of::<CgroupKey>(),
            size_of::<OffBooks>(),
            size_of::<OffCount>(),
        ];
        assert_eq!(sizes, [272, 56, 16, 64, 200, 16, 72, 24]);
    }

    #[test]
    fn a_stack_is_read_from_its_leaf_to_its_root() {
        let chunk = |parent, count, first| Chunk { parent, count, ip: std::array::from_fn(|i| first + i as u64) };
        let chunks = HashMap::from([(7, chunk(8, 2, 1)), (8, chunk(0, 32, 3)), (9, chunk(9, 900, 0))]);
        assert_eq!(stack(&chunks, 7), (1..35).collect::<Vec<_>>());
        assert!(stack(&chunks, 0).is_empty());
        assert_eq!(stack(&chunks, 9).len(), MAX_USER_FRAMES);
    }

    #[test]
    fn books_balance_when_every_sample_has_ended() {
        let books = Books { taken: 11, stored: 3, deferred: 3, map_full: 2, map_busy: 1, filtered: 2, not_deferred: 1, run_ns: 0 };
        assert!(books.balanced());
        assert!(!Books { map_busy: 0, ..books }.balanced());
        assert!(!Books { filtered: 0, ..books }.balanced());
    }
}
