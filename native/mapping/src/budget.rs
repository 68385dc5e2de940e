//! What one message may cost beyond its own size.

use crate::limits::MAX_MADE_BYTES;

/// The message is over its budget.
#[derive(Debug)]
pub struct Spent(pub &'static str);

pub struct Budget {
    hashed: usize,
    made: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { hashed: MAX_MADE_BYTES, made: MAX_MADE_BYTES }
    }
}

impl Budget {
    /// Before `bytes` are hashed.
    #[inline]
    pub fn hash(&mut self, bytes: usize) -> Result<(), Spent> {
        self.hashed = self.hashed.checked_sub(bytes).ok_or(Spent("its identifiers are hashes of more than 64 MiB"))?;
        Ok(())
    }

    /// Before rows of `bytes` are made.
    #[inline]
    pub fn make(&mut self, bytes: usize) -> Result<(), Spent> {
        self.made = self.made.checked_sub(bytes).ok_or(Spent("its stacks, frames and series take more than 64 MiB"))?;
        Ok(())
    }
}
