//! The structures of bpf/tables.h and the maps that hold them.

use std::os::fd::RawFd;

use perfleet_unwind::Rule;

use crate::bpf_maps::Plain;

/// `struct mapping`; `binary` is `NO_BINARY` or a slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mapped {
    pub start: u64,
    pub end: u64,
    /// Address in memory - bias = ELF virtual address.
    pub bias: u64,
    pub binary: u64,
}

pub const NO_BINARY: u64 = u32::MAX as u64;
/// `struct process`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KernelProcess {
    pub mm: u64,
    pub at: u32,
    pub count: u32,
    pub recheck_ns: u64,
}

/// `struct binary`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct KernelBinary {
    pub state: u32,
    pub used: u32,
    pub index_at: u32,
    pub groups_at: u32,
    pub shapes_at: u32,
    pub first_page: u32,
    pub pages: u32,
}

/// `struct rule`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KernelRule(pub Rule);

// SAFETY: integers without padding.
unsafe impl Plain for KernelProcess {}
// SAFETY: as above.
unsafe impl Plain for KernelBinary {}
// SAFETY: as above.
unsafe impl Plain for KernelRule {}
// SAFETY: as above.
unsafe impl Plain for u32 {}

/// `enum binary_state`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// Not in the kernel: whoever meets it asks user space.
    Absent = 0,
    Loaded = 1,
    /// Walked by frame pointers.
    WithoutTable = 2,
}

pub struct Descriptors {
    pub arena: RawFd,
    pub rules: RawFd,
    pub binaries: RawFd,
    pub processes: RawFd,
    pub epoch: RawFd,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_large_as_the_programs() {
        assert_eq!((size_of::<Mapped>(), size_of::<KernelProcess>(), size_of::<KernelBinary>(), size_of::<KernelRule>()), (32, 24, 28, 16));
    }
}
