//! The names of a binary from the best source that it has: debug information of its own or beside it, the mini debug info, the
//! Go line table, symbol tables. Only for a child process (`isolate`).

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::Object as _;
use symbolic_common::Name;
use symbolic_debuginfo::Function;
use symbolic_debuginfo::elf::ElfObject;

use crate::builder::{Builder, Parts};
use crate::debug_data::mini_debug_info;
use crate::debug_link::DebugLink;
use crate::elf_symbols::{FunctionSymbol, NamesAt, add_symbols, best_names, function_symbols};
use crate::go_module::find_module;
use crate::go_table::GoTable;
use crate::identity::{Identity, parse_elf};
use crate::inflate::inflate;
use crate::place::map;
use crate::ranges::Ranges;
use crate::split_dwarf::Skeletons;
use crate::symbol_lines::{self, Code};

/// Where the names come from, worst first; `as u8` is the wire form.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
#[repr(u8)]
pub enum Source {
    None,
    Dynamic,
    Symtab,
    MiniDebugInfo,
    GoTable,
    SeparateDebugInfo,
    DebugInfo,
}

impl Source {
    pub const ALL: [Source; 7] =
        [Source::None, Source::Dynamic, Source::Symtab, Source::MiniDebugInfo, Source::GoTable, Source::SeparateDebugInfo, Source::DebugInfo];

    pub fn name(self) -> &'static str {
        match self {
            Source::None => "none",
            Source::Dynamic => "dynamic",
            Source::Symtab => "symtab",
            Source::MiniDebugInfo => "mini-debug-info",
            Source::GoTable => "go-table",
            Source::SeparateDebugInfo => "separate-debug-info",
            Source::DebugInfo => "debug-info",
        }
    }
}

pub struct Converted {
    /// Addresses are relative to `load_address`.
    pub parts: Parts,
    pub load_address: u64,
    pub source: Source,
    /// Names without a line are as good as `.symtab`'s: not only what the binary exports.
    pub has_symtab: bool,
    pub identity: Identity,
    /// What of the file could not be used, "" when all could.
    pub problem: String,
}

/// Broken units of one file after which the rest is given up.
const MAX_BROKEN: usize = 1000;

/// Functions of one file that begin without a line and are looked up in the line table once more.
const MAX_LINELESS: usize = 100_000;

/// @param bytes the file at `path`
/// @param scratch makes empty files that nobody else has
pub fn convert(path: &Path, bytes: &[u8], debug_paths: &[PathBuf], scratch: &dyn Fn() -> Result<File>) -> Result<Converted> {
    let raw = parse_elf(bytes)?;
    let identity = Identity::with_content(&raw);
    // A broken part costs its own names, not those of the others.
    let (plain, problem) = match inflate(bytes) {
        Ok(plain) => (plain, None),
        Err(error) => (None, Some(error)),
    };
    let elf = plain.as_deref().map_or(Ok(raw), parse_elf)?;
    let file = object::File::parse(elf.data())?;
    let mut names = Names::new(elf.load_address(), Builder::new(scratch)?);
    names.has_symtab = identity.has_symtab;
    let symbols = function_symbols(&file, names.load_address);
    names.best = best_names(&symbols);
    let own = identity.has_debug_info && problem.is_none() && names.try_debug_info(&elf, &symbols, path, debug_paths);
    names.problems.extend(problem);
    if own {
        names.source = Source::DebugInfo;
    } else if let Some(()) = separate(path, debug_paths, &file, &identity, &mut names) {
        names.source = Source::SeparateDebugInfo;
    } else {
        match mini_debug_info(&file) {
            Ok(Some(mini)) => names.add_mini(&mini),
            Ok(None) => {}
            Err(error) => names.problems.push(error),
        }
        if let Some(table) = find_module(&file).and_then(GoTable::parse) {
            names.add_go(&table);
        }
    }
    names.add_those(&symbols, &file);
    names.finish(identity)
}

