//! Lines as dnsmasq writes them, torn files among them.

use super::*;
use std::net::Ipv4Addr;

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
    assert_eq!(
        parse(text),
        Parsed {
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
            complete: true,
            empty: false,
            skipped: vec![],
            ipv6_leases: 2,
            other_lines: 3,
        }
    );
}

#[test]
fn unreadable_lines_are_named_and_cost_only_themselves() {
    let good = "0 02:00:00:00:00:01 10.9.0.50 * *\n";
    for (line, reason) in [
        ("0 02:00:00:00:00:01 10.9.0.51 *", SkipReason::FieldCount),
        (
            "0 02:00:00:00:00:01 10.9.0.51 * * *",
            SkipReason::FieldCount,
        ),
        ("soon 02:00:00:00:00:01 10.9.0.51 * *", SkipReason::Expiry),
        ("-1 02:00:00:00:00:01 10.9.0.51 * *", SkipReason::Expiry),
        (
            "0 02:00:00:00:00: 10.9.0.51 * *",
            SkipReason::HardwareAddress,
        ),
        ("0 2:0 10.9.0.51 * *", SkipReason::HardwareAddress),
        ("0 02:00 10.9.0 * *", SkipReason::Address),
        ("0 02:00 \u{fe} * *", SkipReason::Address),
        ("0 02:00 10.9.0.51 * 0x", SkipReason::ClientId),
    ] {
        let parsed = parse(format!("{good}{line}\n\n{good}").as_bytes());
        assert_eq!(parsed.leases.len(), 2, "{line}");
        let skipped = SkippedLine {
            line_number: 2,
            reason,
        };
        assert_eq!(parsed.skipped, [skipped], "{line}");
        assert!(parsed.complete);
    }
}

#[test]
fn a_torn_reading_shows_and_gives_no_half_lease() {
    let text = b"0 02:00:00:00:00:01 10.9.0.50 * *\n0 02:00:00:00:00:02 10.9.0.51 * 01:02:03\n";
    for end in 1..text.len() {
        let parsed = parse(&text[..end]);
        let whole_lines = text[..end].split(|&octet| octet == b'\n').count() - 1;
        assert_eq!(parsed.leases.len(), whole_lines);
        assert_eq!(parsed.complete, text[end - 1] == b'\n', "{end}");
        assert_eq!(parsed.skipped.is_empty(), parsed.complete);
    }
    let torn = parse(&text[..text.len() - 1]);
    let unfinished = SkippedLine {
        line_number: 2,
        reason: SkipReason::Unfinished,
    };
    assert_eq!(torn.skipped, [unfinished]);
    assert!(!torn.believable_after(0));
}

#[test]
fn an_empty_file_is_believed_only_where_nothing_was_leased() {
    let parsed = parse(b"");
    assert!(parsed.complete && parsed.empty);
    assert!(parsed.believable_after(0) && !parsed.believable_after(1));
    assert!(parse(b"0 02:00 10.9.0.50 * *\n").believable_after(7));
}
