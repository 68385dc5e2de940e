//! What the BPF program needs for its walks (bpf/tables.h): unwind tables of binaries, shared by all processes, and the mappings of
//! processes. One bound holds for all of it; what is not used goes first.

mod room;

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use perfleet_unwind::Rule;

use crate::arena::Arena;
use crate::bpf_maps as maps;
use crate::mapping_lists::{Added, MappingLists};
use crate::packed_table::{PackedTable, Place, find_rule};
use crate::rules::Rules;
use crate::table_maps::{Descriptors, KernelBinary, KernelProcess, Mapped, NO_BINARY, State};

pub const MAX_MAPPINGS: usize = 4096;
const MAX_BINARIES: usize = 8192;
/// A table that found no room is tried again after this time: making it costs up to a second.
const RETRY: Duration = Duration::from_secs(600);

/// What a walk finds at an address.
pub enum Found {
    Rule(Rule),
    /// No table says anything of it.
    FramePointer,
    /// The table of this slot would.
    Absent(u32),
}

struct Slot {
    key: Rc<str>,
    state: State,
    /// Lists of mappings that name it.
    references: u32,
    at: u32,
    words: u32,
    kernel: KernelBinary,
    /// Numbers of the kernel's rules that its rows name.
    rules: Vec<u32>,
}

#[derive(Clone, Copy, Default, Debug)]
pub struct TableStats {
    /// Binaries with a table in the kernel.
    pub loaded: u64,
    /// Words of the arena in use, and all of them.
    pub words: u64,
    pub capacity: u64,
    /// Cumulative: tables thrown out for others, and refused for want of room.
    pub evicted: u64,
    pub no_room: u64,
}

pub struct KernelTables {
    fds: Descriptors,
    arena: Arena,
    rules: Rules,
    slots: Vec<Slot>,
    by_key: HashMap<Rc<str>, u32>,
    lists: MappingLists,
    processes: HashMap<u32, Rc<[Mapped]>>,
    max_processes: usize,
    epoch: u32,
    evicted: u64,
    no_room: u64,
    /// Slots whose tables found no room, and when.
    refused: Vec<(u32, Instant)>,
    /// Slots that belong to another binary now, for whoever keeps something by slot.
    pub recycled: Vec<u32>,
}

impl KernelTables {
    /// `words` and `max_processes` are the sizes of the maps.
    pub fn new(fds: Descriptors, words: u32, max_processes: usize) -> io::Result<KernelTables> {
        let arena = Arena::map(fds.arena, words)?;
        Ok(KernelTables {
            fds,
            arena,
            rules: Rules::default(),
            slots: Vec::new(),
            by_key: HashMap::new(),
            lists: MappingLists::default(),
            processes: HashMap::new(),
            max_processes,
            epoch: 0,
            evicted: 0,
            no_room: 0,
            refused: Vec::new(),
            recycled: Vec::new(),
        })
    }

    pub fn stats(&self) -> TableStats {
        TableStats {
            loaded: self.slots.iter().filter(|slot| slot.state == State::Loaded).count() as u64,
            words: u64::from(self.arena.used()),
            capacity: u64::from(self.arena.capacity()),
            evicted: self.evicted,
            no_room: self.no_room,
        }
    }

    /// Binaries used from here on count as used in a new window.
    pub fn begin_window(&mut self) -> io::Result<()> {
        self.epoch += 1;
        while let Some(&(slot, since)) = self.refused.first()
            && since.elapsed() > RETRY
        {
            self.refused.remove(0);
            if self.state(slot) == State::WithoutTable {
                self.set_state(slot, State::Absent)?;
            }
        }
        maps::set(self.fds.epoch, &0u32, &self.epoch)
    }

    /// The slot of the binary with this identity; None when there are too many.
    pub fn slot(&mut self, key: &str) -> Option<u32> {
        if let Some(&slot) = self.by_key.get(key) {
            return Some(slot);
        }
        let fresh = Slot {
            key: key.into(),
            state: State::Absent,
            references: 0,
            at: 0,
            words: 0,
            kernel: KernelBinary { used: self.epoch, ..KernelBinary::default() },
            rules: Vec::new(),
        };
        let slot = if self.slots.len() < MAX_BINARIES {
            self.slots.push(fresh);
            self.slots.len() as u32 - 1
        } else {
            let slot = self.slots.iter().position(|slot| slot.references == 0)? as u32;
            self.unload(slot).ok()?;
            self.by_key.remove(&self.slots[slot as usize].key);
            self.recycled.push(slot);
            self.slots[slot as usize] = fresh;
            slot
        };
        self.by_key.insert(Rc::clone(&self.slots[slot as usize].key), slot);
        self.set_state(slot, State::Absent).ok()?;
        Some(slot)
    }

