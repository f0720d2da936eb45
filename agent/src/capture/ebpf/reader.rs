//! From the ring buffer to frames.

use super::pump::{Decode, pump};
use super::statistics::{Statistics, direction_of};
use super::tally::hook_of;
use crate::capture::{CaptureEvent, CapturedFrame};
use aya::maps::{MapData, RingBuf};
use leasehound_common::sample::{SampleHeader, flag};
use leasehound_common::{ABI_VERSION, family};
use leasehound_core::frame::{LinkType, PacketType, VlanStack};
use leasehound_core::message::MessageType;
use leasehound_core::origin::{Direction, Hook, InterfaceId, Origin};
use leasehound_core::time::Timestamp;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;
use zerocopy::FromBytes as _;

/// Says which handle an interface index has. Asked for each frame: make it cheap.
pub type InterfaceLookup = Arc<dyn Fn(u32) -> Option<InterfaceId> + Send + Sync>;

/// Reads samples. One for each loaded object.
pub struct Reader {
    ring: RingBuf<MapData>,
    statistics: Arc<Statistics>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(ring: RingBuf<MapData>, statistics: Arc<Statistics>) -> Self {
        Self { ring, statistics }
    }

    /// Runs until `stop`, then hands over what the ring still holds: detach first.
    /// Ends early if nobody receives events any longer.
    pub async fn run(
        self,
        interfaces: InterfaceLookup,
        events: mpsc::Sender<CaptureEvent>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let tally = self.statistics.tally();
        pump(self.ring, tally, Frames { interfaces }, events, stop).await
    }
}

struct Frames {
    interfaces: InterfaceLookup,
}

impl Decode for Frames {
    fn decode(&mut self, sample: &[u8], offset_nanos: u64) -> Result<(Hook, CaptureEvent), Hook> {
        let Ok((header, octets)) = SampleHeader::read_from_prefix(sample) else {
            return Err(Hook::Tcx);
        };
        match frame_of(&header, octets, &self.interfaces, offset_nanos) {
            Some(frame) => Ok((frame.origin.hook, CaptureEvent::Frame(frame))),
            None => Err(hook_of(header.hook).unwrap_or(Hook::Tcx)),
        }
    }

    fn ends_a_lease(&self, sample: &[u8]) -> bool {
        SampleHeader::read_from_prefix(sample)
            .is_ok_and(|(header, _)| ends_a_lease(header.family, header.message_type))
    }
}

pub(in crate::capture) fn ends_a_lease(family: u8, message_type: u8) -> bool {
    family == family::V4
        && matches!(
            MessageType::from_code(message_type),
            MessageType::Release | MessageType::Decline
        )
}

fn frame_of(
    header: &SampleHeader,
    octets: &[u8],
    interfaces: &InterfaceLookup,
    offset_nanos: u64,
) -> Option<CapturedFrame> {
    if header.abi_version != ABI_VERSION {
        return None;
    }
    let length = usize::try_from(header.captured_length).ok()?;
    let direction = direction_of(header.direction)?;
    Some(CapturedFrame {
        at: Timestamp::from_nanos(header.ktime_nanos.wrapping_add(offset_nanos)),
        origin: Origin {
            interface: interfaces(header.ifindex)?,
            direction,
            hook: hook_of(header.hook)?,
        },
        link: LinkType::Ethernet,
        wire_length: header.wire_length,
        vlan: VlanStack {
            outer: (header.flags & flag::METADATA_TAG != 0).then_some(header.metadata_tci & 0x0fff),
            inner: None,
        },
        packet_type: packet_type_of(direction, header.packet_type),
        socket: (header.socket_cookie != 0).then_some(header.socket_cookie),
        bytes: octets.get(..length)?.into(),
    })
}

/// At egress the kernel has not set `pkt_type` for the way out; we know better.
fn packet_type_of(direction: Direction, number: u8) -> Option<PacketType> {
    match (direction, number) {
        (Direction::Egress, _) | (_, 4) => Some(PacketType::Outgoing),
        (_, 0) => Some(PacketType::Host),
        (_, 1) => Some(PacketType::Broadcast),
        (_, 2) => Some(PacketType::Multicast),
        (_, 3) => Some(PacketType::OtherHost),
        _ => None,
    }
}
