//! Where an ISC dhcpd process has its lease file: it keeps it open for writing, under a
//! name with a number behind it while it makes a new one (server/db.c
//! `new_lease_file()`).

use super::{option, place_of, regular_files, seen_from_here};
use crate::evidence::procfs::{self, OpenFile};
use std::path::{Path, PathBuf};

/// `_PATH_DHCPD_DB`, as Debian, Fedora and the sources have it.
const DEFAULT_PATHS: [&str; 3] = [
    "/var/lib/dhcp/dhcpd.leases",
    "/var/lib/dhcpd/dhcpd.leases",
    "/var/db/dhcpd.leases",
];

const O_WRONLY: u32 = 0o1;
/// Standard error may be a file too.
const FIRST_OWN: u32 = 3;

/// The name of its lease file.
pub(super) fn find(pid: u32, open: &[OpenFile]) -> Option<PathBuf> {
    let mut files = regular_files(pid, open, |mode| mode == O_WRONLY);
    files.retain(|(fd, _)| *fd >= FIRST_OWN);
    let names: Vec<&Path> = files.iter().map(|(_, name)| finished(name)).collect();
    let arguments = procfs::arguments(pid).unwrap_or_default();
    let configured = option(&arguments, "-lf", "-lf").map(Path::new);
    if let Some(found) = place_of(&names, configured, &DEFAULT_PATHS) {
        return names.get(found).map(|name| name.to_path_buf());
    }
    // None is open, or none can be seen.
    let likely = configured.into_iter().chain(DEFAULT_PATHS.map(Path::new));
    likely
        .filter(|path| path.is_absolute())
        .find(|path| seen_from_here(pid, path).is_file())
        .map(Path::to_path_buf)
}

/// The name that a file will have once dhcpd has written all of it:
/// `dhcpd.leases.1795755576` is on its way to `dhcpd.leases`.
fn finished(name: &Path) -> &Path {
    let number = name.extension().and_then(|extension| extension.to_str());
    let numbered = number.is_some_and(|number| number.bytes().all(|octet| octet.is_ascii_digit()));
    let stem = name
        .to_str()
        .and_then(|name| name.rsplit_once('.'))
        .map(|(stem, _)| Path::new(stem));
    stem.filter(|_| numbered).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_making_has_its_later_name() {
        for (name, later) in [
            ("/var/lib/dhcp/dhcpd.leases", "/var/lib/dhcp/dhcpd.leases"),
            (
                "/var/lib/dhcp/dhcpd.leases.1795755576",
                "/var/lib/dhcp/dhcpd.leases",
            ),
            ("/var/lib/dhcp/leases", "/var/lib/dhcp/leases"),
        ] {
            assert_eq!(finished(Path::new(name)), Path::new(later));
        }
    }
}
