//! Long lists that are no private memory: they lie in a file that nobody else knows, whose pages the kernel may write out.

use std::fs::File;
use std::marker::PhantomData;
use std::ops::Deref;

use anyhow::Result;
use memmap2::MmapMut;

/// What any bytes are a valid value of.
///
/// # Safety
/// No padding, no invalid bit patterns, an alignment of at most that of a page.
pub unsafe trait Plain: Copy {}

pub struct Scratch<T> {
    file: File,
    map: MmapMut,
    length: usize,
    _of: PhantomData<T>,
}

const FIRST_BYTES: usize = 1 << 20;

impl<T: Plain> Scratch<T> {
    /// @param file empty, and nobody else's
    pub fn in_file(file: File) -> Result<Scratch<T>> {
        let map = map_of(&file, FIRST_BYTES)?;
        Ok(Scratch { file, map, length: 0, _of: PhantomData })
    }

    /// # Errors
    /// When the file cannot grow.
    pub fn push(&mut self, value: T) -> Result<()> {
        if (self.length + 1) * size_of::<T>() > self.map.len() {
            self.map = map_of(&self.file, self.map.len() * 2)?;
        }
        let at: *mut T = self.map.as_mut_ptr().cast();
        // SAFETY: within the mapping, which is as aligned as a page.
        unsafe { at.add(self.length).write(value) };
        self.length += 1;
        Ok(())
    }

    pub fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: so many values were written, of a type that any bytes are valid for.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.length) }
    }

    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl<T: Plain> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: as in `as_mut_slice`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.length) }
    }
}

fn map_of(file: &File, bytes: usize) -> Result<MmapMut> {
    file.set_len(bytes as u64)?;
    // SAFETY: nobody else has the file, so that it neither changes nor shrinks below the mapping.
    Ok(unsafe { MmapMut::map_mut(file)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    // SAFETY: a number.
    unsafe impl Plain for u64 {}

    #[test]
    fn holds_what_was_pushed_however_much() {
        let mut list = Scratch::in_file(crate::kept_tables::in_memory().unwrap()).unwrap();
        let count = FIRST_BYTES as u64 / 8 * 3;
        (0..count).for_each(|value| list.push(count - value).unwrap());
        list.as_mut_slice().sort_unstable();
        assert!(list.iter().copied().eq(1..=count));
        list.truncate(2);
        assert_eq!(list[..], [1, 2]);
    }
}
