//! What the programs count, and how many samples they may take.

use crate::{family, hook};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Key of the message counters. The value is a `u64` per CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CounterKey {
    /// The interface's index in its network namespace.
    pub ifindex: u32,
    /// One of [`crate::direction`].
    pub direction: u8,
    /// One of [`crate::family`].
    pub family: u8,
    /// See [`crate::message_type`].
    pub message_type: u8,
    /// One of [`crate::hook`].
    pub hook: u8,
}

const _: () = assert!(size_of::<CounterKey>() == 8);

/// What became of a frame; the second part of a statistic's index.
pub mod stat {
    /// Sampled.
    pub const SAMPLED: u8 = 0;
    /// Not sampled: its type's budget was spent.
    pub const LOST_BUDGET: u8 = 1;
    /// Not sampled: no room in the ring buffer, or none left for its class.
    pub const LOST_RING: u8 = 2;
    /// Not sampled: the frame's octets could not be copied.
    pub const LOST_COPY: u8 = 3;
    /// Not in the message counters: their map is full.
    pub const UNCOUNTED: u8 = 4;
    /// IPv6 with extension headers: whether it was DHCP was not looked for.
    pub const EXTENSION_HEADERS: u8 = 5;
    /// Not sampled, for its like are many and tell nothing more: no loss.
    pub const WITHHELD: u8 = 6;
    /// How many there are.
    pub const COUNT: u8 = 7;
}

/// How many entries the map of statistics has.
pub const STATS: u32 = (hook::COUNT as u32) * (stat::COUNT as u32);

/// Index of a statistic: a `u64` per CPU, of one hook.
pub const fn stat_index(hook: u8, stat: u8) -> u32 {
    (hook as u32) * (stat::COUNT as u32) + (stat as u32)
}

/// How dear a message type is when samples are short.
pub mod class {
    /// Ends a lease, or says what the server decided: RELEASE, DECLINE, ACK, NAK, REPLY.
    pub const VITAL: u8 = 0;
    /// What else a verdict is made of: REQUEST, RENEW, REBIND, OFFER …
    pub const USUAL: u8 = 1;
    /// What comes in storms and says least: DISCOVER, SOLICIT, INFORM, unknown types.
    pub const PLENTIFUL: u8 = 2;
    /// How many there are.
    pub const COUNT: usize = 3;
}

/// The [`class`] of a message type.
pub const fn class_of(family: u8, message_type: u8) -> u8 {
    if family == family::V4 {
        match message_type {
            4..=7 => class::VITAL,
            2 | 3 | 9 => class::USUAL,
            _ => class::PLENTIFUL,
        }
    } else {
        match message_type {
            7..=9 => class::VITAL,
            2..=6 | 10 | 12 | 13 => class::USUAL,
            _ => class::PLENTIFUL,
        }
    }
}

/// Sample budgets. Each message type of each family has a bucket of its own, filled as
/// its class says, so that a storm of one type takes nothing from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Budget {
    /// Samples per second, by [`class`].
    pub per_second: [u64; class::COUNT],
    /// Samples at once, by [`class`].
    pub burst: [u64; class::COUNT],
}

const _: () = assert!(size_of::<Budget>() == 48);

impl Budget {
    /// What a busy server may need; one core decodes a million messages per second.
    pub const DEFAULT: Self = Self {
        per_second: [50_000, 20_000, 5_000],
        burst: [50_000, 20_000, 10_000],
    };
}

/// How many buckets there are.
pub const BUCKETS: u32 = 64;

/// The bucket of ICMP errors about DHCPv4, which is filled as [`class::USUAL`].
pub const ICMP_BUCKET: u32 = 62;

/// The bucket of a message type: DHCPv4 below 24, DHCPv6 from there.
pub const fn bucket_index(family: u8, message_type: u8) -> u32 {
    let v4 = family == family::V4;
    let highest = if v4 {
        crate::message_type::HIGHEST_V4
    } else {
        crate::message_type::HIGHEST_V6
    };
    // What has no number of its own shares the bucket above the highest.
    let slot = if message_type <= highest {
        message_type
    } else {
        highest + 1
    };
    if v4 { slot as u32 } else { 24 + slot as u32 }
}

/// A token bucket, as kept in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Bucket {
    /// `bpf_ktime_get_ns()` of the last refill; 0 before the first.
    pub refilled_nanos: u64,
    /// Tokens left.
    pub tokens: u64,
}

