//! `dhcp-range` (option.c `case 'F'`).

use super::file::split;
use crate::configuration::LeaseTime;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// `DEFLEASE` (config.h).
const DEFAULT: Duration = Duration::from_hours(1);
/// "Leases of a minute or less confuse some clients".
const LEAST: u64 = 120;
/// 0xffffffff is infinity to dnsmasq, however it is written.
const FOR_EVER: u64 = u32::MAX as u64;

/// A range of IPv4 addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Its first and last address, or first address and mode, as written.
    pub name: Box<str>,
    /// The lowest address.
    pub first: Ipv4Addr,
    /// The highest.
    pub last: Ipv4Addr,
    /// What it is for.
    pub mode: Mode,
    /// The netmask that is written with it.
    pub netmask: Option<Ipv4Addr>,
    /// `tag:`: what a message has to have, and must not have.
    pub filter: Vec<TagTest>,
    /// `set:`: what a message gets once its address comes from here.
    pub sets: Option<Box<str>>,
    /// How long its leases last.
    pub lease_time: LeaseTime,
}

/// What a range is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Its addresses are given out.
    Dynamic,
    /// Only addresses that `dhcp-host` names are given out in its subnet.
    Static,
    /// Another server gives out addresses; this one tells PXE clients what to boot.
    Proxy,
}

/// A tag that has to be there, or must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagTest {
    /// The tag.
    pub tag: Box<str>,
    /// Whether it must not be there.
    pub negated: bool,
}

impl TagTest {
    /// `tag`, `!tag` or, as of old, `#tag`.
    pub fn new(text: &str) -> Self {
        let negated = text.starts_with(['!', '#']);
        let tag = text.strip_prefix(['!', '#']).unwrap_or(text);
        Self {
            tag: tag.into(),
            negated,
        }
    }
}

/// What a `dhcp-range` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A range of IPv4 addresses.
    V4(Range),
    /// One of IPv6, which nothing here is about.
    V6,
    /// dnsmasq would not start with it; so it is of another version.
    Strange,
}

/// Reads the value of a `dhcp-range`.
pub fn parse(value: &str) -> Parsed {
    let mut words = split(value).peekable();
    let (mut filter, mut sets) = (Vec::new(), None);
    while let Some(word) = words.next_if(|word| !is_address_like(word)) {
        if let Some(test) = tag_of(word) {
            if !test.is_empty() {
                filter.push(TagTest::new(test));
            }
        } else {
            sets = Some(word.strip_prefix("set:").unwrap_or(word).into());
        }
    }
    let words: Vec<&str> = words.collect();
    match *words.as_slice() {
        [first, second, ref rest @ ..] => match first.parse::<Ipv4Addr>() {
            Ok(address) => {
                v4(address, (first, second), rest, filter, sets).map_or(Parsed::Strange, Parsed::V4)
            }
            Err(_) if first.parse::<Ipv6Addr>().is_ok() => Parsed::V6,
            Err(_) => Parsed::Strange,
        },
        _ => Parsed::Strange,
    }
}

/// `tag:` and, as of old, `net:`.
pub(super) fn tag_of(word: &str) -> Option<&str> {
    word.strip_prefix("tag:")
        .or_else(|| word.strip_prefix("net:"))
}

fn is_address_like(word: &str) -> bool {
    let fits = |octet: u8| matches!(octet, b' ' | b'.' | b':') || octet.is_ascii_hexdigit();
    word.bytes().all(fits)
}

fn v4(
    address: Ipv4Addr,
    (first, second): (&str, &str),
    rest: &[&str],
    filter: Vec<TagTest>,
    sets: Option<Box<str>>,
) -> Option<Range> {
    let (mode, end) = match second {
        "static" => (Mode::Static, address),
        "proxy" => (Mode::Proxy, address),
        end => (Mode::Dynamic, end.parse().ok()?),
    };
    let is_address = |word: &&str| word.contains('.') && word.parse::<Ipv4Addr>().is_ok();
    let mut rest = rest.iter().copied().peekable();
    let netmask = rest.next_if(is_address).and_then(|word| word.parse().ok());
    if netmask.is_some() {
        // The broadcast address is nothing that leases depend on.
        rest.next_if(is_address);
    }
    let lease_time = match rest.next() {
        None => LeaseTime::Limited(DEFAULT),
        Some(word) => lease_time(word)?,
    };
    if rest.next().is_some() {
        return None;
    }
    Some(Range {
        name: format!("{first},{second}").into(),
        first: address.min(end),
        last: address.max(end),
        mode,
        netmask,
        filter,
        sets,
        lease_time,
    })
}

