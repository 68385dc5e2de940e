//! Unwind rules in the kernel: each there once, however many rows of however many binaries name it.

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;

use perfleet_unwind::Rule;

use crate::bpf_maps as maps;
use crate::table_maps::KernelRule;

const MAX_RULES: u32 = 65_536;

#[derive(Default)]
pub struct Rules {
    /// Each with the number of tables that name it.
    rows: Vec<(Rule, u32)>,
    index: HashMap<Rule, u32>,
    free: Vec<u32>,
    /// Named by no table any more; programs that run now may.
    limbo: Vec<u32>,
}

impl Rules {
    /// The kernel's numbers of these rules, each counted as named once more; None when there are too many.
    pub fn numbers(&mut self, rules: &[Rule], fd: RawFd) -> io::Result<Option<Vec<u32>>> {
        let mut numbers = Vec::with_capacity(rules.len());
        for rule in rules {
            let number = match self.index.get(rule) {
                Some(&number) => number,
                None => {
                    let number = match self.free.pop() {
                        Some(number) => number,
                        None if self.rows.len() < MAX_RULES as usize => {
                            self.rows.push((*rule, 0));
                            self.rows.len() as u32 - 1
                        }
                        None => {
                            self.release(&numbers);
                            return Ok(None);
                        }
                    };
                    self.rows[number as usize] = (*rule, 0);
                    self.index.insert(*rule, number);
                    maps::set(fd, &number, &KernelRule(*rule))?;
                    number
                }
            };
            self.rows[number as usize].1 += 1;
            numbers.push(number);
        }
        Ok(Some(numbers))
    }

    pub fn release(&mut self, numbers: &[u32]) {
        for &number in numbers {
            let (rule, references) = &mut self.rows[number as usize];
            *references -= 1;
            if *references == 0 {
                self.index.remove(rule);
                self.limbo.push(number);
            }
        }
    }

    pub fn get(&self, number: u32) -> Option<Rule> {
        self.rows.get(number as usize).map(|row| row.0)
    }

    /// To be called after a grace period.
    pub fn settle(&mut self) {
        self.free.append(&mut self.limbo);
    }
}
