//! The only place that reads a clock.

use leasehound_core::time::Timestamp;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Now, as the core counts time. A clock before 1970 reads as 1970.
pub fn now() -> Timestamp {
    Timestamp::from_nanos(nanos(ClockId::CLOCK_REALTIME))
}

/// A moment on the kernel's monotonic clock, in nanoseconds: the clock of
/// `bpf_ktime_get_ns` (`CLOCK_MONOTONIC`).
pub fn monotonic_nanos() -> u64 {
    nanos(ClockId::CLOCK_MONOTONIC)
}

/// Turns a reading of `bpf_ktime_get_ns` into wall-clock time, by the distance
/// that the two clocks have now: NTP may have moved it since the sample was taken.
pub fn from_ktime(ktime_nanos: u64) -> Timestamp {
    let age = monotonic_nanos().saturating_sub(ktime_nanos);
    now().saturating_sub(Duration::from_nanos(age))
}

fn nanos(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| {
        u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
    })
}
