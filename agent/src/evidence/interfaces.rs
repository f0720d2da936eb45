//! The interfaces of a namespace and the handles the engine knows them by.
//!
//! Called by [`super::task::EvidenceTask`], which publishes the list to whoever
//! attaches hooks.

use super::handles::Handles;
use super::netlink;
use leasehound_core::evidence::{Evidence, InterfaceAddress, InterfaceFacts};
use leasehound_core::message::MacAddress;
use leasehound_core::origin::{InterfaceId, NetnsId};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

/// One interface as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The handle used in origins.
    pub id: InterfaceId,
    /// The namespace it is in.
    pub netns: NetnsId,
    /// The kernel's ifindex.
    pub index: u32,
    /// `eth3`
    pub name: Box<str>,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// `IFF_LOOPBACK`
    pub loopback: bool,
    /// Its hardware address, if it is an Ethernet device (lo counts as none).
    pub mac: Option<MacAddress>,
    /// IPv4 addresses in the kernel's order.
    pub addresses: Vec<InterfaceAddress>,
    /// Whether it has an IPv6 address, link-local ones included.
    pub has_ipv6: bool,
}

impl Interface {
    /// Whether it has any address, so that a server could listen there.
    pub fn has_address(&self) -> bool {
        self.has_ipv6 || !self.addresses.is_empty()
    }
}

/// A link as rtnetlink describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KernelLink {
    pub(super) index: u32,
    pub(super) name: Box<str>,
    pub(super) up: bool,
    pub(super) loopback: bool,
    pub(super) mac: Option<MacAddress>,
}

/// An address as rtnetlink describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KernelAddress {
    pub(super) index: u32,
    pub(super) address: IpAddr,
    pub(super) prefix_length: u8,
}

/// Allots interface handles and gives the same one back for the same interface.
///
/// A handle is never used twice: an interface that went away and came back is
/// another one, though its name and even its ifindex may be the same.
#[derive(Debug, Default)]
pub struct InterfaceRegistry {
    handles: Handles,
    ids: BTreeMap<(NetnsId, u32), (Box<str>, InterfaceId)>,
}

impl InterfaceRegistry {
    /// One that allots from `handles`.
    pub fn new(handles: Handles) -> Self {
        Self {
            handles,
            ids: BTreeMap::new(),
        }
    }

    /// Reads the interfaces of the calling thread's network namespace, which the
    /// caller knows as `netns`. Errors are those of the netlink socket.
    pub fn scan(&mut self, netns: NetnsId) -> io::Result<Vec<Interface>> {
        let (links, addresses) = netlink::dump()?;
        Ok(self.register(netns, links, &addresses))
    }

    /// The handle of an interface seen by the latest scan.
    pub fn by_index(&self, netns: NetnsId, index: u32) -> Option<InterfaceId> {
        self.ids.get(&(netns, index)).map(|(_, id)| *id)
    }

    fn register(
        &mut self,
        netns: NetnsId,
        links: Vec<KernelLink>,
        addresses: &[KernelAddress],
    ) -> Vec<Interface> {
        self.ids.retain(|(namespace, index), (name, _)| {
            *namespace != netns
                || links
                    .iter()
                    .any(|link| link.index == *index && link.name == *name)
        });
        let mut found: Vec<Interface> = links
            .into_iter()
            .map(|link| {
                let (_, id) = self
                    .ids
                    .entry((netns, link.index))
                    .or_insert_with(|| (link.name.clone(), self.handles.interface()));
                Interface {
                    id: *id,
                    netns,
                    index: link.index,
                    name: link.name,
                    up: link.up,
                    loopback: link.loopback,
                    mac: link.mac,
                    addresses: Vec::new(),
                    has_ipv6: false,
                }
            })
            .collect();
        found.sort_by_key(|interface| interface.index);
        for known in addresses {
            let Ok(place) = found.binary_search_by_key(&known.index, |found| found.index) else {
                continue;
            };
            let Some(interface) = found.get_mut(place) else {
                continue;
            };
            match known.address {
                IpAddr::V4(address) => interface.addresses.push(InterfaceAddress {
                    address,
                    prefix_length: known.prefix_length.min(32),
                }),
                IpAddr::V6(_) => interface.has_ipv6 = true,
            }
        }
        found
    }
}

/// What the engine is told of a namespace's interfaces.
pub fn facts(netns: NetnsId, interfaces: &[Interface]) -> Evidence {
    Evidence::Interfaces {
        netns,
        interfaces: interfaces
            .iter()
            .filter(|interface| interface.netns == netns)
            .map(|interface| InterfaceFacts {
                id: interface.id,
                name: interface.name.clone(),
                loopback: interface.loopback,
                mac: interface.mac,
                addresses: interface.addresses.clone(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: NetnsId = NetnsId(0);

    fn link(index: u32, name: &str) -> KernelLink {
        KernelLink {
            index,
            name: name.into(),
            up: true,
            loopback: false,
            mac: None,
        }
    }

    fn ids(interfaces: &[Interface]) -> Vec<u32> {
        interfaces.iter().map(|interface| interface.id.0).collect()
    }

    #[test]
    fn the_same_interface_keeps_its_handle_and_a_new_one_never_inherits_it() {
        let mut registry = InterfaceRegistry::default();
        let first = registry.register(HERE, vec![link(1, "lo"), link(2, "eth0")], &[]);
        assert_eq!(ids(&first), [1, 2]);
        let again = registry.register(HERE, vec![link(1, "lo"), link(2, "eth0")], &[]);
        assert_eq!(ids(&again), [1, 2]);
        registry.register(HERE, vec![link(1, "lo")], &[]);
        assert_eq!(registry.by_index(HERE, 2), None);
        let back = registry.register(HERE, vec![link(1, "lo"), link(2, "eth0")], &[]);
        assert_eq!(ids(&back), [1, 3]);
        let renamed = registry.register(HERE, vec![link(1, "lo"), link(2, "wan")], &[]);
        assert_eq!(ids(&renamed), [1, 4]);
        let elsewhere = registry.register(NetnsId(1), vec![link(1, "lo")], &[]);
        assert_eq!(ids(&elsewhere), [5]);
        assert_eq!(registry.by_index(HERE, 1), Some(InterfaceId(1)));
    }

    #[test]
    fn addresses_keep_the_kernels_order() {
        let addresses: Vec<KernelAddress> = ["172.29.101.245", "10.0.0.1", "172.29.101.1"]
            .iter()
            .map(|address| KernelAddress {
                index: 2,
                address: address.parse().unwrap(),
                prefix_length: 24,
            })
            .collect();
        let found = InterfaceRegistry::default().register(
            HERE,
            vec![link(2, "eth0"), link(1, "lo")],
            &addresses,
        );
        let written: Vec<String> = found[1]
            .addresses
            .iter()
            .map(|known| known.address.to_string())
            .collect();
        assert_eq!(written, ["172.29.101.245", "10.0.0.1", "172.29.101.1"]);
        let Evidence::Interfaces { interfaces, .. } = facts(HERE, &found) else {
            panic!("facts of interfaces are evidence of interfaces");
        };
        assert_eq!(interfaces[1].addresses, found[1].addresses);
    }

    #[test]
    fn this_machine_has_a_loopback_device() {
        let found = InterfaceRegistry::default().scan(HERE).unwrap();
        let lo = found.iter().find(|interface| interface.loopback).unwrap();
        assert_eq!(&*lo.name, "lo");
        assert_eq!(lo.index, 1);
    }
}
