//! Time stamps of a file → [`Timestamp`].

use leasehound_core::time::Timestamp;

const NANOS: u64 = 1_000_000_000;

/// What a unit of an interface's time stamps is (pcapng options `if_tsresol` and
/// `if_tsoffset`; the magic number of pcap).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resolution {
    unit: Unit,
    offset_secs: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// So many nanoseconds.
    Nanos(u64),
    /// So many of it make a nanosecond.
    PerNano(u64),
    /// 2 to the power of it make a second.
    Binary(u8),
}

impl Resolution {
    pub(super) const MICROS: Self = Self {
        unit: Unit::Nanos(1_000),
        offset_secs: 0,
    };

    pub(super) const NANOS: Self = Self {
        unit: Unit::Nanos(1),
        offset_secs: 0,
    };

    /// From `if_tsresol`: a negative power of 10, or of 2 if the top bit is set.
    /// `None` for powers of ten that no 64-bit time stamp can hold.
    pub(super) fn from_tsresol(value: u8) -> Option<Self> {
        let power = value & 0x7f;
        let unit = if value & 0x80 != 0 {
            Unit::Binary(power)
        } else if power <= 9 {
            Unit::Nanos(10_u64.pow(9 - u32::from(power)))
        } else {
            Unit::PerNano(10_u64.checked_pow(u32::from(power) - 9)?)
        };
        Some(Self {
            unit,
            offset_secs: 0,
        })
    }

    /// With `if_tsoffset`: seconds to add to each time stamp.
    pub(super) fn with_offset(self, offset_secs: i64) -> Self {
        Self {
            offset_secs,
            ..self
        }
    }

    /// Seconds since the epoch and a fraction in units, as pcap has them.
    #[inline]
    pub(super) fn split(self, seconds: u32, fraction: u32) -> Timestamp {
        let nanos = match self.unit {
            Unit::Nanos(nanos) => u64::from(fraction).saturating_mul(nanos),
            Unit::PerNano(_) | Unit::Binary(_) => self.timestamp(fraction.into()).as_nanos(),
        };
        Timestamp::from_nanos(u64::from(seconds) * NANOS + nanos)
    }

    /// `stamp` units since the epoch; times that do not fit saturate.
    #[inline]
    pub(super) fn timestamp(self, stamp: u64) -> Timestamp {
        let nanos = match self.unit {
            Unit::Nanos(nanos) => stamp.saturating_mul(nanos),
            Unit::PerNano(units) => stamp / units,
            Unit::Binary(power) => {
                let nanos = (u128::from(stamp) * u128::from(NANOS)) >> power;
                u64::try_from(nanos).unwrap_or(u64::MAX)
            }
        };
        let offset = self.offset_secs.unsigned_abs().saturating_mul(NANOS);
        Timestamp::from_nanos(if self.offset_secs < 0 {
            nanos.saturating_sub(offset)
        } else {
            nanos.saturating_add(offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_nanoseconds() {
        for (tsresol, stamp, nanos) in [
            (0, 3, 3_000_000_000),
            (6, 1_500_000, 1_500_000_000),
            (9, 1_500_000_001, 1_500_000_001),
            (12, 1_500_999, 1_500),
            (0x8a, 1536, 1_500_000_000),
            (0xa0, 1 << 31, 500_000_000),
            (0, u64::MAX, u64::MAX),
            (0x80, u64::MAX, u64::MAX),
            (0xff, u64::MAX, 0),
        ] {
            let resolution = Resolution::from_tsresol(tsresol).unwrap();
            assert_eq!(
                resolution.timestamp(stamp).as_nanos(),
                nanos,
                "if_tsresol {tsresol:#x}"
            );
        }
        assert_eq!(Resolution::from_tsresol(100), None);
    }

    #[test]
    fn the_offset_is_added_and_saturates() {
        let with = |offset| Resolution::MICROS.with_offset(offset);
        assert_eq!(with(2).timestamp(1).as_nanos(), 2_000_001_000);
        assert_eq!(with(-2).timestamp(3_000_000).as_nanos(), 1_000_000_000);
        assert_eq!(with(-2).timestamp(1), Timestamp::ZERO);
        assert_eq!(with(i64::MAX).timestamp(1), Timestamp::MAX);
    }
}
