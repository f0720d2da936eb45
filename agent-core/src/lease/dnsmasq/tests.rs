//! Lines as dnsmasq writes them, torn files among them.

use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn lease(mac: HardwareAddress, last: u8, id: Option<&[u8]>, expires: Option<u64>) -> Lease {
    Lease {
        address: Ipv4Addr::new(10, 9, 0, last),
        hardware_address: mac,
        client_id: id.map(ClientId::new),
        expires: expires.map(Timestamp::from_secs),
    }
}

#[test]
fn every_kind_of_line() {
    let text = b"1786788555 02:00:00:00:00:01 10.9.0.50 host 01:02:00:00:00:00:01\n\
        0 02:00:00:00:00:02 10.9.0.51 * *\n\
        1786788555 06-aa:bb 10.9.0.52 na\xefve ff:00\n\
        1786788555 00- 10.9.0.53 * 31\n\
        duid 00:01:00:01:2b:0e:4f:23:02:00:00:00:00:01\n\
        1786788555 4711 fd00::50 host 00:01:00:01\n\
        1786788555 T4711 fd00::51 * 00:01:00:01\n\
        agent-info 10.9.0.50 01:04:65:74:68:33\n\
        vendorclass 10.9.0.50 75:64:68:63:70\n";
    let mac = |last| HardwareAddress::ethernet([2, 0, 0, 0, 0, last]);
    let expiry = Some(1_786_788_555);
    let lease6 = |last, association| Lease6 {
        address: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last),
        prefix_length: 128,
        association,
        iaid: 4711,
        duid: Duid::new(&[0, 1, 0, 1]),
        expires: expiry.map(Timestamp::from_secs),
    };
    assert_eq!(
        parse(text),
        Reading {
            leases: vec![
                lease(mac(1), 50, Some(&[1, 2, 0, 0, 0, 0, 1]), expiry),
                lease(mac(2), 51, None, None),
                lease(
                    HardwareAddress::new(6, &[0xaa, 0xbb]),
                    52,
                    Some(&[0xff, 0]),
                    expiry
                ),
                lease(HardwareAddress::new(0, &[]), 53, Some(b"1"), expiry),
            ],
            leases6: vec![
                lease6(0x50, Association::NonTemporary),
                lease6(0x51, Association::Temporary),
            ],
            server_duid: Some(Duid::new(&[
                0, 1, 0, 1, 0x2b, 0x0e, 0x4f, 0x23, 2, 0, 0, 0, 0, 1
            ])),
            complete: true,
            ..Reading::default()
        }
    );
}

#[test]
fn lines_of_a_newer_dnsmasq_void_nothing() {
    let good = "0 02:00:00:00:00:01 10.9.0.50 * *\n";
    for line in [
        "boot-id 7",
        "agent-info 10.9.0.50",
        "vendorclass",
        "option 10.9.0.50 43 01:02 more of it",
        "a b c d e",
    ] {
        let reading = parse(format!("{line}\n{good}{line}\n").as_bytes());
        assert_eq!((reading.leases.len(), reading.damage), (1, None), "{line}");
    }
    assert_eq!(parse(b"boot-id 7\n").unknown, 1);
}

#[test]
fn an_unreadable_line_is_damage_and_named() {
    let good = "0 02:00:00:00:00:01 10.9.0.50 * *\n";
    for (line, reason) in [
        (
            "0 02:00:00:00:00:01 10.9.0.51 *",
            "not the five fields of a lease",
        ),
        (
            "0 02:00:00:00:00:01 10.9.0.51 * * *",
            "not the five fields of a lease",
        ),
        (
            "soon 02:00:00:00:00:01 10.9.0.51 * *",
            "the expiry is no number",
        ),
        (
            "-1 02:00:00:00:00:01 10.9.0.51 * *",
            "the expiry is no number",
        ),
        (
            "+1 02:00:00:00:00:01 10.9.0.51 * *",
            "the expiry is no number",
        ),
        (
            "0 02:00:00:00:00: 10.9.0.51 * *",
            "the hardware address cannot be read",
        ),
        ("0 2:0 10.9.0.51 * *", "the hardware address cannot be read"),
        ("0 02:00 10.9.0 * *", "the address cannot be read"),
        ("0 02:00 \u{fe} * *", "the address cannot be read"),
        (
            "0 02:00 10.9.0.51 * 0x",
            "the client identifier cannot be read",
        ),
        ("0 X7 fd00::1 * 00:01", "the IAID is no number"),
        ("0 4294967296 fd00::1 * 00:01", "the IAID is no number"),
        ("0 7 fd00::1 * 00:", "the client's DUID cannot be read"),
    ] {
        let reading = parse(format!("{good}{line}\n\n{good}").as_bytes());
        let damage = reading.damage.unwrap();
        assert_eq!((damage.line, &*damage.reason), (2, reason), "{line}");
        assert!(reading.complete);
    }
}

#[test]
fn a_torn_reading_shows_and_gives_no_half_lease() {
    let text = b"0 02:00:00:00:00:01 10.9.0.50 * *\n0 02:00:00:00:00:02 10.9.0.51 * 01:02:03\n";
    for end in 0..=text.len() {
        let reading = parse(&text[..end]);
        let whole_lines = text[..end].split(|&octet| octet == b'\n').count() - 1;
        assert_eq!(reading.leases.len(), whole_lines);
        assert_eq!(
            reading.complete,
            end == 0 || text[end - 1] == b'\n',
            "{end}"
        );
        assert_eq!(reading.damage, None);
    }
}
