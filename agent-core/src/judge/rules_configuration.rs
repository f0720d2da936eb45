//! What dnsmasq's own configuration keeps from its leases: interfaces that it does not
//! serve, addresses that it has no range for, tags that a message does not carry.
//!
//! Holds only where every line of the configuration was understood, and where it is known
//! on which interface the message came in.

use super::{Breach, Case, OwnId, ground};
use crate::cause::Cause;
use crate::decode::v4::{Message4, Oddity};
use crate::dnsmasq::range::Range;
use crate::dnsmasq::tags::Carried;
use crate::dnsmasq::{Fate, Flag, Model, NotServed, Question};
use crate::evidence::InterfaceFacts;
use crate::host::{Host, Locality};
use crate::message::ServerId;
use crate::origin::{InterfaceId, NetnsId};
use crate::release::Sighting;
use crate::trail::{Step, What};
use crate::verdict::Ground;
use crate::verdict::GroundSource::ServerConfiguration;
use std::net::Ipv4Addr;

/// A dnsmasq's configuration, and the interfaces that it meets.
#[derive(Debug, Clone, Copy)]
pub struct Configured<'a> {
    /// What it makes of the server.
    pub model: &'a Model,
    /// All interfaces of the server's namespace.
    pub interfaces: &'a [InterfaceFacts],
}

/// What is asked of a configuration.
type Asked = for<'m> fn(&'m Model, &[InterfaceFacts], Question<'_>) -> Fate<'m>;

impl<'a> Configured<'a> {
    /// What becomes of a message of a client, if that can be said: the same on whichever of
    /// `arrivals` it came in, by a configuration that is understood.
    pub fn fate(
        self,
        message: &Message4,
        arrivals: &[&'a str],
        asked: Asked,
    ) -> Option<(Fate<'a>, &'a str)> {
        let known = self.model.is_understood() && !self.model.has(Flag::OtherPort);
        // A relay agent's messages are held against the ranges of its subnet.
        if !known || !message.giaddr.is_unspecified() || message.relay_agent_information {
            return None;
        }
        let emptied = message.requested_address.is_some();
        let ask = |interface| {
            let question = Question {
                ciaddr: if emptied {
                    Ipv4Addr::UNSPECIFIED
                } else {
                    message.ciaddr
                },
                carried: Carried {
                    interface,
                    options: message.options,
                    all: !message.oddities.contains(&Oddity::Truncated),
                },
            };
            asked(self.model, self.interfaces, question)
        };
        let (first, others) = arrivals.split_first()?;
        let fate = ask(*first);
        others
            .iter()
            .all(|other| ask(*other) == fate)
            .then_some((fate, *first))
    }
}

/// The interfaces that a server may take a message to have come in on: where the kernel
/// offered it; what this host sends to itself comes in on the device that its sender is
/// bound to, else on that of the address; else where it was seen.
pub fn arrivals<'a>(
    host: &'a Host,
    netns: NetnsId,
    steps: &[&Step],
    sightings: &[Sighting],
    destination: Ipv4Addr,
) -> Vec<&'a str> {
    let name = |id: InterfaceId| host.interface(id).map(|facts| &*facts.name);
    let outward = |id: &InterfaceId| !host.is_loopback(*id);
    let mut offered: Vec<InterfaceId> = steps
        .iter()
        .filter_map(|step| match step.what {
            What::Offered { interface, .. } => interface,
            _ => None,
        })
        .filter(outward)
        .collect();
    offered.dedup();
    let looped = sightings
        .iter()
        .any(|sighting| host.is_loopback(sighting.interface));
    let found = if !offered.is_empty() {
        offered
    } else if looped {
        let bound = steps.iter().find_map(|step| match step.what {
            What::Sent { bound, .. } => bound,
            _ => None,
        });
        let owner = || host.owner_of(netns, destination).map(|facts| facts.id);
        bound.or_else(owner).into_iter().filter(outward).collect()
    } else {
        let seen = sightings.iter().map(|sighting| sighting.interface);
        let addressed = |id: &InterfaceId| {
            let facts = host.interface(*id);
            facts.is_some_and(|facts| !facts.addresses.is_empty())
        };
        seen.filter(addressed).collect()
    };
    let mut names: Vec<&str> = found.into_iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl<'a> Case<'a> {
    /// What the server's configuration lets become of the message, and the interface.
    fn fate(&self) -> Option<(Fate<'a>, &'a str)> {
        let release = self.release;
        let arrivals = arrivals(
            self.host,
            release.netns,
            &self.delivered.steps,
            &release.sightings,
            release.carrier.destination,
        );
        let asked: Asked = if release.is_decline() {
            Model::decline
        } else {
            Model::release
        };
        self.configured?.fate(&release.message, &arrivals, asked)
    }

    /// The id that the configuration makes the server go by for this message.
    pub(super) fn configured_id(&self) -> Option<OwnId> {
        let (fate, interface) = self.fate()?;
        let Fate::Reaches {
            server_id: Some(id),
            ..
        } = fate
        else {
            return None;
        };
        let says = format!("by dnsmasq's configuration it goes by {id} on {interface}");
        Some(OwnId::Known(
            ServerId(id),
            ground(ServerConfiguration, says),
        ))
    }

    /// A lease of this host's is at stake: the message is not merely passing.
    fn is_about_our_lease(&self) -> bool {
        let to_us = self
            .host
            .locality(self.release.netns, self.release.carrier.destination);
        self.lease.is_some() || to_us == Locality::Local
    }

    fn kept_out(&self, cause: Cause, grounds: Vec<Ground>) -> Breach {
        let breach = Breach::new(cause, grounds);
        if self.is_about_our_lease() {
            breach
        } else {
            breach.if_still_leased()
        }
    }
}