/// Adds the first separate debug file that belongs to the binary.
fn separate(path: &Path, debug_paths: &[PathBuf], file: &object::File<'_>, identity: &Identity, names: &mut Names<'_>) -> Option<()> {
    debug_candidates(path, debug_paths, file).into_iter().find_map(|(candidate, crc)| names.add_separate(&candidate, path, identity, crc).ok())
}

/// Where a separate debug file may be, in order, with the checksum that the binary states for it.
pub fn debug_candidates(path: &Path, debug_paths: &[PathBuf], file: &object::File<'_>) -> Vec<(PathBuf, Option<u32>)> {
    let link = DebugLink::of(file);
    let linked = link.iter().flat_map(|link| link.candidates(path).into_iter().map(|path| (path, Some(link.crc))));
    let candidates = debug_paths.iter().map(|path| (path.clone(), None)).chain(linked);
    candidates.filter(|(candidate, _)| candidate != path).collect()
}

/// The binary's own symbol where there is one. The part of a function that a compiler moved away (`main.cold`) is the function:
/// its debug information says so, only the symbol at its address has a name of its own.
fn renamed<'name>(mut function: Function<'name>, best: &NamesAt<'name>) -> Function<'name> {
    if let Ok(at) = best.binary_search_by_key(&function.address, |(address, _)| *address) {
        function.name = Name::new(best[at].1, function.name.mangling(), function.name.language());
    }
    let name = function.name.as_str();
    let numberless = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let base = name.strip_suffix(".cold").or_else(|| numberless.strip_suffix(".cold."));
    if let Some(base) = base.filter(|base| !base.is_empty()) {
        function.name = Name::new(base.to_owned(), function.name.mangling(), function.name.language());
    }
    function
}

struct Names<'data> {
    builder: Builder,
    load_address: u64,
    taken: Ranges,
    /// Names of addresses in the binary's own symbol tables.
    best: NamesAt<'data>,
    source: Source,
    has_symtab: bool,
    problems: Vec<anyhow::Error>,
}

