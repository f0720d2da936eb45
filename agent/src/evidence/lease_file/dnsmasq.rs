//! Which open file of a dnsmasq process is its lease database.
//!
//! Never the path alone: a lease file that somebody replaced lives on, nameless,
//! in the process, and the path shows a state that the server does not have.

use super::{LeaseFile, option, place_of, regular_files};
use crate::evidence::procfs::{self, FileId, OpenFile};
use std::fs;
use std::path::{Path, PathBuf};

/// Where Debian and most others have it (`LEASEFILE` of dnsmasq's config.h), and
/// where OpenWrt, the BSDs and Android put it.
const DEFAULT_PATHS: [&str; 3] = [
    "/var/lib/misc/dnsmasq.leases",
    "/var/lib/dnsmasq/dnsmasq.leases",
    "/tmp/dhcp.leases",
];
const DEFAULT_CONFIGURATION: &str = "/etc/dnsmasq.conf";

const O_RDWR: u32 = 0o2;

/// Picks the lease file out of a process's open files; `None` if it keeps none
/// open (`leasefile-ro`).
pub(super) fn find(pid: u32, open: &[OpenFile]) -> Option<LeaseFile> {
    // dnsmasq opens it with fopen(…, "a+"); pid file and log are write-only.
    let candidates = regular_files(pid, open, |mode| mode == O_RDWR);
    let names: Vec<&Path> = candidates.iter().map(|(_, name)| name.as_path()).collect();
    let arguments = procfs::arguments(pid).unwrap_or_default();
    let configured = from_arguments(&arguments).or_else(|| from_configuration(pid, &arguments));
    let (fd, name) = candidates.get(choose(&names, configured.as_deref())?)?;
    let file = FileId::at(&procfs::fd_path(pid, *fd)).ok()?;
    Some(LeaseFile {
        fd: *fd,
        name: name.clone(),
        file,
    })
}

/// The index of the lease file among read-write files: as [`place_of`] has it, or the
/// only one there is.
fn choose(names: &[&Path], configured: Option<&Path>) -> Option<usize> {
    place_of(names, configured, &DEFAULT_PATHS).or_else(|| (names.len() == 1).then_some(0))
}

/// `--dhcp-leasefile=FILE`, `--dhcp-leasefile FILE`, `-l FILE`, `-lFILE`.
fn from_arguments(arguments: &[String]) -> Option<PathBuf> {
    option(arguments, "--dhcp-leasefile", "-l").map(PathBuf::from)
}

/// `dhcp-leasefile=FILE` of the configuration file, seen from the server's root.
/// Included files are not followed: the open files decide anyway.
fn from_configuration(pid: u32, arguments: &[String]) -> Option<PathBuf> {
    let path = option(arguments, "--conf-file", "-C").unwrap_or(DEFAULT_CONFIGURATION);
    let seen_from_here = procfs::path(pid, "root").join(path.trim_start_matches('/'));
    fs::metadata(&seen_from_here)
        .ok()
        .filter(fs::Metadata::is_file)?;
    in_configuration(&fs::read_to_string(seen_from_here).ok()?)
}

fn in_configuration(text: &str) -> Option<PathBuf> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            let value = value.split(" #").next()?.trim().trim_matches('"');
            (key.trim() == "dhcp-leasefile" && !value.is_empty()).then(|| PathBuf::from(value))
        })
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_spelling_of_the_option() {
        for line in [
            "dnsmasq --dhcp-leasefile=/run/x.leases -k",
            "dnsmasq -k --dhcp-leasefile /run/x.leases",
            "dnsmasq -l /run/x.leases",
            "dnsmasq -l/run/x.leases --log-dhcp",
            "dnsmasq -l /run/old --dhcp-leasefile=/run/x.leases",
        ] {
            assert_eq!(
                from_arguments(&arguments(line)),
                Some(PathBuf::from("/run/x.leases")),
                "{line}"
            );
        }
        for line in [
            "dnsmasq",
            "dnsmasq --log-dhcp --leasefile-ro",
            "dnsmasq --dhcp-leasefile",
        ] {
            assert_eq!(from_arguments(&arguments(line)), None, "{line}");
        }
    }

    #[test]
    fn the_configuration_file_names_it() {
        let text =
            "# dhcp-leasefile=/old\n domain=x\n\tdhcp-leasefile = /run/y.leases # ours\nlog-dhcp\n";
        assert_eq!(in_configuration(text), Some(PathBuf::from("/run/y.leases")));
        assert_eq!(in_configuration("log-dhcp\n"), None);
    }

    #[test]
    fn the_configured_file_before_the_likely_one() {
        let names = [
            Path::new("/run/stdin"),
            Path::new("/run/dnsmasq.leases"),
            Path::new("/run/state"),
        ];
        assert_eq!(choose(&names, Some(Path::new("/run/state"))), Some(2));
        assert_eq!(choose(&names, Some(Path::new("/var/run/state"))), Some(2));
        assert_eq!(choose(&names, Some(Path::new("/elsewhere"))), Some(1));
        assert_eq!(choose(&names, None), Some(1));
        assert_eq!(choose(&names[2..], None), Some(0));
        assert_eq!(choose(&[names[0], names[2]], None), None);
    }
}
