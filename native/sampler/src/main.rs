//! The node's sampler: a child process that speaks PROTOCOL.md on its standard streams.

mod address_space;
mod arena;
mod binaries;
mod bpf;
mod bpf_load;
mod bpf_maps;
mod buffers;
mod cgroups;
mod compiler;
mod deferred;
mod elf;
mod extents;
mod followed;
mod host;
mod kallsyms;
mod kernel_mappings;
mod kernel_tables;
mod mapping_lists;
mod options;
mod own_processes;
mod packed_table;
mod perf;
mod perf_map;
mod proc;
mod processes;
mod protocol;
mod records;
mod resolver;
mod ring;
mod rules;
mod run;
mod sampler;
mod sha256;
mod sideband;
mod system;
mod system_wide;
mod table_maps;
mod unwinder;
mod vdso;
mod walks;
mod window;

use std::time::{SystemTime, UNIX_EPOCH};

use options::{HELP, Options};

/// Unix nanoseconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

fn main() {
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
