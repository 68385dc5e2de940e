use super::*;

use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn opens_regular_files_only() {
    assert!(open_regular("/proc/self/exe").is_ok());
    assert!(open_regular("/dev/null").is_err());
    assert!(open_in_root(std::process::id(), "/dev/null", true).is_err());
    assert!(open_in_root(std::process::id(), "/etc/passwd", true).is_ok());
}

#[test]
fn does_not_follow_a_link_at_the_end_unless_told() {
    let dir = Scratch::new("last");
    symlink("/etc/passwd", dir.0.join("link")).unwrap();
    let path = dir.0.join("link");
    let path = path.to_str().unwrap();
    assert!(open_in_root(std::process::id(), path, true).is_ok());
    assert!(open_in_root(std::process::id(), path, false).is_err());
}

/// Whoever else may write to a directory that a process writes to can put a file in the place of its own.
#[test]
fn what_a_process_wrote_about_itself_is_its_users_or_roots() {
    // SAFETY: asks for this process's user.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: what_a_process_wrote_about_itself_is_its_users_or_roots: files of another user need root");
        return;
    }
    let dir = Scratch::new("owner");
    let (map, link) = (dir.0.join("map"), dir.0.join("link"));
    std::fs::write(&map, "1 1 a").unwrap();
    symlink(&map, &link).unwrap();
    let own = std::process::id();
    let open = |pid: u32, path: &Path| open_own_in_root(pid, path.to_str().unwrap()).map_err(|error| error.kind());
    assert!(open(own, &map).is_ok() && open(own, &link).is_err());
    std::os::unix::fs::chown(&map, Some(4711), None).unwrap();
    assert_eq!(open(own, &map).unwrap_err(), io::ErrorKind::PermissionDenied);
    let mut of_user = Command::new("sleep").arg("60").uid(4711).spawn().unwrap();
    assert!(open(of_user.id(), &map).is_ok());
    std::os::unix::fs::chown(&map, Some(0), None).unwrap();
    assert!(open(of_user.id(), &map).is_ok());
    of_user.kill().unwrap();
    of_user.wait().unwrap();
}

/// A process in a root of its own whose links point at a file that only the host has.
#[test]
fn links_of_a_container_end_in_the_container() {
    // SAFETY: asks for this process's user.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: links_of_a_container_end_in_the_container: chroot needs root");
        return;
    }
    let dir = Scratch::new("root");
    let root = dir.0.join("root");
    std::fs::create_dir_all(root.join("opt")).unwrap();
    std::fs::write(dir.0.join("secret"), "host").unwrap();
    symlink(dir.0.join("secret"), root.join("opt/absolute")).unwrap();
    symlink("../../secret", root.join("opt/relative")).unwrap();
    symlink("/proc/self/root/etc/passwd", root.join("opt/magic")).unwrap();
    symlink("real", root.join("opt/inside")).unwrap();
    std::fs::write(root.join("opt/real"), "container").unwrap();
    let fifo = std::ffi::CString::new(root.join("opt/fifo").to_str().unwrap()).unwrap();
    // SAFETY: the path ends with a zero.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let process = InRoot::start(&root);
    let open = |path: &str| {
        let mut text = String::new();
        open_in_root(process.0 as u32, path, true).and_then(|mut file| file.read_to_string(&mut text)).map(|_| text)
    };
    assert_eq!(open("/opt/inside").unwrap(), "container");
    for outside in ["/opt/absolute", "/opt/relative", "/opt/magic", "/../../../../etc/passwd", "/opt/fifo", "/opt"] {
        assert!(open(outside).is_err(), "{outside}");
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("perfleet-files-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that waits below another root; it ends with this value.
struct InRoot(libc::pid_t);

impl InRoot {
    fn start(root: &Path) -> InRoot {
        let place = std::ffi::CString::new(root.to_str().unwrap()).unwrap();
        let (mut ready, writer) = std::io::pipe().unwrap();
        // SAFETY: the child makes system calls only and never returns.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: as above.
            unsafe {
                if libc::chroot(place.as_ptr()) == 0 {
                    libc::write(writer.as_raw_fd(), c"x".as_ptr().cast(), 1);
                    loop {
                        libc::pause();
                    }
                }
                libc::_exit(1)
            }
        }
        drop(writer);
        ready.read_exact(&mut [0]).expect("the child has its root");
        InRoot(pid)
    }
}

impl Drop for InRoot {
    fn drop(&mut self) {
        // SAFETY: the child is not waited for yet, so the number still means it.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}
