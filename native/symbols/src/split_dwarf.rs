//! Split DWARF ("fission"): the binary has skeletons of its units, the functions are in `.dwo` files where it was built, or packed
//! into one `.dwp` file. DWARF 5, and the GNU extension of DWARF 4. Only for a child process (`isolate`).
//! https://dwarfstd.org/doc/DWARF5.pdf section 7.3, https://gcc.gnu.org/wiki/DebugFission

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gimli::{Dwarf, DwarfPackage, DwoId, EndianSlice, LittleEndian, Unit, UnitRef, UnitType};
use object::{Object as _, ObjectSection as _};
use symbolic_debuginfo::Function;

use crate::inflate::inflate;
use crate::place::map;
use crate::split_functions::SplitUnit;
use crate::split_places::{packages, places};
use crate::symbol_lines::SymbolLines;
use crate::unit_lines::UnitLines;

pub type Slice<'data> = EndianSlice<'data, LittleEndian>;

/// Units that a binary may name other files for.
const MAX_SKELETONS: usize = 50_000;

/// What a binary has of a unit whose functions are elsewhere.
struct Skeleton<'data> {
    id: DwoId,
    unit: Unit<Slice<'data>>,
}

pub struct Skeletons<'data> {
    dwarf: Dwarf<Slice<'data>>,
    /// By the `.dwo` file that they name.
    by_name: BTreeMap<PathBuf, Vec<Skeleton<'data>>>,
    count: usize,
}

/// The state of reading all files of one binary.
struct Reading<'a> {
    load_address: u64,
    /// Ids of the units that were found.
    found: HashSet<u64>,
    /// Address and size of the functions that were told.
    seen: HashSet<(u64, u64)>,
    each: &'a mut dyn FnMut(Function<'_>),
}

impl<'data> Skeletons<'data> {
    /// None when nothing of the file is elsewhere.
    pub fn of(file: &object::File<'data>) -> Option<Skeletons<'data>> {
        let has = |name| file.section_by_name(name).is_some_and(|section| section.size() > 0);
        // The table of addresses is what split units and the binary share.
        if !file.is_64() || !file.is_little_endian() || !has(".debug_addr") || !has(".debug_info") {
            return None;
        }
        let dwarf = Dwarf::load(|id| section(file, Some(id.name()))).ok()?;
        let mut skeletons = Skeletons { dwarf, by_name: BTreeMap::new(), count: 0 };
        let mut headers = skeletons.dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            // Before DWARF 5 a unit says only in its attributes what it is.
            if header.version() >= 5 && !matches!(header.type_(), UnitType::Skeleton(_)) {
                continue;
            }
            let Ok(unit) = skeletons.dwarf.unit(header) else { continue };
            let (Some(id), Some(name)) = (unit.dwo_id, dwo_name(&skeletons.dwarf, &unit)) else { continue };
            skeletons.by_name.entry(name).or_default().push(Skeleton { id, unit });
            skeletons.count += 1;
            if skeletons.count == MAX_SKELETONS {
                break;
            }
        }
        (skeletons.count > 0).then_some(skeletons)
    }

    /// Where the other halves may be, packages first.
    pub fn candidates(&self, path: &Path, debug_paths: &[PathBuf]) -> Vec<PathBuf> {
        packages(path, debug_paths).into_iter().chain(self.by_name.keys().flat_map(|name| places(path, name))).collect()
    }

