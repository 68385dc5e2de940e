//! The BPF program for arm64, which no machine here runs: it is compiled, with that machine's registers and rules.

#![cfg(feature = "bpf")]

use std::process::Command;

#[test]
fn the_program_compiles_for_arm64() {
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let object = std::env::temp_dir().join(format!("perfleet-arm64-{}.o", std::process::id()));
    // As build.rs does for the machine that it builds for.
    let compile = |machine: &str| {
        Command::new(&clang)
            .args(["-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3", machine])
            .args(["-I", env!("PERFLEET_LIBBPF_HEADERS"), "-c", "bpf/sampler.bpf.c", "-o"])
            .arg(&object)
            .output()
            .expect("clang is there: it has made this build")
    };
    let code = |machine: &str| {
        let output = compile(machine);
        assert!(output.status.success(), "{machine}: {}", String::from_utf8_lossy(&output.stderr));
        let bytes = std::fs::read(&object).unwrap();
        std::fs::remove_file(&object).unwrap();
        bytes
    };
    let [arm64, x86] = ["-D__TARGET_ARCH_arm64", "-D__TARGET_ARCH_x86"].map(code);
    assert_ne!(arm64, x86, "they walk from other registers");
    let output = compile("-D__TARGET_ARCH_other");
    assert!(String::from_utf8_lossy(&output.stderr).contains("registers.h knows x86-64 and arm64"), "{output:?}");
}