    pub fn state(&self, slot: u32) -> State {
        self.slots[slot as usize].state
    }

    pub fn set_state(&mut self, slot: u32, state: State) -> io::Result<()> {
        let row = &mut self.slots[slot as usize];
        row.state = state;
        row.kernel.state = state as u32;
        maps::set(self.fds.binaries, &slot, &row.kernel)
    }

    /// Gives the kernel a binary's table. False when there is no room for it: it is walked by frame pointers then. `grace_period`
    /// returns when no run of the program that was under way is left.
    pub fn load(&mut self, slot: u32, table: &PackedTable, grace_period: impl FnMut()) -> io::Result<bool> {
        if table.groups.is_empty() {
            self.set_state(slot, State::WithoutTable)?;
            return Ok(true);
        }
        let words = table.words();
        let (Some(numbers), Some(at)) = (self.rules.numbers(&table.rules, self.fds.rules)?, self.make_room(words, grace_period)?) else {
            self.no_room += 1;
            if words < self.arena.capacity() {
                self.refused.push((slot, Instant::now()));
            }
            self.set_state(slot, State::WithoutTable)?;
            return Ok(false);
        };
        self.arena.write(at, table.to_words(&numbers));
        let row = &mut self.slots[slot as usize];
        (row.at, row.words, row.rules) = (at, words, numbers);
        let groups_at = at * 2 + table.index.len() as u32;
        row.kernel = KernelBinary {
            state: 0,
            used: self.epoch,
            index_at: at * 2,
            groups_at,
            shapes_at: groups_at + table.groups.len() as u32,
            first_page: table.first_page,
            pages: table.index.len() as u32 - 1,
        };
        self.set_state(slot, State::Loaded)?;
        Ok(true)
    }

    /// Makes these the mappings of a process (sorted by start). False when there is no room for them.
    pub fn install(&mut self, tgid: u32, mm: u64, mappings: &Rc<[Mapped]>, recheck_ns: u64) -> io::Result<bool> {
        if self.processes.len() >= self.max_processes
            && !self.processes.contains_key(&tgid)
            && let Some(&other) = self.processes.keys().next()
        {
            self.remove(other);
        }
        let at = match self.lists.add(mappings, &mut self.arena) {
            Some(Added::Again(at)) => at,
            Some(Added::New(at)) => {
                slots_of(mappings).for_each(|slot| self.slots[slot].references += 1);
                at
            }
            None => return Ok(false),
        };
        let before = self.processes.insert(tgid, Rc::clone(mappings));
        let row = KernelProcess { mm, at, count: mappings.len() as u32, recheck_ns };
        let result = maps::set(self.fds.processes, &tgid, &row);
        if let Some(list) = before {
            self.lists.remove(&list);
        }
        if result.is_err() {
            self.remove(tgid);
        }
        result.map(|()| true)
    }

    pub fn remove(&mut self, tgid: u32) {
        if let Some(list) = self.processes.remove(&tgid) {
            maps::delete(self.fds.processes, &tgid);
            self.lists.remove(&list);
        }
    }

    pub fn remove_all(&mut self) {
        let all: Vec<u32> = self.processes.keys().copied().collect();
        all.into_iter().for_each(|tgid| self.remove(tgid));
    }

    /// The rule at an address, as the kernel finds it.
    pub fn find(&self, mapping: &Mapped, address: u64) -> Found {
        let Some(slot) = self.slots.get(mapping.binary as usize) else { return Found::FramePointer };
        match slot.state {
            State::Absent => return Found::Absent(mapping.binary as u32),
            State::WithoutTable => return Found::FramePointer,
            State::Loaded => {}
        }
        let pc = address.wrapping_sub(mapping.bias);
        let KernelBinary { index_at, groups_at, shapes_at, first_page, pages, .. } = slot.kernel;
        let number = find_rule(&Place { index_at, groups_at, shapes_at, first_page, pages }, pc, |at| self.arena.read_half(at));
        number.and_then(|number| self.rules.get(number)).map_or(Found::FramePointer, Found::Rule)
    }

    /// To be called after a grace period: what was given back before it can be used again.
    pub fn settle(&mut self) {
        for list in self.lists.settle(&mut self.arena) {
            slots_of(&list).for_each(|slot| self.slots[slot].references -= 1);
        }
        self.arena.settle();
        self.rules.settle();
    }
}

/// Of the binaries that a list names, each as often as it is named
fn slots_of(mappings: &[Mapped]) -> impl Iterator<Item = usize> {
    mappings.iter().filter(|mapping| mapping.binary != NO_BINARY).map(|mapping| mapping.binary as usize)
}
