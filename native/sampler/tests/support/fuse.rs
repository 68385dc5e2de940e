//! A file system that a program runs (FUSE, include/uapi/linux/fuse.h), with one file in it, that can stop to answer: whoever asks it then
//! waits, and cannot be killed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Of `fuse_in_header`.
const HEADER: usize = 40;
const ROOT: u64 = 1;
const FILE: u64 = 2;
pub const FILE_NAME: &str = "program";

pub struct Fuse {
    frozen: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
}

impl Fuse {
    /// Mounts it in the mount name space of this thread.
    pub fn mount(at: &Path, content: Vec<u8>) -> std::io::Result<Fuse> {
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let (at, options) = (c_text(at.to_str().unwrap()), c_text(&options));
        // SAFETY: all texts end with a zero and outlive the call.
        if unsafe { libc::mount(c"test".as_ptr(), at.as_ptr(), c"fuse".as_ptr(), 0, options.as_ptr().cast()) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        let fuse = Fuse { frozen: Arc::default(), gone: Arc::default() };
        let (frozen, gone) = (Arc::clone(&fuse.frozen), Arc::clone(&fuse.gone));
        std::thread::spawn(move || serve(device, &content, &frozen, &gone));
        Ok(fuse)
    }

    /// From here on it reads what it is asked, and answers nothing.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }
}

impl Drop for Fuse {
    /// Whoever waits has an error then.
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
    }
}

fn c_text(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).unwrap()
}

fn serve(mut device: File, content: &[u8], frozen: &AtomicBool, gone: &AtomicBool) {
    let mut request = vec![0; 256 << 10];
    while !gone.load(Ordering::SeqCst) {
        let mut fds = libc::pollfd { fd: device.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, which outlives the call.
        if unsafe { libc::poll(&raw mut fds, 1, 20) } == 0 {
            continue;
        }
        let Ok(length) = device.read(&mut request) else { return };
        if frozen.load(Ordering::SeqCst) {
            continue;
        }
        let request = &request[..length];
        let (error, body) = match answer(request, content) {
            Some(Ok(body)) => (0, body),
            Some(Err(error)) => (-error, Vec::new()),
            None => continue,
        };
        let mut bytes = ((16 + body.len()) as u32).to_le_bytes().to_vec();
        bytes.extend(error.to_le_bytes());
        bytes.extend(&request[8..16]);
        bytes.extend(body);
        let _ = device.write(&bytes);
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// None where nothing is to be said.
fn answer(request: &[u8], content: &[u8]) -> Option<Result<Vec<u8>, i32>> {
    let (operation, node, body) = (u32::from_le_bytes(request[4..8].try_into().unwrap()), u64_at(request, 16), &request[HEADER..]);
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    Some(Ok(match operation {
        // LOOKUP
        1 if body.strip_suffix(b"\0") == Some(FILE_NAME.as_bytes()) => [words(&[FILE, 0, 0, 0, 0]), attributes(FILE, content)].concat(),
        1 => return Some(Err(libc::ENOENT)),
        // FORGET, INTERRUPT, BATCH_FORGET
        2 | 36 | 42 => return None,
        // GETATTR
        3 => [words(&[0, 0]), attributes(node, content)].concat(),
        // OPEN; its pages stay in memory (FOPEN_KEEP_CACHE)
        14 => words(&[0, 2]),
        // READ
        15 => {
            let from = content.len().min(u64_at(body, 8) as usize);
            let size = u32::from_le_bytes(body[16..20].try_into().unwrap()) as usize;
            content[from..content.len().min(from + size)].to_vec()
        }
        // STATFS
        17 => vec![0; 80],
        // RELEASE, FLUSH
        18 | 25 => Vec::new(),
        // INIT: version 7.31, 64 KiB of read-ahead
        26 => {
            let mut body = [7u32, 31, 65536, 0, 12 | 10 << 16, 65536].iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
            body.resize(64, 0);
            body
        }
        _ => return Some(Err(libc::ENOSYS)),
    }))
}

/// `fuse_attr`
fn attributes(node: u64, content: &[u8]) -> Vec<u8> {
    let (size, mode) = if node == ROOT { (0, 0o040_755u32) } else { (content.len() as u64, 0o100_755) };
    let mut bytes: Vec<u8> = [node, size, size.div_ceil(512), 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    // Nanoseconds, mode, links, owner, group, device, block size, flags
    bytes.extend([0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].iter().flat_map(|word: &u32| word.to_le_bytes()));
    bytes
}
