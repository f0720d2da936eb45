//! What is believed bound, from the ACKs that were seen.

use crate::delivery::SocketCookie;
use crate::message::{ClientId, HardwareAddress, ServerId};
use crate::origin::{InterfaceId, NetnsId};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Client ↔ address, as the last ACK granted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// 'chaddr' of the ACK.
    pub hardware_address: HardwareAddress,
    /// Option 61 as the client's REQUEST had it.
    pub client_id: KnownClientId,
    /// Option 54 of the ACK.
    pub server_id: ServerId,
    /// When the ACK was seen.
    pub acked: Timestamp,
    /// Option 51; `None` if the ACK had none.
    pub lease_time: Option<Duration>,
    /// Where the ACK was seen.
    pub interface: InterfaceId,
    /// Who granted it.
    pub granted_by: Granter,
    /// The socket that the ACK was sent through, where that was seen.
    pub granted_through: Option<SocketCookie>,
    /// The ACK went through a relay agent ('giaddr' was set), which may have had its
    /// own id put into option 54 (RFC 5107).
    pub relayed: bool,
}

impl Binding {
    /// When the lease ends unless it is renewed; `None` if it never does or if the
    /// ACK did not say.
    pub fn expires(&self) -> Option<Timestamp> {
        let lease_time = self.lease_time?;
        // 0xffffffff is infinity (RFC 2131 §3.3).
        (lease_time.as_secs() < u64::from(u32::MAX)).then(|| self.acked.saturating_add(lease_time))
    }
}

/// What is known of a binding's client identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownClientId {
    /// The REQUEST was seen, and this was its option 61.
    Seen(Option<ClientId>),
    /// The REQUEST was not seen.
    NotSeen,
}

/// Whose server granted a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granter {
    /// The ACK left this host without having come in before.
    ThisHost,
    /// The ACK came in from outside.
    OtherHost,
    /// A capture file that gives no direction.
    Unclear,
}

/// The bindings of all namespaces.
#[derive(Debug)]
pub struct Bindings(Table<(NetnsId, Ipv4Addr), Binding>);

impl Bindings {
    /// Room for `capacity` bindings; the least recently acknowledged goes first.
    pub fn new(capacity: usize) -> Self {
        Self(Table::new("bindings", capacity))
    }

    /// Notes an ACK.
    pub fn acknowledged(&mut self, netns: NetnsId, address: Ipv4Addr, binding: Binding) {
        self.0.put((netns, address), binding);
    }

    /// Forgets a binding that ended.
    pub fn ended(&mut self, netns: NetnsId, address: Ipv4Addr) {
        self.0.remove(&(netns, address));
    }

    /// The binding of an address.
    pub fn get(&self, netns: NetnsId, address: Ipv4Addr) -> Option<&Binding> {
        self.0.peek(&(netns, address))
    }

    /// The address last acknowledged to a hardware address. A walk over the table:
    /// only for messages that name no address themselves.
    pub fn address_of(&self, netns: NetnsId, client: HardwareAddress) -> Option<Ipv4Addr> {
        let mut latest: Option<(&Timestamp, Ipv4Addr)> = None;
        for ((of, address), binding) in self.0.iter() {
            let matches = *of == netns && binding.hardware_address == client;
            if matches && latest.is_none_or(|(acked, _)| *acked < binding.acked) {
                latest = Some((&binding.acked, *address));
            }
        }
        latest.map(|(_, address)| address)
    }

    /// How full the table is.
    pub fn usage(&self) -> TableUsage {
        self.0.usage()
    }
}
