//! From the ring buffer to events.
//!
//! Never waits for the engine while frames keep coming: a full channel costs frames,
//! and each one is counted. Only at the end, with all hooks detached, it waits until
//! everything is handed over.

use super::statistics::{Statistics, direction_of, hook_of};
use crate::capture::{CaptureEvent, CapturedFrame};
use crate::clock;
use aya::maps::{MapData, RingBuf};
use leasehound_common::sample::{SampleHeader, flag};
use leasehound_common::{ABI_VERSION, family};
use leasehound_core::evidence::{Loss, LossStage};
use leasehound_core::frame::{LinkType, PacketType, VlanStack};
use leasehound_core::message::MessageType;
use leasehound_core::origin::{Direction, Hook, InterfaceId, Origin};
use leasehound_core::time::Timestamp;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::MissedTickBehavior;
use zerocopy::FromBytes as _;

/// Says which handle an interface index has. Asked for each frame: make it cheap.
pub type InterfaceLookup = Arc<dyn Fn(u32) -> Option<InterfaceId> + Send + Sync>;

/// How many samples are taken before other tasks get a turn: fewer than any sensible
/// channel holds, so that on one thread the engine empties it in time.
const BATCH: usize = 256;

/// How often the loss counters are looked at, besides before each RELEASE and DECLINE.
const LOSS_INTERVAL: Duration = Duration::from_millis(200);

/// Reads samples. One for each loaded object.
pub struct Reader {
    ring: RingBuf<MapData>,
    statistics: Arc<Statistics>,
}

struct Output {
    events: mpsc::Sender<CaptureEvent>,
    interfaces: InterfaceLookup,
    statistics: Arc<Statistics>,
    /// What was reported of each stage.
    reported: [u64; LossStage::ALL.len()],
    /// Wall clock minus monotonic clock, as of the current batch.
    offset_nanos: u64,
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
        let mut output = Output {
            events,
            interfaces,
            statistics: self.statistics,
            reported: [0; LossStage::ALL.len()],
            offset_nanos: clock_offset(),
        };
        let mut ring = readable(self.ring)?;
        let mut losses = tokio::time::interval(LOSS_INTERVAL);
        losses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                _ = losses.tick() => output.report_losses(),
                ready = ring.readable_mut() => {
                    let mut ready = ready?;
                    output.offset_nanos = clock_offset();
                    if output.take_batch(ready.get_inner_mut()) {
                        ready.clear_ready();
                    }
                    if output.events.is_closed() {
                        return Ok(());
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
        output.hand_over(ring.get_mut()).await;
        Ok(())
    }
}

impl Output {
    /// Returns whether the ring was emptied.
    fn take_batch(&mut self, ring: &mut RingBuf<MapData>) -> bool {
        let mut losses_known = false;
        for _ in 0..BATCH {
            let Some(sample) = ring.next() else {
                return true;
            };
            let Some(frame) = self.decode(&sample) else {
                continue;
            };
            // Its verdict may be given at once: what was lost before has to be known by
            // then. Once in a batch is enough, for a batch takes less than a millisecond.
            if !losses_known && ends_a_lease(&sample) && self.room_for_losses() {
                self.report_losses();
                losses_known = true;
            }
            drop(sample);
            let hook = frame.origin.hook;
            match self.events.try_send(CaptureEvent::Frame(frame)) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => self.statistics.lost_in_channel(hook),
                Err(TrySendError::Closed(_)) => return true,
            }
        }
        false
    }

    async fn hand_over(&mut self, ring: &mut RingBuf<MapData>) {
        self.offset_nanos = clock_offset();
        if self.send_losses().await.is_err() {
            return;
        }
        while let Some(sample) = ring.next() {
            let frame = self.decode(&sample);
            drop(sample);
            if let Some(frame) = frame
                && self.events.send(CaptureEvent::Frame(frame)).await.is_err()
            {
                return;
            }
        }
        // An error means that nobody is left to be told.
        drop(self.send_losses().await);
    }

    async fn send_losses(&mut self) -> Result<(), mpsc::error::SendError<CaptureEvent>> {
        for loss in self.new_losses() {
            self.events.send(CaptureEvent::Loss(loss)).await?;
        }
        Ok(())
    }

    /// A report must not take the place of the message that it is about.
    fn room_for_losses(&self) -> bool {
        self.events.capacity() > LossStage::ALL.len()
    }

    /// Tells the engine what was lost since the last report. What does not fit into the
    /// channel is told the next time.
    fn report_losses(&mut self) {
        let before = self.reported;
        for (index, loss) in self.new_losses().into_iter().enumerate() {
            if self.events.try_send(CaptureEvent::Loss(loss)).is_err() {
                self.forget_reports_from(index, before);
                return;
            }
        }
    }

    /// The reports from `index` on did not get through.
    fn forget_reports_from(&mut self, index: usize, before: [u64; LossStage::ALL.len()]) {
        let changed = self
            .reported
            .iter_mut()
            .zip(before)
            .filter(|(now, before)| **now != *before);
        for (now, before) in changed.skip(index) {
            *now = before;
        }
    }

    fn new_losses(&mut self) -> Vec<Loss> {
        let counts = match self.statistics.losses() {
            Ok(counts) => counts,
            Err(error) => {
                tracing::warn!(%error, "losses are unknown");
                return Vec::new();
            }
        };
        let mut losses = Vec::new();
        for (stage, reported) in LossStage::ALL.into_iter().zip(&mut self.reported) {
            let total = counts
                .iter()
                .filter(|loss| loss.stage == stage)
                .map(|loss| loss.count)
                .sum();
            let count = u64::saturating_sub(total, *reported);
            if count > 0 {
                *reported = total;
                losses.push(Loss { stage, count });
            }
        }
        losses
    }

    /// Counts what it cannot read.
    fn decode(&self, sample: &[u8]) -> Option<CapturedFrame> {
        let Ok((header, octets)) = SampleHeader::read_from_prefix(sample) else {
            self.statistics.lost_in_decode(Hook::Tcx);
            return None;
        };
        let frame = frame_of(&header, octets, &self.interfaces, self.offset_nanos);
        if frame.is_none() {
            self.statistics
                .lost_in_decode(hook_of(header.hook).unwrap_or(Hook::Tcx));
        }
        frame
    }
}

/// Whether it is a DHCPv4 RELEASE or DECLINE, as the programs saw it.
fn ends_a_lease(sample: &[u8]) -> bool {
    SampleHeader::read_from_prefix(sample).is_ok_and(|(header, _)| {
        header.family == family::V4
            && matches!(
                MessageType::from_code(header.message_type),
                MessageType::Release | MessageType::Decline
            )
    })
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

/// Watches a ring buffer for samples to read.
#[expect(
    deprecated,
    reason = "its successor is unsafe, to rule out types that change or close their file \
              descriptor; a ring buffer owns one map for as long as it lives"
)]
pub(super) fn readable<T: AsRawFd>(ring: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(ring, Interest::READABLE)
}

/// Added (wrapping) to a `bpf_ktime_get_ns` reading it gives wall-clock time.
fn clock_offset() -> u64 {
    clock::now()
        .as_nanos()
        .wrapping_sub(clock::monotonic_nanos())
}
