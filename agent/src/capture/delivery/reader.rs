//! From the sentry's ring buffer to events.

use crate::capture::ebpf::Tally;
use crate::capture::ebpf::pump::{Decode, pump};
use crate::capture::ebpf::reader::ends_a_lease;
use crate::capture::ebpf::tally::hook_of;
use crate::capture::{CaptureEvent, SocketSample, Way};
use aya::maps::{MapData, RingBuf};
use leasehound_common::sentry::SentryHeader;
use leasehound_common::{ABI_VERSION, direction, family};
use leasehound_core::origin::Hook;
use leasehound_core::time::Timestamp;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;
use zerocopy::FromBytes as _;

/// Reads samples. One for each loaded object.
pub struct Reader {
    ring: RingBuf<MapData>,
    tally: Arc<Tally>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(ring: RingBuf<MapData>, tally: Arc<Tally>) -> Self {
        Self { ring, tally }
    }

    /// Runs until `stop`, then hands over what the ring still holds: detach first.
    /// Ends early if nobody receives events any longer.
    pub async fn run(
        self,
        events: mpsc::Sender<CaptureEvent>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        pump(self.ring, self.tally, Samples {}, events, stop).await
    }
}

struct Samples {}

impl Decode for Samples {
    fn decode(&mut self, sample: &[u8], offset_nanos: u64) -> Result<(Hook, CaptureEvent), Hook> {
        let Ok((header, octets)) = SentryHeader::read_from_prefix(sample) else {
            return Err(Hook::CgroupSkb);
        };
        let hook = hook_of(header.hook).ok_or(Hook::CgroupSkb)?;
        let event = self
            .event(hook, &header, octets, offset_nanos)
            .ok_or(hook)?;
        Ok((hook, event))
    }

    fn ends_a_lease(&self, sample: &[u8]) -> bool {
        SentryHeader::read_from_prefix(sample)
            .is_ok_and(|(header, _)| ends_a_lease(family::V4, header.message_type))
    }
}

impl Samples {
    fn event(
        &self,
        hook: Hook,
        header: &SentryHeader,
        octets: &[u8],
        offset_nanos: u64,
    ) -> Option<CaptureEvent> {
        if header.abi_version != ABI_VERSION {
            return None;
        }
        let length = usize::try_from(header.captured_length).ok()?;
        let packet = octets.get(..length)?.into();
        let at = Timestamp::from_nanos(header.ktime_nanos.wrapping_add(offset_nanos));
        match hook {
            Hook::CgroupSkb => Some(CaptureEvent::Socket(SocketSample {
                at,
                way: match header.direction {
                    direction::INGRESS => Way::Offered,
                    direction::EGRESS => Way::Sent,
                    _ => return None,
                },
                cookie: header.socket_cookie,
                ifindex: header.ifindex,
                bound_ifindex: (header.bound_ifindex != 0).then_some(header.bound_ifindex),
                wire_length: header.wire_length,
                packet,
            })),
            _ => None,
        }
    }
}
