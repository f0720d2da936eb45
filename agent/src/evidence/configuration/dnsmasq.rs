//! The configuration of a running dnsmasq: its arguments, then the files that they name,
//! in the order in which it read them (option.c `read_opts()`, `one_file()`).
//!
//! Options that are not about DHCP do not leave: configurations hold secrets. dnsmasq
//! reads all of it once, so a file that was changed since says nothing certain.

use super::root::{Read, Root};
use crate::evidence::procfs::{self, FileId};
use leasehound_core::configuration::{ConfigurationLine, SINCE_STARTED};
use leasehound_core::dnsmasq::{arguments, file, options};
use leasehound_core::time::Timestamp;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

const DEFAULT: &str = "/etc/dnsmasq.conf";
/// Options that have it read something else.
const FILE: &str = "conf-file";
const DIRECTORY: &str = "conf-dir";
const SCRIPT: &str = "conf-script";

/// dnsmasq's longest has 27 octets.
const LONGEST_OPTION: usize = 32;

/// Bounds for what somebody's process may hand us.
const MOST_FILES: usize = 1024;
const MOST_LINES: usize = 16_384;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) options: Vec<ConfigurationLine>,
    pub(super) not_understood: Vec<Box<str>>,
}

/// Reads the configuration of process `pid`, which started then.
pub(super) fn read(pid: u32, started: Timestamp) -> Configuration {
    let mut reader = Reader {
        root: Root::of(pid, started),
        seen: BTreeSet::new(),
        found: Configuration::default(),
    };
    let arguments = match procfs::arguments(pid) {
        Ok(arguments) => arguments,
        Err(error) => {
            reader.note(format!("its arguments can't be read: {error}"));
            return reader.found;
        }
    };
    reader.command_line(&arguments);
    reader.found
}

#[derive(Debug)]
struct Reader {
    root: io::Result<Root>,
    /// Files that were read: dnsmasq takes each once.
    seen: BTreeSet<FileId>,
    found: Configuration,
}

impl Reader {
    /// The first `conf-file` there is read last, in place of the default one.
    fn command_line(&mut self, arguments: &[String]) {
        // The kernel ends the last one too with a zero.
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if arguments.last() == Some(&"") {
            arguments.pop();
        }
        let (found, strange) = arguments::read(&arguments);
        for (place, argument) in strange {
            let name = argument.split_once('=').map_or(argument, |(name, _)| name);
            self.no_option("command line", place, name);
        }
        let (mut main, mut emptied) = (None, false);
        for argument in found {
            if argument.option.name == FILE && main.is_none() {
                main = argument.value.filter(|path| !path.is_empty());
                emptied |= main.is_none();
                continue;
            }
            let place = ("command line", argument.place);
            self.option(argument.option, argument.value, place);
        }
        if let Some(path) = main {
            return self.file(Path::new(path));
        }
        let before = self.found.options.len();
        self.default_file();
        if emptied && self.found.options.len() > before {
            self.note(format!(
                "the conf-file on its command line is empty: dnsmasq 2.90 reads {DEFAULT} then, older ones none"
            ));
        }
    }

    fn option(
        &mut self,
        option: options::Known,
        value: Option<&str>,
        (origin, number): (&str, u32),
    ) {
        match (option.name, value) {
            (FILE, Some("") | None) => {}
            (FILE, Some(path)) => self.file(Path::new(path)),
            (DIRECTORY, Some(value)) => self.directory(value),
            (SCRIPT, _) => self.note(format!(
                "{origin} {number}: what a conf-script puts out is not known"
            )),
            _ if !option.is_about_dhcp() => {}
            _ if self.found.options.len() >= MOST_LINES => {
                if self.found.options.len() == MOST_LINES {
                    self.note(format!("more than {MOST_LINES} options"));
                }
            }
            (name, value) => {
                let text = match value {
                    Some(value) => format!("{name}={value}"),
                    None => name.to_owned(),
                };
                self.found.options.push(ConfigurationLine {
                    origin: origin.into(),
                    number,
                    text: text.into(),
                });
            }
        }
    }

