//! What is predicted of configurations, and what not.

use super::*;
use crate::configuration::ConfigurationLine;
use crate::evidence::{InterfaceAddress, Listening, PortUse, ServerKind};
use crate::time::Timestamp;

const NETNS: NetnsId = NetnsId(0);
const SERVER: ServerRef = ServerRef(1);

fn facts() -> ServerFacts {
    ServerFacts {
        server: SERVER,
        netns: NETNS,
        kind: ServerKind::Dnsmasq,
        pid: 812,
        started: Timestamp::ZERO,
        port: PortUse::Sole,
        listens: Listening::Udp,
    }
}

fn eth3(addresses: &[([u8; 4], u8)]) -> Vec<InterfaceFacts> {
    vec![InterfaceFacts {
        id: InterfaceId(3),
        name: "eth3".into(),
        loopback: false,
        mac: None,
        addresses: addresses
            .iter()
            .map(|(octets, prefix_length)| InterfaceAddress {
                address: Ipv4Addr::from(*octets),
                prefix_length: *prefix_length,
            })
            .collect(),
    }]
}

fn redundant() -> Vec<InterfaceFacts> {
    eth3(&[([10, 9, 0, 245], 24), ([10, 9, 0, 1], 24)])
}

fn configuration(text: &str) -> ServerConfiguration {
    let options: Vec<ConfigurationLine> = text
        .split_ascii_whitespace()
        .map(|text| ConfigurationLine {
            origin: "x".into(),
            number: 1,
            text: text.into(),
        })
        .collect();
    ServerConfiguration {
        server: SERVER,
        netns: NETNS,
        pools: Model::new(&options, &[]).pools(),
        options,
        not_understood: vec![],
    }
}

fn predictions(text: &str, interfaces: &[InterfaceFacts], granted: &[Granted]) -> Vec<Prediction> {
    let configuration = configuration(text);
    let model = Model::new(&configuration.options, &configuration.not_understood);
    let subject = Subject {
        facts: &facts(),
        configuration: Some(&configuration),
        model: Some(&model),
        database: None,
        granted,
    };
    predict(&subject, interfaces)
}

fn kinds(text: &str, interfaces: &[InterfaceFacts]) -> Vec<(&'static str, String)> {
    let found = predictions(text, interfaces, &[]);
    let shown = found
        .iter()
        .map(|it| (it.kind.code(), it.subject.to_string()));
    shown.collect()
}

const POOL: &str = "dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0,1h";

#[test]
fn a_virtual_address_alone_in_listen_address_is_missed_by_tools() {
    let vip = format!("listen-address=127.0.0.1,10.9.0.1 {POOL}");
    let found = predictions(&vip, &redundant(), &[]);
    let [one] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(one.kind, FindingKind::ReleaseToolIdMismatch);
    assert_eq!(
        (&*one.subject, one.interface),
        ("10.9.0.1", Some(InterfaceId(3)))
    );
    assert_eq!(
        one.title,
        "every dhcp_release on eth3 for an address in 10.9.0.0/24 will be ignored: it names 10.9.0.245 as the server, \
         dnsmasq (pid 812) goes by 10.9.0.1"
    );
    assert!(one.remedy.contains("10.9.0.245 the prefix length 32"));
    assert!(
        one.side_effect
            .as_deref()
            .unwrap()
            .contains("cloudstack#10183")
    );
    // Each of the ways out.
    for healthy in [
        format!("listen-address=10.9.0.1,10.9.0.245 {POOL}"),
        format!("interface=eth3 {POOL}"),
    ] {
        assert_eq!(kinds(&healthy, &redundant()), []);
    }
    assert_eq!(
        kinds(&vip, &eth3(&[([10, 9, 0, 1], 24), ([10, 9, 0, 245], 24)])),
        []
    );
    assert_eq!(
        kinds(&vip, &eth3(&[([10, 9, 0, 245], 32), ([10, 9, 0, 1], 24)])),
        []
    );
    // Not understood: nothing is said.
    assert_eq!(kinds(&format!("{vip} tag-if=x"), &redundant()), []);
}

#[test]
fn lxd_takes_the_last_address() {
    let lxd = format!(
        "interface=eth3 dhcp-leasefile=/var/snap/lxd/common/lxd/networks/x/dnsmasq.leases {POOL}"
    );
    let found = predictions(&lxd, &redundant(), &[]);
    assert!(
        found[0]
            .title
            .contains("every release by LXD or Incus on eth3"),
        "{found:?}"
    );
    assert_eq!(kinds(&lxd, &eth3(&[([10, 9, 0, 1], 24)])), []);
}

#[test]
fn a_range_that_only_an_option_leads_to() {
    let tagged =
        "dhcp-vendorclass=set:phone,Cisco dhcp-range=tag:phone,10.9.0.50,10.9.0.60,255.255.255.0";
    let found = predictions(tagged, &redundant(), &[]);
    let [one] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (one.kind, &*one.subject),
        (FindingKind::TagOnlyRange, "10.9.0.50,10.9.0.60")
    );
    assert!(
        one.title
            .contains("the tag phone, which comes from option 60")
    );
    assert!(
        one.remedy
            .contains("dhcp-range=10.9.0.0,static,255.255.255.0")
    );
    for healthy in [
        format!("{tagged} dhcp-range=10.9.0.0,static,255.255.255.0"),
        "dhcp-host=02:00:00:00:00:01,set:red dhcp-range=tag:red,10.9.0.50,10.9.0.60".to_owned(),
        "dhcp-mac=set:red,02:*:*:*:*:* dhcp-range=tag:red,10.9.0.50,10.9.0.60".to_owned(),
        "dhcp-match=set:red,61 dhcp-range=tag:red,10.9.0.50,10.9.0.60".to_owned(),
        "dhcp-vendorclass=set:pxe,PXEClient dhcp-range=tag:!pxe,10.9.0.50,10.9.0.60".to_owned(),
        // Nobody can get a lease there.
        "dhcp-range=tag:nobody,10.9.0.50,10.9.0.60".to_owned(),
    ] {
        assert_eq!(kinds(&healthy, &redundant()), [], "{healthy}");
    }
}

