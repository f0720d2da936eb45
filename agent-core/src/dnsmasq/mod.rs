//! dnsmasq as its configuration makes it: which interfaces it serves, which id it goes by
//! there, which ranges it has and who reaches them (option.c, network.c, dhcp.c,
//! rfc2131.c; read in 2.90, and measured).
//!
//! A function of the lines that were read and of the interfaces: reads no file. A line
//! that it can't make sense of is listed, and lowers confidence in all of it.

pub mod arguments;
pub mod file;
pub mod options;
pub mod range;
mod release;
mod serving;
pub mod tags;

pub use release::{Fate, Question};
pub use serving::{Linked, NotServed, Served, Service};

use crate::configuration::{ConfigurationLine, Pool};
use file::split;
use range::{Mode, Parsed, Range};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use tags::Tags;

/// What a dnsmasq was told about DHCPv4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// `interface`: names, `*` at the end for any rest.
    pub interfaces: Vec<Box<str>>,
    /// `listen-address`, those of IPv4.
    pub listens: Vec<Ipv4Addr>,
    /// `except-interface`
    pub except: Vec<Box<str>>,
    /// `no-dhcp-interface`, `no-dhcpv4-interface`
    pub without_dhcp: Vec<Box<str>>,
    /// How it binds its socket.
    pub binding: Binding,
    /// `dhcp-range`, in the order in which they were read.
    pub ranges: Vec<Range>,
    /// `dhcp-relay`: the address that clients' messages arrive on, and where they go.
    pub relays: Vec<Relay>,
    /// `bridge-interface`: what stands for what.
    pub bridges: Vec<Bridge>,
    /// `shared-network`
    pub shared: Vec<SharedNetwork>,
    /// Where tags come from.
    pub tags: Tags,
    /// `dhcp-leasefile`
    pub lease_file: Option<Box<str>>,
    /// `dhcp-script`: what is told of each lease.
    pub script: Option<Box<str>>,
    /// `dhcp-lease-max`
    pub most_leases: Option<u32>,
    /// What it was told in a word.
    pub flags: BTreeSet<Flag>,
    /// Some `interface` or `listen-address` was given, IPv6 ones too: nothing else is
    /// served then.
    restricted: bool,
    /// What could not be read or made sense of, one line each.
    pub not_understood: Vec<Box<str>>,
}

/// How a dnsmasq binds its DHCP socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Binding {
    /// Alone: a second one would not start.
    #[default]
    Exclusive,
    /// `bind-interfaces` or `bind-dynamic`: beside others.
    Shared,
}

/// Settings that are on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// `leasefile-ro`: it writes no lease file.
    LeaseFileReadOnly,
    /// `dhcp-ignore`, or `ignore` in a `dhcp-host`: clients may be left without answer.
    IgnoresClients,
    /// `quiet-dhcp`: its log does not say what it does.
    Quiet,
    /// `dhcp-authoritative`
    Authoritative,
    /// `dhcp-proxy`: a relay agent's address becomes the id.
    RelayIsId,
    /// `dhcp-alternate-port`: another port than 67.
    OtherPort,
}

/// `dhcp-relay=LOCAL,SERVER`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The address that decides which interface is relayed.
    pub local: Ipv4Addr,
    /// Where to, as written.
    pub server: Box<str>,
}

/// `bridge-interface=INTERFACE,ALIAS…`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// What messages count as received on.
    pub interface: Box<str>,
    /// Where they are received.
    pub aliases: Vec<Box<str>>,
}

/// `shared-network=INTERFACE|ADDRESS,ADDRESS`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedNetwork {
    /// The interface, or an address of one.
    pub of: Box<str>,
    /// An address of the further subnet.
    pub address: Ipv4Addr,
}

impl Model {
    /// From the lines of a configuration, in dnsmasq's order, and from what could not
    /// even be read.
    pub fn new(lines: &[ConfigurationLine], not_read: &[Box<str>]) -> Self {
        let mut model = Self {
            not_understood: not_read.to_vec(),
            ..Self::default()
        };
        for line in lines {
            let (name, value) = match line.text.split_once('=') {
                Some((name, value)) => (name, value),
                None => (&*line.text, ""),
            };
            if !model.take(name, value) {
                let ConfigurationLine {
                    origin,
                    number,
                    text,
                } = line;
                let said = format!("{origin} {number}: {text}");
                model.not_understood.push(said.into());
            }
        }
        model
    }

    /// Whether every line was read and made sense of.
    pub fn is_understood(&self) -> bool {
        self.not_understood.is_empty()
    }

    /// The ranges whose addresses are given out to whoever asks.
    pub fn pools(&self) -> Vec<Pool> {
        let dynamic = self
            .ranges
            .iter()
            .filter(|range| range.mode == Mode::Dynamic);
        dynamic
            .map(|range| Pool {
                name: range.name.clone(),
                first: range.first,
                last: range.last,
                lease_time: Some(range.lease_time),
            })
            .collect()
    }

