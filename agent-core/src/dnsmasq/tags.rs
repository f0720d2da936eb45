//! Where the tags come from that ranges ask for, and whether a message has them
//! (rfc2131.c `dhcp_reply()`, dhcp-common.c `match_netid()`, `run_tag_if()`).
//!
//! A RELEASE carries less than the DISCOVER that got the lease did, so a tag may be
//! missing then. What can't be told is [`Truth::Maybe`], never guessed.

use super::file::split;
use super::range::{TagTest, tag_of};
use crate::decode::v4::OptionCodes;

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It can't be told.
    Maybe,
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// What gives a message a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// What one of these options of it says.
    Options(Vec<u8>),
    /// Who the client is: its hardware address, or what `dhcp-host` says of it.
    Client,
    /// Other tags (`tag-if`).
    Tags(Vec<TagTest>),
}

/// All sources of tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    sources: Vec<(Box<str>, Source)>,
    /// `dhcp-hostsfile` and the like: they may give any tag to a client.
    hosts_elsewhere: bool,
}

/// What is known of a message's options.
#[derive(Debug, Clone, Copy)]
pub struct Carried<'a> {
    /// The interface that it came in on: its name is a tag.
    pub interface: &'a str,
    /// The options that it has.
    pub options: OptionCodes,
    /// Whether those are all of them.
    pub all: bool,
}

impl Carried<'_> {
    fn has(self, code: u8) -> Truth {
        match (self.options.contains(code), self.all) {
            (true, _) => Truth::Yes,
            (false, true) => Truth::No,
            (false, false) => Truth::Maybe,
        }
    }
}

/// `tag-if` may be built on `tag-if`.
const DEPTH: u32 = 8;

