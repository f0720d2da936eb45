//! From a ring buffer to events, whatever is in it.
//!
//! Never waits for the engine while samples keep coming: a full channel costs samples,
//! and each one is counted. Only at the end, with all hooks detached, it waits until
//! everything is handed over.

use super::tally::Tally;
use crate::capture::CaptureEvent;
use crate::clock;
use aya::maps::{MapData, RingBuf};
use leasehound_core::evidence::{Loss, LossStage};
use leasehound_core::origin::Hook;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::MissedTickBehavior;

/// How many samples are taken before other tasks get a turn: fewer than any sensible
/// channel holds, so that on one thread the engine empties it in time.
const BATCH: usize = 256;

/// How often the loss counters are looked at, besides before each RELEASE and DECLINE.
const LOSS_INTERVAL: Duration = Duration::from_millis(200);

/// Understands the samples of one object.
pub(in crate::capture) trait Decode {
    /// The event and the hook that it came from, or the hook of a sample that cannot be
    /// read. `offset_nanos` added (wrapping) to a `bpf_ktime_get_ns` reading gives
    /// wall-clock time.
    fn decode(&mut self, sample: &[u8], offset_nanos: u64) -> Result<(Hook, CaptureEvent), Hook>;

    /// Whether it is a DHCPv4 RELEASE or DECLINE, as the programs saw it.
    fn ends_a_lease(&self, sample: &[u8]) -> bool;
}

struct Pump<D> {
    decoder: D,
    events: mpsc::Sender<CaptureEvent>,
    tally: Arc<Tally>,
    /// What was reported of each stage.
    reported: [u64; LossStage::ALL.len()],
    /// Wall clock minus monotonic clock, as of the current batch.
    offset_nanos: u64,
}

/// Runs until `stop`, then hands over what the ring still holds. Ends early if nobody
/// receives events any longer.
pub(in crate::capture) async fn pump<D: Decode>(
    ring: RingBuf<MapData>,
    tally: Arc<Tally>,
    decoder: D,
    events: mpsc::Sender<CaptureEvent>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut pump = Pump {
        decoder,
        events,
        tally,
        reported: [0; LossStage::ALL.len()],
        offset_nanos: clock_offset(),
    };
    let mut ring = readable(ring)?;
    let mut losses = tokio::time::interval(LOSS_INTERVAL);
    losses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            _ = losses.tick() => pump.report_losses(),
            ready = ring.readable_mut() => {
                let mut ready = ready?;
                pump.offset_nanos = clock_offset();
                if pump.take_batch(ready.get_inner_mut()) {
                    ready.clear_ready();
                }
                if pump.events.is_closed() {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
        }
    }
    pump.hand_over(ring.get_mut()).await;
    Ok(())
}

impl<D: Decode> Pump<D> {
    /// Returns whether the ring was emptied.
    fn take_batch(&mut self, ring: &mut RingBuf<MapData>) -> bool {
        let mut losses_known = false;
        for _ in 0..BATCH {
            let Some(sample) = ring.next() else {
                return true;
            };
            let Some((hook, event)) = self.decode(&sample) else {
                continue;
            };
            // Its verdict may be given at once: what was lost before has to be known by
            // then. Once in a batch is enough, for a batch takes less than a millisecond.
            if !losses_known && self.decoder.ends_a_lease(&sample) && self.room_for_losses() {
                self.report_losses();
                losses_known = true;
            }
            drop(sample);
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => self.tally.lost_in_channel(hook),
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
            let decoded = self.decode(&sample);
            drop(sample);
            if let Some((_, event)) = decoded
                && self.events.send(event).await.is_err()
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
        let counts = match self.tally.losses() {
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
    fn decode(&mut self, sample: &[u8]) -> Option<(Hook, CaptureEvent)> {
        match self.decoder.decode(sample, self.offset_nanos) {
            Ok(decoded) => Some(decoded),
            Err(hook) => {
                self.tally.lost_in_decode(hook);
                None
            }
        }
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

fn clock_offset() -> u64 {
    clock::now()
        .as_nanos()
        .wrapping_sub(clock::monotonic_nanos())
}