#[test]
fn leases_that_never_end() {
    let text = "dhcp-range=10.9.0.50,10.9.0.60,infinite dhcp-range=10.9.0.70,10.9.0.80,8h";
    let expected = ("infinite_lease_time", "10.9.0.50,10.9.0.60".to_owned());
    assert_eq!(kinds(text, &redundant()), [expected]);
    let changed = ServerConfiguration {
        not_understood: vec!["x was changed after the server had started".into()],
        ..configuration(text)
    };
    let subject = Subject {
        facts: &facts(),
        configuration: Some(&changed),
        model: None,
        database: None,
        granted: &[],
    };
    assert_eq!(predict(&subject, &redundant()), []);
}

#[test]
fn leases_that_were_granted_under_another_id() {
    let granted = |last, id| Granted {
        address: Ipv4Addr::new(10, 9, 0, last),
        server_id: ServerId(Ipv4Addr::new(10, 9, 0, id)),
        interface: InterfaceId(3),
    };
    let leases = [granted(50, 1), granted(51, 1), granted(52, 245)];
    let found = predictions(&format!("interface=eth3 {POOL}"), &redundant(), &leases);
    let [one] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (one.kind, &*one.subject),
        (FindingKind::ServerIdChanged, "10.9.0.1 10.9.0.245")
    );
    assert!(one.title.starts_with(
        "2 leases on eth3 were granted by 10.9.0.1, and dnsmasq (pid 812) goes by 10.9.0.245 now"
    ));
    assert_eq!(one.leases, 2);
    assert_eq!(
        one.evidence[0].says,
        "the last ACKs for 10.9.0.50, 10.9.0.51 named 10.9.0.1"
    );
}

/// Of many leases in subnets with ids of their own, each is held against its own.
#[test]
fn leases_of_several_subnets_and_interfaces() {
    let interfaces = eth3(&[
        ([10, 8, 0, 1], 16),
        ([10, 9, 0, 1], 26),
        ([10, 9, 0, 65], 26),
    ]);
    let text = "dhcp-range=10.8.0.9,10.8.255.254 dhcp-range=10.9.0.2,10.9.0.62 dhcp-range=10.9.0.66,10.9.0.126";
    let granted = |address: [u8; 4], interface| Granted {
        address: Ipv4Addr::from(address),
        server_id: ServerId(Ipv4Addr::new(10, 9, 0, 1)),
        interface: InterfaceId(interface),
    };
    let mut leases = vec![granted([10, 9, 0, 9], 7)];
    for low in 2..60 {
        leases.push(granted([10, 8, low, low], 3));
        leases.push(granted([10, 9, 0, low], 3));
        leases.push(granted([10, 9, 0, 64 + low], 3));
        leases.push(granted([10, 9, 0, 128 + low], 3));
    }
    leases.sort_unstable();
    let found = predictions(text, &interfaces, &leases);
    let told: Vec<(&str, u64)> = found
        .iter()
        .filter(|one| one.kind == FindingKind::ServerIdChanged)
        .map(|one| (&*one.subject, one.leases))
        .collect();
    assert_eq!(
        told,
        [("10.9.0.1 10.8.0.1", 58), ("10.9.0.1 10.9.0.65", 58)]
    );
}

#[test]
fn a_database_that_is_not_live() {
    let database = |state| DatabaseLiveness {
        server: Some(SERVER),
        kind: ServerKind::Dnsmasq,
        netns: NETNS,
        name: Some("/run/x".into()),
        state,
    };
    let told = |state| {
        let database = database(state);
        let subject = Subject {
            facts: &facts(),
            configuration: None,
            model: None,
            database: Some(&database),
            granted: &[],
        };
        predict(&subject, &[])
    };
    assert_eq!(told(Liveness::Live), []);
    assert_eq!(told(Liveness::Unknown), []);
    let read_only = |text: &str| {
        let configuration = configuration(text);
        let model = Model::new(&configuration.options, &[]);
        let database = database(Liveness::NotLive {
            reason: "it writes none".into(),
        });
        let subject = Subject {
            facts: &facts(),
            configuration: Some(&configuration),
            model: Some(&model),
            database: Some(&database),
            granted: &[],
        };
        predict(&subject, &[]).len()
    };
    assert_eq!(read_only("leasefile-ro"), 1);
    assert_eq!(
        read_only("leasefile-ro dhcp-script=/usr/bin/nova-dhcpbridge"),
        0
    );
    let reason = "another file stands at its path".into();
    let found = told(Liveness::Replaced { reason });
    assert_eq!(
        found[0].title,
        "the lease database /run/x is not what dnsmasq (pid 812) goes by"
    );
    assert_eq!(found[0].evidence[0].says, "another file stands at its path");
}
