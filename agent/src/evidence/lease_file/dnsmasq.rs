//! Which open file of a dnsmasq process is its lease database.
//!
//! Never the path alone: a lease file that somebody replaced lives on, nameless,
//! in the process, and the path shows a state that the server does not have.

use super::dnsmasq_options::Options;
use super::{Books, LeaseFile, libvirt, place_of, regular_files};
use crate::evidence::procfs::{self, FileId, OpenFile};
use leasehound_core::evidence::DatabaseProblem;
use std::path::Path;

/// Where Debian and most others have it (`LEASEFILE` of dnsmasq's config.h), and
/// where OpenWrt, the BSDs and Android put it.
const DEFAULT_PATHS: [&str; 3] = [
    "/var/lib/misc/dnsmasq.leases",
    "/var/lib/dnsmasq/dnsmasq.leases",
    "/tmp/dhcp.leases",
];

const O_RDWR: u32 = 0o2;

/// Picks the lease file out of a process's open files.
pub(super) fn find(pid: u32, open: &[OpenFile]) -> Books {
    // dnsmasq opens it with fopen(…, "a+"); pid file and log are write-only.
    let candidates = regular_files(pid, open, |mode| mode == O_RDWR);
    let names: Vec<&Path> = candidates.iter().map(|(_, name)| name.as_path()).collect();
    let options = Options::of(pid);
    let configured = options.lease_file.as_deref();
    let chosen =
        choose(&names, configured, options.read_only).and_then(|place| candidates.get(place));
    let found = chosen.and_then(|(fd, name)| {
        let file = FileId::at(&procfs::fd_path(pid, *fd)).ok()?;
        Some(LeaseFile {
            fd: *fd,
            name: name.clone(),
            meant: configured
                .filter(|path| path.is_absolute())
                .map_or_else(|| name.clone(), Path::to_path_buf),
            file,
        })
    });
    match found {
        Some(file) => Books::File(file),
        _ if options.read_only => libvirt::find(pid, &options).unwrap_or_else(|| {
            let reason =
                "dnsmasq runs with leasefile-ro: it keeps its leases in memory and writes none";
            Books::none(DatabaseProblem::NotLive, options.lease_file, reason)
        }),
        _ => {
            let reason = "dnsmasq keeps no lease file open";
            Books::none(DatabaseProblem::Absent, options.lease_file, reason)
        }
    }
}

/// The index of the lease file among read-write files: as [`place_of`] has it, or the
/// only one there is, unless it has none (`leasefile-ro`).
fn choose(names: &[&Path], configured: Option<&Path>, read_only: bool) -> Option<usize> {
    let only = || (names.len() == 1 && !read_only).then_some(0);
    place_of(names, configured, &DEFAULT_PATHS).or_else(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_file_before_the_likely_one() {
        let names = [
            Path::new("/run/stdin"),
            Path::new("/run/dnsmasq.leases"),
            Path::new("/run/state"),
        ];
        assert_eq!(
            choose(&names, Some(Path::new("/run/state")), false),
            Some(2)
        );
        assert_eq!(
            choose(&names, Some(Path::new("/var/run/state")), false),
            Some(2)
        );
        assert_eq!(
            choose(&names, Some(Path::new("/elsewhere")), false),
            Some(1)
        );
        assert_eq!(choose(&names, None, false), Some(1));
        assert_eq!(choose(&names[2..], None, false), Some(0));
        assert_eq!(choose(&names[2..], None, true), None);
        assert_eq!(choose(&[names[0], names[2]], None, false), None);
    }
}
