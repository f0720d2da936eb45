//! Values as the schema writes them: times, durations, names, origins.

use crate::sinks::names::InterfaceName;
use leasehound_core::frame::VlanStack;
use leasehound_core::origin::Origin;
use leasehound_core::time::Timestamp;
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::time::Duration;

/// A time as RFC 3339, UTC, with nanoseconds: `2026-11-20T10:45:20.301798000Z`.
#[derive(Debug, Clone, Copy)]
pub struct Utc(pub Timestamp);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0.as_nanos());
        let time = jiff::Timestamp::from_nanosecond(nanos).map_err(|_| fmt::Error)?;
        write!(f, "{time:.9}")
    }
}

impl Serialize for Utc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A duration in seconds: the exact decimal, without a detour over binary fractions.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.subsec_nanos();
        if nanos == 0 {
            return write!(f, "{}", self.0.as_secs());
        }
        let mut digits = 9;
        while nanos.is_multiple_of(10) {
            nanos /= 10;
            digits -= 1;
        }
        write!(f, "{}.{nanos:0digits$}", self.0.as_secs())
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string())
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }
}

/// A value whose text is its JSON string.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Many of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a, T>(pub(super) &'a [T]);

impl<T: fmt::Display> Serialize for Texts<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Text))
    }
}

/// VLAN identifiers, outermost first.
#[derive(Debug, Clone, Copy)]
struct Vlans(VlanStack);

impl Serialize for Vlans {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tags = serializer.serialize_seq(None)?;
        for tag in [self.0.outer, self.0.inner].into_iter().flatten() {
            tags.serialize_element(&tag)?;
        }
        tags.end()
    }
}

/// `origin`
#[derive(Debug, Serialize)]
pub(super) struct OriginPart<'a> {
    netns: &'a str,
    interface: &'a str,
    vlan: Vlans,
    direction: &'static str,
    hook: &'static str,
}

impl<'a> OriginPart<'a> {
    pub(super) fn new(origin: Origin, vlan: VlanStack, name: &'a InterfaceName) -> Self {
        Self {
            netns: &name.netns,
            interface: &name.interface,
            vlan: Vlans(vlan),
            direction: origin.direction.as_str(),
            hook: origin.hook.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_the_exact_decimal() {
        let seconds = |nanos| serde_json::to_string(&Seconds(Duration::from_nanos(nanos))).unwrap();
        assert_eq!(seconds(0), "0");
        assert_eq!(seconds(1), "0.000000001");
        assert_eq!(seconds(1_000_412_000), "1.000412");
        assert_eq!(seconds(100_000_000), "0.1");
        assert_eq!(seconds(2_000_000_000), "2");
        assert_eq!(seconds(u64::MAX), "18446744073.709551615");
    }

    #[test]
    fn times_have_nine_digits_from_the_epoch_to_the_last() {
        assert_eq!(
            Utc(Timestamp::from_nanos(1_795_171_520_301_798_000)).to_string(),
            "2026-11-20T10:45:20.301798000Z"
        );
        assert_eq!(
            Utc(Timestamp::ZERO).to_string(),
            "1970-01-01T00:00:00.000000000Z"
        );
        assert_eq!(
            Utc(Timestamp::MAX).to_string(),
            "2554-07-21T23:34:33.709551615Z"
        );
    }
}
