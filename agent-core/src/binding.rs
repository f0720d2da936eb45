//! What is believed bound, from the ACKs that were seen.

mod overdue;

use crate::delivery::SocketCookie;
use crate::message::{ClientId, HardwareAddress, ServerId};
use crate::origin::{InterfaceId, NetnsId};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use overdue::Overdue;
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
    /// Option 58, T1, where the ACK had it.
    pub renewal_time: Option<Duration>,
    /// Option 59, T2, where the ACK had it.
    pub rebinding_time: Option<Duration>,
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
        self.after(self.lease_time?)
    }

    /// T1: when the client begins to renew; half of the lease time unless the ACK said
    /// (RFC 2131 §4.4.5). `None` if the lease never ends or if the ACK did not say.
    pub fn t1(&self) -> Option<Timestamp> {
        match self.renewal_time {
            Some(time) => self.after(time),
            None => self
                .expires()
                .and_then(|_| self.after(self.lease_time? / 2)),
        }
    }

    /// T2: when the client begins to rebind; 0.875 of the lease time unless the ACK said
    /// (RFC 2131 §4.4.5). `None` as with [`Self::t1`].
    pub fn t2(&self) -> Option<Timestamp> {
        match self.rebinding_time {
            Some(time) => self.after(time),
            None => self
                .expires()
                .and_then(|_| self.after(self.lease_time? / 8 * 7)),
        }
    }

    /// 0xffffffff is infinity (RFC 2131 §3.3).
    fn after(&self, time: Duration) -> Option<Timestamp> {
        (time.as_secs() < u64::from(u32::MAX)).then(|| self.acked.saturating_add(time))
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
pub struct Bindings {
    table: Table<(NetnsId, Ipv4Addr), Binding>,
    overdue: Overdue,
}

impl Bindings {
    /// Room for `capacity` bindings; the least recently acknowledged goes first.
    pub fn new(capacity: usize) -> Self {
        Self {
            table: Table::new("bindings", capacity),
            overdue: Overdue::default(),
        }
    }

    /// Notes an ACK.
    pub fn acknowledged(&mut self, netns: NetnsId, address: Ipv4Addr, binding: Binding) {
        let key = (netns, address);
        self.overdue.forget(key);
        // Renewals of what another host granted need not pass here.
        if binding.granted_by != Granter::OtherHost {
            self.overdue.expect(key, &binding);
        }
        if let Some((pushed_out, _)) = self.table.put(key, binding) {
            self.overdue.forget(pushed_out);
        }
    }

    /// Forgets a binding that ended.
    pub fn ended(&mut self, netns: NetnsId, address: Ipv4Addr) {
        self.overdue.forget((netns, address));
        self.table.remove(&(netns, address));
    }

    /// The binding of an address.
    pub fn get(&self, netns: NetnsId, address: Ipv4Addr) -> Option<&Binding> {
        self.table.peek(&(netns, address))
    }

    /// The bindings of a namespace. A walk over the table.
    pub fn of(&self, netns: NetnsId) -> impl Iterator<Item = (Ipv4Addr, &Binding)> {
        let all = self.table.iter();
        all.filter(move |((of, _), _)| *of == netns)
            .map(|((_, address), binding)| (*address, binding))
    }

    /// Goes on to `now`: gives the bindings whose T2 has passed since the last call, and
    /// drops from the overdue those that have run out.
    pub fn advance(&mut self, now: Timestamp) -> Vec<(NetnsId, Ipv4Addr)> {
        self.overdue.advance(now)
    }

    /// Bindings of a namespace past T2, as of the last [`Self::advance`]: neither renewed
    /// nor rebound, ended, or run out.
    pub fn past_t2(&self, netns: NetnsId) -> usize {
        self.overdue.count(netns)
    }

    /// A binding that is none any more, though nobody said so: it is not overdue.
    pub fn not_overdue(&mut self, netns: NetnsId, address: Ipv4Addr) {
        self.overdue.forget((netns, address));
    }

    /// The address last acknowledged to a hardware address. A walk over the table:
    /// only for messages that name no address themselves.
    pub fn address_of(&self, netns: NetnsId, client: HardwareAddress) -> Option<Ipv4Addr> {
        let mut latest: Option<(&Timestamp, Ipv4Addr)> = None;
        for ((of, address), binding) in self.table.iter() {
            let matches = *of == netns && binding.hardware_address == client;
            if matches && latest.is_none_or(|(acked, _)| *acked < binding.acked) {
                latest = Some((&binding.acked, *address));
            }
        }
        latest.map(|(_, address)| address)
    }

    /// How full the table is.
    pub fn usage(&self) -> TableUsage {
        self.table.usage()
    }
}
