//! The few options of a dnsmasq that decide where its leases are, out of its arguments and
//! configuration files. No more than a look: what a file includes is followed, what it
//! means is not checked.

use super::{option, seen_from_here};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DEFAULT_CONFIGURATION: &str = "/etc/dnsmasq.conf";
/// Files that are read at most.
const MOST_FILES: usize = 256;
/// No configuration file is larger.
const SIZE_LIMIT: u64 = 4 * 1024 * 1024;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options {
    /// `dhcp-leasefile`
    pub(super) lease_file: Option<PathBuf>,
    /// `leasefile-ro`: leases are told to a script and written nowhere.
    pub(super) read_only: bool,
    /// `dhcp-script`
    pub(super) script: Option<PathBuf>,
    /// Each `interface`.
    pub(super) interfaces: Vec<Box<str>>,
    /// The configuration file that the arguments name.
    pub(super) file: Option<PathBuf>,
}

impl Options {
    /// Of a process, its files seen from its own root.
    pub(super) fn of(pid: u32, arguments: &[String]) -> Self {
        let mut options = Self::from_arguments(arguments);
        let mut waiting = Vec::new();
        let first = options.file.clone();
        waiting.push(first.unwrap_or_else(|| DEFAULT_CONFIGURATION.into()));
        if let Some(directory) = option(arguments, "--conf-dir", "-7") {
            waiting.extend(files_in(pid, directory));
        }
        let mut read = BTreeSet::new();
        while let Some(path) = waiting.pop() {
            if read.len() == MOST_FILES {
                break;
            }
            if !read.insert(path.clone()) {
                continue;
            }
            for (key, value) in text_of(pid, &path).lines().filter_map(split) {
                match key {
                    "conf-file" if !value.is_empty() => waiting.push(value.into()),
                    "conf-dir" => waiting.extend(files_in(pid, value)),
                    _ => options.take(key, value),
                }
            }
        }
        options
    }

    fn from_arguments(arguments: &[String]) -> Self {
        let path = |long, short| option(arguments, long, short).map(PathBuf::from);
        let last = option(arguments, "--interface", "-i");
        let flags = ["--leasefile-ro", "-9"];
        Self {
            lease_file: path("--dhcp-leasefile", "-l"),
            read_only: arguments.iter().any(|one| flags.contains(&one.as_str())),
            script: path("--dhcp-script", "-6"),
            interfaces: last.map(Into::into).into_iter().collect(),
            file: path("--conf-file", "-C"),
        }
    }

    /// One line; the arguments, which were read before, go before the files.
    fn take(&mut self, key: &str, value: &str) {
        match key {
            "leasefile-ro" => self.read_only = true,
            "dhcp-leasefile" if !value.is_empty() => {
                self.lease_file.get_or_insert_with(|| value.into());
            }
            "dhcp-script" if !value.is_empty() => {
                self.script.get_or_insert_with(|| value.into());
            }
            "interface" if !value.is_empty() => self.interfaces.push(value.into()),
            _ => {}
        }
    }
}

/// `key = value # comment`; the value of a flag is empty.
fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.split(" #").next()?.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    Some((key.trim(), value.trim().trim_matches('"')))
}

fn text_of(pid: u32, path: &Path) -> String {
    let path = seen_from_here(pid, path);
    let readable = fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= SIZE_LIMIT);
    if !readable {
        return String::new();
    }
    fs::read(path).map_or_else(
        |_| String::new(),
        |octets| String::from_utf8_lossy(&octets).into_owned(),
    )
}

/// `DIRECTORY`, `DIRECTORY,.bak,…` (all but those endings) or `DIRECTORY,*.conf,…` (only
/// those). Hidden files and those that editors leave do not count (option.c `one_file`).
fn files_in(pid: u32, value: &str) -> Vec<PathBuf> {
    let mut parts = value.split(',').map(str::trim);
    let directory = Path::new(parts.next().unwrap_or_default());
    let (only, except): (Vec<&str>, Vec<&str>) = parts
        .filter(|ending| !ending.is_empty())
        .partition(|ending| ending.starts_with('*'));
    let Ok(entries) = fs::read_dir(seen_from_here(pid, directory)) else {
        return Vec::new();
    };
    let counts = |name: &str| {
        let is_left_over = name.starts_with('.')
            || name.ends_with('~')
            || (name.starts_with('#') && name.ends_with('#'));
        let wanted = only.is_empty() || only.iter().any(|end| name.ends_with(&end[1..]));
        !is_left_over && wanted && !except.iter().any(|ending| name.ends_with(ending))
    };
    let mut names: Vec<PathBuf> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| counts(name))
        .map(|name| directory.join(name))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_spelling_of_the_lease_file() {
        for line in [
            "dnsmasq --dhcp-leasefile=/run/x.leases -k",
            "dnsmasq -k --dhcp-leasefile /run/x.leases",
            "dnsmasq -l /run/x.leases",
            "dnsmasq -l/run/x.leases --log-dhcp",
            "dnsmasq -l /run/old --dhcp-leasefile=/run/x.leases",
        ] {
            assert_eq!(
                Options::from_arguments(&arguments(line)).lease_file,
                Some(PathBuf::from("/run/x.leases")),
                "{line}"
            );
        }
        for line in [
            "dnsmasq",
            "dnsmasq --log-dhcp --leasefile-ro",
            "dnsmasq --dhcp-leasefile",
        ] {
            assert_eq!(
                Options::from_arguments(&arguments(line)).lease_file,
                None,
                "{line}"
            );
        }
    }

    #[test]
    fn a_read_only_lease_file_by_argument() {
        for (line, read_only) in [
            ("dnsmasq --leasefile-ro", true),
            ("dnsmasq -k -9", true),
            ("dnsmasq -k", false),
        ] {
            assert_eq!(
                Options::from_arguments(&arguments(line)).read_only,
                read_only,
                "{line}"
            );
        }
    }

    #[test]
    fn files_that_include_others_and_themselves() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("d")).unwrap();
        let main = format!(
            "# dhcp-leasefile=/old\n domain=x\n\tdhcp-leasefile = /run/y.leases # ours\n\
             conf-file={main}\nconf-dir={directory}/d,*.conf\nlog-dhcp\n",
            main = path("main").display(),
            directory = directory.path().display(),
        );
        fs::write(path("main"), main).unwrap();
        fs::write(path("d/a.conf"), "leasefile-ro\ninterface=virbr0\n").unwrap();
        fs::write(path("d/a.conf~"), "interface=no\n").unwrap();
        fs::write(path("d/a.bak"), "interface=no\n").unwrap();
        let line = format!("dnsmasq --conf-file={}", path("main").display());
        let options = Options::of(std::process::id(), &arguments(&line));
        assert_eq!(options.lease_file, Some("/run/y.leases".into()));
        assert!(options.read_only);
        assert_eq!(options.interfaces, ["virbr0".into()]);
        fs::write(path("d/b.txt"), "").unwrap();
        let names = |value: &str| -> Vec<String> {
            let all = files_in(
                std::process::id(),
                &format!("{}/d{value}", directory.path().display()),
            );
            let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            all.iter().map(name).collect()
        };
        assert_eq!(names(""), ["a.bak", "a.conf", "b.txt"]);
        assert_eq!(names(",.bak"), ["a.conf", "b.txt"]);
        assert_eq!(names(",*.conf,*.txt"), ["a.conf", "b.txt"]);
    }
}
