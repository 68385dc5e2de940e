//! The BPF program's maps as seen from here: the same structures, read in batches.

use std::collections::HashMap;
use std::ffi::c_void;
use std::io;

use anyhow::{Context, Result};

pub const MAX_DEPTH: usize = 127;
/// Larger batches are slower: the kernel copies them through one allocation.
const BATCH: usize = 1024;

/// A structure of the BPF program: plain numbers, so that any bytes are a value.
///
/// # Safety
/// Only for `repr(C)` types without padding in which every bit pattern is valid.
pub unsafe trait Plain: Copy {}

/// `struct stack`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Stack {
    depth: u64,
    ip: [u64; MAX_DEPTH],
}

/// `struct key`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Key {
    pub kernel_stack: u64,
    pub user_stack: u64,
    pub cgroup_v2: u64,
    pub cgroup_v1: u64,
    pub tgid: u32,
    pad: u32,
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
    pub map_full: u64,
    pub map_busy: u64,
}

// SAFETY: integers and arrays of them, without padding.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for Stack {}
// SAFETY: as above; `pad` makes the hole explicit.
unsafe impl Plain for Key {}
// SAFETY: as above.
unsafe impl Plain for Count {}

impl Key {
    pub fn thread_name(&self) -> String {
        let end = self.comm.iter().position(|&b| b == 0).unwrap_or(self.comm.len());
        String::from_utf8_lossy(&self.comm[..end]).into_owned()
    }
}

impl Books {
    /// No run of the program is under way: whatever was taken has ended somewhere.
    pub fn balanced(&self) -> bool {
        self.taken == self.stored + self.map_full + self.map_busy
    }
}

/// Leaf first; empty for id 0.
pub fn stack(stacks: &HashMap<u64, Stack>, id: u64) -> &[u64] {
    stacks.get(&id).map_or(&[], |stack| &stack.ip[..(stack.depth as usize).min(MAX_DEPTH)])
}

/// Sets an element of an array.
pub fn update(map: i32, index: u32, value: u32) -> io::Result<()> {
    // SAFETY: key and value have the sizes of the map's, 4 bytes each.
    let error = unsafe { libbpf_sys::bpf_map_update_elem(map, (&raw const index).cast(), (&raw const value).cast(), 0) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-error)) }
}

/// The books of a buffer, all CPUs together.
pub fn books(map: i32, buffer: u32) -> Result<Books> {
    let mut each = vec![Books::default(); libbpf_rs::num_possible_cpus()?];
    // SAFETY: a per-CPU value is copied as one structure for each possible CPU: as many as the vector has.
    let error = unsafe { libbpf_sys::bpf_map_lookup_elem(map, (&raw const buffer).cast(), each.as_mut_ptr().cast()) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(-error)).context("cannot read the counters of the BPF program");
    }
    Ok(each.iter().fold(Books::default(), |sum, books| Books {
        taken: sum.taken + books.taken,
        stored: sum.stored + books.stored,
        map_full: sum.map_full + books.map_full,
        map_busy: sum.map_busy + books.map_busy,
    }))
}

/// Takes every element out of a hash map that nobody writes to.
pub fn take_all<K: Plain, V: Plain>(map: i32, mut each: impl FnMut(&K, &V)) -> Result<()> {
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
        let error = unsafe {
            libbpf_sys::bpf_map_lookup_and_delete_batch(
                map,
                from,
                at.as_mut_ptr().cast(),
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                &mut count,
                std::ptr::null(),
            )
        };
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
        assert_eq!((size_of::<Stack>(), size_of::<Key>(), size_of::<Count>(), size_of::<Books>()), (1024, 56, 16, 32));
    }

    #[test]
    fn a_missing_stack_is_empty_and_a_wrong_depth_is_bounded() {
        let stacks = HashMap::from([(7, Stack { depth: 900, ip: [5; MAX_DEPTH] })]);
        assert_eq!(stack(&stacks, 7).len(), MAX_DEPTH);
        assert!(stack(&stacks, 0).is_empty());
    }

    #[test]
    fn books_balance_when_every_sample_has_ended() {
        assert!(Books { taken: 6, stored: 3, map_full: 2, map_busy: 1 }.balanced());
        assert!(!Books { taken: 6, stored: 3, map_full: 2, map_busy: 0 }.balanced());
    }
}
