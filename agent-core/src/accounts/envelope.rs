//! The highest use of the last days, and how it grows.
//!
//! Use goes up in the morning and down at night. What was used before and was given back
//! is no sign of exhaustion; only a use that was never seen before is.

use super::trend::{Reached, Slope, Trend};
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The length of a part of the memory, in seconds.
const PART: u64 = 3 * 60 * 60;

/// Parts remembered: eight days, so that a week's rhythm is known.
const PARTS: u64 = 64;

/// How long use has to be watched before its growth says anything: a day's rhythm.
const FEWEST: Duration = Duration::from_hours(24);

/// The highest use, by parts of the day.
#[derive(Debug, Clone, Default)]
pub(super) struct Envelope {
    began: Option<Timestamp>,
    peaks: VecDeque<(u64, u64)>,
    trend: Trend,
}

impl Envelope {
    /// Takes in how much is used now.
    pub(super) fn observe(&mut self, at: Timestamp, used: u64, step: u64) {
        self.began.get_or_insert(at);
        let part = at.as_secs() / PART;
        match self.peaks.back_mut().filter(|(of, _)| *of == part) {
            Some((_, peak)) => *peak = used.max(*peak),
            None => self.peaks.push_back((part, used)),
        }
        let oldest = part.saturating_sub(PARTS);
        while self.peaks.front().is_some_and(|(of, _)| *of < oldest) {
            self.peaks.pop_front();
        }
        let level = self.peak();
        let now = Reached {
            at,
            level,
            beside: used,
        };
        if self.trend.level().is_some_and(|before| before > level) {
            // The peak is older than the memory: what was forgotten is news again.
            self.trend = Trend::default();
        }
        self.trend.rise(now, step);
    }

    /// The highest use that is remembered.
    pub(super) fn peak(&self) -> u64 {
        let peaks = self.peaks.iter().map(|(_, peak)| *peak);
        peaks.max().unwrap_or(0)
    }

    /// How fast the highest use grows; `None` if it does not, or if that can't be told.
    pub(super) fn slope(&self, now: Timestamp) -> Option<Slope> {
        let began = self.began?;
        (now.since(began) >= FEWEST)
            .then(|| self.trend.slope(now))
            .flatten()
    }
}