    fn default_file(&mut self) {
        let missing = match &self.root {
            Ok(root) => root
                .read(Path::new(DEFAULT))
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound),
            Err(_) => false,
        };
        if !missing {
            self.file(Path::new(DEFAULT));
        }
    }

    fn file(&mut self, path: &Path) {
        let read = match &self.root {
            Ok(root) => root.read(path),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        match read {
            // Nothing was in it, and nothing is: `--conf-file=/dev/null` is how none is asked for.
            Err(_) if path == Path::new("/dev/null") => {}
            Err(error) => self.note(format!("{} can't be read: {error}", path.display())),
            Ok(read) => self.text(path, &read),
        }
    }

    fn text(&mut self, path: &Path, read: &Read) {
        if self.seen.len() >= MOST_FILES || !self.seen.insert(read.id) {
            return;
        }
        let origin = path.display().to_string();
        if read.changed {
            self.note(format!(
                "{origin} was changed {SINCE_STARTED}: it goes by what stood there before"
            ));
        }
        for (line, number) in read.text.split('\n').zip(1..) {
            let line = match file::read(line) {
                Ok(Some(line)) => line,
                Ok(None) => continue,
                Err(file::OpenQuotation) => {
                    self.note(format!("{origin} {number}: a quotation without an end"));
                    continue;
                }
            };
            match options::by_name(&line.name) {
                Some(option) => self.option(option, line.value.as_deref(), (&origin, number)),
                None => self.no_option(&origin, number, &line.name),
            }
        }
    }

    /// A line that dnsmasq would refuse, or that is newer than what is known. It is quoted
    /// only if it looks like an option: any file may lie in a conf-dir, keys too.
    fn no_option(&mut self, origin: &str, number: u32, name: &str) {
        let name = name.trim_start_matches('-');
        let is_word =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        if !name.is_empty() && name.len() <= LONGEST_OPTION && name.bytes().all(is_word) {
            self.note(format!("{origin} {number}: no known option: {name}"));
        } else {
            self.note(format!("{origin} {number}: no option of dnsmasq's"));
        }
    }

    /// `DIRECTORY[,SUFFIX-TO-LEAVE-OUT…][,*SUFFIX-TO-TAKE…]`
    fn directory(&mut self, value: &str) {
        let mut words = file::split(value);
        let directory = Path::new(words.next().unwrap_or_default()).to_owned();
        let (mut take, mut leave) = (Vec::new(), Vec::new());
        for word in words.filter(|word| !word.is_empty()) {
            match word.strip_prefix('*') {
                Some("") => {}
                Some(suffix) => take.push(suffix),
                None => leave.push(word),
            }
        }
        let listed = match &self.root {
            Ok(root) => root.list(&directory),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        let (names, changed) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                return self.note(format!("{} can't be read: {error}", directory.display()));
            }
        };
        if changed {
            let directory = directory.display();
            self.note(format!("{directory}: files came or went {SINCE_STARTED}"));
        }
        for name in names.iter().filter(|name| is_taken(name, &take, &leave)) {
            let path = directory.join(name);
            let regular = match &self.root {
                Ok(root) => root.is_file(&path),
                Err(_) => false,
            };
            if regular {
                self.file(&path);
            }
        }
    }

    fn note(&mut self, line: String) {
        if self.found.not_understood.len() < MOST_FILES {
            self.found.not_understood.push(line.into());
        }
    }
}

