//! Finds the root of the cgroup v2 hierarchy.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

const MOUNTS: &str = "/proc/thread-self/mountinfo";

/// A file that every cgroup has but the root (cgroups(7)).
const NOT_IN_ROOT: &str = "cgroup.events";

/// Whose sockets are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CgroupScope {
    /// All of the host.
    Host,
    /// Those of one cgroup and all below it: from here, as in a container, no more of the
    /// hierarchy can be seen.
    Part,
}

/// Where the hierarchy is mounted; its true root if that can be seen, in a mixed setup
/// (`/sys/fs/cgroup/unified`) too.
pub(super) fn root() -> io::Result<Option<(PathBuf, CgroupScope)>> {
    let mounts = mount_points(&std::fs::read(MOUNTS)?);
    let is_root = |path: &&PathBuf| !path.join(NOT_IN_ROOT).exists();
    if let Some(path) = mounts.iter().find(is_root) {
        return Ok(Some((path.clone(), CgroupScope::Host)));
    }
    Ok(mounts
        .into_iter()
        .next()
        .map(|path| (path, CgroupScope::Part)))
}

/// Mount points of file systems of the type `cgroup2` (proc_pid_mountinfo(5)).
fn mount_points(mountinfo: &[u8]) -> Vec<PathBuf> {
    mountinfo
        .split(|octet| *octet == b'\n')
        .filter_map(|line| {
            let fields: Vec<&[u8]> = line.split(|octet| *octet == b' ').collect();
            let dash = fields.iter().position(|field| *field == b"-")?;
            let kind = *fields.get(dash + 1)?;
            (kind == b"cgroup2").then(|| fields.get(4).map(|field| unescape(field)))?
        })
        .collect()
}

/// Blanks, tabs, line ends and backslashes come as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut octets = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match after {
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] if *first == b'\\' => {
                octets.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    Path::new(&OsString::from_vec(octets)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_either_kind_of_setup() {
        let unified = b"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_points(unified), [Path::new("/sys/fs/cgroup")]);
        let mixed = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 none rw\n\
            42 31 0:39 / /mnt/a\\040b rw shared:1 master:2 - cgroup2 none rw\n";
        assert_eq!(
            mount_points(mixed),
            [Path::new("/sys/fs/cgroup/unified"), Path::new("/mnt/a b")]
        );
        assert_eq!(mount_points(b"\n1 2 0:3 / / rw -\nx"), [] as [PathBuf; 0]);
    }

    #[test]
    fn escapes_of_mountinfo() {
        assert_eq!(unescape(b"/a\\134\\011b\\"), Path::new("/a\\\tb\\"));
        assert_eq!(unescape(b"/\\400\\08x"), Path::new("/\\400\\08x"));
    }
}
