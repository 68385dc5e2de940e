//! Rows as they are made, one after another.

use crate::error::{Error, Result};
use crate::table::{Row, Rule};

/// Takes the rows of a table as `compile_into` makes them: in ascending order, neighbours of different rules, the last one
/// `Rule::NONE`. What it took before an error is of no use.
pub trait RowSink {
    fn row(&mut self, row: Row) -> Result<()>;
}

impl RowSink for Vec<Row> {
    fn row(&mut self, row: Row) -> Result<()> {
        self.push(row);
        Ok(())
    }
}

/// Makes ascending rows of ranges of addresses.
pub struct Rows<'a> {
    sink: &'a mut dyn RowSink,
    /// Rule of the last row
    last: Option<Rule>,
    count: u64,
    /// Where the last rule ends
    pub end: u64,
    limit: u64,
}

impl<'a> Rows<'a> {
    pub fn new(sink: &'a mut dyn RowSink, limit: usize) -> Rows<'a> {
        Rows { sink, last: None, count: 0, end: 0, limit: limit as u64 }
    }

    /// Appends a rule for `[start, end)`. What is already covered is left as it is.
    pub fn push(&mut self, start: u64, end: u64, rule: Rule) -> Result<()> {
        let start = start.max(self.end);
        if start >= end {
            return Ok(());
        }
        if start > self.end && self.last.is_some() {
            self.append(self.end, Rule::NONE)?;
        }
        self.append(start, rule)?;
        self.end = end;
        Ok(())
    }

    /// The rule that ends at `pc`, if one does.
    pub fn before(&self, pc: u64) -> Option<Rule> {
        self.last.filter(|_| self.end == pc)
    }

    pub fn finish(self) -> Result<()> {
        match self.last {
            Some(_) => self.sink.row(Row { pc: self.end, rule: Rule::NONE }),
            None => Ok(()),
        }
    }

    fn append(&mut self, pc: u64, rule: Rule) -> Result<()> {
        if self.last == Some(rule) {
            return Ok(());
        }
        // One is left for the end.
        if self.count + 1 >= self.limit {
            return Err(Error::TooLarge { what: "rows of the unwind table", found: self.limit + 1, limit: self.limit });
        }
        self.count += 1;
        self.last = Some(rule);
        self.sink.row(Row { pc, rule })
    }
}
