//! The kernel's code in every process (vdso(7)): it is in no file, but all 64-bit processes have the same.

pub struct Vdso {
    /// A copy of the whole ELF image.
    pub bytes: Vec<u8>,
    /// ELF address of its first byte.
    pub base: u64,
}

const MAX_BYTES: u64 = 256 << 10;

impl Vdso {
    /// This process's own.
    pub fn own() -> Option<Vdso> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        if end.checked_sub(start)? > MAX_BYTES {
            return None;
        }
        // SAFETY: the kernel maps these bytes readable into this process for its whole life, and nobody writes them.
        let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, (end - start) as usize) }.to_vec();
        Some(Vdso { bytes, base: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_an_elf_image() {
        assert_eq!(&Vdso::own().unwrap().bytes[..4], b"\x7fELF");
    }
}
