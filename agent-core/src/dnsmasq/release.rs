//! What dnsmasq's configuration lets become of a message about one address (rfc2131.c
//! `dhcp_reply()` up to its switch, and `case DHCPRELEASE`; dhcp.c `narrow_context()`).

use super::range::{Mode, Range};
use super::serving::{Linked, NotServed, Served, Service};
use super::tags::{Carried, Truth};
use super::{Model, Relay};
use crate::evidence::InterfaceFacts;
use std::net::Ipv4Addr;

/// A message, as far as the configuration asks: one that no relay agent has passed on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// 'ciaddr', as dnsmasq takes it: 0.0.0.0 beside an option 50.
    pub ciaddr: Ipv4Addr,
    /// Where it came in, and with what.
    pub carried: Carried<'a>,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<'m> {
    /// Dropped: the interface is not served.
    NotServed(NotServed),
    /// Passed on to another server.
    Relayed(&'m Relay),
    /// Dropped: there is no range for it ("no address range available").
    NoRange,
    /// Dropped: what comes in there is for another server to answer.
    Proxy(&'m Range),
    /// A RELEASE is dropped: its address is in these ranges only, and it lacks the tags
    /// that they ask for.
    Filtered(Vec<&'m Range>),
    /// It is compared with leases, if it names the id.
    Reaches {
        /// The id; `None` if it depends on what was received before, or on tags.
        server_id: Option<Ipv4Addr>,
        /// Whether tags may still keep it out.
        surely: bool,
    },
}

impl Model {
    /// What becomes of a RELEASE.
    pub fn release(&self, interfaces: &[InterfaceFacts], question: Question<'_>) -> Fate<'_> {
        let chain = match self.chain(interfaces, question) {
            Ok(chain) => chain,
            Err(fate) => return fate,
        };
        let (mut excluded, mut ids, mut surely) = (Vec::new(), Vec::new(), false);
        for link in chain.covering(question.ciaddr) {
            match self.tags.pass(&link.range.filter, question.carried) {
                Truth::No => excluded.push(link.range),
                passes => {
                    surely |= passes == Truth::Yes;
                    ids.push(link.server_id);
                }
            }
        }
        match (ids.first(), excluded.is_empty()) {
            (None, true) => Fate::NoRange,
            (None, false) => Fate::Filtered(excluded),
            (Some(id), _) => Fate::Reaches {
                server_id: id.filter(|id| ids.iter().all(|other| *other == Some(*id))),
                surely,
            },
        }
    }

    /// The bits of an address that decide what becomes of a RELEASE of it: of two leases
    /// with the same ones the same becomes, if they come in on `arrival` with the same
    /// options.
    pub fn deciding_bits(&self, interfaces: &[InterfaceFacts], arrival: &str) -> u32 {
        let Service::Served(served) = self.service(interfaces, arrival) else {
            return 0;
        };
        let own = served.linked.iter().map(|linked| Link::of(linked).mask);
        let all = self.ranges.iter();
        let elsewhere = all.filter_map(|range| Self::mask_of(range, interfaces));
        own.chain(elsewhere).fold(0, |bits, mask| bits | mask)
    }

    /// What becomes of a DECLINE: its option 54 is compared with the id of the range that
    /// is tried first, whichever the address is from.
    pub fn decline(&self, interfaces: &[InterfaceFacts], question: Question<'_>) -> Fate<'_> {
        match self.chain(interfaces, question) {
            Ok(chain) => Fate::Reaches {
                server_id: chain.links.first().and_then(|first| first.server_id),
                surely: true,
            },
            Err(fate) => fate,
        }
    }

    /// What becomes of a REQUEST, before it is looked up.
    pub fn request(&self, interfaces: &[InterfaceFacts], question: Question<'_>) -> Fate<'_> {
        self.decline(interfaces, question)
    }

    /// The ranges that a message is held against; or what becomes of it before that.
    fn chain<'m>(
        &'m self,
        interfaces: &[InterfaceFacts],
        question: Question<'_>,
    ) -> Result<Chain<'m>, Fate<'m>> {
        let served = match self.service(interfaces, question.carried.interface) {
            Service::Not(why) => return Err(Fate::NotServed(why)),
            Service::Relayed(relay) => return Err(Fate::Relayed(relay)),
            Service::Served(served) => served,
        };
        let chain = self.chain_of(&served, interfaces, question.ciaddr);
        match chain.links.first() {
            None => Err(Fate::NoRange),
            Some(first) if first.range.mode == Mode::Proxy => Err(Fate::Proxy(first.range)),
            Some(_) => Ok(chain),
        }
    }

    /// Ranges of the interface; for an address of none of them, those of others that have
    /// it, whose id is the one that they were last linked with.
    fn chain_of<'m>(
        &'m self,
        served: &Served<'m>,
        interfaces: &[InterfaceFacts],
        ciaddr: Ipv4Addr,
    ) -> Chain<'m> {
        let own: Vec<Link<'m>> = served.linked.iter().map(Link::of).collect();
        let covered = own.iter().any(|link| link.covers(ciaddr));
        if covered || ciaddr.is_unspecified() {
            return Chain { links: own };
        }
        let elsewhere = self.ranges.iter().filter_map(|range| {
            let mask = Self::mask_of(range, interfaces)?;
            let link = Link {
                range,
                mask,
                server_id: None,
            };
            link.covers(ciaddr).then_some(link)
        });
        let elsewhere: Vec<Link<'m>> = elsewhere.collect();
        Chain {
            links: if elsewhere.is_empty() { own } else { elsewhere },
        }
    }

    /// The netmask as written, as the addresses have it, or by the address's class.
    fn mask_of(range: &Range, interfaces: &[InterfaceFacts]) -> Option<u32> {
        if let Some(written) = range.netmask {
            return Some(written.to_bits());
        }
        let own = interfaces.iter().flat_map(|facts| &facts.addresses);
        let mut inside =
            own.filter(|own| own.subnet_contains(range.first) || own.subnet_contains(range.last));
        let guessed = inside.next_back().map(|own| own.netmask().to_bits());
        guessed.or(match (range.first.octets(), range.last.octets()) {
            ([0..=127, ..], [0..=127, ..]) => Some(0xff00_0000),
            ([128..=191, ..], [128..=191, ..]) => Some(0xffff_0000),
            ([192..=223, ..], [192..=223, ..]) => Some(0xffff_ff00),
            _ => None,
        })
    }
}

struct Chain<'m> {
    links: Vec<Link<'m>>,
}

#[derive(Clone, Copy)]
struct Link<'m> {
    range: &'m Range,
    mask: u32,
    server_id: Option<Ipv4Addr>,
}

impl<'m> Link<'m> {
    fn of(linked: &Linked<'m>) -> Self {
        Self {
            range: linked.range,
            mask: linked.subnet.netmask().to_bits(),
            server_id: Some(linked.server_id),
        }
    }

    fn covers(&self, address: Ipv4Addr) -> bool {
        let inside = |end: Ipv4Addr| (end.to_bits() ^ address.to_bits()) & self.mask == 0;
        inside(self.range.first) && inside(self.range.last)
    }
}

impl<'m> Chain<'m> {
    /// Those whose subnet has the address, proxies left out: as little as that is enough,
    /// for dnsmasq falls back from the range to any static one, and to any other.
    fn covering(&self, address: Ipv4Addr) -> impl Iterator<Item = &Link<'m>> {
        self.links
            .iter()
            .filter(move |link| link.covers(address) && link.range.mode != Mode::Proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::model;
    use super::*;
    use crate::evidence::InterfaceAddress;
    use crate::origin::InterfaceId;

    fn router() -> Vec<InterfaceFacts> {
        let interface = |id, name: &str, addresses: &[[u8; 4]]| InterfaceFacts {
            id: InterfaceId(id),
            name: name.into(),
            loopback: false,
            mac: None,
            addresses: addresses
                .iter()
                .map(|octets| InterfaceAddress {
                    address: Ipv4Addr::from(*octets),
                    prefix_length: 24,
                })
                .collect(),
        };
        vec![
            interface(2, "eth3", &[[10, 9, 0, 245], [10, 8, 0, 1], [10, 9, 0, 1]]),
            interface(3, "eth4", &[[10, 7, 0, 1]]),
        ]
    }

    fn carried(options: &[u8]) -> Carried<'static> {
        Carried {
            interface: "eth3",
            options: options.iter().copied().collect(),
            all: true,
        }
    }

    /// What becomes of a RELEASE with options 53 and 54 on eth3.
    fn release(configuration: &str, ciaddr: &str) -> String {
        let question = Question {
            ciaddr: ciaddr.parse().unwrap(),
            carried: carried(&[53, 54]),
        };
        let model = model(configuration);
        match model.release(&router(), question) {
            Fate::NotServed(why) => format!("{why:?}"),
            Fate::Relayed(relay) => format!("relayed to {}", relay.server),
            Fate::NoRange => "no range".to_owned(),
            Fate::Proxy(range) => format!("proxy {}", range.name),
            Fate::Filtered(ranges) => {
                let names: Vec<&str> = ranges.iter().map(|range| &*range.name).collect();
                format!("filtered {}", names.join(" "))
            }
            Fate::Reaches { server_id, surely } => format!(
                "{}{}",
                server_id.map_or("?".to_owned(), |id| id.to_string()),
                if surely { "" } else { " perhaps" }
            ),
        }
    }

    #[test]
    fn an_address_in_and_out_of_ranges() {
        let pool = "dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0";
        assert_eq!(release(pool, "10.9.0.55"), "10.9.0.245");
        // Not in the range, but in its subnet: that is enough.
        assert_eq!(release(pool, "10.9.0.99"), "10.9.0.245");
        assert_eq!(release(pool, "10.8.0.99"), "no range");
        assert_eq!(
            release(
                &format!("{pool} dhcp-range=10.8.0.9,10.8.0.99"),
                "10.8.0.99"
            ),
            "10.8.0.1"
        );
        // Another interface's range: its id is what it was last linked with.
        assert_eq!(
            release(
                &format!("{pool} dhcp-range=10.7.0.9,10.7.0.99"),
                "10.7.0.99"
            ),
            "?"
        );
        assert_eq!(release(pool, "0.0.0.0"), "no range");
    }

    #[test]
    fn what_decides_is_no_more_than_the_longest_mask() {
        let bits = |text: &str| model(text).deciding_bits(&router(), "eth3");
        let pool = "dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0";
        assert_eq!(bits(pool), 0xffff_ff00);
        let elsewhere = format!("{pool} dhcp-range=10.7.0.64,10.7.0.70,255.255.255.192");
        assert_eq!(bits(&elsewhere), 0xffff_ffc0);
        assert_eq!(bits(&format!("interface=eth4 {pool}")), 0);
        for last in 0..=255 {
            let fate =
                |address: u32| release(&elsewhere, &Ipv4Addr::from_bits(address).to_string());
            let address = 0x0a07_0000 + last;
            assert_eq!(fate(address), fate(address & 0xffff_ffc0));
        }
    }

    #[test]
    fn ranges_for_those_with_a_tag() {
        let tagged = "dhcp-vendorclass=set:phone,Cisco dhcp-range=tag:phone,10.9.0.50,10.9.0.60,255.255.255.0";
        assert_eq!(release(tagged, "10.9.0.55"), "filtered 10.9.0.50,10.9.0.60");
        // The way out: an untagged range of the same subnet, of whatever mode.
        let beside = format!("{tagged} dhcp-range=10.9.0.0,static,255.255.255.0");
        assert_eq!(release(&beside, "10.9.0.55"), "10.9.0.245");
        let hosts = "dhcp-hostsfile=/x dhcp-range=tag:red,10.9.0.50,10.9.0.60";
        assert_eq!(release(hosts, "10.9.0.55"), "10.9.0.245 perhaps");
        assert_eq!(
            release("dhcp-range=tag:eth3,10.9.0.50,10.9.0.60", "10.9.0.55"),
            "10.9.0.245"
        );
    }

    #[test]
    fn what_never_gets_to_the_leases() {
        assert_eq!(
            release("interface=eth4 dhcp-range=10.9.0.50,10.9.0.60", "10.9.0.55"),
            "NotNamed"
        );
        assert_eq!(
            release("dhcp-range=10.9.0.0,proxy", "10.9.0.55"),
            "proxy 10.9.0.0,proxy"
        );
        assert_eq!(
            release(
                "dhcp-relay=10.8.0.1,192.0.2.1 dhcp-range=10.9.0.50,10.9.0.60",
                "10.9.0.55"
            ),
            "relayed to 192.0.2.1"
        );
    }

    #[test]
    fn a_decline_is_held_against_the_first_range_only() {
        let model = model("dhcp-range=10.9.0.50,10.9.0.60 dhcp-range=10.8.0.9,10.8.0.99");
        let question = Question {
            ciaddr: Ipv4Addr::UNSPECIFIED,
            carried: carried(&[50, 53, 54]),
        };
        let id = Some(Ipv4Addr::new(10, 8, 0, 1));
        assert_eq!(
            model.decline(&router(), question),
            Fate::Reaches {
                server_id: id,
                surely: true
            }
        );
    }
}
