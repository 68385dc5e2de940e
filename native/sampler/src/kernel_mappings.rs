//! The mappings of a process as the BPF program reads them: with the place of each one's table instead of its file.

use std::rc::Rc;

use crate::address_space::AddressSpace;
use crate::binaries::Binaries;
use crate::kernel_tables::{KernelTables, MAX_MAPPINGS};
use crate::table_maps::{Mapped, NO_BINARY};
use crate::vdso::{VDSO, Vdso};

/// What the kernel gets of an address space; neighbours of one kind are one. Slots that are new come into `wanted`.
pub fn mapped(
    pid: u32,
    space: &mut AddressSpace,
    binaries: &mut Binaries,
    tables: &mut KernelTables,
    vdso: Option<&Vdso>,
    wanted: &mut Vec<(u32, Rc<str>)>,
) -> Rc<[Mapped]> {
    let mut list: Vec<Mapped> = Vec::new();
    for mapping in space.iter_mut().take(MAX_MAPPINGS) {
        let (start, end, offset) = (mapping.start, mapping.end, mapping.offset);
        let binary = if &*mapping.path == VDSO {
            vdso.and_then(|vdso| Some((start.wrapping_sub(vdso.base), tables.slot(VDSO)?)))
        } else if mapping.is_file() {
            mapping.elf(pid, binaries).and_then(|elf| {
                let bias = start.wrapping_sub(elf.virtual_address(offset)?);
                Some((bias, tables.slot(&format!("{} {}", elf.build_id, elf.htl_hash))?))
            })
        } else {
            None
        };
        let (bias, binary) = binary.map_or((0, NO_BINARY), |(bias, slot)| (bias, u64::from(slot)));
        if binary != NO_BINARY && !wanted.iter().any(|&(slot, _)| u64::from(slot) == binary) {
            wanted.push((binary as u32, Rc::clone(&mapping.path)));
        }
        match list.last_mut() {
            Some(last) if last.end == start && last.binary == binary && last.bias == bias => last.end = end,
            _ => list.push(Mapped { start, end, bias, binary }),
        }
    }
    list.into()
}
