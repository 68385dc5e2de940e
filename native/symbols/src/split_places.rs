//! Where the files of split DWARF may be, in the root that the binary is in.

use std::path::{Path, PathBuf};

use crate::place::inside_root;

/// Packages: beside the binary, and beside its separate debug files (`X.dwp`, and `X.debug` as `X.dwp`).
pub fn packages(binary: &Path, debug_paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::iter::once(binary).chain(debug_paths.iter().map(PathBuf::as_path)) {
        let Some(text) = path.to_str() else { continue };
        let other = text.strip_suffix(".debug").map(|stem| format!("{stem}.dwp"));
        for candidate in std::iter::once(format!("{text}.dwp")).chain(other).map(PathBuf::from) {
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
    }
    found
}

/// One `.dwo` file: where the binary was built, and beside the binary.
pub fn places(binary: &Path, name: &Path) -> Vec<PathBuf> {
    let Some(text) = binary.to_str() else { return Vec::new() };
    let inner = inside_root(text).map_or(text, |(_, inner)| inner);
    let root = &text[..text.len() - inner.len()];
    let built = name.to_str().filter(|name| name.starts_with('/')).map(|name| PathBuf::from(format!("{root}{name}")));
    let beside = name.file_name().zip(binary.parent()).map(|(name, directory)| directory.join(name));
    let mut found: Vec<_> = built.into_iter().chain(beside).collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(paths: &[PathBuf]) -> Vec<&str> {
        paths.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[test]
    fn looks_beside_the_binary_and_its_debug_files() {
        let found = packages(Path::new("/opt/app"), &["/store/gnu-12.debug".into(), "/opt/app".into()]);
        assert_eq!(texts(&found), ["/opt/app.dwp", "/store/gnu-12.debug.dwp", "/store/gnu-12.dwp"]);
    }

    #[test]
    fn stays_in_the_root_of_the_binary() {
        let binary = Path::new("/proc/7/root/opt/app");
        assert_eq!(texts(&places(binary, Path::new("/build/a.dwo"))), ["/proc/7/root/build/a.dwo", "/proc/7/root/opt/a.dwo"]);
        assert_eq!(texts(&places(Path::new("/opt/app"), Path::new("a.dwo"))), ["/opt/a.dwo"]);
        assert_eq!(texts(&places(Path::new("/opt/app"), Path::new("/opt/a.dwo"))), ["/opt/a.dwo"]);
    }
}