const _: () = assert!(size_of::<Bucket>() == 16);

impl Bucket {
    /// The bucket after a packet of a type of `class` at `now`, and whether it may be
    /// sampled.
    ///
    /// Refills in whole tokens and moves the clock by what they took, so that no rate is
    /// too low to ever add up. After a long pause the time counts as sixteen seconds.
    #[inline]
    #[must_use]
    pub const fn take(self, now_nanos: u64, per_second: u64, burst: u64) -> (Self, bool) {
        let mut bucket = self;
        if bucket.refilled_nanos == 0 {
            bucket.refilled_nanos = now_nanos;
            bucket.tokens = burst;
        } else if per_second != 0 && now_nanos > bucket.refilled_nanos {
            let elapsed = now_nanos - bucket.refilled_nanos;
            if elapsed > LONGEST_REFILL {
                bucket.refilled_nanos = now_nanos - LONGEST_REFILL;
            }
            // No overflow below 1,000,000,000 tokens per second, which MOST enforces:
            // eBPF has no 128-bit multiplication to notice one.
            let rate = if per_second < MOST { per_second } else { MOST };
            let earned = (now_nanos - bucket.refilled_nanos).wrapping_mul(rate) / NANOS_PER_SECOND;
            if earned > 0 {
                bucket.refilled_nanos += earned.wrapping_mul(NANOS_PER_SECOND) / rate;
                bucket.tokens = bucket.tokens.wrapping_add(earned);
                if bucket.tokens > burst {
                    bucket.tokens = burst;
                }
            }
        }
        if bucket.tokens == 0 {
            return (bucket, false);
        }
        bucket.tokens -= 1;
        (bucket, true)
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const LONGEST_REFILL: u64 = 16 * NANOS_PER_SECOND;
const MOST: u64 = NANOS_PER_SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Bucket = Bucket {
        refilled_nanos: 0,
        tokens: 0,
    };

    #[test]
    fn buckets_are_distinct_and_in_range() {
        let mut seen = [false; BUCKETS as usize];
        for (family, highest) in [(family::V4, 19), (family::V6, 37)] {
            for message_type in 0..=highest {
                let index = bucket_index(family, message_type) as usize;
                assert!(!seen[index], "family {family} type {message_type}");
                seen[index] = true;
            }
            assert!(!seen[ICMP_BUCKET as usize]);
            assert_eq!(bucket_index(family, highest), bucket_index(family, 255));
        }
    }

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let mut bucket = NEW;
        let mut granted = 0;
        for _ in 0..10 {
            let (next, yes) = bucket.take(1_000, 10, 4);
            bucket = next;
            granted += u32::from(yes);
        }
        assert_eq!(granted, 4);
        // 10 per second: one token after 100 ms, none before.
        let (bucket, yes) = bucket.take(1_000 + 99_999_999, 10, 4);
        assert!(!yes);
        let (bucket, yes) = bucket.take(1_000 + 100_000_000, 10, 4);
        assert!(yes);
        let (_, yes) = bucket.take(1_000 + 100_000_001, 10, 4);
        assert!(!yes);
    }

    #[test]
    fn a_low_rate_adds_up_under_a_storm() {
        // A packet per microsecond for a tenth of a second less than two seconds.
        let mut bucket = NEW;
        let mut granted = 0;
        for micros in 1..1_900_000_u64 {
            let (next, yes) = bucket.take(micros * 1_000, 3, 1);
            bucket = next;
            granted += u32::from(yes);
        }
        assert_eq!(granted, 1 + 5);
    }

    #[test]
    fn a_budget_of_nothing_grants_nothing() {
        let (bucket, yes) = NEW.take(5, 0, 0);
        assert!(!yes);
        assert!(!bucket.take(u64::MAX, 0, 0).1);
    }

    #[test]
    fn verdicts_are_spared_before_storms() {
        for (family, message_type) in [(4, 4), (4, 5), (4, 6), (4, 7), (6, 7), (6, 8), (6, 9)] {
            assert_eq!(class_of(family, message_type), class::VITAL);
        }
        for (family, message_type) in [(4, 1), (4, 0), (4, 255), (6, 1), (6, 11)] {
            assert_eq!(class_of(family, message_type), class::PLENTIFUL);
        }
    }
}
