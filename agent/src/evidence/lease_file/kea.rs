//! Where a Kea process has its memfile, and the files that belong to it.
//!
//! Kea keeps the newest of them open. Its lease-file clean-up renames that one to `.1` and
//! goes on with a new one, puts `.2` and `.1` together in `.completed`, removes the two,
//! and renames `.completed` to `.2` (memfile_lease_mgr.cc `lfcSetup()`,
//! `loadLeasesFromFiles()`; lfc_controller.cc).

use super::{option, place_of, regular_files, seen_from_here};
use crate::evidence::procfs::{self, OpenFile};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

const DEFAULT_PATHS: [&str; 2] = [
    "/var/lib/kea/kea-leases4.csv",
    "/usr/local/var/lib/kea/kea-leases4.csv",
];
const O_RDONLY: u32 = 0;
/// Standard error may be a file too.
const FIRST_OWN: u32 = 3;

/// The name of its memfile; `None` if its leases are in another kind of database.
pub(super) fn find(pid: u32, open: &[OpenFile]) -> Option<PathBuf> {
    let mut files = regular_files(pid, open, |mode| mode != O_RDONLY);
    files.retain(|(fd, _)| *fd >= FIRST_OWN);
    let names: Vec<&Path> = files.iter().map(|(_, name)| name.as_path()).collect();
    let configured = match from_configuration(pid) {
        Some(Configured::Memfile(name)) => name,
        Some(Configured::Elsewhere) => return None,
        None => None,
    };
    if let Some(found) = place_of(&names, configured.as_deref(), &DEFAULT_PATHS) {
        return names.get(found).map(|name| name.to_path_buf());
    }
    let likely = configured
        .into_iter()
        .chain(DEFAULT_PATHS.map(PathBuf::from));
    likely
        .filter(|path| path.is_absolute())
        .find(|path| seen_from_here(pid, path).is_file())
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

/// What the configuration says of the lease database.
#[derive(Debug, PartialEq, Eq)]
enum Configured {
    /// A memfile, and its name if it has one.
    Memfile(Option<PathBuf>),
    /// SQL, or a memfile that is kept in memory only.
    Elsewhere,
}

/// `-c FILE`, seen from the server's root. Included files are not followed: the open
/// files decide anyway.
fn from_configuration(pid: u32) -> Option<Configured> {
    let arguments = procfs::arguments(pid).unwrap_or_default();
    let path = option(&arguments, "--config", "-c")?;
    let path = seen_from_here(pid, Path::new(path));
    fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    in_configuration(&fs::read_to_string(path).ok()?)
}

fn in_configuration(text: &str) -> Option<Configured> {
    let whole: Value = serde_json::from_str(&without_comments(text)).ok()?;
    let database = whole.get("Dhcp4")?.get("lease-database");
    let field = |name: &str| database.and_then(|database| database.get(name));
    let kind = field("type").and_then(Value::as_str).unwrap_or("memfile");
    let persistent = field("persist").and_then(Value::as_bool).unwrap_or(true);
    if kind != "memfile" || !persistent {
        return Some(Configured::Elsewhere);
    }
    let name = field("name").and_then(Value::as_str);
    Some(Configured::Memfile(name.map(PathBuf::from)))
}

/// Kea takes `#`, `//` and `/* */` for comments (eval of its dhcp4_lexer.ll).
pub(in crate::evidence) fn without_comments(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, keep) = if first == '"' {
            (quoted(rest), true)
        } else if first == '#' || rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), false)
        } else {
            (first.len_utf8(), true)
        };
        let (piece, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if keep {
            json.push_str(piece);
        }
        rest = tail;
    }
    json
}

/// The length of the text in quotes that `text` begins with, quotes included.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_comments() {
        let text = r#"// the server
{ "Dhcp4": { # all of it
  /* "lease-database": { "name": "/old" }, */
  "valid-lifetime": 3600, "comment": "no # comment // here \" /* ",
  "lease-database": { "type": "memfile", "persist": true, "name": "/run/x.csv" } // newest
} }"#;
        assert_eq!(
            in_configuration(text),
            Some(Configured::Memfile(Some("/run/x.csv".into())))
        );
    }

    #[test]
    fn where_there_is_no_memfile() {
        for (text, expected) in [
            ("{ \"Dhcp4\": {} }", Some(Configured::Memfile(None))),
            (
                r#"{ "Dhcp4": { "lease-database": { "type": "mysql", "name": "kea" } } }"#,
                Some(Configured::Elsewhere),
            ),
            (
                r#"{ "Dhcp4": { "lease-database": { "type": "memfile", "persist": false } } }"#,
                Some(Configured::Elsewhere),
            ),
            ("{ \"Dhcp6\": {} }", None),
            ("{ \"Dhcp4\": { /* ", None),
        ] {
            assert_eq!(in_configuration(text), expected, "{text}");
        }
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
