//! When a pool runs out of addresses.
//!
//! Two things are followed, and the earlier end counts:
//!
//! - *Leaks.* What leaks does not come back by itself, so the free addresses are divided by
//!   the speed at which leaks become more. This takes five leaks, and that the use of the pool
//!   grew meanwhile, by half as much at least: leaked addresses that nobody replaces take
//!   nothing from anybody.
//! - *Use.* Use rises and falls with the hours. Only the highest use of the last eight days
//!   counts, and only once a whole day was watched: what lies above it is divided by the
//!   speed at which new highs come. This also sees addresses that nobody gives back.
//!
//! Speed is the median of the slopes between levels a quarter of the last 32 apart (as Theil
//! and Sen have it); the interval is given by their 10 and 90 per cent quantiles. Nothing is
//! said from fewer than five rises, when the slopes differ by more than a factor of eight, and
//! when it has been silent for three times the usual wait: then the pool does not shrink.
//!
//! Limits: the interval covers the spread of the recent speed, not a change of mind of the
//! users; growth without known leaks is told from the second day only; after a remedy, use
//! below the old high says nothing for eight days, unless it leaks.

use super::trend::Slope;
use std::time::Duration;

/// The longest time that is told: beyond, it counts as never.
const FARTHEST: Duration = Duration::from_hours(24 * 365 * 10);

/// When a pool runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forecast {
    /// It does not shrink, or whether it does can't be told.
    #[default]
    Never,
    /// It does, at the present speed.
    In(Interval),
    /// There is no free address.
    Now,
}

/// From now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// At the highest of the recent speeds.
    pub earliest: Duration,
    /// At the usual one.
    pub expected: Duration,
    /// At the lowest.
    pub latest: Duration,
    /// What grows.
    pub basis: Basis,
}

/// What a forecast rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Leaks become more.
    Leaks,
    /// More is used than ever.
    Use,
}

impl Basis {
    /// The word used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leaks => "leaks",
            Self::Use => "use",
        }
    }
}

impl Forecast {
    /// Whatever ends earlier.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, _) | (_, Self::Now) => Self::Now,
            (Self::Never, other) => other,
            (one, Self::Never) => one,
            (Self::In(one), Self::In(other)) if one.expected <= other.expected => Self::In(one),
            (_, other) => other,
        }
    }

    /// The expected time; `None` if never.
    pub fn expected(self) -> Option<Duration> {
        self.of(|interval| interval.expected)
    }

    /// The earliest time; `None` if never.
    pub fn earliest(self) -> Option<Duration> {
        self.of(|interval| interval.earliest)
    }

    /// The latest time; `None` if never.
    pub fn latest(self) -> Option<Duration> {
        self.of(|interval| interval.latest)
    }

    fn of(self, time: impl Fn(Interval) -> Duration) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::In(interval) => Some(time(interval)),
            Self::Now => Some(Duration::ZERO),
        }
    }
}

/// When `left` addresses are used up at that speed.
pub(super) fn forecast(left: u64, slope: Slope, basis: Basis) -> Forecast {
    // The last level was reached a while ago; the next one is that much nearer.
    let after = |speed: f64| {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = left as f64 / speed;
        let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        time.saturating_sub(slope.silence)
    };
    let interval = Interval {
        earliest: after(slope.high),
        expected: after(slope.mid),
        latest: after(slope.low),
        basis,
    };
    if interval.latest > FARTHEST {
        return Forecast::Never;
    }
    Forecast::In(interval)
}
