//! What dnsmasq makes of a message that comes in on an interface, before it looks into it
//! (dhcp.c `dhcp_packet()`, `complete_context()`; network.c `iface_check()`).

use super::range::Range;
use super::{Model, Relay, is_named};
use crate::evidence::{InterfaceAddress, InterfaceFacts};
use std::net::Ipv4Addr;

/// What an interface is to a dnsmasq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service<'m> {
    /// What comes in there is dropped without a word.
    Not(NotServed),
    /// It is passed on to another server.
    Relayed(&'m Relay),
    /// It is looked into.
    Served(Served<'m>),
}

/// Why an interface is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotServed {
    /// It has no address, or is not there.
    NoAddress,
    /// `no-dhcp-interface` names it.
    WithoutDhcp,
    /// `except-interface` names it.
    Excepted,
    /// `interface` and `listen-address` name others.
    NotNamed,
    /// There is no `dhcp-range`.
    NoRange,
}

/// A served interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served<'m> {
    /// The ranges for clients there, in the order in which dnsmasq tries them: of two that
    /// were linked by one address, the one that was configured first.
    pub linked: Vec<Linked<'m>>,
    /// The id where a range has none of its own.
    pub fallback: Ipv4Addr,
}

/// A range, linked to the interface by one of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linked<'m> {
    /// The range.
    pub range: &'m Range,
    /// The id for clients that have addresses from it.
    pub server_id: Ipv4Addr,
    /// Its subnet.
    pub subnet: InterfaceAddress,
}

impl Model {
    /// What an interface is to this server, given all interfaces of its namespace, their
    /// addresses in the kernel's order.
    pub fn service<'m>(&'m self, interfaces: &[InterfaceFacts], arrival: &str) -> Service<'m> {
        let arrival = self.stands_for(arrival);
        let found = interfaces.iter().find(|facts| *facts.name == *arrival);
        let Some((facts, primary)) =
            found.and_then(|facts| Some((facts, facts.addresses.first()?)))
        else {
            return Service::Not(NotServed::NoAddress);
        };
        let named =
            |patterns: &[Box<str>]| patterns.iter().any(|pattern| is_named(pattern, arrival));
        if named(&self.without_dhcp) {
            return Service::Not(NotServed::WithoutDhcp);
        }
        // The primary address decides, unless it is turned down and another is listened on.
        let secondary = if self.accepts(arrival, primary.address) {
            None
        } else {
            let listened = |own: &&InterfaceAddress| self.listens.contains(&own.address);
            let Some(secondary) = facts.addresses.iter().rfind(listened) else {
                return Service::Not(if named(&self.except) {
                    NotServed::Excepted
                } else {
                    NotServed::NotNamed
                });
            };
            Some(*secondary)
        };
        let relayed = |relay: &&Relay| facts.addresses.iter().any(|own| own.address == relay.local);
        if let Some(relay) = self.relays.iter().find(relayed) {
            return Service::Relayed(relay);
        }
        if self.ranges.is_empty() {
            return Service::Not(NotServed::NoRange);
        }
        Service::Served(Served {
            linked: self.link(interfaces, facts, secondary),
            fallback: secondary.unwrap_or(*primary).address,
        })
    }

    /// `bridge-interface`: the interface that messages count as received on.
    fn stands_for<'a>(&'a self, arrival: &'a str) -> &'a str {
        let bridge = self
            .bridges
            .iter()
            .find(|bridge| bridge.aliases.iter().any(|alias| is_named(alias, arrival)));
        bridge.map_or(arrival, |bridge| &bridge.interface)
    }

    fn accepts(&self, name: &str, address: Ipv4Addr) -> bool {
        let listened = self.listens.contains(&address);
        if listened {
            return true;
        }
        let named = self
            .interfaces
            .iter()
            .any(|pattern| is_named(pattern, name));
        let excepted = self.except.iter().any(|pattern| is_named(pattern, name));
        (named || !self.restricted) && !excepted
    }

    /// The first address of the arrival interface that lies in a range's subnet links it,
    /// and becomes its id; the secondary address, if that is how the interface came to be
    /// served, before all others.
    fn link<'m>(
        &'m self,
        interfaces: &[InterfaceFacts],
        arrival: &InterfaceFacts,
        secondary: Option<InterfaceAddress>,
    ) -> Vec<Linked<'m>> {
        let mut masks: Vec<Option<u32>> = self
            .ranges
            .iter()
            .map(|range| range.netmask.map(Ipv4Addr::to_bits))
            .collect();
        // Masks that are not written come from the addresses, and stay from one message to
        // the next: as of the second, they are all there at the beginning.
        for own in interfaces.iter().flat_map(|facts| &facts.addresses) {
            self.guess_masks(&mut masks, *own);
        }
        let mut linked: Vec<Option<Linked<'m>>> = vec![None; self.ranges.len()];
        let mut order = Vec::new();
        let first = secondary.map(|own| (arrival, own));
        let all = interfaces
            .iter()
            .flat_map(|facts| facts.addresses.iter().map(move |own| (facts, *own)));
        for (facts, own) in first.into_iter().chain(all) {
            self.link_shared(&masks, facts, own, &mut linked, &mut order);
            self.guess_masks(&mut masks, own);
            if facts.name != arrival.name {
                continue;
            }
            // daemon->dhcp has the last of the configuration first.
            for (index, range) in self.ranges.iter().enumerate().rev() {
                let mask = masks.get(index).copied().flatten();
                put(
                    &mut linked,
                    &mut order,
                    (index, range),
                    own.address,
                    own.address,
                    mask,
                );
            }
        }
        order
            .iter()
            .rev()
            .filter_map(|index| *linked.get(*index)?)
            .collect()
    }

    /// As dnsmasq does it: without asking whether the address is one of the arrival
    /// interface.
    fn link_shared<'m>(
        &'m self,
        masks: &[Option<u32>],
        facts: &InterfaceFacts,
        own: InterfaceAddress,
        linked: &mut [Option<Linked<'m>>],
        order: &mut Vec<usize>,
    ) {
        let shares = self
            .shared
            .iter()
            .rev()
            .filter(|share| match share.of.parse::<Ipv4Addr>() {
                Ok(address) => address == own.address,
                Err(_) => *share.of == *facts.name,
            });
        for share in shares {
            for (index, range) in self.ranges.iter().enumerate().rev() {
                let mask = masks.get(index).copied().flatten();
                put(
                    linked,
                    order,
                    (index, range),
                    share.address,
                    own.address,
                    mask,
                );
            }
        }
    }

    /// `guess_range_netmask()`
    fn guess_masks(&self, masks: &mut [Option<u32>], own: InterfaceAddress) {
        for (range, mask) in self.ranges.iter().zip(masks) {
            let inside = own.subnet_contains(range.first) || own.subnet_contains(range.last);
            if range.netmask.is_none() && inside {
                *mask = Some(own.netmask().to_bits());
            }
        }
    }
}

