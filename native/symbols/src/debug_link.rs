//! Where a separate debug file of a binary may be, and how to tell that it is its.
//! https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html

use std::path::{Path, PathBuf};

use object::Object as _;

use crate::place::inside_root;

pub struct DebugLink {
    /// File name without directories.
    name: String,
    pub crc: u32,
}

impl DebugLink {
    /// None when the section is absent or names another directory.
    pub fn of(file: &object::File<'_>) -> Option<DebugLink> {
        let (name, crc) = file.gnu_debuglink().ok()??;
        let name = std::str::from_utf8(name).ok()?;
        let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        plain.then(|| DebugLink { name: name.to_owned(), crc })
    }

    /// Beside the binary, in `.debug`, and below `/usr/lib/debug`, in the root that the binary is in.
    pub fn candidates(&self, binary: &Path) -> Vec<PathBuf> {
        let Some(text) = binary.to_str() else { return Vec::new() };
        let inner = inside_root(text).map_or(text, |(_, inner)| inner);
        let root = &text[..text.len() - inner.len()];
        let Some(directory) = Path::new(inner).parent().and_then(Path::to_str) else { return Vec::new() };
        let directory = directory.trim_end_matches('/');
        let name = &self.name;
        [format!("{directory}/{name}"), format!("{directory}/.debug/{name}"), format!("/usr/lib/debug{directory}/{name}")]
            .into_iter()
            .filter(|path| path != inner)
            .map(|path| PathBuf::from(format!("{root}{path}")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_in_the_root_of_the_binary() {
        let link = DebugLink { name: "app.debug".into(), crc: 0 };
        let of = |path: &str| link.candidates(Path::new(path)).iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        assert_eq!(of("/opt/app"), ["/opt/app.debug", "/opt/.debug/app.debug", "/usr/lib/debug/opt/app.debug"]);
        assert_eq!(of("/proc/7/root/app")[2], "/proc/7/root/usr/lib/debug/app.debug");
        assert_eq!(of("/opt/app.debug").len(), 2);
    }
}
