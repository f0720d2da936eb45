//! Which interfaces to watch: `--interface`, `--exclude-interface`, the default.

use super::interfaces::Interface;
use regex::Regex;
use std::collections::BTreeSet;

/// The operator's choice of interfaces.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

/// Why a choice can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// What stands between the slashes is no regular expression.
    #[error("\"{text}\" is no regular expression: {source}")]
    BadPattern {
        /// As given, slashes included.
        text: String,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// A name that no interface has.
    #[error("no interface \"{name}\": this host has {}", present.join(", "))]
    NoSuchInterface {
        /// As given.
        name: String,
        /// The interfaces there are.
        present: Vec<String>,
    },
}

impl Selection {
    /// From the values of `--interface` and `--exclude-interface`: a name, or a
    /// regular expression between slashes that may match anywhere in the name.
    pub fn new<S: AsRef<str>>(include: &[S], exclude: &[S]) -> Result<Self, SelectionError> {
        Ok(Self {
            include: parse_all(include)?,
            exclude: parse_all(exclude)?,
        })
    }

    /// Fails if an interface was asked for by name and is not there. A pattern
    /// that matches nothing yet is no error: it may be meant for what comes.
    pub fn check(&self, interfaces: &[Interface]) -> Result<(), SelectionError> {
        for pattern in &self.include {
            if let Pattern::Name(name) = pattern
                && !interfaces.iter().any(|interface| *interface.name == **name)
            {
                // Of several namespaces: most names are in each of them.
                let mut seen = BTreeSet::new();
                let names = interfaces.iter().map(|interface| &*interface.name);
                let present = names.filter(|name| seen.insert(*name));
                return Err(SelectionError::NoSuchInterface {
                    name: name.to_string(),
                    present: present.map(ToOwned::to_owned).collect(),
                });
            }
        }
        Ok(())
    }

    /// Whether to watch this interface: what was asked for, or by default lo and
    /// every interface that is up and has an address. An exclusion always wins.
    pub fn takes(&self, interface: &Interface) -> bool {
        let any =
            |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits(&interface.name));
        if any(&self.exclude) {
            return false;
        }
        if self.include.is_empty() {
            return interface.loopback || (interface.up && interface.has_address());
        }
        any(&self.include)
    }
}

#[derive(Debug, Clone)]
enum Pattern {
    Name(Box<str>),
    Regex(Regex),
}

impl Pattern {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => **wanted == *name,
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

fn parse_all<S: AsRef<str>>(texts: &[S]) -> Result<Vec<Pattern>, SelectionError> {
    texts.iter().map(|text| parse(text.as_ref())).collect()
}

fn parse(text: &str) -> Result<Pattern, SelectionError> {
    let between = text
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'));
    match between {
        Some(pattern) => {
            Regex::new(pattern)
                .map(Pattern::Regex)
                .map_err(|source| SelectionError::BadPattern {
                    text: text.to_owned(),
                    source,
                })
        }
        None => Ok(Pattern::Name(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehound_core::origin::{InterfaceId, NetnsId};

    fn host() -> Vec<Interface> {
        ["lo", "eth0", "eth1", "tap7"]
            .iter()
            .zip(1_u32..)
            .map(|(name, index)| Interface {
                id: InterfaceId(index),
                netns: NetnsId(0),
                index,
                name: (*name).into(),
                up: index != 3,
                loopback: index == 1,
                mac: None,
                addresses: Vec::new(),
                has_ipv6: index != 4,
            })
            .collect()
    }

    fn chosen(include: &[&str], exclude: &[&str]) -> Vec<String> {
        let selection = Selection::new(include, exclude).unwrap();
        selection.check(&host()).unwrap();
        host()
            .iter()
            .filter(|interface| selection.takes(interface))
            .map(|interface| interface.name.to_string())
            .collect()
    }

    #[test]
    fn by_default_lo_and_what_is_up_with_an_address() {
        assert_eq!(chosen(&[], &[]), ["lo", "eth0"]);
        assert_eq!(chosen(&[], &["lo"]), ["eth0"]);
    }

    #[test]
    fn what_is_named_is_taken_as_it_is() {
        assert_eq!(chosen(&["tap7", "eth1"], &[]), ["eth1", "tap7"]);
        assert_eq!(
            chosen(&["/^(eth|tap)/", "lo"], &["/1$/"]),
            ["lo", "eth0", "tap7"]
        );
        assert_eq!(chosen(&["/nothing-yet/"], &[]), Vec::<String>::new());
    }

    #[test]
    fn a_missing_name_is_told_with_what_there_is() {
        let error = Selection::new(&["eth9"], &[])
            .unwrap()
            .check(&host())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "no interface \"eth9\": this host has lo, eth0, eth1, tap7"
        );
        let error = Selection::new(&["/(/"], &[]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("\"/(/\" is no regular expression")
        );
    }
}
