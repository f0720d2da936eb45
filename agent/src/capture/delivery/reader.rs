//! From the sentry's ring buffer to events.

use super::layout::Reasons;
use super::symbols::Symbols;
use crate::capture::ebpf::Tally;
use crate::capture::ebpf::pump::{Decode, pump};
use crate::capture::ebpf::reader::ends_a_lease;
use crate::capture::ebpf::tally::hook_of;
use crate::capture::{CaptureEvent, DropSample, RawReadSample, SocketSample, Way};
use aya::maps::{MapData, RingBuf};
use leasehound_common::sentry::{SentryHeader, flag};
use leasehound_common::{ABI_VERSION, direction, family};
use leasehound_core::frame::PacketType;
use leasehound_core::origin::Hook;
use leasehound_core::time::Timestamp;
use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;
use zerocopy::FromBytes as _;

/// Reads samples. One for each loaded object.
pub struct Reader {
    ring: RingBuf<MapData>,
    tally: Arc<Tally>,
    reasons: Reasons,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(ring: RingBuf<MapData>, tally: Arc<Tally>, reasons: Reasons) -> Self {
        Self {
            ring,
            tally,
            reasons,
        }
    }

    /// Runs until `stop`, then hands over what the ring still holds: detach first.
    /// Ends early if nobody receives events any longer.
    pub async fn run(
        self,
        events: mpsc::Sender<CaptureEvent>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let samples = Samples {
            reasons: self.reasons,
            symbols: OnceCell::new(),
        };
        pump(self.ring, self.tally, samples, events, stop).await
    }
}

struct Samples {
    reasons: Reasons,
    /// Read when the first packet is dropped.
    symbols: OnceCell<Option<Symbols>>,
}

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
        let wire_length = header.wire_length;
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
                bound_ifindex: known(header.bound_ifindex),
                wire_length,
                packet,
            })),
            Hook::KfreeSkb => Some(CaptureEvent::Drop(DropSample {
                at,
                reason: self.reason(header).into(),
                place: self.place(header.location).map(Into::into),
                netns_inode: known(header.netns_inode),
                ifindex: known(header.ifindex),
                cookie: (header.socket_cookie != 0).then_some(header.socket_cookie),
                packet_type: packet_type(header.packet_type),
                wire_length,
                packet,
            })),
            Hook::ConsumeSkb => Some(CaptureEvent::RawRead(RawReadSample {
                at,
                pid: header.pid,
                command: command(&header.command),
                wire_length,
                packet,
            })),
            Hook::Tcx | Hook::Clsact | Hook::Xdp | Hook::File => None,
        }
    }

    fn reason(&self, header: &SentryHeader) -> &str {
        if header.flags & flag::REASON == 0 {
            return "";
        }
        self.reasons.name(header.reason).unwrap_or(UNKNOWN_REASON)
    }

    fn place(&self, location: u64) -> Option<&str> {
        let symbols = self.symbols.get_or_init(Symbols::read).as_ref()?;
        symbols.caller(location)
    }
}

/// Subsystems of the kernel have reasons of their own, in modules' type information.
const UNKNOWN_REASON: &str = "UNKNOWN";

fn known(number: u32) -> Option<u32> {
    (number != 0).then_some(number)
}

fn packet_type(number: u8) -> Option<PacketType> {
    match number {
        0 => Some(PacketType::Host),
        1 => Some(PacketType::Broadcast),
        2 => Some(PacketType::Multicast),
        3 => Some(PacketType::OtherHost),
        4 => Some(PacketType::Outgoing),
        _ => None,
    }
}

/// A thread's name, which need not be UTF-8, without the zeros behind it.
fn command(name: &[u8]) -> Box<str> {
    let end = name.iter().position(|octet| *octet == 0);
    String::from_utf8_lossy(name.get(..end.unwrap_or(name.len())).unwrap_or(name)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehound_common::hook;
    use zerocopy::IntoBytes as _;

    fn header() -> SentryHeader {
        SentryHeader {
            ktime_nanos: 1_000,
            socket_cookie: 0,
            location: 0,
            ifindex: 0,
            bound_ifindex: 0,
            netns_inode: 0,
            reason: 7,
            pid: 12,
            wire_length: 300,
            captured_length: 2,
            abi_version: ABI_VERSION,
            hook: hook::KFREE_SKB,
            direction: direction::INGRESS,
            message_type: 7,
            packet_type: 1,
            flags: 0,
            reserved: 0,
            command: *b"dhcpd\0\0\0\0\0\0\0\0\0\0\0",
            padding: 0,
        }
    }

    fn decode(header: &SentryHeader, octets: &[u8]) -> Result<(Hook, CaptureEvent), Hook> {
        let mut samples = Samples {
            reasons: Reasons::default(),
            symbols: OnceCell::from(None),
        };
        let sample = [header.as_bytes(), octets].concat();
        assert!(samples.ends_a_lease(&sample));
        samples.decode(&sample, 5)
    }

    #[test]
    fn what_is_not_known_is_nothing() {
        let expected = DropSample {
            at: Timestamp::from_nanos(1_005),
            reason: "".into(),
            place: None,
            netns_inode: None,
            ifindex: None,
            cookie: None,
            packet_type: Some(PacketType::Broadcast),
            wire_length: 300,
            packet: [1, 2].into(),
        };
        assert_eq!(
            decode(&header(), &[1, 2, 3]),
            Ok((Hook::KfreeSkb, CaptureEvent::Drop(expected.clone())))
        );
        // A reason that this kernel has no name for.
        let numbered = SentryHeader {
            flags: flag::REASON,
            ..header()
        };
        let named = DropSample {
            reason: "UNKNOWN".into(),
            ..expected
        };
        assert_eq!(
            decode(&numbered, &[1, 2]),
            Ok((Hook::KfreeSkb, CaptureEvent::Drop(named)))
        );
    }

    #[test]
    fn a_reader_has_a_name_and_a_number() {
        let read = SentryHeader {
            hook: hook::CONSUME_SKB,
            ..header()
        };
        let Ok((Hook::ConsumeSkb, CaptureEvent::RawRead(sample))) = decode(&read, &[1, 2]) else {
            panic!("{:?}", decode(&read, &[1, 2]));
        };
        assert_eq!((sample.pid, &*sample.command), (12, "dhcpd"));
    }

    #[test]
    fn what_cannot_be_read_is_counted_for_its_hook() {
        let cut = header();
        assert_eq!(decode(&cut, &[1]), Err(Hook::KfreeSkb));
        let stale = SentryHeader {
            abi_version: ABI_VERSION - 1,
            ..header()
        };
        assert_eq!(decode(&stale, &[1, 2]), Err(Hook::KfreeSkb));
        let frame = SentryHeader {
            hook: hook::TCX,
            ..header()
        };
        assert_eq!(decode(&frame, &[1, 2]), Err(Hook::Tcx));
        let unknown = SentryHeader {
            hook: 99,
            ..header()
        };
        assert_eq!(decode(&unknown, &[1, 2]), Err(Hook::CgroupSkb));
    }
}
