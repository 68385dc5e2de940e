//! Bounds on what one file may cost. Binaries come from any container: none of their numbers is trusted.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows of the table, 24 bytes each
    pub max_rows: usize,
    /// Entries (FDEs), 32 bytes each while compiling
    pub max_fdes: usize,
    /// Bytes of one section, compressed or not
    pub max_section_bytes: u64,
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
            max_program_bytes: 512 << 20,
            max_time: Duration::from_secs(10),
        }
    }
}
