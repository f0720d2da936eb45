//! Answers as Kea 2.2 gives them.

use super::*;
use std::net::Ipv4Addr;

const V4: &str = r#"{ "arguments": { "leases": [
  { "client-id": "01:02", "cltt": 1795755576, "fqdn-fwd": false, "fqdn-rev": false, "hostname": "", "hw-address": "02:00:00:00:00:01", "ip-address": "10.0.0.1", "state": 0, "subnet-id": 1, "valid-lft": 3600, "user-context": { "a": { "state": 7 }, "leases": [ { "x": 1 } ] } },
  { "cltt": 1795755576, "hw-address": "02:00:00:00:00:02", "ip-address": "10.0.0.2", "state": 0, "valid-lft": 4294967295 },
  { "cltt": 1795755576, "hw-address": "", "ip-address": "10.0.0.3", "state": 1, "valid-lft": 86400 },
  { "cltt": 1795755576, "hw-address": "02:00:00:00:00:04", "ip-address": "10.0.0.4", "state": 3, "valid-lft": 3600 },
  { "cltt": 1795755576, "hw-address": "02:00:00:00:00:05", "ip-address": "10.0.0.5", "state": 0, "valid-lft": 0 }
] }, "result": 0, "text": "5 IPv4 lease(s) found." }"#;

#[test]
fn leases_and_what_is_none() {
    let lease = |last, id: Option<&[u8]>, expires: Option<u64>| Lease {
        address: Ipv4Addr::new(10, 0, 0, last),
        hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, last]),
        client_id: id.map(ClientId::new),
        expires: expires.map(Timestamp::from_secs),
    };
    let expected = Reply {
        result: Some(0),
        text: Some("5 IPv4 lease(s) found.".into()),
        reading: Reading {
            leases: vec![
                lease(1, Some(&[1, 2]), Some(1_795_759_176)),
                lease(2, None, None),
            ],
            declined: vec![Ipv4Addr::new(10, 0, 0, 3)],
            complete: true,
            ..Reading::default()
        },
    };
    assert_eq!(parse(V4.as_bytes()), expected);
    assert_eq!(parse(format!("[ {V4} ]").as_bytes()), expected);
}

#[test]
fn prefixes_and_addresses() {
    let text = r#"[{"arguments":{"leases":[
      {"cltt":10,"duid":"00:03","hostname":"","iaid":7,"ip-address":"fd00::1","preferred-lft":5,"state":0,"subnet-id":1,"type":"IA_NA","valid-lft":20},
      {"cltt":10,"duid":"00:03","iaid":8,"ip-address":"fd01::","prefix-len":56,"state":0,"type":"IA_PD","valid-lft":20}
    ]},"result":0}]"#;
    let reading = parse(text.as_bytes()).reading;
    let said: Vec<String> = reading
        .leases6
        .iter()
        .map(|lease| {
            let Lease6 {
                address,
                prefix_length,
                association,
                iaid,
                duid,
                expires,
            } = lease;
            let seconds = expires.unwrap().as_secs();
            format!("{address}/{prefix_length} {association:?} {iaid} {duid} {seconds}")
        })
        .collect();
    assert_eq!(
        said,
        [
            "fd00::1/128 NonTemporary 7 00:03 30",
            "fd01::/56 Prefix 8 00:03 30"
        ]
    );
}

#[test]
fn refusals_and_half_an_answer() {
    let unknown = parse(br#"{ "result": 2, "text": "'lease4-get-all' command not supported." }"#);
    assert_eq!((unknown.result, unknown.reading.complete), (Some(2), true));
    let none =
        parse(br#"[{"arguments":{"leases":[]},"result":3,"text":"0 IPv4 lease(s) found."}]"#);
    assert_eq!((none.result, none.reading.leases.len()), (Some(3), 0));
    for end in 0..V4.len() {
        let reading = parse(&V4.as_bytes()[..end]).reading;
        assert_eq!((reading.complete, reading.damage), (false, None), "{end}");
    }
    for (lease, reason) in [
        (r#""state": 5"#, "the state is not known"),
        (r#""state": "0""#, "the state is no number"),
        (r#""ip-address": "10.0.0.1""#, "a lease without a state"),
        (
            r#""ip-address": "10.0.0.1", "state": 0"#,
            "a lease without an end",
        ),
        (r#""type": "IA_XX""#, "the type of the lease is not known"),
    ] {
        let text = format!("{{\"arguments\": {{\"leases\": [\n{{{lease}}}]}}}}");
        let damage = parse(text.as_bytes()).reading.damage.unwrap();
        assert_eq!((damage.line, &*damage.reason), (2, reason), "{lease}");
    }
}
