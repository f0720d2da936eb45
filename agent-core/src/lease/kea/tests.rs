//! Rows as Kea 2.2.0 writes them, and the columns of other versions.

use super::*;

/// Four clients in a lab: one with an awkward identifier, one that released its lease,
/// one that declined it, and one that came last.
const RECORDED: &str = include_str!("recorded.csv");
/// The columns before Kea 1.0.
const FIRST: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname";

fn lease(last: u8, mac: u8, id: Option<&[u8]>, expires: Option<u64>) -> Lease {
    Lease {
        address: Ipv4Addr::new(172, 29, 101, last),
        hardware_address: HardwareAddress::ethernet([2, 2, 0, 0xd4, 1, mac]),
        client_id: id.map(ClientId::new),
        expires: expires.map(Timestamp::from_secs),
    }
}

#[test]
fn the_last_row_of_an_address_counts() {
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
            ..Reading::default()
        }
    );
}

#[test]
fn a_row_without_its_end_does_not_count_yet() {
    for end in 0..RECORDED.len() {
        let torn = parse(&RECORDED.as_bytes()[..end]);
        assert_eq!(torn.damage, None, "cut at {end}");
        assert_eq!(torn.complete, end == 0 || RECORDED[..end].ends_with('\n'));
        let rows = RECORDED[..end].matches('\n').count();
        let whole: String = RECORDED.split_inclusive('\n').take(rows).collect();
        assert_eq!(torn.leases, parse(whole.as_bytes()).leases, "cut at {end}");
    }
}

#[test]
fn the_columns_of_every_version() {
    let row = "172.29.101.7,02:02:00:d4:01:07,,3600,1795759176,1,0,0,host";
    let expected = [lease(7, 7, None, Some(1_795_759_176))];
    for (columns, fields) in [
        ("", ""),
        (",state", ",0"),
        (",state,user_context", ",0,{ \"a\": 1&#x2c \"b\": 2 }"),
        (",state,user_context,pool_id", ",0,,3"),
        (",pool_id,of-a-newer-kea,state", ",3,x,0"),
    ] {
        let reading = parse(format!("{FIRST}{columns}\n{row}{fields}\n").as_bytes());
        assert_eq!(reading.damage, None, "{columns}");
        assert_eq!(reading.leases, expected, "{columns}");
    }
}

#[test]
fn what_ends_a_lease() {
    let head = format!("{FIRST},state\n");
    let row = |lifetime: &str, state: &str| {
        format!("172.29.101.7,02:02:00:d4:01:07,,{lifetime},1795759176,1,0,0,,{state}\n")
    };
    for (lifetime, state, leased) in [
        ("3600", "0", true),
        // Deleted, or kept for its client by a Kea before 2.7.
        ("0", "0", false),
        ("3600", "1", false),
        ("3600", "2", false),
        // Kept for its client since 2.7.
        ("3600", "3", false),
        ("0", "3", false),
    ] {
        let text = [head.clone(), row("3600", "0"), row(lifetime, state)].concat();
        let reading = parse(text.as_bytes());
        assert_eq!(reading.damage, None);
        assert_eq!(
            reading.leases.len(),
            usize::from(leased),
            "{lifetime} {state}"
        );
    }
    let for_ever = [head, row("4294967295", "0")].concat();
    assert_eq!(parse(for_ever.as_bytes()).leases, [lease(7, 7, None, None)]);
}

#[test]
fn files_one_after_the_other_each_with_its_header() {
    let older = format!(
        "{FIRST}\n172.29.101.100,02:02:00:d4:01:09,,3600,1795759000,1,0,0,\n\
         172.29.101.7,02:02:00:d4:01:07,,3600,1795759176,1,0,0,\n"
    );
    let reading = parse([&older, RECORDED].concat().as_bytes());
    let last = |lease: &Lease| lease.address.octets()[3];
    let lasts: Vec<u8> = reading.leases.iter().map(last).collect();
    assert_eq!((lasts, reading.damage), (vec![7, 100, 103], None));
    let holder = reading.leases[1].hardware_address;
    assert_eq!(holder.as_bytes().last(), Some(&1));
}

#[test]
fn damage_is_named_with_its_line() {
    let (header, _) = RECORDED.split_once('\n').unwrap();
    for (bad, reason) in [
        (
            "172.29.101.7,,,3600",
            "not as many fields as the header has",
        ),
        ("172.29.101,,,1,1,1,0,0,,0,", "the address cannot be read"),
        (
            "172.29.101.7,2,,1,1,1,0,0,,0,",
            "the hardware address cannot be read",
        ),
        (
            "172.29.101.7,,x,1,1,1,0,0,,0,",
            "the client identifier cannot be read",
        ),
        ("172.29.101.7,,,-1,1,1,0,0,,0,", "the lifetime is no number"),
        ("172.29.101.7,,,1,soon,1,0,0,,0,", "the expiry is no number"),
        ("address,hwaddr", "the header lacks a column of a lease"),
    ] {
        let damage = parse(format!("{header}\n{bad}\n").as_bytes())
            .damage
            .unwrap();
        assert_eq!((damage.line, &*damage.reason), (2, reason), "{bad}");
    }
    let damage = parse(b"lease 10.0.0.1 {\n").damage.unwrap();
    assert_eq!((damage.line, &*damage.reason), (1, "no header before it"));
}

#[test]
fn the_columns_of_every_version_of_ipv6() {
    let first = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,\
                 prefix_len,fqdn_fwd,fqdn_rev,hostname";
    let row = "fd00:30:0:100::,00:02:00,3600,1795759176,1,3600,2,77,56,0,0,host";
    for (columns, fields) in [
        ("", ""),
        (",hwaddr", ",02:02:00:d4:01:07"),
        (",hwaddr,state", ",,0"),
        (",hwaddr,state,user_context", ",,0,"),
        (
            ",hwaddr,state,user_context,hwtype,hwaddr_source",
            ",,0,,1,0",
        ),
        (
            ",hwaddr,state,user_context,hwtype,hwaddr_source,pool_id",
            ",,0,,1,0,4",
        ),
    ] {
        let reading = parse(format!("{first}{columns}\n{row}{fields}\n").as_bytes());
        assert_eq!(reading.damage, None, "{columns}");
        let expected = Lease6 {
            address: "fd00:30:0:100::".parse().unwrap(),
            prefix_length: 56,
            association: Association::Prefix,
            iaid: 77,
            duid: Duid::new(&[0, 2, 0]),
            expires: Some(Timestamp::from_secs(1_795_759_176)),
        };
        assert_eq!(reading.leases6, [expected], "{columns}");
    }
    let state = |state: &str, lifetime: &str| {
        let after = row.replacen("3600", lifetime, 1);
        let text = format!("{first},hwaddr,state\n{row},,0\n{after},,{state}\n");
        parse(text.as_bytes())
    };
    for (number, lifetime, leased) in [
        ("0", "3600", 1),
        ("0", "0", 0),
        ("1", "3600", 0),
        ("2", "3600", 0),
        ("3", "3600", 0),
        ("4", "3600", 0),
    ] {
        assert_eq!(state(number, lifetime).leases6.len(), leased, "{number}");
    }
    let unknown = state("5", "3600").damage.unwrap();
    assert_eq!(
        (unknown.line, &*unknown.reason),
        (3, "the state is not known")
    );
}
