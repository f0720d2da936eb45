//! One attempt of a client to get, keep or take back a lease by REQUEST: what it said,
//! how often, where it was seen, and what came back.

use crate::binding::Binding;
use crate::decode::v4::Message4;
use crate::delivery::SocketCookie;
use crate::exchange::ExchangeKey;
use crate::frame::VlanStack;
use crate::message::{HardwareAddress, ServerId, TransactionId};
use crate::origin::{Direction, NetnsId, Origin};
use crate::release::{Carrier, Sighting};
use crate::time::Timestamp;
use crate::verdict::ClientState;
use smallvec::SmallVec;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Replies of different words or servers kept of one attempt.
const REPLIES: usize = 8;

/// A client that sends again so long after an ACK did not get it, or did not take it; one
/// that sends sooner had sent before the ACK could reach it.
pub const UNHEEDED: Duration = Duration::from_secs(1);

/// Counts up from 1 together with the numbers of RELEASEs and DECLINEs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// What the messages of one attempt have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// Namespaces have their own wires.
    pub netns: NetnsId,
    /// 'xid'
    pub xid: TransactionId,
    /// 'chaddr'
    pub hardware_address: HardwareAddress,
    /// A client that gives up renewing and rebinds may keep its xid.
    pub state: ClientState,
}

impl AttemptKey {
    /// The transaction, whose replies are those of the attempt.
    pub const fn exchange(self) -> ExchangeKey {
        ExchangeKey {
            netns: self.netns,
            xid: self.xid,
            hardware_address: self.hardware_address,
        }
    }
}

/// Which reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// DHCPACK
    Ack,
    /// DHCPNAK
    Nak,
}

/// A reply that was seen on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// ACK or NAK.
    pub kind: ReplyKind,
    /// Option 54; some servers leave it out of a NAK.
    pub server_id: Option<ServerId>,
    /// IP source.
    pub source: Ipv4Addr,
    /// The socket that sent it, where that was seen.
    pub socket: Option<SocketCookie>,
    /// Option 56.
    pub text: Option<Box<str>>,
    /// When it was first seen.
    pub first: Timestamp,
    /// When its like was last seen.
    pub last: Timestamp,
}

/// An open attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its number.
    pub id: AttemptId,
    /// What its messages have in common.
    pub key: AttemptKey,
    /// When the first message was seen.
    pub seen: Timestamp,
    /// When the latest message was first seen.
    pub last_seen: Timestamp,
    /// Messages, copies at other places left out.
    pub sends: u32,
    /// Messages, those of attempts before included, that followed an ACK by [`UNHEEDED`]
    /// or more.
    pub unheeded: u32,
    /// Where it is reported.
    pub origin: Origin,
    /// VLAN tags of the first message.
    pub vlan: VlanStack,
    /// The first message.
    pub message: Message4,
    /// What carried the first message.
    pub carrier: Carrier,
    /// Where the latest message was seen.
    pub sightings: SmallVec<[Sighting; 2]>,
    /// Whether each message was seen on loopback only, so far.
    pub looped: bool,
    /// Whether this host passed it on.
    pub passed_on: PassedOn,
    /// The address it is about: 'ciaddr', else option 50; 0.0.0.0 if neither is there.
    pub address: Ipv4Addr,
    /// The binding of that address when the first message was seen.
    pub binding: Option<Binding>,
    /// What came back.
    pub replies: SmallVec<[Reply; 1]>,
    /// The deadline: without a reply by then it is unanswered.
    pub due: Timestamp,
    /// When it is next looked at.
    pub until: Timestamp,
}

/// Whether a message left this host again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PassedOn {
    /// Not that it was seen.
    #[default]
    No,
    /// As it came: a bridge, a router.
    Forwarded,
    /// With an address of this host in 'giaddr'.
    Relayed,
}

impl Attempt {
    /// Notes a reply. Copies of one at several places, and the same one sent again, count
    /// as one.
    pub fn replied(&mut self, reply: Reply) {
        let same = |known: &&mut Reply| {
            (known.kind, known.server_id) == (reply.kind, reply.server_id)
                && known.text == reply.text
        };
        if let Some(known) = self.replies.iter_mut().find(same) {
            known.last = known.last.max(reply.last);
        } else if self.replies.len() < REPLIES {
            self.replies.push(reply);
        }
    }

    /// When the first reply came.
    pub fn first_reply(&self) -> Option<Timestamp> {
        self.replies.iter().map(|reply| reply.first).min()
    }

