//! The process that opens files of others for the sampler (`opener.rs`), and reads the headers of ELF files. It has what that needs and
//! nothing else: no right to load programs into the kernel, none to change what it sees.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use perfleet_files::{open_in_root, open_own_in_root, open_regular};

use crate::elf::{ElfInfo, u32_at};
use crate::first::Start;
use crate::open_messages::{Answer, Found, MAX_REQUEST, Place, key_of};
use crate::passing::send;
use crate::privileges;

/// Of a file that is copied.
const MAX_COPY_BYTES: u64 = 64 << 20;

/// Its life: standard input is the socket. Returns when the other side is gone.
pub fn serve() -> io::Result<()> {
    // SAFETY: the parent gave the socket as standard input, and nobody else reads it here.
    let mut socket = unsafe { UnixStream::from_raw_fd(0) };
    // SAFETY: takes numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    privileges::keep_for_files()?;
    let mut request = vec![0; MAX_REQUEST];
    // What the sampler's start waits for goes before others with it.
    let mut start = Start::now();
    loop {
        let mut length = [0; 4];
        if socket.read_exact(&mut length).is_err() {
            return Ok(());
        }
        let length = u32_at(&length, 0).unwrap_or(0) as usize;
        let bytes = request.get_mut(..length).ok_or(io::ErrorKind::InvalidData)?;
        socket.read_exact(bytes)?;
        start.end_when_over();
        let place = Place::from_bytes(bytes).ok_or(io::ErrorKind::InvalidData)?;
        let (file, found) = match find(place) {
            Ok((file, found)) => (file, Ok(found)),
            Err(error) => (None, Err(error.raw_os_error().unwrap_or(libc::EINVAL))),
        };
        send(&socket, &Answer { cpu_ns: cpu_ns(), found }.to_bytes(), file.as_ref())?;
    }
}

fn find(place: Place) -> io::Result<(Option<File>, Found)> {
    let file = match place {
        Place::Mapped { pid, start, end, .. } => open_regular(&format!("/proc/{pid}/map_files/{start:x}-{end:x}"))?,
        Place::InRoot { pid, path } => open_in_root(pid, path, true)?,
        Place::Here { path } => open_regular(path)?,
        Place::Own { pid, path, .. } => open_own_in_root(pid, path)?,
    };
    let key = key_of(&file.metadata()?);
    let (from, elf) = match place {
        Place::Own { from, .. } => (from, None),
        _ => (0, ElfInfo::read(&file)),
    };
    let file = if is_local(&file)? { Some(file) } else { copy(&file, from, key[2], elf.is_some())? };
    Ok((file, Found { key, elf }))
}

/// On a file system that answers by itself, as far as the kernel says. Whoever reads from another one may have to wait for ever.
fn is_local(file: &File) -> io::Result<bool> {
    // include/uapi/linux/magic.h; ZFS and bcachefs: their own.
    const LOCAL: [i64; 17] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683e, // btrfs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x9584_58f6, // hugetlbfs
        0x794c_7630, // overlayfs
        0x7371_7368, // squashfs
        0xe0f5_e1e2, // erofs
        0xf2f5_2010, // f2fs
        0x9660,      // isofs
        0x4d44,      // vfat
        0x2011_bab0, // exfat
        0x5265_4973, // reiserfs
        0x3153_464a, // jfs
        0x2fc1_2fc1, // zfs
        0xca45_1a4e, // bcachefs
    ];
    // SAFETY: plain data, for which zeros are valid.
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: fills the structure that it is given.
    if unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut about) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(LOCAL.contains(&(about.f_type as i64)))
}

/// A file in memory with the same bytes from `from` on. None of a binary that is too large: a part of one would be another one.
fn copy(file: &File, from: u64, size: u64, whole: bool) -> io::Result<Option<File>> {
    let length = size.saturating_sub(from);
    if whole && length > MAX_COPY_BYTES {
        return Ok(None);
    }
    let end = from + length.min(MAX_COPY_BYTES);
    // SAFETY: the name is a constant; the result is checked.
    let fd = unsafe { libc::memfd_create(c"copy".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let copy = unsafe { File::from_raw_fd(fd) };
    copy.set_len(end)?;
    let mut part = vec![0; 64 << 10];
    let mut at = from;
    while at < end {
        let wanted = part.len().min((end - at) as usize);
        let read = file.read_at(&mut part[..wanted], at)?;
        if read == 0 {
            break;
        }
        copy.write_all_at(&part[..read], at)?;
        at += read as u64;
    }
    Ok(Some(copy))
}

fn cpu_ns() -> u64 {
    crate::system::clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}
