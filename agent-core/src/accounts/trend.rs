//! How fast something grows, from the times at which it reached each level first.
//!
//! Robust and small: the last 32 levels; the median of the slopes between those that lie
//! a quarter of them apart, and the spread of these slopes. Growth that stopped is none.

use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Levels that are remembered.
pub(super) const LEVELS: usize = 32;

/// Levels below which nothing is said: the first, and five rises.
const FEWEST: usize = 6;

/// A first wait so many times longer than the usual one is the calm before.
const CALM: f64 = 8.0;

/// A silence so many times longer than usual is the end.
const SILENCES: f64 = 3.0;

/// What is expected within a silence at most before it is the end.
const EXPECTED_IN_SILENCE: f64 = 4.0;

/// Slopes that differ by more than this say nothing.
const WIDEST: f64 = 8.0;

/// When a level was reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) at: Timestamp,
    pub(super) level: u64,
    /// What else stood so high then.
    pub(super) beside: u64,
}

/// Levels and when they were reached first, rising.
#[derive(Debug, Clone, Default)]
pub(super) struct Trend(VecDeque<Reached>);

/// How fast it grows, per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slope {
    pub(super) low: f64,
    pub(super) mid: f64,
    pub(super) high: f64,
    /// How long ago the last level was reached.
    pub(super) silence: Duration,
    /// The oldest level that was gone by.
    pub(super) from: Reached,
}

impl Trend {
    /// Takes in where it stands; only what is above the last level by `step` counts.
    pub(super) fn rise(&mut self, now: Reached, step: u64) {
        let enough = |last: &Reached| now.level >= last.level.saturating_add(step.max(1));
        if !self.0.back().is_none_or(enough) {
            return;
        }
        if self.0.len() >= LEVELS {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// It fell: what lies above counts no more, and will count from when it is reached anew.
    pub(super) fn fall(&mut self, now: Reached) {
        while self.0.back().is_some_and(|last| last.level > now.level) {
            self.0.pop_back();
        }
        if self.0.is_empty() {
            self.0.push_back(now);
        }
    }

    /// The highest level.
    pub(super) fn level(&self) -> Option<u64> {
        self.0.back().map(|last| last.level)
    }

    /// How fast it grows; `None` if it does not, or if that can't be told.
    pub(super) fn slope(&self, now: Timestamp) -> Option<Slope> {
        let all: Vec<Reached> = self.0.iter().copied().collect();
        let levels = without_the_calm_before(&all);
        // What was interrupted for long goes by what came after.
        slope_of(levels, now).or_else(|| slope_of(after_the_longest_wait(levels), now))
    }
}

fn slope_of(levels: &[Reached], now: Timestamp) -> Option<Slope> {
    let (first, last) = (levels.first()?, levels.last()?);
    if levels.len() < FEWEST {
        return None;
    }
    let mut slopes = slopes(levels, levels.len() / 4);
    slopes.sort_by(f64::total_cmp);
    let [low, mid, high] = [0.1, 0.5, 0.9].map(|part| quantile(&slopes, part));
    let (low, mid, high) = (low?, mid?, high?);
    let silence = now.since(last.at);
    let rise = last.level.saturating_sub(first.level);
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let step = rise as f64 / (levels.len() - 1) as f64;
    let bearable = (EXPECTED_IN_SILENCE * step / mid).max(SILENCES * usual_wait(levels)?);
    let told = low > 0.0 && high <= WIDEST * low && silence.as_secs_f64() <= bearable;
    told.then_some(Slope {
        low,
        mid,
        high,
        silence,
        from: *first,
    })
}

fn after_the_longest_wait(levels: &[Reached]) -> &[Reached] {
    let pairs = levels.iter().zip(levels.iter().skip(1)).enumerate();
    let longest = pairs.max_by_key(|(_, (one, next))| next.at.since(one.at));
    let begins = longest.map_or(0, |(index, _)| index + 1);
    levels.get(begins..).unwrap_or_default()
}

/// What began after a long calm began then: the level before says only how long the calm
/// was.
fn without_the_calm_before(mut levels: &[Reached]) -> &[Reached] {
    while let [first, rest @ ..] = levels {
        let (Some(second), Some(usual)) = (rest.first(), usual_wait(rest)) else {
            break;
        };
        let wait = second.at.since(first.at).as_secs_f64();
        if rest.len() < FEWEST || wait <= CALM * usual {
            break;
        }
        levels = rest;
    }
    levels
}

/// The wait from one level to the next that four of five do not exceed.
fn usual_wait(levels: &[Reached]) -> Option<f64> {
    let pairs = levels.iter().zip(levels.iter().skip(1));
    let mut waits: Vec<f64> = pairs
        .map(|(one, next)| next.at.since(one.at).as_secs_f64())
        .collect();
    waits.sort_by(f64::total_cmp);
    quantile(&waits, 0.8)
}

/// Between any two levels that lie `apart` or more, and not at the same time.
fn slopes(levels: &[Reached], apart: usize) -> Vec<f64> {
    let mut slopes = Vec::new();
    for (index, one) in levels.iter().enumerate() {
        for other in levels.iter().skip(index + apart.max(1)) {
            let seconds = other.at.since(one.at).as_secs_f64();
            if seconds > 0.0 {
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                slopes.push(other.level.saturating_sub(one.level) as f64 / seconds);
            }
        }
    }
    slopes
}

/// Of sorted values.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a few hundred values, and a part of it"
    )]
    let index = (last as f64 * part) as usize;
    sorted.get(index.min(last)).copied()
}
