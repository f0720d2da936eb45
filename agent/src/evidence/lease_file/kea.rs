//! Where a Kea process has its memfile, and the files that belong to it.
//!
//! Kea keeps the newest of them open. Its lease-file clean-up renames that one to `.1` and
//! goes on with a new one, puts `.2` and `.1` together in `.completed`, removes the two,
//! and renames `.completed` to `.2` (memfile_lease_mgr.cc `lfcSetup()`,
//! `loadLeasesFromFiles()`; lfc_controller.cc).

use super::kea_configuration::{Configuration, LeasesIn};
use super::{Books, place_of, regular_files, seen_from_here};
use crate::evidence::control_socket::ControlSocket;
use crate::evidence::lease_log::LeaseLog;
use crate::evidence::procfs::{self, OpenFile};
use leasehound_core::evidence::DatabaseProblem;
use leasehound_core::lease::Format;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const DEFAULT_PATHS: [&str; 2] = [
    "/var/lib/kea/kea-leases4.csv",
    "/usr/local/var/lib/kea/kea-leases4.csv",
];
const O_RDONLY: u32 = 0;
/// Standard error may be a file too.
const FIRST_OWN: u32 = 3;

/// Its memfile, or what it has instead.
pub(super) fn find(pid: u32, open: &[OpenFile]) -> Books {
    let configuration = Configuration::of(pid).unwrap_or_default();
    let configured = match configuration.leases {
        LeasesIn::Memfile(name) => name,
        LeasesIn::Memory => {
            let reason = "Kea keeps its leases in memory only (persist: false)";
            return elsewhere(pid, configuration.control, DatabaseProblem::NotLive, reason);
        }
        LeasesIn::Sql(kind) => {
            let reason = format!(
                "Kea keeps its leases in {kind}; with the hook lease_cmds and a unix control-socket they could be read"
            );
            return elsewhere(pid, configuration.control, DatabaseProblem::Absent, reason);
        }
    };
    let configured_name = configured.as_deref();
    let name = memfile(pid, open, configured_name).or_else(|| {
        // Its clean-up closes it for a moment, to go on with another one.
        let again = procfs::open_files(pid).ok()?;
        memfile(pid, &again, configured_name)
    });
    match name {
        Some(name) => Books::Log(LeaseLog {
            format: Format::Kea,
            pid: Some(pid),
            name,
        }),
        None => Books::none(
            DatabaseProblem::Absent,
            configured,
            "no lease file of it was found: it has none open",
        ),
    }
}

fn elsewhere(
    pid: u32,
    control: Option<PathBuf>,
    problem: DatabaseProblem,
    reason: impl Into<Box<str>>,
) -> Books {
    match control {
        Some(name) => Books::Control(ControlSocket { pid, name }),
        None => Books::none(problem, None, reason),
    }
}

/// The one it has open. A Kea with a memfile always has: one that is only there may be from
/// before it kept its leases elsewhere, whatever its configuration says now.
fn memfile(pid: u32, open: &[OpenFile], configured: Option<&Path>) -> Option<PathBuf> {
    let mut files = regular_files(pid, open, |mode| mode != O_RDONLY);
    files.retain(|(fd, _)| *fd >= FIRST_OWN);
    let names: Vec<&Path> = files.iter().map(|(_, name)| name.as_path()).collect();
    if let Some(found) = place_of(&names, configured, &DEFAULT_PATHS) {
        return names.get(found).map(|name| name.to_path_buf());
    }
    if !open.is_empty() {
        return None;
    }
    // What it has open can't be seen.
    let likely = configured.into_iter().chain(DEFAULT_PATHS.map(Path::new));
    likely
        .filter(|path| path.is_absolute())
        .find(|path| seen_from_here(pid, path).is_file())
        .map(Path::to_path_buf)
}

/// The files to read before the newest one, in the order in which Kea loads them. Where
/// there is a completed clean-up it stands for all that went into it.
pub(in crate::evidence) fn older_files(newest: &Path) -> Vec<PathBuf> {
    let with = |suffix: &str| {
        let mut name = OsString::from(newest);
        name.push(suffix);
        PathBuf::from(name)
    };
    let completed = with(".completed");
    if completed.exists() {
        vec![completed]
    } else {
        vec![with(".2"), with(".1")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_memfile_that_is_not_open_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("kea-leases4.csv");
        fs::write(&name, "").unwrap();
        let me = std::process::id();
        let found = |open: &[OpenFile]| memfile(me, open, Some(&name));
        let open = || procfs::open_files(me).unwrap();
        assert_eq!(found(&open()), None);
        let file = fs::File::options().append(true).open(&name).unwrap();
        assert_eq!(found(&open()), Some(name.clone()));
        drop(file);
        assert_eq!(found(&open()), None);
        // Nothing of what is open may be seen.
        assert_eq!(found(&[]), Some(name.clone()));
    }

    #[test]
    fn a_completed_clean_up_stands_for_what_went_into_it() {
        let directory = tempfile::tempdir().unwrap();
        let newest = directory.path().join("leases.csv");
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            paths.iter().map(name).collect()
        };
        assert_eq!(
            names(older_files(&newest)),
            ["leases.csv.2", "leases.csv.1"]
        );
        fs::write(directory.path().join("leases.csv.completed"), "").unwrap();
        assert_eq!(names(older_files(&newest)), ["leases.csv.completed"]);
    }
}
