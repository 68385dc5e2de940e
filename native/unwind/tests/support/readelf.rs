//! Tables against what `readelf --debug-dump=frames-interp` prints, row by row.
//!
//! ```text
//! 00000018 0000000000000024 0000001c FDE cie=00000000 pc=0000000000026000..0000000000026360
//!    LOC           CFA      rbp   ra
//! 0000000000026000 rsp+16   u     c-8
//! ```
//!
//! An entry without rows has the row of its CIE. `u` is printed for a register that is lost and for one that no rule names.

use perfleet_unwind::{Arch, BX_LOST, BX_SAME, Cfa, Fp, Ra, Rule, Table};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Debug, Default)]
pub struct Report {
    pub entries: u64,
    pub rows: u64,
    /// What differs, the first hundred
    pub differences: Vec<String>,
    pub different: u64,
}

/// Compares every `stride`-th entry of `.eh_frame` (or of `.debug_frame`, if that is all there is) of `file`.
pub fn compare(file: &Path, table: &Table, stride: u64) -> std::io::Result<Report> {
    let mut child = Command::new("readelf")
        .args(["--wide", "--debug-dump=frames-interp"])
        .arg(file)
        .env("LC_ALL", "C")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
    let mut report = Report::default();
    let mut cies: HashMap<String, Cie> = HashMap::new();
    let mut at = Heading::Other;
    let mut columns: Vec<String> = Vec::new();
    let mut rows: Vec<(u64, Printed)> = Vec::new();
    for line in lines {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() || line.starts_with("Contents of") {
            finish(&mut at, &mut rows, &mut cies, table, &mut report);
            if line.starts_with("Contents of the .debug_frame") && report.entries > 0 {
                break;
            }
        } else if words.len() > 3 && words[3] == "CIE" {
            let usual = words.contains(&if table.arch == Arch::X86_64 { "ra=16" } else { "ra=30" });
            at = Heading::Cie { offset: words[0].to_owned(), usual };
        } else if words.len() > 5 && words[3] == "FDE" {
            let range = words.iter().find_map(|word| word.strip_prefix("pc=")).and_then(range);
            let cie = words[4].trim_start_matches("cie=").to_owned();
            at = match range {
                Some((start, end)) if start != 0 && start < end => Heading::Fde { cie, start, end },
                _ => Heading::Other,
            };
            if matches!(at, Heading::Fde { .. }) {
                report.entries += 1;
                if report.entries % stride != 0 {
                    at = Heading::Other;
                }
            }
        } else if words[0] == "LOC" {
            columns = words[1..].iter().map(|&word| word.to_owned()).collect();
        } else if let Ok(pc) = u64::from_str_radix(words[0], 16) {
            // `r5 (rdi)`: the name of a register comes after its number.
            let cells: Vec<&str> = words[1..].iter().filter(|word| !word.starts_with('(')).copied().collect();
            rows.push((pc, Printed::new(&columns, &cells)));
        }
    }
    let _ = child.kill();
    child.wait()?;
    Ok(report)
}

enum Heading {
    /// `usual`: the return address has the number that the ABI gives it
    Cie {
        offset: String,
        usual: bool,
    },
    Fde {
        cie: String,
        start: u64,
        end: u64,
    },
    Other,
}

/// The row that holds before an entry says anything else.
struct Cie {
    printed: Printed,
    usual: bool,
}

/// One printed row: what is said of the CFA, the frame pointer and the return address.
#[derive(Clone, Debug, PartialEq)]
struct Printed {
    cfa: String,
    fp: Option<String>,
    bx: Option<String>,
    ra: Option<String>,
}

impl Printed {
    fn new(columns: &[String], words: &[&str]) -> Printed {
        let of = |names: &[&str]| {
            let index = columns.iter().position(|column| names.contains(&column.as_str()))?;
            words.get(index).map(|&word| word.to_owned())
        };
        Printed { cfa: of(&["CFA"]).unwrap_or_default(), fp: of(&["rbp", "x29"]), bx: of(&["rbx"]), ra: of(&["ra"]) }
    }
}

fn finish(at: &mut Heading, rows: &mut Vec<(u64, Printed)>, cies: &mut HashMap<String, Cie>, table: &Table, report: &mut Report) {
    match std::mem::replace(at, Heading::Other) {
        Heading::Cie { offset, usual } => {
            if let Some((_, printed)) = rows.pop() {
                cies.insert(offset, Cie { printed, usual });
            }
        }
        Heading::Fde { cie, start, end } => {
            // Only the last of rows with one address covers anything.
            let mut expected: Vec<(u64, Printed)> = Vec::new();
            for (pc, printed) in rows.drain(..) {
                if expected.last().is_some_and(|(last, _)| *last == pc) {
                    expected.pop();
                }
                expected.push((pc, printed));
            }
            let Some(cie) = cies.get(&cie) else { return };
            if expected.is_empty() {
                expected.push((start, cie.printed.clone()));
            }
            if !cie.usual {
                expected.iter_mut().for_each(|(_, printed)| printed.ra = Some("of another register".to_owned()));
            }
            let ends: Vec<u64> = expected.iter().skip(1).map(|(pc, _)| *pc).chain([end]).collect();
            for ((pc, printed), until) in expected.iter().zip(ends) {
                check(table, *pc, until, printed, report);
            }
        }
        Heading::Other => {}
    }
    rows.clear();
}