impl Tags {
    /// Takes in an option; `None` if it is no source of tags, `Some(false)` if it can't
    /// be made sense of.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Option<bool> {
        let source = match name {
            "dhcp-vendorclass" => Source::Options(vec![60]),
            "dhcp-userclass" => Source::Options(vec![77]),
            "dhcp-circuitid" | "dhcp-remoteid" | "dhcp-subscrid" => Source::Options(vec![82]),
            // Host name, FQDN.
            "dhcp-name-match" => Source::Options(vec![12, 81]),
            "dhcp-mac" => Source::Client,
            "dhcp-match" => return Some(self.take_match(value)),
            "dhcp-host" => {
                let tags = split(value).filter_map(|word| {
                    word.strip_prefix("set:")
                        .or_else(|| word.strip_prefix("net:"))
                });
                self.sources
                    .extend(tags.map(|tag| (tag.into(), Source::Client)));
                self.sources
                    .extend(["known", "known-othernet"].map(|tag| (tag.into(), Source::Client)));
                return Some(true);
            }
            "read-ethers" => {
                self.sources
                    .extend(["known", "known-othernet"].map(|tag| (tag.into(), Source::Client)));
                return Some(true);
            }
            "dhcp-hostsfile" | "dhcp-hostsdir" => {
                self.hosts_elsewhere = true;
                return Some(true);
            }
            "tag-if" => return Some(self.take_if(value)),
            _ => return None,
        };
        let Some(tag) = split(value).next().filter(|tag| !tag.is_empty()) else {
            return Some(false);
        };
        self.put(tag, source);
        Some(true)
    }

    fn put(&mut self, tag: &str, source: Source) {
        let tag = tag.strip_prefix("set:").unwrap_or(tag);
        self.sources.push((tag.into(), source));
    }

    /// `set:TAG,60,value`, `set:TAG,option:client-arch,6`, `set:TAG,vi-encap:N,value`.
    fn take_match(&mut self, value: &str) -> bool {
        let (mut tags, mut option) = (Vec::new(), None);
        for word in split(value) {
            if word.starts_with("option6:") {
                return true;
            }
            let number = word.parse::<u8>().ok();
            let named = word.strip_prefix("option:").map(option_by_name);
            let enterprise = word.starts_with("vi-encap:").then(|| vec![124]);
            if let Some(known) = number.map(|number| vec![number]).or(named).or(enterprise) {
                option = Some(known);
                break;
            }
            tags.push(word);
        }
        let (Some(option), false) = (option, tags.is_empty()) else {
            return false;
        };
        for tag in tags {
            self.put(tag_of(tag).unwrap_or(tag), Source::Options(option.clone()));
        }
        true
    }

    fn take_if(&mut self, value: &str) -> bool {
        let words: Vec<&str> = split(value).collect();
        let tests: Vec<TagTest> = words
            .iter()
            .filter_map(|word| tag_of(word))
            .map(TagTest::new)
            .collect();
        let sets: Vec<&str> = words
            .iter()
            .filter_map(|word| word.strip_prefix("set:"))
            .collect();
        if sets.is_empty() || tests.len() + sets.len() != words.len() {
            return false;
        }
        for tag in sets {
            self.put(tag, Source::Tags(tests.clone()));
        }
        true
    }

    /// Whether a message passes all of a range's tests.
    pub fn pass(&self, tests: &[TagTest], message: Carried<'_>) -> Truth {
        self.pass_within(tests, message, DEPTH)
    }

    fn pass_within(&self, tests: &[TagTest], message: Carried<'_>, depth: u32) -> Truth {
        tests.iter().fold(Truth::Yes, |so_far, test| {
            let has = self.has(&test.tag, message, depth);
            so_far.and(if test.negated { has.not() } else { has })
        })
    }

    fn has(&self, tag: &str, message: Carried<'_>, depth: u32) -> Truth {
        let Some(depth) = depth.checked_sub(1) else {
            return Truth::Maybe;
        };
        if let Some(beginning) = tag.strip_suffix('*') {
            // Wildcards hold in tag-if, for groups of interfaces.
            let interface = message.interface.starts_with(beginning);
            return if interface { Truth::Yes } else { Truth::Maybe };
        }
        if tag == message.interface {
            return Truth::Yes;
        }
        let none = match tag {
            _ if self.hosts_elsewhere => Truth::Maybe,
            "cpewan-id" => message.has(125),
            _ => Truth::No,
        };
        let sources = self.sources.iter().filter(|(of, _)| **of == *tag);
        sources.fold(none, |so_far, (_, source)| {
            so_far.or(match source {
                Source::Client => Truth::Maybe,
                Source::Tags(tests) => self.pass_within(tests, message, depth),
                Source::Options(options) => {
                    let any = |so_far: Truth, option: &u8| so_far.or(message.has(*option));
                    // What stands in the option is not looked at.
                    match options.iter().fold(Truth::No, any) {
                        Truth::No => Truth::No,
                        _ => Truth::Maybe,
                    }
                }
            })
        })
    }

    /// The options that a tag comes from, directly or through other tags; none if no
    /// option gives it.
    pub fn options_behind(&self, tag: &str) -> Vec<u8> {
        let mut options = self.behind(tag, DEPTH);
        options.sort_unstable();
        options.dedup();
        options
    }

    fn behind(&self, tag: &str, depth: u32) -> Vec<u8> {
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        let own = if tag == "cpewan-id" {
            vec![125]
        } else {
            vec![]
        };
        let sources = self.sources.iter().filter(|(of, _)| **of == *tag);
        let found = sources.flat_map(|(_, source)| match source {
            Source::Options(options) => options.clone(),
            Source::Client => Vec::new(),
            Source::Tags(tests) => {
                let positive = tests.iter().filter(|test| !test.negated);
                positive
                    .flat_map(|test| self.behind(&test.tag, depth))
                    .collect()
            }
        });
        own.into_iter().chain(found).collect()
    }
}

