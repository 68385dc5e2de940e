//! Unwind tables of binaries: `.eh_frame` and `.debug_frame` compiled into sorted rows (`compile`), and the walk over a stack
//! with them (`stepper`). Nothing here knows of processes or BPF. See `table` for the shapes.

mod compile;
mod error;
mod limits;
pub mod stepper;
mod table;

pub use compile::{Source, compile};
pub use error::{Error, Result};
pub use limits::Limits;
pub use table::{Arch, Cfa, Fp, Ra, Row, Rule, SignalFrame, Skipped, Table};
