//! The kernel's code in every process (vdso(7)): it is in no file, but all 64-bit processes have the same.

use object::{Object as _, ObjectSymbol as _, SymbolKind};

/// As what /proc/PID/maps shows it.
pub const VDSO: &str = "[vdso]";

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
        let line = maps.lines().find(|line| line.ends_with(VDSO))?;
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

/// Its functions: only a node can name them, no other machine has the kernel's image.
#[derive(Default)]
pub struct VdsoFunctions {
    /// Of the mapping; another one is not the image that the names are of (a 32-bit process's).
    length: u64,
    /// Start, end and name, sorted.
    functions: Vec<(u64, u64, String)>,
}

impl VdsoFunctions {
    /// Those of the running kernel; none where it has no vdso.
    pub fn own() -> VdsoFunctions {
        let Some(vdso) = Vdso::own() else { return VdsoFunctions::default() };
        let Ok(file) = object::File::parse(&vdso.bytes[..]) else { return VdsoFunctions::default() };
        let mut functions: Vec<_> = file
            .dynamic_symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition() && symbol.size() > 0)
            .filter_map(|symbol| {
                let start = symbol.address().checked_sub(vdso.base)?;
                Some((start, symbol.is_weak(), start + symbol.size(), symbol.name().ok()?.to_owned()))
            })
            .collect();
        // `clock_gettime` is a weak name of `__vdso_clock_gettime`.
        functions.sort_unstable();
        functions.dedup_by_key(|function| function.0);
        let functions = functions.into_iter().map(|(start, _, end, name)| (start, end, name)).collect();
        VdsoFunctions { length: vdso.bytes.len() as u64, functions }
    }

    /// The function of an offset into a mapping of `length` bytes.
    pub fn name(&self, offset: u64, length: u64) -> Option<&str> {
        let after = self.functions.partition_point(|function| function.0 <= offset);
        let (_, end, name) = self.functions.get(after.checked_sub(1)?)?;
        (offset < *end && length == self.length).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_an_elf_image() {
        assert_eq!(&Vdso::own().unwrap().bytes[..4], b"\x7fELF");
    }

    #[test]
    fn names_functions_of_its_own_image_only() {
        let vdso = VdsoFunctions::own();
        let (start, end, name) = vdso.functions.iter().find(|function| function.2.ends_with("clock_gettime")).unwrap();
        assert!(name.starts_with("__"), "{name}");
        assert_eq!(vdso.name(*start, vdso.length), Some(&name[..]));
        assert_eq!(vdso.name(end - 1, vdso.length), Some(&name[..]));
        assert_eq!(vdso.name(*start, vdso.length + 4096), None);
        assert_eq!(vdso.name(vdso.functions[0].0 - 1, vdso.length), None);
    }
}
