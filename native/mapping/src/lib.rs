//! OTLP profiles into rows of the store (README.md). `addon` is the face towards Node.

#[cfg(feature = "addon")]
pub mod addon;
pub mod block;
mod budget;
mod dictionary;
mod frames;
#[cfg(test)]
mod hostile;
mod limits;
mod links;
mod locations;
mod map;
mod profiles;
mod recent;
mod row_binary;
mod samples;
mod series;
mod stacks;
mod text;
mod wire;

pub use map::{Batch, Counts, Input, Offered, Scratch, Written};
pub use row_binary::{Rows, each_row};
pub use samples::{LINKED_ROW, ROW as SAMPLE_ROW};