impl<'data> Names<'data> {
    fn new(load_address: u64, builder: Builder) -> Names<'data> {
        Names { builder, load_address, taken: Ranges::default(), best: Vec::new(), source: Source::None, has_symtab: false, problems: Vec::new() }
    }

    /// @param symbols those of the file
    /// @param binary where files that the debug information names are looked for
    /// @param beside separate debug files of the binary, whether or not they are there
    fn add_debug_info(&mut self, elf: &ElfObject<'_>, symbols: &[FunctionSymbol<'_>], binary: &Path, beside: &[PathBuf]) -> Result<()> {
        self.builder.forget_places();
        let file = object::File::parse(elf.data())?;
        let skeletons = Skeletons::of(&file);
        if let Some(skeletons) = skeletons {
            self.add_split(&skeletons, symbols, binary, beside);
        }
        let session = elf.debug_session().context("its debug information is unusable")?;
        let mut broken = 0;
        let mut lineless = Vec::new();
        for function in session.functions() {
            match function {
                // A skeleton may tell something of its functions, too.
                Ok(function) if self.taken.contains(function.address) => drop(function),
                Ok(function) => {
                    let function = self.add_function(function);
                    lineless.extend(Code::without_line(&function).filter(|_| lineless.len() < MAX_LINELESS));
                }
                // A broken unit costs its own names only.
                Err(error) if broken >= MAX_BROKEN => return Err(error).context("its debug information is broken"),
                Err(_) => broken += 1,
            }
        }
        self.taken.settle();
        lineless.extend(self.untold(symbols));
        symbol_lines::each_function(&file, lineless, self.load_address, &mut |function| drop(self.add_function(function)));
        self.taken.settle();
        Ok(())
    }

    fn add_function<'function>(&mut self, function: Function<'function>) -> Function<'function>
    where
        'data: 'function,
    {
        let function = renamed(function, &self.best);
        self.taken.add_later(function.address, function.end_address());
        self.builder.add_function(&function);
        function
    }

    /// Symbols in none of the functions so far.
    fn untold<'s>(&self, symbols: &'s [FunctionSymbol<'_>]) -> Vec<Code<'s>> {
        let untold = symbols.iter().filter(|symbol| symbol.size > 0 && !self.taken.contains(symbol.address));
        untold.map(|symbol| Code { name: symbol.name.into(), address: symbol.address, size: symbol.size }).collect()
    }

    /// Functions in other files, and of files that are not here what the binary itself has.
    fn add_split(&mut self, skeletons: &Skeletons<'_>, symbols: &[FunctionSymbol<'_>], binary: &Path, beside: &[PathBuf]) {
        let load_address = self.load_address;
        let (lines, problem) = skeletons.each_function(binary, beside, load_address, &mut |function| drop(self.add_function(function)));
        self.taken.settle();
        let mut untold = self.untold(symbols);
        // Of several names of an address the first is the best.
        untold.dedup_by_key(|code| code.address);
        for code in &untold {
            if let Some(function) = lines.function(code, load_address) {
                self.add_function(function);
            }
        }
        self.taken.settle();
        self.problems.extend(problem);
    }

    fn try_debug_info(&mut self, elf: &ElfObject<'_>, symbols: &[FunctionSymbol<'_>], binary: &Path, beside: &[PathBuf]) -> bool {
        self.add_debug_info(elf, symbols, binary, beside).map_err(|error| self.problems.push(error)).is_ok()
    }

    fn add_mini(&mut self, mini: &[u8]) {
        match object::File::parse(mini) {
            Ok(inner) => {
                self.add_symbols(&inner);
                self.has_symtab = true;
                self.source = Source::MiniDebugInfo;
            }
            Err(error) => self.problems.push(anyhow::Error::new(error).context(".gnu_debugdata")),
        }
    }

    /// A debug file is taken when it has the binary's build id, or, where that has none, the checksum that its link states.
    fn add_separate(&mut self, path: &Path, binary: &Path, identity: &Identity, crc: Option<u32>) -> Result<()> {
        let mapped = map(path)?;
        let raw = parse_elf(&mapped.bytes)?;
        let own = Identity::of(&raw);
        match crc {
            Some(crc) if identity.gnu_build_id.is_empty() => ensure!(crc32fast::hash(&mapped.bytes) == crc, "its checksum differs"),
            _ => ensure!(!identity.gnu_build_id.is_empty() && own.gnu_build_id == identity.gnu_build_id, "its build id differs"),
        }
        ensure!(own.has_debug_info, "it has no debug information");
        let plain = inflate(&mapped.bytes)?;
        let elf = parse_elf(plain.as_deref().unwrap_or(&mapped.bytes))?;
        let file = object::File::parse(elf.data())?;
        let symbols = function_symbols(&file, self.load_address);
        self.add_debug_info(&elf, &symbols, binary, &[path.to_owned()])?;
        self.has_symtab |= own.has_symtab;
        self.add_those(&symbols, &file);
        Ok(())
    }

    fn add_go(&mut self, table: &GoTable<'_>) {
        let mut functions = 0usize;
        table.each(self.load_address, |function| {
            functions += 1;
            self.taken.add_later(function.address, function.end_address());
            self.builder.add_function(function);
        });
        self.taken.settle();
        if functions > 0 {
            self.source = Source::GoTable;
        }
    }

    fn add_symbols(&mut self, file: &object::File<'_>) {
        self.add_those(&function_symbols(file, self.load_address), file);
    }

    /// @param symbols those of the file
    fn add_those(&mut self, symbols: &[FunctionSymbol<'_>], file: &object::File<'_>) {
        add_symbols(&mut self.builder, symbols, &mut self.taken);
        if self.source == Source::None && file.symbol_table().is_some() {
            self.source = Source::Symtab;
        } else if self.source == Source::None && file.dynamic_symbols().next().is_some() {
            self.source = Source::Dynamic;
        }
    }

    fn finish(self, identity: Identity) -> Result<Converted> {
        let problem = self.problems.first().map(|error| format!("{error:#}").replace('\n', " ")).unwrap_or_default();
        let Names { builder, load_address, source, has_symtab, .. } = self;
        Ok(Converted { parts: builder.finish()?, load_address, source, has_symtab, identity, problem })
    }
}
