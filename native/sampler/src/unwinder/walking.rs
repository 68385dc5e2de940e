//! Walks of deferred samples, and what they need: single rules of a file as long as few are asked for, then its table.

use super::{MAX_OPENED, MAX_WAITING_BYTES, Unwinder};
use crate::binaries::Binaries;
use crate::bpf_structs::Stop;
use crate::compiler::Input;
use crate::deferred::{Deferred, Walked};
use crate::kernel_tables::Found;
use crate::table_maps::State;
use crate::unwinder::Finished;
use crate::vdso::VDSO;

impl Unwinder {
    pub(super) fn is_pending(&self, slot: u32) -> bool {
        self.pending.values().any(|&other| other == slot)
    }

    /// Makes the rules of a slot's binary available: single ones, or its table if it is no larger than `max_bytes`. False when there is
    /// no way to it.
    pub(super) fn open(&mut self, slot: u32, pid: u32, start: u64, max_bytes: u64, binaries: &mut Binaries) -> bool {
        let Some(mapping) = self.followed.by_pid.get_mut(&pid).and_then(|process| process.space.find(start)) else { return false };
        if &*mapping.path == VDSO {
            let Some(vdso) = &self.vdso else { return false };
            self.pending.insert(self.compiler.submit(Input::Bytes(vdso.bytes.clone())), slot);
            return true;
        }
        let Some((file, _)) = binaries.open(&mapping.wanted(pid)) else { return false };
        if let Err(file) = self.postponed.add(slot, file)
            && file.metadata().is_ok_and(|meta| meta.len() <= max_bytes)
        {
            self.pending.insert(self.compiler.submit(Input::File(file)), slot);
        }
        true
    }

    /// Has the table of a slot made. False when there is no way to its file.
    fn want(&mut self, slot: u32, pid: u32, start: u64, binaries: &mut Binaries) -> bool {
        if self.is_pending(slot) {
            return true;
        }
        match self.postponed.file(slot) {
            Some(file) => self.pending.insert(self.compiler.submit(Input::File(file)), slot),
            None => return self.open(slot, pid, start, u64::MAX, binaries),
        };
        true
    }

    pub(super) fn walk(&mut self, sample: Deferred, binaries: &mut Binaries) {
        let pid = sample.head.key.tgid;
        let start_of = |slot: u32| sample.mappings.iter().find(|mapping| mapping.binary == u64::from(slot)).map_or(0, |mapping| mapping.start);
        for _ in 0..MAX_OPENED {
            let mut without: Vec<u32> = Vec::new();
            let Unwinder { tables, postponed, .. } = self;
            let walked = sample.walk(|mapping, pc| {
                let found = tables.find(mapping, pc);
                let Found::Absent(slot) = found else { return found };
                if !without.contains(&slot) {
                    without.push(slot);
                }
                postponed.rule(slot, pc.wrapping_sub(mapping.bias)).map_or(found, Found::Rule)
            });
            let slot = match walked {
                Ok(walked) => {
                    for slot in without {
                        if self.postponed.came_through(slot, walked.stop == Stop::Depth) {
                            self.want(slot, pid, start_of(slot), binaries);
                        }
                    }
                    return self.done(&sample, walked);
                }
                Err(slot) => slot,
            };
            let known = self.postponed.contains(slot) || self.is_pending(slot);
            if !self.want(slot, pid, start_of(slot), binaries) {
                // Gone before anybody could open it. Without a table it is not asked for at every sample.
                let _ = self.tables.set_state(slot, State::WithoutTable);
                self.unopened.push(slot);
            } else if known || !self.postponed.contains(slot) {
                if self.waiting_bytes + sample.bytes() > MAX_WAITING_BYTES {
                    return self.give_up(&sample);
                }
                self.waiting_bytes += sample.bytes();
                return self.waiting.push(sample);
            }
        }
        self.give_up(&sample);
    }

    /// Walks with the tables that there are.
    pub(super) fn give_up(&mut self, sample: &Deferred) {
        let Unwinder { tables, postponed, .. } = self;
        let walked = sample.walk(|mapping, pc| match tables.find(mapping, pc) {
            Found::Absent(slot) => postponed.rule(slot, pc.wrapping_sub(mapping.bias)).map_or(Found::FramePointer, Found::Rule),
            found => found,
        });
        if let Ok(walked) = walked {
            self.done(sample, walked);
        }
    }

    fn done(&mut self, sample: &Deferred, walked: Walked) {
        let head = &sample.head;
        self.finished.push(Finished { key: head.key, time_ns: head.time_ns, buffer: head.buffer, walked });
    }

    pub(super) fn retry(&mut self, binaries: &mut Binaries) {
        self.waiting_bytes = 0;
        for sample in std::mem::take(&mut self.waiting) {
            self.walk(sample, binaries);
        }
    }
}
