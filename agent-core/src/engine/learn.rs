//! What the engine learns from messages that it does not judge.

use super::Engine;
use crate::binding::{Binding, Granter, KnownClientId};
use crate::decode::v4::Message4;
use crate::delivery::SocketCookie;
use crate::exchange::ExchangeKey;
use crate::host::Locality;
use crate::message::MessageType;
use crate::origin::{Direction, NetnsId, Origin};
use crate::server::IdUse;
use crate::time::Timestamp;
use std::net::Ipv4Addr;

impl Engine {
    /// A DISCOVER or REQUEST: the client's own words, which the ACK need not repeat.
    pub(super) fn learn_client(&mut self, origin: Origin, message: &Message4) {
        let key = self.exchange_key(origin, message);
        let client_id = message.client_id.as_ref();
        self.exchanges.client_message(key, client_id);
    }

    fn exchange_key(&self, origin: Origin, message: &Message4) -> ExchangeKey {
        ExchangeKey {
            netns: self.host.netns_of(origin.interface),
            xid: message.xid,
            hardware_address: message.hardware_address,
        }
    }

    /// An OFFER or ACK: who granted what, and under which id.
    pub(super) fn learn_reply(
        &mut self,
        at: Timestamp,
        origin: Origin,
        source: Ipv4Addr,
        message: &Message4,
        socket: Option<SocketCookie>,
    ) {
        let Some(server_id) = message.server_id else {
            return;
        };
        // An ACK to an INFORM (RFC 2131 §4.3.5) and a proxyDHCP OFFER grant nothing.
        if message.yiaddr.is_unspecified() {
            return;
        }
        let netns = self.host.netns_of(origin.interface);
        let granted_by = self.granter(origin, source, message);
        let relayed = !message.giaddr.is_unspecified();
        let subnet = self.host.subnet_key(netns, message.yiaddr);
        let source = (!relayed && !source.is_unspecified()).then_some(source);
        self.servers.id_used(
            netns,
            subnet,
            IdUse {
                server_id,
                interface: origin.interface,
                last_seen: at,
                granted_by,
                source,
            },
        );
        if message.message_type == Some(MessageType::Ack) {
            if let Some(socket) = socket.filter(|_| granted_by == Granter::ThisHost) {
                self.sockets.granted(socket, origin.interface);
            }
            self.learn_binding(at, origin, netns, message, granted_by, socket);
        }
    }

    fn learn_binding(
        &mut self,
        at: Timestamp,
        origin: Origin,
        netns: NetnsId,
        message: &Message4,
        granted_by: Granter,
        socket: Option<SocketCookie>,
    ) {
        let Some(server_id) = message.server_id else {
            return;
        };
        let exchange = self.exchanges.get(self.exchange_key(origin, message));
        let binding = Binding {
            hardware_address: message.hardware_address,
            client_id: exchange.map_or(KnownClientId::NotSeen, |exchange| {
                exchange.client_id.clone()
            }),
            server_id,
            acked: at,
            lease_time: message.lease_time,
            renewal_time: message.renewal_time,
            rebinding_time: message.rebinding_time,
            interface: origin.interface,
            granted_by,
            granted_through: socket,
            relayed: !message.giaddr.is_unspecified(),
        };
        let copy_of_our_own = self
            .bindings
            .get(netns, message.yiaddr)
            .is_some_and(|known| {
                known.granted_by == Granter::ThisHost
                    && granted_by != Granter::ThisHost
                    && (known.hardware_address, known.server_id)
                        == (binding.hardware_address, binding.server_id)
            });
        if granted_by != Granter::OtherHost {
            self.accounts.granted(netns, message.yiaddr, at);
        }
        if !copy_of_our_own {
            self.id_granted(netns, message.yiaddr, server_id);
            self.bindings.acknowledged(netns, message.yiaddr, binding);
        }
        self.honoured.remove(&(netns, message.yiaddr));
    }

    /// A reply that leaves was sent by a server of this host, unless it came in before (a
    /// bridge, a router between client and server), comes from an address that is none
    /// of ours, or is handed on by a relay agent of this host.
    fn granter(&mut self, origin: Origin, source: Ipv4Addr, message: &Message4) -> Granter {
        let netns = self.host.netns_of(origin.interface);
        let foreign = self.host.locality(netns, source) == Locality::Elsewhere;
        let relay = self.host.locality(netns, message.giaddr) == Locality::Local;
        let key = self.exchange_key(origin, message);
        let exchange = self.exchanges.get(key);
        let came_in = exchange.is_some_and(|exchange| exchange.reply_came_in);
        match origin.direction {
            Direction::Egress if came_in || foreign || relay => Granter::OtherHost,
            Direction::Egress => Granter::ThisHost,
            // What loopback delivers was sent by this host.
            Direction::Ingress if self.host.is_loopback(origin.interface) => Granter::ThisHost,
            Direction::Ingress => {
                self.exchanges.reply_came_in(key);
                Granter::OtherHost
            }
            Direction::Unknown => Granter::Unclear,
        }
    }
}