/// Why an interface is not served, for the operator; `None` where that is not what the
/// cause is.
pub(super) fn not_served(fate: &Fate<'_>, interface: &str) -> Option<Ground> {
    let Fate::NotServed(why) = fate else {
        return None;
    };
    let says = match why {
        NotServed::NoAddress => format!("{interface} has no IPv4 address"),
        NotServed::WithoutDhcp => format!("no-dhcp-interface names {interface}"),
        NotServed::Excepted => format!("except-interface names {interface}"),
        NotServed::NotNamed => {
            format!("neither interface= nor listen-address= has {interface} or an address of it")
        }
        NotServed::NoRange => return None,
    };
    Some(ground(ServerConfiguration, says))
}

/// `iface_check()`
pub(super) fn interface_not_served(case: &Case<'_>) -> Option<Breach> {
    let (fate, interface) = case.fate()?;
    let why = not_served(&fate, interface)?;
    Some(case.kept_out(Cause::InterfaceNotServed, vec![why]))
}

/// `relay_upstream4()`
pub(super) fn interface_relayed(case: &Case<'_>) -> Option<Breach> {
    let (Fate::Relayed(relay), interface) = case.fate()? else {
        return None;
    };
    let says = format!(
        "dhcp-relay passes on what comes in on {interface}, to {}",
        relay.server
    );
    let grounds = vec![ground(ServerConfiguration, says)];
    Some(case.kept_out(Cause::InterfaceRelayed, grounds))
}

/// That another server gives out the addresses there.
pub(super) fn proxied(fate: &Fate<'_>, interface: &str) -> Option<Ground> {
    let Fate::Proxy(range) = fate else {
        return None;
    };
    let says = format!("dhcp-range={} makes it a proxy on {interface}", range.name);
    Some(ground(ServerConfiguration, says))
}

/// `dhcp_reply()`: "if we're just a proxy server, go no further".
pub(super) fn proxy_dhcp_only(case: &Case<'_>) -> Option<Breach> {
    let (fate, interface) = case.fate()?;
    let why = proxied(&fate, interface)?;
    Some(case.kept_out(Cause::ProxyDhcpOnly, vec![why]))
}

/// `narrow_context()`: no range has the address, or only such as ask for tags that the
/// message does not bring about.
pub(super) fn no_matching_range(case: &Case<'_>) -> Option<Breach> {
    let release = case.release;
    if release.is_decline() {
        return None;
    }
    let ciaddr = release.message.ciaddr;
    let (fate, interface) = case.fate()?;
    match fate {
        Fate::NoRange | Fate::NotServed(NotServed::NoRange) => {
            let why = without_range(interface, ciaddr);
            Some(case.kept_out(Cause::NoMatchingRange, vec![why]))
        }
        Fate::Filtered(ranges) => {
            let model = case.configured?.model;
            let grounds = ranges.iter().map(|range| filtered(model, range)).collect();
            let mut breach = case.kept_out(Cause::NoMatchingRange, grounds);
            breach.remedy = crate::prediction::text::untagged_beside(ranges.first().copied());
            Some(breach)
        }
        _ => None,
    }
}

/// That there is no range.
pub(super) fn without_range(interface: &str, address: Ipv4Addr) -> Ground {
    let says =
        format!("no dhcp-range has {address}, nor is there one for the subnet of {interface}");
    ground(ServerConfiguration, says)
}

fn filtered(model: &Model, range: &Range) -> Ground {
    let tags = crate::prediction::text::tags_of(model, range);
    let says = format!(
        "dhcp-range={} is only for messages with {tags}; this one has not what it takes",
        range.name
    );
    ground(ServerConfiguration, says)
}
