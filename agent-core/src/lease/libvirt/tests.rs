//! Files as libvirt 9.0's lease helper writes them.

use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

#[test]
fn leases_of_both_families() {
    let text = r#"[
  {
    "ip-address": "192.168.122.2",
    "mac-address": "52:54:00:00:00:01",
    "hostname": "a \"guest\"",
    "client-id": "01:52:54:00:00:00:01",
    "expiry-time": 1795755576,
    "of-a-newer-version": { "x": [1, 2, { "ip-address": "10.0.0.1" }], "expiry-time": 3 }
  },
  {
    "iaid": "4711",
    "ip-address": "fd00::50",
    "mac-address": "52:54:00:00:00:01",
    "hostname": "guest",
    "client-id": "00:01:00:01",
    "server-duid": "00:01:00:02",
    "expiry-time": 1795755576
  },
  { "ip-address": "192.168.122.3", "mac-address": "06-01:02", "expiry-time": 0 }
]
"#;
    let lease = |last, kind, mac: &[u8], id: Option<&[u8]>, expires: Option<u64>| Lease {
        address: Ipv4Addr::new(192, 168, 122, last),
        hardware_address: HardwareAddress::new(kind, mac),
        client_id: id.map(ClientId::new),
        expires: expires.map(Timestamp::from_secs),
    };
    let end = Some(1_795_755_576);
    let mac = [0x52, 0x54, 0, 0, 0, 1];
    assert_eq!(
        parse(text.as_bytes()),
        Reading {
            leases: vec![
                lease(2, 1, &mac, Some(&[1, 0x52, 0x54, 0, 0, 0, 1]), end),
                lease(3, 6, &[1, 2], None, None),
            ],
            leases6: vec![Lease6 {
                address: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x50),
                prefix_length: 128,
                association: Association::NonTemporary,
                iaid: 4711,
                duid: Duid::new(&[0, 1, 0, 1]),
                expires: end.map(Timestamp::from_secs),
            }],
            server_duid: Some(Duid::new(&[0, 1, 0, 2])),
            complete: true,
            ..Reading::default()
        }
    );
}

#[test]
fn an_empty_file_is_whole_and_half_a_one_is_not() {
    for whole in ["", "[]", "[\n\n]\n"] {
        let reading = parse(whole.as_bytes());
        assert_eq!((reading.complete, reading.damage), (true, None), "{whole}");
    }
    let text = "[ { \"ip-address\": \"10.0.0.1\" }, { \"ip-address\": \"10.0.0.2\" } ]";
    for end in 1..text.len() {
        let reading = parse(&text.as_bytes()[..end]);
        assert_eq!((reading.complete, reading.damage), (false, None), "{end}");
    }
}

#[test]
fn damage_is_named_with_its_line() {
    for (members, reason) in [
        ("", "a lease without an address"),
        (r#""ip-address": 7"#, "the address cannot be read"),
        (r#""ip-address": "10.0.0""#, "the address cannot be read"),
        (
            r#""mac-address": "x""#,
            "the hardware address cannot be read",
        ),
        (
            r#""client-id": "1""#,
            "the client identifier cannot be read",
        ),
        (r#""expiry-time": -1"#, "the expiry is no number"),
        (
            r#""ip-address": "fd00::1""#,
            "an IPv6 lease without an IAID",
        ),
        (r#""iaid": "x""#, "the IAID is no number"),
    ] {
        let damage = parse(format!("[\n{{ {members} }}]").as_bytes())
            .damage
            .unwrap();
        assert_eq!((damage.line, &*damage.reason), (2, reason), "{members}");
    }
}
