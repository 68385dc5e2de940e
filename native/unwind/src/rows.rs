//! Rows as they are appended, one after another.

use crate::error::{Error, Result};
use crate::table::{Row, Rule};

/// The rows of a table while they are appended in ascending order.
pub struct Rows {
    rows: Vec<Row>,
    /// Where the last rule ends
    pub end: u64,
    limit: usize,
}

impl Rows {
    pub fn new(limit: usize) -> Rows {
        Rows { rows: Vec::new(), end: 0, limit }
    }

    /// Appends a rule for `[start, end)`. What is already covered is left as it is.
    pub fn push(&mut self, start: u64, end: u64, rule: Rule) -> Result<()> {
        let start = start.max(self.end);
        if start >= end {
            return Ok(());
        }
        if start > self.end && !self.rows.is_empty() {
            self.append(self.end, Rule::NONE)?;
        }
        self.append(start, rule)?;
        self.end = end;
        Ok(())
    }

    /// The rule that ends at `pc`, if one does.
    pub fn before(&self, pc: u64) -> Option<Rule> {
        self.rows.last().filter(|_| self.end == pc).map(|row| row.rule)
    }

    fn append(&mut self, pc: u64, rule: Rule) -> Result<()> {
        if self.rows.last().is_some_and(|last| last.rule == rule) {
            return Ok(());
        }
        // One is left for the end.
        if self.rows.len() + 1 >= self.limit {
            let limit = self.limit as u64;
            return Err(Error::TooLarge { what: "rows of the unwind table", found: limit + 1, limit });
        }
        self.rows.push(Row { pc, rule });
        Ok(())
    }

    pub fn finish(mut self) -> Vec<Row> {
        if !self.rows.is_empty() {
            self.rows.push(Row { pc: self.end, rule: Rule::NONE });
            self.rows.shrink_to_fit();
        }
        self.rows
    }
}
