//! Where systemd-networkd has its leases: from version 256 on one JSON file for each
//! interface that it serves, a new one in the old one's place on each change
//! (libsystemd-network/dhcp-server-lease.c `dhcp_server_save_leases()`); before, nowhere.

use super::{Books, seen_from_here};
use crate::evidence::lease_log::LeaseLog;
use leasehound_core::evidence::DatabaseProblem;
use leasehound_core::lease::Format;
use std::fs;
use std::path::{Path, PathBuf};

/// `PersistLeases=yes`, and `=runtime`.
const DIRECTORIES: [&str; 2] = [
    "/var/lib/systemd/network/dhcp-server-lease",
    "/run/systemd/netif/dhcp-server-lease",
];

pub(super) fn find(pid: u32) -> Books {
    let files: Vec<PathBuf> = DIRECTORIES
        .iter()
        .flat_map(|directory| files_in(pid, Path::new(directory)))
        .collect();
    match files.as_slice() {
        [] => Books::none(
            DatabaseProblem::Absent,
            None,
            "systemd-networkd keeps its leases in memory (before version 256, or PersistLeases=no)",
        ),
        [only] => Books::Log(LeaseLog {
            format: Format::Networkd,
            pid: Some(pid),
            name: only.clone(),
        }),
        [first, ..] => Books::none(
            DatabaseProblem::Absent,
            first.parent().map(Path::to_path_buf),
            "systemd-networkd has one lease file for each interface; several can't be read together",
        ),
    }
}

fn files_in(pid: u32, directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(seen_from_here(pid, directory)) else {
        return Vec::new();
    };
    let mut names: Vec<PathBuf> = entries
        .flatten()
        // A file in the making has a name that begins with a dot.
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .map(|name| directory.join(name))
        .collect();
    names.sort();
    names
}
