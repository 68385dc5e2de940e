//! Why a binary has no table.

use std::fmt;

#[derive(Debug)]
pub enum Error {
    /// The bytes could not be read; `what` names the part of the file.
    Read { what: &'static str, cause: std::io::Error },
    /// Not an ELF file of an instruction set with tables.
    Unsupported(String),
    /// The file contradicts itself.
    Malformed(String),
    /// More than `Limits` allow; `what` names the limit.
    TooLarge { what: &'static str, found: u64, limit: u64 },
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Read { what, cause } => write!(f, "cannot read {what}: {cause}"),
            Error::Unsupported(what) => write!(f, "no unwind table: {what}"),
            Error::Malformed(what) => write!(f, "malformed ELF file: {what}"),
            Error::TooLarge { what, found, limit } => write!(f, "{what}: {found} is more than the limit of {limit}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
