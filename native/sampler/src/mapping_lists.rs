//! The mappings of processes in the arena. Equal lists are there once: the workers of a server have the mappings of their parent.

use std::collections::HashMap;
use std::rc::Rc;

use crate::arena::Arena;
use crate::table_maps::Mapped;

const WORDS_A_MAPPING: u32 = 4;

struct List {
    at: u32,
    processes: u32,
}

#[derive(Default)]
pub struct MappingLists {
    lists: HashMap<Rc<[Mapped]>, List>,
    /// Lists that nobody names any more; programs that run now may.
    old: Vec<(Rc<[Mapped]>, u32)>,
    words: u32,
}

/// Where a list is in the arena, and whether it was there before.
pub enum Added {
    New(u32),
    Again(u32),
}

impl MappingLists {
    /// Writes the list if it is not there, and counts one more process that has it; None when there is no room.
    pub fn add(&mut self, mappings: &Rc<[Mapped]>, arena: &mut Arena) -> Option<Added> {
        if let Some(list) = self.lists.get_mut(mappings) {
            list.processes += 1;
            return Some(Added::Again(list.at));
        }
        let words = mappings.len() as u32 * WORDS_A_MAPPING;
        // Tables come first: without them mappings are of no use.
        if self.words + words > arena.capacity() / 4 {
            return None;
        }
        let at = if words == 0 { 0 } else { arena.take(words)? };
        arena.write(at, mappings.iter().flat_map(|m| [m.start, m.end, m.bias, m.binary]));
        self.words += words;
        self.lists.insert(Rc::clone(mappings), List { at, processes: 1 });
        Some(Added::New(at))
    }

    /// One process less has the list.
    pub fn remove(&mut self, mappings: &Rc<[Mapped]>) {
        let Some(list) = self.lists.get_mut(mappings) else { return };
        list.processes -= 1;
        if list.processes == 0 {
            let at = list.at;
            self.lists.remove(mappings);
            self.words -= mappings.len() as u32 * WORDS_A_MAPPING;
            self.old.push((Rc::clone(mappings), at));
        }
    }

    /// To be called after a grace period: gives back what no process has any more, and returns these lists.
    pub fn settle(&mut self, arena: &mut Arena) -> Vec<Rc<[Mapped]>> {
        let old = self.old.drain(..);
        old.map(|(list, at)| {
            arena.give_back(at, list.len() as u32 * WORDS_A_MAPPING);
            list
        })
        .collect()
    }
}
