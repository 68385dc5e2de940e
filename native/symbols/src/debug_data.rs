//! `.gnu_debugdata`: an ELF file with the symbol table that was stripped, xz-compressed.
//! https://sourceware.org/gdb/current/onlinedocs/gdb.html/MiniDebugInfo.html

use std::io::{Error, Result as IoResult, Write};

use anyhow::{Context, Result};
use object::{Object as _, ObjectSection as _};

/// A symbol table alone is smaller than this; what claims more is a bomb.
const MAX_BYTES: usize = 256 << 20;

pub fn mini_debug_info(file: &object::File<'_>) -> Result<Option<Vec<u8>>> {
    let Some(section) = file.section_by_name(".gnu_debugdata") else { return Ok(None) };
    let data = section.uncompressed_data().context(".gnu_debugdata")?;
    unpack(&data, MAX_BYTES).map(Some).context(".gnu_debugdata")
}

fn unpack(mut packed: &[u8], most: usize) -> Result<Vec<u8>> {
    let mut out = Bounded { bytes: Vec::new(), most };
    lzma_rs::xz_decompress(&mut packed, &mut out).map_err(|error| anyhow::anyhow!("cannot unpack: {error:?}"))?;
    Ok(out.bytes)
}

struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> IoResult<usize> {
        if self.bytes.len() + part.len() > self.most {
            return Err(Error::other(format!("it unpacks to more than {} bytes", self.most)));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacks_no_more_than_it_may() {
        let mut packed = Vec::new();
        lzma_rs::xz_compress(&mut &vec![0u8; 1 << 20][..], &mut packed).unwrap();
        assert_eq!(unpack(&packed, 1 << 20).unwrap().len(), 1 << 20);
        let error = unpack(&packed, (1 << 20) - 1).unwrap_err().to_string();
        assert!(error.contains("more than"), "{error}");
        assert!(unpack(&packed[..packed.len() / 2], 1 << 20).is_err());
        assert!(unpack(b"not xz at all", 1 << 20).is_err());
    }
}
