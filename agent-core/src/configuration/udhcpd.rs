//! The range of udhcpd's configuration (busybox `networking/udhcp/dhcpd.c`, `files.c`).

use super::{LeaseTime, Pool};
use std::net::Ipv4Addr;
use std::time::Duration;

/// `DEFAULT_START`, `DEFAULT_END`, and ten days (dhcpd.c `keywords[]`, dhcpd.h
/// `DEFAULT_LEASE_TIME`).
const START: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 20);
const END: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 254);
const LEASE: u64 = 10 * 86_400;

/// Its one range; an error names the line that makes no sense.
pub fn read(text: &str) -> Result<Pool, Box<str>> {
    let (mut first, mut last, mut lease) = (START, END, LEASE);
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let strange = || Box::from(line.trim());
        match *words.as_slice() {
            ["start", address, ..] => first = address.parse().map_err(|_| strange())?,
            ["end", address, ..] => last = address.parse().map_err(|_| strange())?,
            ["option" | "opt", "lease", seconds, ..] => {
                lease = seconds.parse().map_err(|_| strange())?;
            }
            _ => {}
        }
    }
    let lease_time = if lease >= u64::from(u32::MAX) {
        LeaseTime::Infinite
    } else {
        LeaseTime::Limited(Duration::from_secs(lease))
    };
    Ok(Pool {
        name: format!("{first}-{last}").into(),
        first,
        last,
        lease_time: Some(lease_time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_and_its_lease_time() {
        let pool = read("# x\nstart 10.9.0.5\nend\t10.9.0.9 # y\ninterface eth3\nopt lease 3600\n")
            .unwrap();
        assert_eq!(&*pool.name, "10.9.0.5-10.9.0.9");
        assert_eq!(
            pool.lease_time,
            Some(LeaseTime::Limited(Duration::from_hours(1)))
        );
        assert_eq!(&*read("").unwrap().name, "192.168.0.20-192.168.0.254");
        assert_eq!(read("start x\n").unwrap_err().as_ref(), "start x");
    }
}
