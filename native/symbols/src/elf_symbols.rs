//! Names from symbol tables, for code that no debug information names.

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionIndex, SymbolKind};
use symbolic_debuginfo::Symbol;
use symbolic_symcache::SymCacheConverter;

use crate::ranges::Ranges;

/// Adds the function symbols of a file that lie in none of `taken`, those of `.symtab` before those of `.dynsym`.
pub fn add_symbols(converter: &mut SymCacheConverter<'_>, file: &object::File<'_>, load_address: u64, taken: &mut Ranges) {
    let code: Vec<SectionIndex> = file.sections().filter(|section| is_code(section)).map(|section| section.index()).collect();
    let mut rows = Vec::new();
    for (rank, symbol) in file.symbols().map(|symbol| (0, symbol)).chain(file.dynamic_symbols().map(|symbol| (1, symbol))) {
        let sized = symbol.kind() == SymbolKind::Text;
        // Hand-written assembly leaves labels without a type.
        let label = symbol.kind() == SymbolKind::Unknown && symbol.is_global();
        let in_code = symbol.section_index().is_some_and(|index| code.contains(&index));
        if !in_code || !(sized || label) {
            continue;
        }
        let (Ok(name), Some(address)) = (symbol.name(), symbol.address().checked_sub(load_address)) else { continue };
        if !name.is_empty() && address < u64::from(u32::MAX) {
            let size = symbol.size().min(u64::from(u32::MAX) - address);
            rows.push((size == 0, rank, address, size, name));
        }
    }
    // Symbols that say where they end come first: a label inside one of them is a part of it.
    rows.sort_by_key(|row| (row.0, row.1, row.2));
    let mut labels = false;
    for (without_size, _, address, size, name) in rows {
        if without_size && !labels {
            labels = true;
            taken.settle();
        }
        if taken.contains(address) {
            continue;
        }
        converter.process_symbolic_symbol(&Symbol { name: Some(name.into()), address, size });
        taken.add_later(address, address + size);
    }
    taken.settle();
}

fn is_code(section: &object::Section<'_, '_>) -> bool {
    let object::SectionFlags::Elf { sh_flags } = section.flags() else { return false };
    sh_flags & u64::from(object::elf::SHF_EXECINSTR) != 0
}