    /// The reply that came last.
    pub fn last_reply(&self) -> Option<&Reply> {
        self.replies.iter().max_by_key(|reply| reply.last)
    }

    /// The client sent it again.
    pub fn sent_again(&mut self, at: Timestamp, sighting: Sighting) {
        self.sends = self.sends.saturating_add(1);
        let acked = self
            .last_reply()
            .filter(|reply| reply.kind == ReplyKind::Ack)
            .map(|ack| ack.last);
        if acked.is_some_and(|acked| at.since(acked) > UNHEEDED) {
            self.unheeded = self.unheeded.saturating_add(1);
        }
        self.last_seen = self.last_seen.max(at);
        self.sightings = smallvec::smallvec![sighting];
    }
}

/// The client's state (RFC 2131 §4.3.2); `None` if the message asks for no address.
///
/// Option 50 or 54 beside a 'ciaddr' is a fault of the client: it extends its lease all
/// the same.
pub fn state_of(message: &Message4, broadcast: bool) -> Option<ClientState> {
    if !message.ciaddr.is_unspecified() {
        let relayed = !message.giaddr.is_unspecified();
        return Some(if broadcast || relayed {
            ClientState::Rebinding
        } else {
            ClientState::Renewing
        });
    }
    match (message.server_id, message.requested_address) {
        (Some(_), _) => Some(ClientState::Selecting),
        (None, Some(_)) => Some(ClientState::InitReboot),
        (None, None) => None,
    }
}

/// The address that a REQUEST is about.
pub fn address_of(message: &Message4) -> Ipv4Addr {
    if message.ciaddr.is_unspecified() {
        message.requested_address.unwrap_or(Ipv4Addr::UNSPECIFIED)
    } else {
        message.ciaddr
    }
}

/// Whether a sighting at `at` is a further copy of a message that was seen at `seen` in
/// these places: another place, and not long after (or, taken late, before).
pub fn is_copy(
    seen: Timestamp,
    places: &[Sighting],
    at: Timestamp,
    sighting: Sighting,
    window: Duration,
) -> bool {
    let apart = at.since(seen).max(seen.since(at));
    // A message that leaves had come in; the same client does not send it from two ends.
    let leaves = sighting.direction == Direction::Egress;
    apart <= window && (leaves || !places.contains(&sighting))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::v4;

    fn request(ciaddr: [u8; 4], giaddr: [u8; 4], options: &[u8]) -> Message4 {
        let mut payload = vec![1, 1, 6, 0];
        payload.resize(12, 0);
        payload.extend(ciaddr);
        payload.extend([0; 8]);
        payload.extend(giaddr);
        payload.resize(236, 0);
        payload.extend([99, 130, 83, 99, 53, 1, 3]);
        payload.extend(options);
        payload.push(255);
        v4::decode(&payload, payload.len()).unwrap()
    }

    #[test]
    fn states_are_told_as_in_rfc_2131_section_4_3_2() {
        use ClientState::{InitReboot, Rebinding, Renewing, Selecting};
        const OWN: [u8; 4] = [10, 0, 0, 9];
        const NONE: [u8; 4] = [0; 4];
        let asked = [50, 4, 10, 0, 0, 9];
        let both = [54, 4, 10, 0, 0, 1, 50, 4, 10, 0, 0, 9];
        for (ciaddr, giaddr, options, broadcast, state) in [
            (NONE, NONE, &both[..], true, Some(Selecting)),
            (NONE, NONE, &both[..6], true, Some(Selecting)),
            (NONE, NONE, &asked[..], true, Some(InitReboot)),
            (NONE, OWN, &asked[..], false, Some(InitReboot)),
            (OWN, NONE, &[], false, Some(Renewing)),
            (OWN, NONE, &[], true, Some(Rebinding)),
            (OWN, OWN, &[], false, Some(Rebinding)),
            (OWN, NONE, &both[..], false, Some(Renewing)),
            (NONE, NONE, &[], true, None),
        ] {
            let message = request(ciaddr, giaddr, options);
            assert_eq!(state_of(&message, broadcast), state, "{message:?}");
        }
        assert_eq!(address_of(&request(OWN, NONE, &both)), Ipv4Addr::from(OWN));
        assert_eq!(
            address_of(&request(NONE, NONE, &asked)),
            Ipv4Addr::from(OWN)
        );
    }
}
