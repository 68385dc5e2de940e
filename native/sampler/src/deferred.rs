//! Samples that the kernel had no tables for (bpf/defer.h), walked here by the same tables and the same steps.

use std::rc::Rc;

use perfleet_unwind::Arch;
use perfleet_unwind::stepper::{self, Bx, Regs, StackPiece};
use perfleet_unwind::{Rule, stepper::Stop as StepStop};

use crate::bpf_maps::from_bytes;
use crate::bpf_structs::{DeferredHead, Stop};
use crate::chunks::MAX_USER_FRAMES;
use crate::kernel_tables::Found;
use crate::table_maps::{Mapped, NO_BINARY};

/// Of the stack, at most (`STACK_PIECE`).
const STACK_PIECE: usize = 32 << 10;

#[cfg(target_arch = "aarch64")]
const ARCH: Arch = Arch::Arm64;
#[cfg(not(target_arch = "aarch64"))]
const ARCH: Arch = Arch::X86_64;

pub struct Deferred {
    pub head: DeferredHead,
    stack: Vec<u8>,
    /// The mappings of its process at its time, once they are known.
    pub mappings: Rc<[Mapped]>,
}

/// A user stack, leaf first, as the BPF program writes them.
pub struct Walked {
    pub frames: Vec<u64>,
    pub stop: Stop,
}

impl Deferred {
    /// None for a record that is too short.
    pub fn parse(bytes: &[u8]) -> Option<Deferred> {
        let head: DeferredHead = from_bytes(bytes)?;
        let stack = bytes.get(size_of::<DeferredHead>()..)?.get(..head.stack_bytes as usize)?.to_vec();
        Some(Deferred { head, stack, mappings: Rc::new([]) })
    }

    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        size_of::<Deferred>() + self.stack.len()
    }

    /// The stack, or the slot of the binary whose table is missing. `find` gives the rule at an address.
    pub fn walk(&self, mut find: impl FnMut(&Mapped, u64) -> Found) -> Result<Walked, u32> {
        let at = self.head.at;
        if self.stack.is_empty() {
            // In the middle of exec: the old stack is gone, the new one not there yet.
            return Ok(Walked { frames: Vec::new(), stop: Stop::End });
        }
        let memory = StackPiece { start: self.head.stack_at, bytes: &self.stack };
        let scratch = at.scratch.first_chunk().copied().filter(|_| ARCH == Arch::X86_64);
        let mut regs = Regs { ip: at.ip, sp: at.sp, fp: at.fp, fp_lost: false, lr: at.lr, bx: Bx::Value(at.bx), scratch, exact: true };
        let mut frames: Vec<u64> = Vec::new();
        let mut guessed = false;
        loop {
            let pc = regs.lookup_pc();
            let mapping = find_mapping(&self.mappings, pc);
            if mapping.is_none() && guessed {
                return Ok(Walked { frames, stop: Stop::Stray });
            }
            if frames.len() == MAX_USER_FRAMES {
                return Ok(Walked { frames, stop: Stop::Depth });
            }
            // Whoever reads the stack takes 1 from every address but the leaf's.
            frames.push(regs.ip + u64::from(regs.exact && !frames.is_empty()));
            let rule = match mapping.map_or(Found::FramePointer, |mapping| find(mapping, pc)) {
                Found::Absent(slot) => return Err(slot),
                Found::Rule(rule) if rule != Rule::NONE => {
                    guessed = false;
                    rule
                }
                _ => {
                    guessed = true;
                    Rule::FRAME_POINTER
                }
            };
            match stepper::step(ARCH, &rule, &regs, &memory) {
                Ok(caller) => regs = caller,
                // No thread begins in code that a program made at run time: a chain that ends there was none.
                Err(StepStop::End) if mapping.is_none_or(|mapping| mapping.binary == NO_BINARY) => {
                    return Ok(Walked { frames, stop: Stop::Stray });
                }
                Err(stop) => return Ok(Walked { frames, stop: self.why(stop, guessed) }),
            }
        }
    }

    /// `guessed`: the last step was by a frame pointer that may be none.
    fn why(&self, stop: StepStop, guessed: bool) -> Stop {
        match stop {
            StepStop::End => Stop::End,
            // Beyond the piece that was copied: the stack goes on.
            StepStop::Memory(address) if self.stack.len() >= STACK_PIECE && address >= self.head.stack_at + self.stack.len() as u64 - 8 => {
                Stop::Depth
            }
            // Another stack: this one is a signal handler's or a runtime's own. The kernel would go on there, too.
            StepStop::Memory(_) if !guessed => Stop::Depth,
            StepStop::Memory(_) => Stop::Memory,
            StepStop::Depth => Stop::Depth,
            StepStop::NoProgress => Stop::NoProgress,
            StepStop::LostRegister => Stop::LostRegister,
            StepStop::NoRule | StepStop::UnknownRule => Stop::UnknownRule,
        }
    }
}

fn find_mapping(mappings: &[Mapped], address: u64) -> Option<&Mapped> {
    let row = mappings.partition_point(|mapping| mapping.start <= address).checked_sub(1)?;
    Some(&mappings[row]).filter(|mapping| address < mapping.end)
}
