//! Directory events for Node (index.d.ts). Nothing here waits, and nothing wakes the event loop.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, FromRawFd};

use napi::bindgen_prelude::Uint8Array;
use napi::{Error, Result};
use napi_derive::napi;

/// Entries that come and go, of directories only. Writes into files are left out: cgroup files are written all the time.
const MASK: u32 = libc::IN_CREATE | libc::IN_DELETE | libc::IN_MOVED_FROM | libc::IN_MOVED_TO | libc::IN_ONLYDIR;

#[napi]
pub struct Inotify(Option<File>);

#[napi]
impl Inotify {
    #[napi(constructor)]
    pub fn new() -> Result<Self> {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        if fd < 0 {
            return Err(Error::from_reason(format!("inotify_init1: {}", io::Error::last_os_error())));
        }
        // SAFETY: the descriptor is new and owned by nobody else.
        Ok(Self(Some(unsafe { File::from_raw_fd(fd) })))
    }

    #[napi]
    pub fn add(&self, path: String) -> i32 {
        let (Some(file), Ok(path)) = (&self.0, CString::new(path)) else { return -libc::EINVAL };
        // SAFETY: the path ends with a zero byte and outlives the call.
        let watch = unsafe { libc::inotify_add_watch(file.as_raw_fd(), path.as_ptr(), MASK) };
        if watch >= 0 { watch } else { -io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) }
    }

    #[napi]
    pub fn remove(&self, watch: i32) {
        if let Some(file) = &self.0 {
            // SAFETY: takes no pointer. EINVAL means that the kernel has dropped the watch with its directory.
            unsafe { libc::inotify_rm_watch(file.as_raw_fd(), watch) };
        }
    }

    #[napi]
    pub fn read(&mut self, mut into: Uint8Array) -> Result<u32> {
        let Some(file) = &mut self.0 else { return Ok(0) };
        // SAFETY: JavaScript does not run while this call fills its buffer, so nobody else looks at the bytes.
        let bytes = unsafe { into.as_mut() };
        match file.read(bytes) {
            Ok(length) => Ok(length as u32),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(error) => Err(Error::from_reason(format!("reading inotify events: {error}"))),
        }
    }

    #[napi]
    pub fn close(&mut self) {
        self.0 = None;
    }
}
