//! The node's sampler: a child process that speaks PROTOCOL.md on its standard streams.

// What only rung 1 uses stays in the files of all rungs: telling it apart there would cost more than it is worth.
#![cfg_attr(not(feature = "bpf"), allow(dead_code))]

mod address_space;
mod again;
#[cfg(feature = "bpf")]
mod arena;
mod binaries;
#[cfg(feature = "bpf")]
mod bpf;
#[cfg(feature = "bpf")]
mod bpf_cost;
#[cfg(feature = "bpf")]
mod bpf_load;
#[cfg(feature = "bpf")]
mod bpf_maps;
#[cfg(feature = "bpf")]
mod bpf_structs;
#[cfg(feature = "bpf")]
mod buffers;
mod build_id;
#[cfg(feature = "bpf")]
mod cgroups;
#[cfg(feature = "bpf")]
mod chunks;
#[cfg(feature = "bpf")]
mod compile_messages;
#[cfg(feature = "bpf")]
mod compile_process;
#[cfg(feature = "bpf")]
mod compiler;
#[cfg(feature = "bpf")]
mod confine;
#[cfg(feature = "bpf")]
mod deferred;
mod elf;
#[cfg(feature = "bpf")]
mod excluded;
mod exclusions;
#[cfg(feature = "bpf")]
mod extents;
mod first;
#[cfg(feature = "bpf")]
mod followed;
mod host;
mod jit_dump;
mod kallsyms;
#[cfg(feature = "bpf")]
mod kernel_mappings;
#[cfg(feature = "bpf")]
mod kernel_tables;
#[cfg(feature = "bpf")]
mod mapping_lists;
mod names;
#[cfg(feature = "bpf")]
mod off_cpu;
#[cfg(feature = "bpf")]
mod open_blocks;
mod open_messages;
mod open_process;
mod opener;
mod options;
mod own_processes;
#[cfg(feature = "bpf")]
mod packed_table;
mod passing;
mod perf;
mod perf_map;
#[cfg(feature = "bpf")]
mod postponed;
mod privileges;
mod proc;
mod processes;
mod protocol;
mod records;
mod resolver;
mod ring;
#[cfg(feature = "bpf")]
mod rules;
mod run;
mod sampler;
mod sha256;
mod sideband;
mod system;
mod system_wide;
#[cfg(feature = "bpf")]
mod table_maps;
#[cfg(feature = "bpf")]
mod unwinder;
mod vdso;
#[cfg(feature = "bpf")]
mod walks;
mod window;
mod window_lengths;

use std::time::{SystemTime, UNIX_EPOCH};

use options::{HELP, Options};

/// Unix nanoseconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

fn main() {
    // Started by this very program.
    #[cfg(feature = "bpf")]
    if std::env::args().nth(1).is_some_and(|argument| argument == compile_process::FLAG) {
        std::process::exit(if compile_process::serve().is_ok() { 0 } else { 1 });
    }
    if std::env::args().nth(1).is_some_and(|argument| argument == opener::FLAG) {
        std::process::exit(if open_process::serve().is_ok() { 0 } else { 1 });
    }
    if let Some(status) = first::serve(&std::env::args().skip(1).collect::<Vec<_>>()) {
        std::process::exit(status);
    }
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return println!("{HELP}"),
        Err(error) => {
            eprintln!("perfleet-sampler: {error:#}");
            std::process::exit(2);
        }
    };
    if options.probe {
        println!("{}", run::probe(&options));
        return;
    }
    // A write that fails means that the parent is gone: there is nobody left to tell.
    if let Err(error) = run::run(&options) {
        eprintln!("perfleet-sampler: {error:#}");
        std::process::exit(1);
    }
}
