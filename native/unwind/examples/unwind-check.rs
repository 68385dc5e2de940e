//! `unwind-check [--no-readelf] FILE...`: compiles the tables of files, says what they cost, and compares them row by row with what
//! `readelf --debug-dump=frames-interp` prints. Exits with 1 when anything differs.

#[path = "../tests/support/readelf.rs"]
mod readelf;

use perfleet_unwind::{Error, Limits, Row, RowSink, Rule, compile, compile_into};
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (options, files): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    if files.is_empty() || options.iter().any(|option| option != "--no-readelf") {
        eprintln!("usage: unwind-check [--no-readelf] FILE...");
        return ExitCode::from(2);
    }
    let mut good = true;
    for file in &files {
        match check(Path::new(file), options.is_empty()) {
            Ok(same) => good &= same,
            Err(error) => {
                println!("{file}: {error}");
                good = false;
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What there is to know of rows without keeping them
#[derive(Default)]
struct Seen {
    rows: u64,
    rules: HashSet<Rule>,
}

impl RowSink for Seen {
    fn row(&mut self, row: Row) -> Result<(), Error> {
        self.rows += 1;
        self.rules.insert(row.rule);
        Ok(())
    }
}

fn check(path: &Path, readelf: bool) -> Result<bool, Box<dyn std::error::Error>> {
    let file = File::open(path)?;
    let (cpu, resident) = (cpu_seconds()?, peak_resident_kb()?);
    let mut seen = Seen::default();
    let compiled = compile_into(&file, &Limits::default(), &mut seen)?;
    let (cpu, peak) = (cpu_seconds()? - cpu, peak_resident_kb()?);
    println!(
        "{}: {} rows, {} rules, {cpu:.2} s of CPU, peak {peak} KB resident (before: {resident} KB){}, skipped: {:?}",
        path.display(),
        seen.rows,
        seen.rules.len(),
        if compiled.go { ", Go" } else { "" },
        compiled.skipped
    );
    if !readelf {
        return Ok(true);
    }
    let report = readelf::compare(path, &compile(&file, &Limits::default())?, 1)?;
    for difference in &report.differences {
        println!("  {difference}");
    }
    println!("  readelf: {} entries, {} rows, {} differ", report.entries, report.rows, report.different);
    Ok(report.different == 0)
}

/// User and system time of this process, from the scheduler
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: u64 = stat.split_whitespace().next().ok_or("schedstat is empty")?.parse()?;
    Ok(nanoseconds as f64 / 1e9)
}

fn peak_resident_kb() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no VmHWM")?.parse()?)
}
