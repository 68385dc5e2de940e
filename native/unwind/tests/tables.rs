//! Tables of the machine's own binaries against readelf.

#[path = "support/readelf.rs"]
mod readelf;

use perfleet_unwind::{Arch, Cfa, Limits, Rule, Table, compile};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Compiles `file` and compares every row; `least` rows must have been compared for the comparison to mean anything.
fn same_as_readelf(file: &Path, arch: Arch, least: u64) {
    if !file.exists() {
        println!("SKIP {}: not installed", file.display());
        return;
    }
    let table = table(file);
    assert_eq!(table.arch, arch);
    assert!(table.rows.is_sorted_by(|a, b| a.pc < b.pc && a.rule != b.rule), "rows ascend and neighbours differ");
    assert_eq!(table.rows.last().map(|row| row.rule.cfa), Some(Cfa::None as u8));
    let report = match readelf::compare(file, &table, 1) {
        Ok(report) => report,
        Err(error) => {
            println!("SKIP {}: readelf (binutils) cannot be run: {error}", file.display());
            return;
        }
    };
    assert!(report.rows >= least, "only {} rows were compared", report.rows);
    assert_eq!(report.different, 0, "{}: {:#?}", file.display(), report.differences);
}

fn table(file: &Path) -> Table {
    compile(&File::open(file).expect("the file can be opened"), &Limits::default()).expect("the file has a table")
}

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn libc() {
    same_as_readelf(Path::new("/lib/x86_64-linux-gnu/libc.so.6"), Arch::X86_64, 20_000);
}

#[test]
fn dynamic_loader() {
    same_as_readelf(Path::new("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), Arch::X86_64, 1_000);
}

#[test]
fn libstdcxx() {
    same_as_readelf(Path::new("/usr/lib/x86_64-linux-gnu/libstdc++.so.6"), Arch::X86_64, 20_000);
}

#[test]
fn openssl() {
    same_as_readelf(Path::new("/usr/lib/x86_64-linux-gnu/libcrypto.so.3"), Arch::X86_64, 20_000);
}

#[test]
fn node() {
    same_as_readelf(&workspace("node_modules/node/bin/node"), Arch::X86_64, 300_000);
}

#[test]
fn libjvm() {
    same_as_readelf(Path::new("/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so"), Arch::X86_64, 100_000);
}

#[test]
fn libllvm() {
    same_as_readelf(Path::new("/usr/lib/llvm-14/lib/libLLVM-14.so.1"), Arch::X86_64, 500_000);
}

#[test]
fn arm64_libc() {
    same_as_readelf(Path::new("/usr/aarch64-linux-gnu/lib/libc.so.6"), Arch::Arm64, 10_000);
}

#[test]
fn arm64_libstdcxx() {
    same_as_readelf(Path::new("/usr/aarch64-linux-gnu/lib/libstdc++.so.6"), Arch::Arm64, 10_000);
}

/// Without section headers the search table of `.eh_frame_hdr` leads to the same rows.
#[test]
fn section_headers_stripped() {
    for file in ["/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/aarch64-linux-gnu/lib/libc.so.6"] {
        let Ok(mut bytes) = std::fs::read(file) else {
            println!("SKIP section_headers_stripped of {file}: not installed");
            continue;
        };
        let whole = compile(bytes.as_slice(), &Limits::default()).expect("the file has a table");
        bytes[40..48].fill(0); // e_shoff
        bytes[60..64].fill(0); // e_shnum, e_shstrndx
        let stripped = compile(bytes.as_slice(), &Limits::default()).expect("the stripped file has a table");
        assert!(whole.rows.len() > 1_000);
        // Only the procedure linkage table, which has no CFI on arm64, is found by its section.
        assert!(whole.rows.len() - stripped.rows.len() < 10, "{file}");
        for row in stripped.rows.iter().filter(|row| row.rule != Rule::NONE) {
            assert_eq!(whole.rule(row.pc), row.rule, "{file}: {:#x}", row.pc);
        }
    }
}
