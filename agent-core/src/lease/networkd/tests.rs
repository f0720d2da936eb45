//! Files as systemd-networkd writes them.

use super::*;

const HEAD: &str =
    r#"{"BootID":"0123456789abcdef0123456789abcdef","Address":[10,0,0,1],"PrefixLength":24"#;

fn lease(last: u8, kind: u8, mac: &[u8], expires: Option<u64>) -> Lease {
    Lease {
        address: Ipv4Addr::new(10, 0, 0, last),
        hardware_address: HardwareAddress::new(kind, mac),
        client_id: Some(ClientId::new(&[1, 2, 0, 0, 0, 0, last])),
        expires: expires.map(Timestamp::from_nanos),
    }
}

#[test]
fn leases_with_all_members_and_with_those_of_the_first_version() {
    let text = format!(
        r#"{HEAD},"Leases":[{{"ClientId":[1,2,0,0,0,0,50],"Address":[10,0,0,50],"AddressString":"10.0.0.50","Hostname":"host","HardwareAddressType":1,"HardwareAddressLength":6,"HardwareAddress":[2,0,0,0,0,50],"ExpirationUSec":7,"ExpirationRealtimeUSec":1795755576000001}},{{"ClientId":[1,2,0,0,0,0,51],"Address":[10,0,0,51],"ExpirationUSec":18446744073709551615,"ExpirationRealtimeUSec":18446744073709551615}}]}}
"#
    );
    assert_eq!(
        parse(text.as_bytes()),
        Reading {
            leases: vec![
                lease(50, 1, &[2, 0, 0, 0, 0, 50], Some(1_795_755_576_000_001_000)),
                lease(51, 0, &[], None),
            ],
            complete: true,
            ..Reading::default()
        }
    );
    for end in 0..text.len() - 1 {
        let torn = parse(&text.as_bytes()[..end]);
        assert_eq!((torn.complete, torn.damage), (false, None), "{end}");
    }
}

#[test]
fn damage() {
    for (members, reason) in [
        (r#""Address":[10,0,0]"#, "the address cannot be read"),
        (r#""Address":[10,0,0,256]"#, "a lease without an end"),
        (r#""ClientId":"x""#, "the client identifier cannot be read"),
        (
            r#""HardwareAddressType":256"#,
            "the type of the hardware address is no octet",
        ),
        (
            r#""HardwareAddress":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"#,
            "the hardware address cannot be read",
        ),
        (
            r#""ExpirationRealtimeUSec":1"#,
            "a lease without an address",
        ),
        (
            r#""ExpirationRealtimeUSec":"soon""#,
            "the expiry is no number",
        ),
    ] {
        let text = format!(r#"{HEAD},"Leases":[{{{members}}}]}}"#);
        let damage = parse(text.as_bytes()).damage.unwrap();
        assert_eq!(&*damage.reason, reason, "{members}");
    }
}
