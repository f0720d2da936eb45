//! The interfaces and addresses of the host that is watched.

use crate::evidence::{InterfaceAddress, InterfaceFacts};
use crate::message::MacAddress;
use crate::origin::{InterfaceId, NetnsId};
use crate::server::Subnet;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What is known of the host, per namespace. Empty in a replay of a bare capture.
#[derive(Debug, Default)]
pub struct Host {
    interfaces: BTreeMap<NetnsId, Vec<InterfaceFacts>>,
    netns_by_interface: BTreeMap<InterfaceId, NetnsId>,
}

/// Whether something belongs to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locality {
    /// It does.
    Local,
    /// It does not.
    Elsewhere,
    /// The host's addresses are not known.
    Unknown,
}

impl Host {
    /// Replaces what is known of a namespace.
    pub fn update(&mut self, netns: NetnsId, interfaces: Vec<InterfaceFacts>) {
        for interface in &interfaces {
            self.netns_by_interface.insert(interface.id, netns);
        }
        self.interfaces.insert(netns, interfaces);
    }

    /// The namespace of an interface; the agent's own if nothing was said of it.
    pub fn netns_of(&self, interface: InterfaceId) -> NetnsId {
        self.netns_by_interface
            .get(&interface)
            .copied()
            .unwrap_or_default()
    }

    /// The facts of an interface.
    pub fn interface(&self, id: InterfaceId) -> Option<&InterfaceFacts> {
        let netns = self.netns_by_interface.get(&id)?;
        self.interfaces
            .get(netns)?
            .iter()
            .find(|facts| facts.id == id)
    }

    /// Whether an interface is a loopback device.
    pub fn is_loopback(&self, id: InterfaceId) -> bool {
        self.interface(id).is_some_and(|facts| facts.loopback)
    }

    /// Whether `address` is one of the namespace's own.
    pub fn locality(&self, netns: NetnsId, address: Ipv4Addr) -> Locality {
        match self.interfaces.get(&netns) {
            None => Locality::Unknown,
            Some(_) if self.addresses(netns).any(|own| own.address == address) => Locality::Local,
            Some(_) => Locality::Elsewhere,
        }
    }

    /// The interface that has `address`.
    pub fn owner_of(&self, netns: NetnsId, address: Ipv4Addr) -> Option<&InterfaceFacts> {
        let has =
            |facts: &&InterfaceFacts| facts.addresses.iter().any(|own| own.address == address);
        self.interfaces.get(&netns)?.iter().find(has)
    }

    /// Whether a frame to `mac` is for an interface of the namespace.
    pub fn mac_locality(&self, netns: NetnsId, mac: MacAddress) -> Locality {
        match self.interfaces.get(&netns) {
            None => Locality::Unknown,
            Some(all) if all.iter().any(|facts| facts.mac == Some(mac)) => Locality::Local,
            Some(_) => Locality::Elsewhere,
        }
    }

    /// Whether `address` is a broadcast address here: 255.255.255.255, or the
    /// directed one of a local subnet.
    pub fn is_broadcast(&self, netns: NetnsId, address: Ipv4Addr) -> bool {
        address.is_broadcast()
            || self
                .addresses(netns)
                .any(|own| own.broadcast() == Some(address))
    }

    /// The local subnet that `address` lies in, loopback left out; the narrowest.
    pub fn subnet_of(&self, netns: NetnsId, address: Ipv4Addr) -> Option<InterfaceAddress> {
        let outward = self
            .interfaces
            .get(&netns)?
            .iter()
            .filter(|facts| !facts.loopback);
        let addresses = outward.flat_map(|facts| facts.addresses.iter().copied());
        addresses
            .filter(|own| own.subnet_contains(address))
            .max_by_key(|own| own.prefix_length)
    }

    /// The key under which ids used for `address` are kept: its local subnet, or its
    /// /24 where no local subnet is known.
    pub fn subnet_key(&self, netns: NetnsId, address: Ipv4Addr) -> Subnet {
        let known = self.subnet_of(netns, address);
        let prefix_length = known.map_or(24, |own| own.prefix_length);
        Subnet(
            InterfaceAddress {
                address,
                prefix_length,
            }
            .network(),
        )
    }

    /// The interfaces of a namespace; none if nothing is known of it.
    pub fn interfaces(&self, netns: NetnsId) -> &[InterfaceFacts] {
        self.interfaces.get(&netns).map_or(&[], Vec::as_slice)
    }

    /// Whether anything is known of a namespace.
    pub fn is_known(&self, netns: NetnsId) -> bool {
        self.interfaces.contains_key(&netns)
    }

    fn addresses(&self, netns: NetnsId) -> impl Iterator<Item = InterfaceAddress> + '_ {
        self.interfaces
            .get(&netns)
            .into_iter()
            .flatten()
            .flat_map(|facts| facts.addresses.iter().copied())
    }
}