    /// Hands over the functions of the units whose other halves are found, their addresses relative to the load address.
    /// @returns what is known of the others, and what could not be read, of which file
    pub fn each_function(
        &self,
        path: &Path,
        debug_paths: &[PathBuf],
        load_address: u64,
        each: &mut dyn FnMut(Function<'_>),
    ) -> (SymbolLines<'_>, Option<anyhow::Error>) {
        let mut reading = Reading { load_address, found: HashSet::new(), seen: HashSet::new(), each };
        let mut problem = None;
        for package in packages(path, debug_paths) {
            problem = problem.or(with_file(&package, |file| self.read_package(file, &mut reading)));
        }
        for (name, skeletons) in &self.by_name {
            for place in places(path, name) {
                if skeletons.iter().any(|skeleton| !reading.found.contains(&skeleton.id.0)) {
                    problem = problem.or(with_file(&place, |file| self.read_dwo(file, skeletons, &mut reading)));
                }
            }
        }
        let absent: Vec<_> = self.by_name.values().flatten().filter(|skeleton| !reading.found.contains(&skeleton.id.0)).collect();
        if let (Some(skeleton), None) = (absent.first(), &problem) {
            let name = dwo_name(&self.dwarf, &skeleton.unit).unwrap_or_default();
            let (absent, all) = (absent.len(), self.count);
            problem = Some(anyhow::anyhow!("{absent} of its {all} units are in files that are not here, as {}", name.display()));
        }
        (SymbolLines::new(&self.dwarf, absent.into_iter().map(|skeleton| &skeleton.unit)), problem)
    }

    fn read_package(&self, file: &object::File<'_>, reading: &mut Reading<'_>) -> Result<()> {
        let package = DwarfPackage::load(|id| section(file, id.dwo_name()), Slice::new(&[], LittleEndian))?;
        for skeleton in self.by_name.values().flatten() {
            if let Some(dwarf) = package.find_cu(skeleton.id, &self.dwarf)? {
                self.read_unit(&dwarf, &mut units_of(&dwarf), skeleton, reading)?;
            }
        }
        Ok(())
    }

    fn read_dwo(&self, file: &object::File<'_>, skeletons: &[Skeleton<'data>], reading: &mut Reading<'_>) -> Result<()> {
        let mut dwarf = Dwarf::load(|id| section(file, id.dwo_name()))?;
        dwarf.make_dwo(&self.dwarf);
        let mut units = units_of(&dwarf);
        skeletons.iter().try_for_each(|skeleton| self.read_unit(&dwarf, &mut units, skeleton, reading))
    }

    /// A file of the right name whose units have other ids is of another build.
    fn read_unit<'a>(
        &'a self,
        dwarf: &Dwarf<Slice<'a>>,
        units: &mut [Unit<Slice<'a>>],
        skeleton: &'a Skeleton<'data>,
        reading: &mut Reading<'_>,
    ) -> Result<()> {
        let Some(index) = units.iter().position(|unit| unit.dwo_id == Some(skeleton.id)) else { return Ok(()) };
        if !reading.found.insert(skeleton.id.0) {
            return Ok(());
        }
        units[index].copy_relocated_attributes(&skeleton.unit);
        let split = SplitUnit {
            units,
            unit: UnitRef::new(dwarf, &units[index]),
            skeleton: UnitRef::new(&self.dwarf, &skeleton.unit),
            lines: skeleton.unit.line_program.clone().map(UnitLines::of),
            load_address: reading.load_address,
        };
        split.each_function(&mut reading.seen, &mut |function| (reading.each)(function))
    }
}

/// The file that a skeleton names.
fn dwo_name(dwarf: &Dwarf<Slice<'_>>, unit: &Unit<Slice<'_>>) -> Option<PathBuf> {
    let name = dwarf.attr_string(unit, unit.dwo_name().ok()??).ok()?;
    let directory = unit.comp_dir.map_or(&b""[..], |directory| directory.slice());
    Some(Path::new(std::str::from_utf8(directory).ok()?).join(std::str::from_utf8(name.slice()).ok()?))
}

/// Units that can be read.
fn units_of<'data>(dwarf: &Dwarf<Slice<'data>>) -> Vec<Unit<Slice<'data>>> {
    let mut units = Vec::new();
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        units.extend(dwarf.unit(header));
    }
    units
}

/// Empty where there is none, or where it is packed in a way that `inflate` does not know.
pub fn section<'data>(file: &object::File<'data>, name: Option<&str>) -> Result<Slice<'data>, gimli::Error> {
    let section = name.and_then(|name| file.section_by_name(name).filter(|section| section.name() == Ok(name)));
    Ok(Slice::new(section.and_then(|section| section.data().ok()).unwrap_or_default(), LittleEndian))
}

/// @returns what is wrong with a file that is there
fn with_file(path: &Path, read: impl FnOnce(&object::File<'_>) -> Result<()>) -> Option<anyhow::Error> {
    let mapped = map(path).ok()?;
    let attempt = || {
        let plain = inflate(&mapped.bytes)?;
        read(&object::File::parse(plain.as_deref().unwrap_or(&mapped.bytes))?)
    };
    attempt().with_context(|| path.display().to_string()).err()
}
