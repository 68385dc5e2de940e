//! Elements of the BPF program's maps: set, got, and read in batches.

use std::ffi::c_void;
use std::io;

use anyhow::{Context, Result};

/// Larger batches are slower: the kernel copies them through one allocation.
const BATCH: usize = 1024;

/// A structure of the BPF program: plain numbers, so that any bytes are a value.
///
/// # Safety
/// Only for `repr(C)` types without padding in which every bit pattern is valid.
pub unsafe trait Plain: Copy {}

// SAFETY: any bytes are one.
unsafe impl Plain for u64 {}

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
