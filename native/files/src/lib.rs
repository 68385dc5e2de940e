//! Opening files that belong to somebody else's container: below its root, regular files only, never waiting.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_IN_ROOT: u64 = 0x10;

/// `struct open_how` of openat2 (Linux 5.6).
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// The file at `path` as the process sees it: links resolve below its root, not below this program's.
pub fn open_in_root(pid: u32, path: &str, follow_last: bool) -> io::Result<File> {
    read_regular(place_in_root(pid, path, follow_last)?)
}

fn place_in_root(pid: u32, path: &str, follow_last: bool) -> io::Result<File> {
    let root = path_only(&format!("/proc/{pid}/root"))?;
    let path = std::ffi::CString::new(path).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let follow = if follow_last { 0 } else { libc::O_NOFOLLOW };
    let how = OpenHow { flags: (libc::O_PATH | libc::O_CLOEXEC | follow) as u64, mode: 0, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    // SAFETY: the path ends with a zero and `how` has the size that is stated; both outlive the call.
    let fd = unsafe { libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &raw const how, size_of::<OpenHow>()) };
    if fd < 0 {
        let error = io::Error::last_os_error();
        return Err(if error.raw_os_error() == Some(libc::ENOSYS) { io::Error::other("openat2 is missing: it needs Linux 5.6") } else { error });
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd as i32) })
}

/// The file at `path` as the process sees it, which must be root's or of the process's own user, and itself no link: what a process
/// wrote about itself. Others may write to `/tmp`, too.
pub fn open_own_in_root(pid: u32, path: &str) -> io::Result<File> {
    let place = place_in_root(pid, path, false)?;
    let owner = place.metadata()?.uid();
    if owner != 0 && !users(pid)?.contains(&owner) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("belongs to user {owner}, who is not the process's")));
    }
    read_regular(place)
}

/// Real, effective, saved and file system user of a process.
fn users(pid: u32) -> io::Result<Vec<u32>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or("");
    Ok(line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect())
}

/// The file at `path` in this program's own view.
pub fn open_regular(path: &str) -> io::Result<File> {
    read_regular(path_only(path)?)
}

fn path_only(path: &str) -> io::Result<File> {
    std::fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path)
}

/// Looked at before it is opened: opening a device or a pipe can have effects.
fn read_regular(place: File) -> io::Result<File> {
    if !place.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC).open(path)
}

#[cfg(test)]
mod tests;