/// Editors' backups and hidden files are left out, and what the suffixes say.
fn is_taken(name: &str, take: &[&str], leave: &[&str]) -> bool {
    let ends = |suffix: &&str| name.len() > suffix.len() && name.ends_with(*suffix);
    let backup = name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'));
    let hidden = name.is_empty() || name.starts_with('.');
    let wanted = take.is_empty() || take.iter().any(ends);
    !backup && !hidden && wanted && !leave.iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// Reads arguments as if this process had started with them, long after its files.
    fn read_as(arguments: &[String]) -> Configuration {
        let mut reader = Reader {
            root: Root::of(std::process::id(), Timestamp::MAX),
            seen: BTreeSet::new(),
            found: Configuration::default(),
        };
        reader.command_line(arguments);
        reader.found
    }

    fn texts(found: &Configuration) -> Vec<&str> {
        found.options.iter().map(|line| &*line.text).collect()
    }

    fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn what_is_no_option_is_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let text = "dhcp-news=1\nQm9yaW5nIGtleQ==\n-----BEGIN KEY-----\npass word\n";
        let file = write(directory.path(), "x.conf", text);
        let found = read_as(&["dnsmasq".into(), format!("--conf-file={}", file.display())]);
        let notes: Vec<String> = found
            .not_understood
            .iter()
            .map(|note| note.replace(&file.display().to_string(), "x"))
            .collect();
        assert_eq!(
            notes,
            [
                "x 1: no known option: dhcp-news",
                "x 2: no option of dnsmasq's",
                "x 3: no option of dnsmasq's",
                "x 4: no option of dnsmasq's",
            ]
        );
    }

    #[test]
    fn arguments_then_directories_then_the_main_file() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        let parts = here.join("d");
        fs::create_dir(&parts).unwrap();
        write(
            &parts,
            "b.conf",
            "dhcp-range=10.9.0.5,10.9.0.6\nserver=192.0.2.1\n",
        );
        write(&parts, "a.conf", "dhcp-match=set:x,60\n");
        write(&parts, "c.bak", "interface=eth9\n");
        write(&parts, ".hidden", "interface=eth9\n");
        write(&parts, "d.conf~", "interface=eth9\n");
        let inner = write(here, "inner.conf", "interface=eth5\n");
        let main = write(
            here,
            "main.conf",
            &format!(
                "interface=eth4\nconf-file={}\nconf-file={}\n",
                inner.display(),
                inner.display()
            ),
        );
        let found = read_as(&[
            "dnsmasq".to_owned(),
            format!("--conf-file={}", main.display()),
            format!("-7{},.bak", parts.display()),
            "-i".to_owned(),
            "eth3".to_owned(),
            "--server=192.0.2.7".to_owned(),
            String::new(),
        ]);
        assert_eq!(
            texts(&found),
            [
                "dhcp-match=set:x,60",
                "dhcp-range=10.9.0.5,10.9.0.6",
                "interface=eth3",
                "interface=eth4",
                "interface=eth5",
            ]
        );
        assert!(
            found.not_understood.is_empty(),
            "{:?}",
            found.not_understood
        );
        let only = read_as(&[
            "dnsmasq".to_owned(),
            "--conf-file=/dev/null".to_owned(),
            format!("--conf-dir={},*.conf", parts.display()),
        ]);
        assert_eq!(only.options.len(), 2);
    }

    #[test]
    fn an_empty_name_is_that_of_the_default_file() {
        let found = read_as(&[
            "dnsmasq".to_owned(),
            "--conf-file=".to_owned(),
            "-ieth3".to_owned(),
        ]);
        assert!(texts(&found).contains(&"interface=eth3"));
        assert!(
            !found
                .not_understood
                .iter()
                .any(|line| line.contains("can't be read"))
        );
    }

    #[test]
    fn what_can_not_be_known_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let main = write(
            directory.path(),
            "x.conf",
            "conf-script=/bin/secret\nof-the-future=secret\ndhcp-boot=\"x\n",
        );
        let found = read_as(&[
            "dnsmasq".to_owned(),
            format!("-C{}", main.display()),
            "--conf-file=/no/such/file".to_owned(),
            "--conf-dir=/no/such/directory".to_owned(),
            "--of-the-future=secret".to_owned(),
        ]);
        assert_eq!(found.not_understood.len(), 6, "{:?}", found.not_understood);
        assert!(
            found
                .not_understood
                .iter()
                .all(|line| !line.contains("secret"))
        );
    }

    #[test]
    fn a_file_that_was_changed_since_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let main = write(directory.path(), "x.conf", "interface=eth3\n");
        let mut reader = Reader {
            root: Root::of(std::process::id(), Timestamp::from_secs(1)),
            seen: BTreeSet::new(),
            found: Configuration::default(),
        };
        reader.file(&main);
        assert_eq!(texts(&reader.found), ["interface=eth3"]);
        assert!(reader.found.not_understood[0].contains("changed after"));
    }
}
