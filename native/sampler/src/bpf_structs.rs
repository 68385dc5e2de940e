//! The structures of the BPF program that samples and their counts come in, as seen from here.

use crate::bpf_maps::Plain;
use crate::exclusions::CgroupKey;

/// A flag of `Key`: the kernel stack is at its limit.
const KERNEL_CUT: u32 = 1 << 8;
/// Of time that a thread was blocked.
const OFF_CPU: u32 = 1 << 9;
/// `user_stack` is the number under which user space has walked the stack.
const WALKED_BY_USER: u32 = 1 << 10;
const ONE_IN_SHIFT: u32 = 16;

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
unsafe impl Plain for CgroupKey {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_large_as_the_programs() {
        let sizes = [
            size_of::<Key>(),
            size_of::<Count>(),
            size_of::<Books>(),
            size_of::<DeferredHead>(),
            size_of::<CgroupKey>(),
            size_of::<OffBooks>(),
            size_of::<OffCount>(),
        ];
        assert_eq!(sizes, [56, 16, 64, 200, 16, 72, 24]);
    }

    #[test]
    fn books_balance_when_every_sample_has_ended() {
        let books = Books { taken: 11, stored: 3, deferred: 3, map_full: 2, map_busy: 1, filtered: 2, not_deferred: 1, run_ns: 0 };
        assert!(books.balanced());
        assert!(!Books { map_busy: 0, ..books }.balanced());
        assert!(!Books { filtered: 0, ..books }.balanced());
    }
}
