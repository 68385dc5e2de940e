//! The BPF program's map of excluded cgroups.

use std::collections::HashSet;

use anyhow::{Context, Result};

use crate::bpf_maps as maps;
use crate::exclusions::{CgroupKey, Exclusion};

/// What the kernel's map holds.
#[derive(Default)]
pub struct Excluded {
    keys: HashSet<CgroupKey>,
}

impl Excluded {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// As far as the map has room. Fails when it has none: what it could not take is sampled as before.
    pub fn apply(&mut self, map: i32, change: &Exclusion) -> Result<()> {
        if change.clear {
            self.keys.drain().for_each(|key| maps::delete(map, &key));
        }
        for key in &change.remove {
            if self.keys.remove(key) {
                maps::delete(map, key);
            }
        }
        for key in &change.add {
            maps::set(map, key, &u64::from(change.one_in)).with_context(|| format!("no room for more than {} excluded cgroups", self.keys.len()))?;
            self.keys.insert(*key);
        }
        Ok(())
    }
}
