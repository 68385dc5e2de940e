//! Bounds on what one file may cost. Binaries come from any container: none of their numbers is trusted.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows of the table: what they cost is up to the one who takes them (24 bytes each in a `Table`)
    pub max_rows: usize,
    /// Entries (FDEs), 24 bytes each while compiling
    pub max_fdes: usize,
    /// Bytes of one section, which is read piece by piece
    pub max_section_bytes: u64,
    /// Bytes of a compressed section, packed as well as unpacked: these are in memory as a whole
    pub max_unpacked_bytes: u64,
    /// Bytes of CFA programs run: each entry counts its own and those of its CIE
    pub max_program_bytes: u64,
    /// Wall time of one file
    pub max_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_rows: 8 << 20,
            max_fdes: 2 << 20,
            max_section_bytes: 128 << 20,
            max_unpacked_bytes: 128 << 20,
            max_program_bytes: 512 << 20,
            max_time: Duration::from_secs(10),
        }
    }
}