/// Links a range if it lies in the subnet of `member` and nothing has linked it yet.
fn put<'m>(
    linked: &mut [Option<Linked<'m>>],
    order: &mut Vec<usize>,
    (index, range): (usize, &'m Range),
    member: Ipv4Addr,
    server_id: Ipv4Addr,
    mask: Option<u32>,
) {
    let Some(mask) = mask.filter(|mask| *mask != 0) else {
        return;
    };
    let inside = |address: Ipv4Addr| (address.to_bits() ^ member.to_bits()) & mask == 0;
    if !inside(range.first) || !inside(range.last) {
        return;
    }
    if let Some(place @ None) = linked.get_mut(index) {
        *place = Some(Linked {
            range,
            server_id,
            subnet: InterfaceAddress {
                address: range.first,
                prefix_length: u8::try_from(mask.count_ones()).unwrap_or(32),
            },
        });
        order.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::model;
    use super::*;
    use crate::origin::InterfaceId;

    fn interface(id: u32, name: &str, addresses: &[&str]) -> InterfaceFacts {
        let parsed = addresses.iter().map(|text| {
            let (address, prefix_length) = text.split_once('/').unwrap();
            InterfaceAddress {
                address: address.parse().unwrap(),
                prefix_length: prefix_length.parse().unwrap(),
            }
        });
        InterfaceFacts {
            id: InterfaceId(id),
            name: name.into(),
            loopback: name == "lo",
            mac: None,
            addresses: parsed.collect(),
        }
    }

    fn router() -> Vec<InterfaceFacts> {
        vec![
            interface(1, "lo", &["127.0.0.1/8"]),
            interface(2, "eth3", &["10.9.0.245/24", "10.8.0.1/24", "10.9.0.1/24"]),
            interface(3, "eth4", &["10.7.0.1/24"]),
            interface(4, "eth5", &[]),
        ]
    }

    fn ids(configuration: &str, arrival: &str) -> Result<Vec<(String, String)>, NotServed> {
        let model = model(configuration);
        match model.service(&router(), arrival) {
            Service::Not(why) => Err(why),
            Service::Relayed(relay) => Ok(vec![("relay".to_owned(), relay.server.to_string())]),
            Service::Served(served) => Ok(served
                .linked
                .iter()
                .map(|linked| (linked.range.name.to_string(), linked.server_id.to_string()))
                .collect()),
        }
    }

    fn only(configuration: &str) -> String {
        let found = ids(configuration, "eth3").unwrap();
        let [(_, id)] = found.as_slice() else {
            panic!("{found:?}")
        };
        id.clone()
    }

    const POOL: &str = "dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0";

    #[test]
    fn the_first_address_in_the_subnet_is_the_id() {
        for restriction in [
            "",
            "interface=eth3",
            "interface=eth*",
            "listen-address=10.9.0.245,10.9.0.1",
            "interface=eth3 listen-address=10.9.0.1",
        ] {
            assert_eq!(
                only(&format!("{restriction} {POOL}")),
                "10.9.0.245",
                "{restriction}"
            );
        }
        assert_eq!(only("dhcp-range=10.8.0.50,10.8.0.60"), "10.8.0.1");
    }

    #[test]
    fn a_secondary_address_comes_first_where_the_primary_is_turned_down() {
        assert_eq!(only(&format!("listen-address=10.9.0.1 {POOL}")), "10.9.0.1");
        assert_eq!(
            only(&format!("listen-address=10.9.0.1 interface=eth4 {POOL}")),
            "10.9.0.1"
        );
        assert_eq!(
            only(&format!(
                "except-interface=eth3 listen-address=10.9.0.1 {POOL}"
            )),
            "10.9.0.1"
        );
        // Listened on, but of another subnet: then the order of the addresses counts.
        assert_eq!(
            only(&format!("listen-address=10.8.0.1 {POOL}")),
            "10.9.0.245"
        );
        // Of several the last one of the interface.
        assert_eq!(
            only(&format!("listen-address=10.8.0.1,10.9.0.1 {POOL}")),
            "10.9.0.1"
        );
    }

    #[test]
    fn what_is_not_served() {
        for (configuration, arrival, why) in [
            ("interface=eth4", "eth3", NotServed::NotNamed),
            ("listen-address=10.7.0.1", "eth3", NotServed::NotNamed),
            ("listen-address=::1", "eth3", NotServed::NotNamed),
            ("except-interface=eth3", "eth3", NotServed::Excepted),
            ("no-dhcp-interface=eth3", "eth3", NotServed::WithoutDhcp),
            ("interface=eth5", "eth5", NotServed::NoAddress),
            ("", "eth9", NotServed::NoAddress),
        ] {
            assert_eq!(
                ids(&format!("{configuration} {POOL}"), arrival),
                Err(why),
                "{configuration}"
            );
        }
        assert_eq!(ids("interface=eth3", "eth3"), Err(NotServed::NoRange));
        assert_eq!(ids(POOL, "eth4"), Ok(vec![]));
    }

    #[test]
    fn relays_and_aliases() {
        let relayed = ids(&format!("dhcp-relay=10.7.0.1,192.0.2.1 {POOL}"), "eth4").unwrap();
        assert_eq!(relayed, [("relay".to_owned(), "192.0.2.1".to_owned())]);
        assert!(ids(&format!("dhcp-relay=10.7.0.1,192.0.2.1 {POOL}"), "eth3").is_ok());
        let alias = ids(
            &format!("bridge-interface=eth3,tap* interface=eth3 {POOL}"),
            "tap7",
        )
        .unwrap();
        assert_eq!(alias[0].1, "10.9.0.245");
    }

    #[test]
    fn ranges_in_the_order_in_which_they_are_tried() {
        let found = ids(
            "dhcp-range=10.9.0.9,10.9.0.9 dhcp-range=10.8.0.9,10.8.0.9 dhcp-range=10.9.0.7,10.9.0.7",
            "eth3",
        );
        let names: Vec<String> = found.unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "10.8.0.9,10.8.0.9",
                "10.9.0.9,10.9.0.9",
                "10.9.0.7,10.9.0.7"
            ]
        );
    }

    #[test]
    fn shared_networks() {
        let found = ids(
            "shared-network=eth3,10.5.0.1 dhcp-range=10.5.0.9,10.5.0.20,255.255.255.0",
            "eth3",
        )
        .unwrap();
        assert_eq!(found[0].1, "10.9.0.245");
        let found = ids(
            "shared-network=10.9.0.1,10.5.0.1 dhcp-range=10.5.0.9,10.5.0.20,255.255.255.0",
            "eth3",
        )
        .unwrap();
        assert_eq!(found[0].1, "10.9.0.1");
    }
}
