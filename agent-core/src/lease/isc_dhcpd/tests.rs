//! Files as dhcpd 4.4.3-P1 writes them, torn and damaged ones among them.

use super::*;
use crate::evidence::Lease;
use crate::lease::{Association, Lease6};
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use std::net::Ipv4Addr;

/// Four clients in a lab: one with an awkward identifier, one that released its lease,
/// one that declined it, and one that came last.
const RECORDED: &str = include_str!("recorded.leases");

fn lease(last: u8, mac: u8, id: Option<&[u8]>, expires: Option<u64>) -> Lease {
    Lease {
        address: Ipv4Addr::new(172, 29, 101, last),
        hardware_address: HardwareAddress::ethernet([2, 2, 0, 0xd4, 1, mac]),
        client_id: id.map(ClientId::new),
        expires: expires.map(Timestamp::from_secs),
    }
}

fn lasts(reading: &Reading) -> Vec<u8> {
    let last = |lease: &Lease| lease.address.octets()[3];
    reading.leases.iter().map(last).collect()
}

#[test]
fn the_last_block_of_an_address_counts() {
    let end = Some(1_795_759_176);
    assert_eq!(
        parse(RECORDED.as_bytes()),
        Reading {
            leases: vec![
                lease(100, 1, Some(b"\0some \"cl\\ient\"\n\x7f\xff,x"), end),
                lease(103, 4, None, end),
            ],
            complete: true,
            declined: vec![Ipv4Addr::new(172, 29, 101, 102)],
            server_duid: Some(Duid::new(&[
                0, 1, 0, 1, 0x32, 0x9b, 0xca, 0xb8, 2, 2, 0, 0xd4, 0, 1
            ])),
            ..Reading::default()
        }
    );
}

#[test]
fn a_text_that_ends_anywhere_gives_what_stood_before() {
    let whole = parse(RECORDED.as_bytes());
    for end in 0..RECORDED.len() {
        let torn = parse(&RECORDED.as_bytes()[..end]);
        assert_eq!(torn.damage, None, "cut at {end}");
        if torn.complete {
            assert!(RECORDED[..end].is_empty() || RECORDED[..end].ends_with('\n'));
        }
        // Two addresses are leased between their two blocks only.
        assert!(
            torn.leases.iter().all(|lease| whole.leases.contains(lease)
                || [101, 102].contains(&lease.address.octets()[3])),
            "cut at {end}"
        );
    }
    let inside = RECORDED.find("\n  binding state free").unwrap();
    let torn = parse(&RECORDED.as_bytes()[..inside]);
    assert_eq!((torn.complete, lasts(&torn)), (false, vec![100, 101]));
    // A newline alone ends no block.
    assert!(!parse(b"lease 10.0.0.1 {\n").complete);
    assert!(!parse(b"lease 10.0.0.1 {\n  uid \"ab\n").complete);
    assert!(!parse(b"lease\n").complete);
}

#[test]
fn only_an_active_lease_is_one() {
    for (state, leased) in [
        ("active", true),
        ("free", false),
        ("released", false),
        ("expired", false),
        ("abandoned", false),
        ("backup", false),
        ("reset", false),
    ] {
        let text = format!(
            "lease 172.29.101.7 {{\n  ends never;\n  binding state {state};\n  next binding state active;\n  hardware ethernet 02:02:00:d4:01:07;\n}}\n"
        );
        let expected: &[Lease] = &[lease(7, 7, None, None)];
        let expected = if leased { expected } else { &[] };
        assert_eq!(parse(text.as_bytes()).leases, expected, "{state}");
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let text = r#"
failover peer "dhcp" state { my state normal at 5 2026/11/27 04:59:36; }
host printer { dynamic; hardware ethernet 02:00:00:00:00:01; fixed-address 10.0.0.9; }
ia-na "\001\000\000\000\002" { cltt 5 2026/11/27 04:59:36; iaaddr fd00::1 { binding state active; } }
new-thing of 4.9;
lease 172.29.101.7 {
  starts epoch 1795755576; # Fri Nov 27 04:59:36 2026
  ends epoch 1795759176; # } in a comment
  binding state active;
  hardware ethernet 02:02:00:d4:01:07;
  uid 01:ff;
  set ddns-fwd-name = "a}b;c{";
  option agent.circuit-id "\"}";
  on expiry or release {
    set x = "1";
    if exists y { execute("z"); }
  }
  client-hostname "host";
}
"#;
    assert_eq!(
        parse(text.as_bytes()),
        Reading {
            leases: vec![lease(7, 7, Some(&[1, 0xff]), Some(1_795_759_176))],
            complete: true,
            leases6: vec![Lease6 {
                address: "fd00::1".parse().unwrap(),
                prefix_length: 128,
                association: Association::NonTemporary,
                iaid: 1,
                duid: Duid::new(b"\x02"),
                expires: None,
            }],
            unknown: 1,
            ..Reading::default()
        }
    );
}

#[test]
fn other_hardware_types() {
    let of = |text: &str| {
        let text = format!("lease 10.0.0.1 {{ {text} binding state active; }}\n");
        parse(text.as_bytes()).leases[0].hardware_address
    };
    assert_eq!(
        of("hardware infiniband 01:02;"),
        HardwareAddress::new(32, &[1, 2])
    );
    assert_eq!(
        of("hardware unknown-27 01;"),
        HardwareAddress::new(27, &[1])
    );
    assert_eq!(of(""), HardwareAddress::new(0, &[]));
}

#[test]
fn damage_is_named_with_its_line() {
    let good = "lease 10.0.0.1 { binding state active; }\n";
    for (bad, reason) in [
        ("lease 10.0.0 { }\n", "the address cannot be read"),
        (
            "lease 10.0.0.1 { ends 5; }\n",
            "the end of a lease cannot be read",
        ),
        (
            "lease 10.0.0.1 { hardware ethernet 0; }\n",
            "the hardware address cannot be read",
        ),
        (
            "lease 10.0.0.1 { uid \"\\9\"; }\n",
            "the client identifier cannot be read",
        ),
        ("}\n", "a brace too many"),
        ("\0\0\0\0\nlease 10.0.0.1 { }\n", "not a declaration"),
        (
            "1786788555 02:00:00:00:00:01 10.9.0.50 * *;\n",
            "not a declaration",
        ),
    ] {
        let damage = parse(format!("{good}{bad}{good}").as_bytes())
            .damage
            .unwrap();
        assert_eq!((damage.line, &*damage.reason), (2, reason), "{bad}");
    }
}