/// `45m`, `1h`, `86400`, `infinite`.
pub(super) fn lease_time(word: &str) -> Option<LeaseTime> {
    if word == "infinite" {
        return Some(LeaseTime::Infinite);
    }
    let (digits, unit) = match word.bytes().last() {
        Some(b'w' | b'W') => (word.get(..word.len() - 1)?, 7 * 86_400),
        Some(b'd' | b'D') => (word.get(..word.len() - 1)?, 86_400),
        Some(b'h' | b'H') => (word.get(..word.len() - 1)?, 3600),
        Some(b'm' | b'M') => (word.get(..word.len() - 1)?, 60),
        Some(b's' | b'S') => (word.get(..word.len() - 1)?, 1),
        _ => (word, 1),
    };
    let seconds = digits.parse::<u64>().ok()?.checked_mul(unit)?.max(LEAST);
    Some(if seconds >= FOR_EVER {
        LeaseTime::Infinite
    } else {
        LeaseTime::Limited(Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> Range {
        match parse(text) {
            Parsed::V4(range) => range,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn limited(seconds: u64) -> LeaseTime {
        LeaseTime::Limited(Duration::from_secs(seconds))
    }

    #[test]
    fn every_form_of_a_range() {
        let plain = v4("10.9.0.50,10.9.0.150");
        assert_eq!(&*plain.name, "10.9.0.50,10.9.0.150");
        assert_eq!(plain.lease_time, limited(3600));
        assert_eq!((plain.mode, plain.netmask), (Mode::Dynamic, None));

        let neutron = v4("set:tag-1,10.0.0.0,static,255.255.255.0,86400s");
        assert_eq!(
            (neutron.mode, neutron.lease_time),
            (Mode::Static, limited(86_400))
        );
        assert_eq!(neutron.sets.as_deref(), Some("tag-1"));
        assert_eq!(neutron.netmask, Some(Ipv4Addr::new(255, 255, 255, 0)));

        let of_old = v4("interface:eth3,set:interface-eth3-0,172.29.101.1,static");
        assert_eq!(of_old.sets.as_deref(), Some("interface-eth3-0"));
        assert_eq!(
            v4("lan,192.168.1.100,192.168.1.249,255.255.255.0,12h")
                .sets
                .as_deref(),
            Some("lan")
        );

        let tagged = v4("tag:a,net:!b,tag:#c,10.9.0.9,10.9.0.5,255.255.0.0,10.9.255.255,infinite");
        let tests: Vec<(&str, bool)> = tagged
            .filter
            .iter()
            .map(|test| (&*test.tag, test.negated))
            .collect();
        assert_eq!(tests, [("a", false), ("b", true), ("c", true)]);
        assert_eq!(
            (tagged.first, tagged.last),
            ("10.9.0.5".parse().unwrap(), "10.9.0.9".parse().unwrap())
        );
        assert_eq!(tagged.lease_time, LeaseTime::Infinite);
        assert_eq!(v4("10.9.0.0,proxy").mode, Mode::Proxy);
    }

    #[test]
    fn lease_times() {
        for (word, seconds) in [
            ("45m", 2700),
            ("1h", 3600),
            ("2d", 172_800),
            ("1w", 604_800),
            ("30", 120),
            ("300s", 300),
        ] {
            assert_eq!(
                v4(&format!("10.9.0.5,10.9.0.9,{word}")).lease_time,
                limited(seconds),
                "{word}"
            );
        }
        assert_eq!(
            v4("10.9.0.5,10.9.0.9,4294967295").lease_time,
            LeaseTime::Infinite
        );
    }

    #[test]
    fn what_is_none_of_ours() {
        for text in [
            "fd00::10,fd00::20,64,1h",
            "::,constructor:br0,ra-names,slaac,64,1h",
            "set:six,fd00::,ra-only",
            "::1,::400,constructor:eth0,64",
        ] {
            assert_eq!(parse(text), Parsed::V6, "{text}");
        }
        for text in [
            "",
            "10.9.0.5",
            "10.9.0.5,x",
            "10.9.0.5,10.9.0.9,1y",
            "10.9.0.5,10.9.0.9,1h,1h",
        ] {
            assert_eq!(parse(text), Parsed::Strange, "{text}");
        }
    }
}
