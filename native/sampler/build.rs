//! Compiles the BPF program with clang. libbpf's headers come from the crate libbpf-sys, so no system package has them.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    if std::env::var_os("CARGO_FEATURE_BPF").is_none() {
        return;
    }
    let headers = std::env::var("DEP_BPF_INCLUDE").expect("libbpf-sys states where its headers are");
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    // For the test that compiles the program for other machines.
    println!("cargo::rustc-env=PERFLEET_LIBBPF_HEADERS={headers}");
    let object = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("sampler.bpf.o");
    // Which registers a walk starts from.
    let machine = match std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("aarch64") => "-D__TARGET_ARCH_arm64",
        _ => "-D__TARGET_ARCH_x86",
    };
    let status = Command::new(&clang)
        .args(["-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3", machine, "-I", &headers, "-c", "bpf/sampler.bpf.c", "-o"])
        .arg(&object)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{clang} could not compile bpf/sampler.bpf.c ({status}); clang 12 or newer is needed"),
        Err(error) => panic!("cannot run {clang}: {error}; install clang 12 or newer, or name it in the variable CLANG"),
    }
}