    /// Whether a setting is on.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    fn set(&mut self, flag: Flag) {
        self.flags.insert(flag);
    }

    fn take(&mut self, name: &str, value: &str) -> bool {
        match name {
            "interface" => {
                self.restricted = true;
                put_names(&mut self.interfaces, value);
            }
            "except-interface" => put_names(&mut self.except, value),
            "no-dhcp-interface" | "no-dhcpv4-interface" => put_names(&mut self.without_dhcp, value),
            "listen-address" => return self.take_addresses(value),
            "bind-interfaces" | "bind-dynamic" => self.binding = Binding::Shared,
            "dhcp-range" => match range::parse(value) {
                Parsed::V4(range) => self.ranges.push(range),
                Parsed::V6 => {}
                Parsed::Strange => return false,
            },
            "dhcp-relay" => return self.take_relay(value),
            "dhcp-proxy" => self.set(Flag::RelayIsId),
            "bridge-interface" => return self.take_bridge(value),
            "shared-network" => return self.take_shared(value),
            "dhcp-leasefile" if value.is_empty() => {}
            "dhcp-leasefile" => self.lease_file = Some(value.into()),
            "leasefile-ro" => self.set(Flag::LeaseFileReadOnly),
            "dhcp-script" => self.script = Some(value.into()),
            "dhcp-ignore" => self.set(Flag::IgnoresClients),
            "quiet-dhcp" => self.set(Flag::Quiet),
            "dhcp-authoritative" => self.set(Flag::Authoritative),
            "dhcp-lease-max" => match value.parse() {
                Ok(most) => self.most_leases = Some(most),
                Err(_) => return false,
            },
            "dhcp-alternate-port" => self.set(Flag::OtherPort),
            // They change what clients are told, or which address they get.
            "dhcp-sequential-ip" | "dhcp-optsfile" | "dhcp-optsdir" | "dhcp-ignore-clid" => {}
            _ => {
                if name == "dhcp-host" && split(value).any(|word| word == "ignore") {
                    self.set(Flag::IgnoresClients);
                }
                return self.tags.take(name, value).unwrap_or(false);
            }
        }
        true
    }

    fn take_addresses(&mut self, value: &str) -> bool {
        self.restricted = true;
        let mut all = true;
        for word in split(value) {
            match word.parse() {
                Ok(IpAddr::V4(address)) => self.listens.push(address),
                Ok(IpAddr::V6(_)) => {}
                // With a zone: fe80::1%eth0.
                Err(_) => all &= word.contains(':'),
            }
        }
        all
    }

    fn take_relay(&mut self, value: &str) -> bool {
        let Some((local, rest)) = value.split_once(',') else {
            return false;
        };
        match local.trim().parse() {
            Ok(IpAddr::V4(local)) => {
                let server = rest.trim().into();
                self.relays.push(Relay { local, server });
                true
            }
            Ok(IpAddr::V6(_)) => true,
            Err(_) => false,
        }
    }

    fn take_bridge(&mut self, value: &str) -> bool {
        let mut words = split(value).filter(|word| !word.is_empty());
        let Some(interface) = words.next() else {
            return false;
        };
        let aliases: Vec<Box<str>> = words.map(Box::from).collect();
        let known = !aliases.is_empty();
        self.bridges.push(Bridge {
            interface: interface.into(),
            aliases,
        });
        known
    }

    fn take_shared(&mut self, value: &str) -> bool {
        let Some((of, address)) = value.split_once(',') else {
            return false;
        };
        match address.trim().parse() {
            Ok(IpAddr::V4(address)) => {
                let of = of.trim().into();
                self.shared.push(SharedNetwork { of, address });
                true
            }
            Ok(IpAddr::V6(_)) => true,
            Err(_) => false,
        }
    }
}

fn put_names(names: &mut Vec<Box<str>>, value: &str) {
    names.extend(split(value).filter(|name| !name.is_empty()).map(Box::from));
}

/// util.c `wildcard_match()`
fn is_named(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((beginning, _)) => name.len() > beginning.len() && name.starts_with(beginning),
        None => pattern == name,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::configuration::LeaseTime;
    use std::time::Duration;

    pub(crate) fn model(text: &str) -> Model {
        let lines = text.split_ascii_whitespace().zip(1..);
        let lines: Vec<ConfigurationLine> = lines
            .map(|(text, number)| ConfigurationLine {
                origin: "x.conf".into(),
                number,
                text: text.into(),
            })
            .collect();
        Model::new(&lines, &[])
    }

    #[test]
    fn pools_are_the_ranges_that_are_given_out() {
        let model = model(
            "dhcp-range=10.9.0.50,10.9.0.150 dhcp-range=set:t,10.8.0.0,static,255.255.255.0,1d \
             dhcp-range=10.7.0.0,proxy dhcp-range=fd00::1,fd00::9,64",
        );
        assert!(model.is_understood());
        assert_eq!(
            model.pools(),
            [Pool {
                name: "10.9.0.50,10.9.0.150".into(),
                first: Ipv4Addr::new(10, 9, 0, 50),
                last: Ipv4Addr::new(10, 9, 0, 150),
                lease_time: Some(LeaseTime::Limited(Duration::from_hours(1))),
            }]
        );
    }

    #[test]
    fn what_is_not_understood_is_listed() {
        let model = model(
            "dhcp-range=10.9.0.50 tag-if=set:x,y quiet-dhcp listen-address=::1,x dhcp-relay=9",
        );
        assert_eq!(
            model
                .not_understood
                .iter()
                .map(|line| &**line)
                .collect::<Vec<&str>>(),
            [
                "x.conf 1: dhcp-range=10.9.0.50",
                "x.conf 2: tag-if=set:x,y",
                "x.conf 4: listen-address=::1,x",
                "x.conf 5: dhcp-relay=9",
            ]
        );
        assert!(model.has(Flag::Quiet));
    }

    #[test]
    fn names_with_a_star() {
        assert!(is_named("eth*", "eth3") && is_named("eth3", "eth3"));
        assert!(!is_named("eth3", "eth33") && !is_named("eth33", "eth3"));
        // "eth3*" wants something to follow: the loop ends before the star is looked at.
        assert!(!is_named("eth3*", "eth3"));
    }
}
