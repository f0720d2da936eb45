//! How often a server is asked for all of its leases: it answers out of the same thread
//! that serves its clients, so what it is asked takes from them, and a client can have it
//! asked by a message.
//!
//! Whatever is wanted, the asking takes no more than a fiftieth of the server's time. Until
//! then the engine gets no answer, and goes without.

use std::time::Duration;
use tokio::time::Instant;

/// After an answer that took so long, so many times as long without a question.
const SHARE: u32 = 50;
/// The engine gives a reading a second to come: this is soon enough for the next question.
const WHEN_ASKED: Duration = Duration::from_millis(500);
/// A server that took so long for its answer has many leases,
const LONG: Duration = Duration::from_millis(50);
/// and is not asked sooner than this only because something has changed.
const WHEN_CHANGED: Duration = Duration::from_secs(30);

/// When there was an answer, and how long it took. Of what may always be read it is left
/// as it was made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace(Option<(Instant, Duration)>);

impl Pace {
    /// Takes down a question that was put at `from` and is answered, or given up, now.
    pub(super) fn answered(&mut self, from: Instant) {
        let now = Instant::now();
        self.0 = Some((now, now.saturating_duration_since(from)));
    }

    /// When the next question may be put: one that the engine waits for, or another.
    /// `None`: there was none yet.
    pub(super) fn next(&self, asked: bool) -> Option<Instant> {
        let (at, took) = self.0?;
        let least = if !asked && took >= LONG {
            WHEN_CHANGED
        } else {
            WHEN_ASKED
        };
        Some(at + least.max(took.saturating_mul(SHARE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wait(took: u64) -> (Duration, Duration) {
        let mut pace = Pace::default();
        assert_eq!((pace.next(true), pace.next(false)), (None, None));
        let from = Instant::now();
        tokio::time::advance(Duration::from_millis(took)).await;
        pace.answered(from);
        let now = Instant::now();
        (
            pace.next(true).unwrap() - now,
            pace.next(false).unwrap() - now,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn the_longer_an_answer_took_the_later_the_next_question() {
        let all = [1, 40, 100, 1000, 2000];
        let expected = [
            (500, 500),
            (2000, 2000),
            (5000, 30_000),
            (50_000, 50_000),
            (100_000, 100_000),
        ];
        for (took, (asked, changed)) in all.into_iter().zip(expected) {
            let (asked, changed) = (Duration::from_millis(asked), Duration::from_millis(changed));
            assert_eq!(wait(took).await, (asked, changed), "after {took} ms");
        }
    }
}