/// The rule at `start` is the printed one, and it is the only one up to `end`.
fn check(table: &Table, start: u64, end: u64, printed: &Printed, report: &mut Report) {
    if start >= end {
        return;
    }
    report.rows += 1;
    let rule = table.rule(start);
    let next = table.rows.partition_point(|row| row.pc <= start);
    let until = table.rows.get(next).map_or(u64::MAX, |row| row.pc);
    let mut differ = |what: String| {
        report.different += 1;
        if report.differences.len() < 100 {
            report.differences.push(format!("{start:#x}..{end:#x} {printed:?}: {what}"));
        }
    };
    if !agrees(table.arch, &rule, printed) {
        differ(format!("{rule:?}"));
    } else if until < end && !agrees(table.arch, &table.rows[next].rule, printed) {
        differ(format!("another rule from {until:#x} on: {:?}", table.rows[next].rule));
    }
}

/// As readelf prints the registers of `SCRATCH`.
const SCRATCH_NAMES: [&str; 6] = ["rax", "rcx", "rsi", "r9", "r10", "r11"];

fn agrees(arch: Arch, rule: &Rule, printed: &Printed) -> bool {
    let is = |cfa: Cfa| rule.cfa == cfa as u8;
    let (sp, fp) = match arch {
        Arch::X86_64 => ("rsp", "rbp"),
        Arch::Arm64 => ("sp", "x29"),
    };
    let ra = printed.ra.as_deref();
    match (arch, ra) {
        (Arch::X86_64, Some("u")) => return is(Cfa::End),
        (Arch::X86_64, Some("c-8")) | (Arch::Arm64, Some("u" | "s" | "n") | None) => {}
        (Arch::X86_64, Some("r5")) => {
            if rule.ra != Ra::Lr as u8 {
                return false;
            }
        }
        (Arch::X86_64, Some("exp")) => return is(Cfa::Signal) || is(Cfa::Unknown),
        (Arch::Arm64, Some(other)) if offset(other, "c").is_some() => {}
        _ => return is(Cfa::Unknown),
    }
    // readelf prints the same for a register that is lost as for one that is kept.
    if arch == Arch::Arm64 && is(Cfa::End) {
        return ra == Some("u");
    }
    if arch == Arch::Arm64 && is(Cfa::Signal) {
        return true;
    }
    if printed.cfa == "exp" {
        return is(Cfa::Plt) || is(Cfa::DerefSp) || is(Cfa::DerefFp) || is(Cfa::Unknown);
    }
    let cfa = if let Some(bytes) = offset(&printed.cfa, sp) {
        is(Cfa::Sp) && rule.cfa_offset == bytes
    } else if let Some(bytes) = offset(&printed.cfa, fp) {
        is(Cfa::Fp) && rule.cfa_offset == bytes
    } else if let Some(bytes) = offset(&printed.cfa, "rbx") {
        is(Cfa::Bx) && rule.cfa_offset == bytes
    } else if let Some((scratch, bytes)) = SCRATCH_NAMES.iter().enumerate().find_map(|(at, name)| Some((at, offset(&printed.cfa, name)?))) {
        arch == Arch::X86_64 && is(Cfa::Scratch) && rule.extra == scratch as i32 && rule.cfa_offset == bytes
    } else {
        return is(Cfa::Unknown);
    };
    let bx = match printed.bx.as_deref() {
        None | Some("s" | "n") => rule.bx == BX_SAME,
        Some("u") => rule.bx == BX_SAME || rule.bx == BX_LOST,
        Some(at) => match offset(at, "c") {
            Some(bytes) if bytes < 0 && bytes % 8 == 0 && bytes > -8 * i32::from(BX_LOST) => i32::from(rule.bx) == bytes / -8,
            _ => rule.bx == BX_LOST,
        },
    };
    let ra = match (arch, ra) {
        (Arch::Arm64, Some(at)) if offset(at, "c").is_some() => rule.ra == Ra::AtCfa as u8 && Some(rule.extra) == offset(at, "c"),
        (Arch::Arm64, _) => rule.ra == Ra::Lr as u8,
        (Arch::X86_64, _) => rule.extra == 0 || is(Cfa::Scratch),
    };
    let frame_pointer = match printed.fp.as_deref() {
        None | Some("s" | "n") => rule.fp == Fp::Same as u8,
        Some("u") => rule.fp == Fp::Same as u8 || rule.fp == Fp::Undefined as u8,
        Some("exp") => rule.fp == Fp::AtFp as u8 || rule.fp == Fp::AtSp as u8 || rule.fp == Fp::Undefined as u8,
        Some(at) => match offset(at, "c") {
            Some(bytes) => rule.fp == Fp::AtCfa as u8 && rule.fp_offset == bytes,
            None => rule.fp == Fp::Undefined as u8,
        },
    };
    cfa && ra && frame_pointer && bx
}

/// `rsp+16` is 16 past `rsp`
fn offset(word: &str, register: &str) -> Option<i32> {
    let rest = word.strip_prefix(register)?;
    rest.starts_with(['+', '-']).then(|| rest.parse().ok())?
}

fn range(word: &str) -> Option<(u64, u64)> {
    let (start, end) = word.split_once("..")?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
}
