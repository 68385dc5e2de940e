//! Unwind tables of binaries: `.eh_frame` and `.debug_frame` compiled into sorted rows (`compile`), single rules straight from a
//! file (`lookup`), and the walk over a stack with them (`stepper`). Nothing here knows of processes or BPF. See `table` for the shapes.

mod cfi;
mod compile;
mod elf;
mod entries;
mod error;
mod go;
mod limits;
mod lookup;
mod pieces;
mod plt;
mod rows;
mod source;
pub mod stepper;
mod table;
mod trampoline;
mod translate;
mod window;

pub use compile::{compile, compile_into};
pub use error::{Error, Result};
pub use limits::Limits;
pub use lookup::Lookup;
pub use rows::RowSink;
pub use source::Source;
pub use table::{Arch, BX_LOST, BX_SAME, Cfa, Compiled, Fp, Ra, Row, Rule, SCRATCH, SignalFrame, Skipped, Table};
