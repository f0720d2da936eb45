//! Which namespaces to watch: `--netns`, the default.

use super::{DIRECTORY, Home, NetnsError, NetnsInode, no_such_path};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The operator's choice of namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice(Vec<Wanted>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// The agent's own and all that have a name.
    All,
    Name(String),
    Path(PathBuf),
}

/// A namespace that is there now, not opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name, or the path that it was given by; empty for the agent's own.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Which it is.
    pub inode: NetnsInode,
}

impl Choice {
    /// From the values of `--netns`: `all`, a name, or a path (it has a slash). None
    /// at all: the agent's own.
    pub fn new<S: AsRef<str>>(values: &[S]) -> Self {
        Self(values.iter().map(|value| wanted(value.as_ref())).collect())
    }

    /// Whether nothing was chosen: the agent's own namespace and no other.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there can be more than one.
    pub fn may_be_many(&self) -> bool {
        self.0.len() > 1 || self.takes_all()
    }

    /// Whether it takes whatever has a name.
    pub fn takes_all(&self) -> bool {
        self.0.contains(&Wanted::All)
    }

    /// What is there now, each once, and what is not there though it was asked for.
    pub fn find(&self, home: &Home) -> (Vec<Candidate>, Vec<NetnsError>) {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        if self.is_default() {
            found.push(own(home));
        }
        for wanted in &self.0 {
            match wanted {
                Wanted::All => {
                    found.push(own(home));
                    // A name that leads nowhere may be one in the making.
                    let named = names()
                        .into_iter()
                        .filter_map(|name| by_name(name, home).ok());
                    found.extend(named);
                }
                Wanted::Name(name) => match by_name(name.clone(), home) {
                    Ok(candidate) => found.push(candidate),
                    Err(error) => missing.push(error),
                },
                Wanted::Path(path) => match at(path.display().to_string(), path.clone(), home) {
                    Ok(candidate) => found.push(candidate),
                    Err(error) => missing.push(error),
                },
            }
        }
        let mut seen = BTreeSet::new();
        found.retain(|candidate| seen.insert(candidate.inode));
        (found, missing)
    }
}

fn wanted(value: &str) -> Wanted {
    if value == "all" {
        return Wanted::All;
    }
    if !value.contains('/') {
        return Wanted::Name(value.to_owned());
    }
    let path = Path::new(value);
    let named = [DIRECTORY, "/var/run/netns"]
        .iter()
        .any(|directory| path.parent() == Some(Path::new(directory)));
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if named => Wanted::Name(name.to_owned()),
        _ => Wanted::Path(path.to_owned()),
    }
}

/// All names, in order.
fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(DIRECTORY)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

fn by_name(name: String, home: &Home) -> Result<Candidate, NetnsError> {
    let path = Path::new(DIRECTORY).join(&name);
    match at(name.clone(), path, home) {
        Err(NetnsError::NoSuchPath { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Err(NetnsError::NoSuchName {
                name,
                present: names(),
            })
        }
        other => other,
    }
}

fn at(name: String, path: PathBuf, home: &Home) -> Result<Candidate, NetnsError> {
    let metadata = fs::metadata(&path).map_err(|source| no_such_path(&path, source))?;
    let inode = NetnsInode::of(&metadata);
    if inode == home.inode {
        return Ok(own(home));
    }
    // All namespaces are files of one file system, and nothing else is in it.
    if inode.device != home.inode.device {
        return Err(NetnsError::NotOne { name });
    }
    Ok(Candidate { name, path, inode })
}

fn own(home: &Home) -> Candidate {
    Candidate {
        name: String::new(),
        path: PathBuf::from("/proc/thread-self/ns/net"),
        inode: home.inode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::Home;

    #[test]
    fn by_default_the_agents_own_and_no_other() {
        let home = Home::open().unwrap();
        let (found, missing) = Choice::default().find(&home);
        assert_eq!(found, [own(&home)]);
        assert!(missing.is_empty());
        assert!(!Choice::default().may_be_many());
    }

    #[test]
    fn what_is_named_by_path_below_the_directory_is_a_name() {
        assert_eq!(wanted("/var/run/netns/blue"), Wanted::Name("blue".into()));
        assert_eq!(wanted("/run/netns/all"), Wanted::Name("all".into()));
        assert_eq!(wanted("all"), Wanted::All);
        let path = "/proc/7/ns/net";
        assert_eq!(wanted(path), Wanted::Path(path.into()));
    }

    #[test]
    fn ones_own_under_any_path_is_the_agents_own_and_counts_once() {
        let home = Home::open().unwrap();
        let task = format!("/proc/self/task/{}/ns/net", nix::unistd::gettid());
        let choice = Choice::new(&["/proc/thread-self/ns/net", &task]);
        let (found, missing) = choice.find(&home);
        assert_eq!(found, [own(&home)]);
        assert!(missing.is_empty() && choice.may_be_many());
    }

    #[test]
    fn what_is_not_there_is_told() {
        let home = Home::open().unwrap();
        let choice = Choice::new(&["no-such-namespace-here", "/proc/self/no", "/proc/self/stat"]);
        let (found, missing) = choice.find(&home);
        assert!(found.is_empty());
        let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("no network namespace \"no-such-namespace-here\": "));
        assert!(told[1].starts_with("no network namespace at /proc/self/no: "));
        assert_eq!(told[2], "\"/proc/self/stat\" is no network namespace");
    }
}
