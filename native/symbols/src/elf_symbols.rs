//! Names from symbol tables, for code that no debug information names.

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionIndex, SymbolKind};

use crate::builder::Builder;
use crate::ranges::Ranges;

/// A function symbol; its address is relative to the load address.
pub struct FunctionSymbol<'data> {
    pub name: &'data str,
    pub address: u64,
    /// 0 = it goes on to the next symbol.
    pub size: u64,
    dynamic: bool,
    global: bool,
}

/// Function symbols of `.symtab` and `.dynsym` in code, the best name of an address first.
pub fn function_symbols<'data>(file: &object::File<'data>, load_address: u64) -> Vec<FunctionSymbol<'data>> {
    let code: Vec<SectionIndex> = file.sections().filter(|section| is_code(section)).map(|section| section.index()).collect();
    let mut symbols = Vec::new();
    for (dynamic, symbol) in file.symbols().map(|symbol| (false, symbol)).chain(file.dynamic_symbols().map(|symbol| (true, symbol))) {
        // Hand-written assembly leaves labels without a type.
        let label = symbol.kind() == SymbolKind::Unknown && symbol.is_global();
        let in_code = symbol.section_index().is_some_and(|index| code.contains(&index));
        if !in_code || !(symbol.kind() == SymbolKind::Text || label) {
            continue;
        }
        let (Ok(name), Some(address)) = (symbol.name().map(unversioned), symbol.address().checked_sub(load_address)) else { continue };
        if !name.is_empty() && address < u64::from(u32::MAX) {
            let size = symbol.size().min(u64::from(u32::MAX) - address);
            symbols.push(FunctionSymbol { name, address, size, dynamic, global: symbol.is_global() && !symbol.is_weak() });
        }
    }
    // Of `abort` and `__GI_abort` the reader knows the exported one; a symbol that says where it ends is no mere label.
    let underscores = |name: &str| name.bytes().take_while(|byte| *byte == b'_').count();
    symbols.sort_by_key(|s| (s.address, s.size == 0, !s.dynamic, !s.global, underscores(s.name), s.name.len(), s.name));
    symbols
}

/// `xdr_int@GLIBC_2.2.5` and `open@@GLIBC_2.2.5` of `.symtab` as `.dynsym` has them.
fn unversioned(name: &str) -> &str {
    let Some((plain, version)) = name.split_once('@') else { return name };
    let version = version.strip_prefix('@').unwrap_or(version);
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if is_version && !plain.is_empty() { plain } else { name }
}

/// Adds the symbols that lie in none of `taken`.
pub fn add_symbols(builder: &mut Builder, symbols: &[FunctionSymbol<'_>], taken: &mut Ranges) {
    // Symbols that say where they end come first: a label inside one of them is a part of it.
    for sized in [true, false] {
        for &FunctionSymbol { name, address, size, .. } in symbols.iter().filter(|symbol| (symbol.size > 0) == sized) {
            if !taken.contains(address) {
                builder.add_symbol(name, address, size);
                taken.add_later(address, address + size);
            }
        }
        taken.settle();
    }
}

/// Names by address, sorted.
pub type NamesAt<'data> = Vec<(u64, &'data str)>;

/// The best name of each address, of symbols in the order of `function_symbols`.
pub fn best_names<'data>(symbols: &[FunctionSymbol<'data>]) -> NamesAt<'data> {
    let mut names: NamesAt<'data> = Vec::new();
    let mut last = None;
    for symbol in symbols {
        if last.replace(symbol.address) != Some(symbol.address) && symbol.size > 0 {
            names.push((symbol.address, symbol.name));
        }
    }
    names
}

fn is_code(section: &object::Section<'_, '_>) -> bool {
    let object::SectionFlags::Elf { sh_flags } = section.flags() else { return false };
    sh_flags & u64::from(object::elf::SHF_EXECINSTR) != 0
}

#[cfg(test)]
mod tests {
    use super::unversioned;

    #[test]
    fn cuts_the_version_of_a_symbol() {
        for (name, expected) in [("xdr_int@GLIBC_2.2.5", "xdr_int"), ("open@@GLIBC_2.2.5", "open"), ("open", "open")] {
            assert_eq!(unversioned(name), expected);
        }
        for name in ["@", "a@", "@a", "a@@", "a@b@c", "a@b c"] {
            assert_eq!(unversioned(name), name);
        }
    }
}