/// Names of options that clients are told apart by (dhcp-common.c `opttab`); one that is
/// not here may be any.
fn option_by_name(name: &str) -> Vec<u8> {
    let name = name.split(',').next().unwrap_or(name);
    match name {
        "hostname" => vec![12],
        "vendor-class" => vec![60],
        "client-id" => vec![61],
        "user-class" => vec![77],
        "client-arch" => vec![93],
        "client-interface-id" => vec![94],
        "client-machine-id" => vec![97],
        "requested-address" => vec![50],
        "parameter-request" => vec![55],
        "max-message-size" | "maximum-message-size" => vec![57],
        _ => (1..=254).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(lines: &[(&str, &str)]) -> Tags {
        let mut tags = Tags::default();
        for (name, value) in lines {
            assert_eq!(tags.take(name, value), Some(true), "{name}={value}");
        }
        tags
    }

    fn passes(tags: &Tags, filter: &[&str], options: &[u8]) -> Truth {
        let tests: Vec<TagTest> = filter.iter().map(|text| TagTest::new(text)).collect();
        let message = Carried {
            interface: "eth3",
            options: options.iter().copied().collect(),
            all: true,
        };
        tags.pass(&tests, message)
    }

    #[test]
    fn a_tag_from_an_option_goes_with_the_option() {
        let tags = tags(&[
            ("dhcp-vendorclass", "set:phone,Cisco"),
            ("dhcp-userclass", "ipxe,iPXE"),
            ("dhcp-match", "set:arch,option:client-arch,6"),
            ("dhcp-match", "set:gold,vi-encap:2636,x"),
            ("dhcp-circuitid", "set:port,0:1:2"),
            ("tag-if", "set:both,tag:phone,tag:!ipxe"),
        ]);
        for (tag, option) in [
            ("phone", 60),
            ("ipxe", 77),
            ("arch", 93),
            ("gold", 124),
            ("port", 82),
            ("both", 60),
        ] {
            assert_eq!(passes(&tags, &[tag], &[53, 54]), Truth::No, "{tag}");
            assert_eq!(
                passes(&tags, &[tag], &[53, 54, option]),
                Truth::Maybe,
                "{tag}"
            );
            assert_eq!(tags.options_behind(tag), [option], "{tag}");
        }
        assert_eq!(passes(&tags, &["!phone"], &[53]), Truth::Yes);
        assert_eq!(passes(&tags, &["eth3"], &[]), Truth::Yes);
        assert_eq!(passes(&tags, &["eth4"], &[]), Truth::No);
        assert_eq!(passes(&tags, &[], &[]), Truth::Yes);
    }

    #[test]
    fn who_the_client_is_can_not_be_told_from_here() {
        let hosts = tags(&[
            ("dhcp-host", "02:00:00:00:00:01,set:red,10.9.0.5"),
            ("dhcp-mac", "set:blue,02:*:*:*:*:*"),
        ]);
        for tag in ["red", "blue", "known"] {
            assert_eq!(passes(&hosts, &[tag], &[53]), Truth::Maybe, "{tag}");
        }
        assert_eq!(passes(&hosts, &["green"], &[53]), Truth::No);
        let elsewhere = tags(&[("dhcp-hostsfile", "/x")]);
        assert_eq!(passes(&elsewhere, &["green"], &[53]), Truth::Maybe);
    }

    #[test]
    fn tags_that_set_each_other_come_to_an_end() {
        let circle = tags(&[("tag-if", "set:a,tag:b"), ("tag-if", "set:b,tag:a")]);
        assert_eq!(passes(&circle, &["a"], &[]), Truth::Maybe);
        assert!(circle.options_behind("a").is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let mut tags = Tags::default();
        for (name, value) in [
            ("tag-if", "tag:a"),
            ("tag-if", "set:a,b"),
            ("dhcp-match", "set:a"),
            ("dhcp-mac", ""),
        ] {
            assert_eq!(tags.take(name, value), Some(false), "{name}={value}");
        }
        assert_eq!(tags.take("dhcp-range", "x"), None);
    }
}
