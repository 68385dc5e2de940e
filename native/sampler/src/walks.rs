//! How the walks of user stacks ended.

use serde_json::{Value, json};

use crate::bpf_structs::Stop;

/// Cumulative samples.
#[derive(Clone, Copy, Default)]
pub struct Walks {
    complete: u64,
    cut: u64,
    memory: u64,
    no_progress: u64,
    unknown_rule: u64,
    lost_register: u64,
    stray: u64,
    not_deferred: u64,
}

impl Walks {
    pub fn add(&mut self, stop: Stop, samples: u64) {
        *match stop {
            Stop::End => &mut self.complete,
            Stop::Depth => &mut self.cut,
            Stop::Memory => &mut self.memory,
            Stop::NoProgress => &mut self.no_progress,
            Stop::UnknownRule => &mut self.unknown_rule,
            Stop::LostRegister => &mut self.lost_register,
            Stop::Stray => &mut self.stray,
            Stop::NotDeferred => &mut self.not_deferred,
        } += samples;
    }

    pub fn to_json(self) -> Value {
        json!({
            "complete": self.complete, "cut": self.cut, "memory": self.memory, "noProgress": self.no_progress,
            "unknownRule": self.unknown_rule, "lostRegister": self.lost_register, "stray": self.stray, "notDeferred": self.not_deferred,
        })
    }
}
