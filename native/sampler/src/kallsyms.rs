//! Kernel and module symbols of /proc/kallsyms, as one sorted table.

use std::io::{BufRead, BufReader, Read};

/// Symbols sorted by address; names lie in one string, so 200,000 symbols cost about 10 MB.
#[derive(Default)]
pub struct Kallsyms {
    addresses: Vec<u64>,
    names: Vec<(u32, u16, u16)>,
    text: String,
    modules: Vec<String>,
}

const MAX_SYMBOLS: usize = 2_000_000;

impl Kallsyms {
    /// An empty table when the file cannot be read or hides its addresses (kptr_restrict).
    pub fn load() -> Self {
        std::fs::File::open("/proc/kallsyms").map(Self::parse).unwrap_or_default()
    }

    pub fn parse(input: impl Read) -> Self {
        let mut rows: Vec<(u64, u32, u16, u16)> = Vec::new();
        let mut table = Kallsyms { modules: vec!["vmlinux".into()], ..Default::default() };
        for line in BufReader::new(input).lines().map_while(Result::ok) {
            let mut parts = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            if address == 0 || !matches!(kind, "t" | "T" | "w" | "W") || name.len() > 4096 || rows.len() >= MAX_SYMBOLS {
                continue;
            }
            let module = parts.next().map_or(0, |m| table.module(m.trim_matches(['[', ']'])));
            rows.push((address, table.text.len() as u32, name.len() as u16, module));
            table.text.push_str(name);
        }
        rows.sort_by_key(|row| row.0);
        table.addresses = rows.iter().map(|row| row.0).collect();
        table.names = rows.into_iter().map(|(_, at, length, module)| (at, length, module)).collect();
        table
    }

    /// Name and module of the symbol that holds `address`.
    pub fn lookup(&self, address: u64) -> Option<(&str, &str)> {
        let after = self.addresses.partition_point(|&start| start <= address);
        let (at, length, module) = *self.names.get(after.checked_sub(1)?)?;
        Some((&self.text[at as usize..at as usize + length as usize], &self.modules[module as usize]))
    }

    fn module(&mut self, name: &str) -> u16 {
        if let Some(i) = self.modules.iter().rposition(|known| known == name) {
            return i as u16;
        }
        if self.modules.len() == usize::from(u16::MAX) {
            return 0;
        }
        self.modules.push(name.into());
        (self.modules.len() - 1) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_symbol_below_an_address() {
        let table = Kallsyms::parse(
            "ffffffff81000100 T b\nffffffff81000000 t a\nffffffff81000080 d data\nffffffffc0000000 t m [ext4]\nbad line\n".as_bytes(),
        );
        assert_eq!(table.lookup(0xffffffff810000ff), Some(("a", "vmlinux")));
        assert_eq!(table.lookup(0xffffffff81000100), Some(("b", "vmlinux")));
        assert_eq!(table.lookup(0xffffffffc0000010), Some(("m", "ext4")));
        assert_eq!(table.lookup(0x1000), None);
    }

    #[test]
    fn hidden_addresses_give_an_empty_table() {
        assert_eq!(Kallsyms::parse("0000000000000000 T a\n".as_bytes()).lookup(5), None);
    }
}
