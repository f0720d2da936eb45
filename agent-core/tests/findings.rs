//! Findings that come from many verdicts, from pools and from predictions: when they are
//! opened, what they say, and that they end by themselves.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::configuration::{ConfigurationLine, Pool, ServerConfiguration};
use leasehound_core::engine::Output;
use leasehound_core::evidence::{DatabaseProblem, Evidence, LeaseContent};
use leasehound_core::finding::{Finding, FindingKind, FindingState};
use leasehound_core::origin::{Direction, NetnsId};
use leasehound_core::prediction::Prediction;
use std::net::Ipv4Addr;
use support::{CLIENT, DNSMASQ, ETH3, LEASED, LO, NETNS, PRIMARY, Packet, Sim, VIP, lease};

fn told(sim: &Sim, kind: FindingKind) -> Vec<&Finding> {
    fn finding(output: &Output) -> Option<&Finding> {
        match output {
            Output::Finding(finding) => Some(finding),
            _ => None,
        }
    }
    let all = sim.outputs.iter().filter_map(finding);
    all.filter(|finding| finding.kind == kind).collect()
}

fn told_ignored(sim: &Sim) -> Vec<&Finding> {
    told(sim, FindingKind::ReleasesIgnored)
}

fn states(findings: &[&Finding]) -> Vec<FindingState> {
    findings.iter().map(|finding| finding.state).collect()
}

/// The finding of that kind that is open.
fn open(sim: &Sim, kind: FindingKind) -> Finding {
    let all = sim.engine.open_findings();
    let mut of_kind = all.iter().filter(|finding| finding.kind == kind);
    let one = Finding::clone(of_kind.next().expect("it is open"));
    assert_eq!(of_kind.next(), None);
    one
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 29, 101, last)
}

const fn mac(last: u8) -> [u8; 6] {
    [2, 2, 0, 0, 0, last]
}

/// A client takes an address, and the server writes it down.
fn take(sim: &mut Sim, last: u8) {
    let grant = Packet {
        chaddr: mac(last),
        ..Packet::ack(VIP, address(last))
    };
    sim.see(&grant, ETH3, Direction::Egress);
    sim.pass(1).leased(lease(address(last), mac(last), None));
    sim.pass(3000);
}

/// A tool of this host gives it back, naming an id.
fn give_back(sim: &mut Sim, last: u8, named: Ipv4Addr) {
    let packet = Packet {
        ciaddr: address(last),
        chaddr: mac(last),
        source: PRIMARY,
        ..Packet::release(named)
    };
    sim.see(&packet, LO, Direction::Ingress);
}

/// Taken and given back to no effect; nine seconds each.
fn leak(sim: &mut Sim, last: u8) {
    take(sim, last);
    give_back(sim, last, PRIMARY);
    sim.still_there();
    sim.pass(5000);
}

fn heal(sim: &mut Sim, last: u8) {
    give_back(sim, last, VIP);
    sim.pass(10).gone(address(last)).pass(1000);
}

fn line(text: &str) -> ConfigurationLine {
    ConfigurationLine {
        origin: "command line".into(),
        number: 1,
        text: text.into(),
    }
}

fn pool(from: u8, until: u8) -> Evidence {
    Evidence::Configuration(ServerConfiguration {
        server: DNSMASQ,
        netns: NETNS,
        pools: vec![Pool {
            name: "guests".into(),
            first: address(from),
            last: address(until),
            lease_time: None,
        }],
        options: vec![
            line("listen-address=127.0.0.1,172.29.101.1"),
            line(&format!(
                "dhcp-range={},{},1h",
                address(from),
                address(until)
            )),
        ],
        not_understood: vec![],
    })
}

#[test]
fn one_leak_opens_a_finding_that_names_the_ids() {
    let mut sim = Sim::router();
    leak(&mut sim, 20);
    let finding = open(&sim, FindingKind::ReleasesIgnored);
    assert_eq!(
        finding.title,
        "releases on eth3 name 172.29.101.245, the server is 172.29.101.1: 1 of 1 ignored"
    );
    assert_eq!(finding.cause, Some(Cause::ServerIdOtherLocalAddress));
    assert_eq!(finding.entry(), "server_id_other_local_address");
    assert_eq!(finding.interface, Some(ETH3), "not lo");
    assert_eq!(finding.damage.as_deref(), Some("1 address leaked"));
    assert!(!finding.evidence.is_empty());
    let side_effect = finding.side_effect.unwrap();
    for part in ["listen-address", "server id", "reverted by #13194"] {
        assert!(side_effect.contains(part), "{side_effect}");
    }
    assert_eq!(states(&told_ignored(&sim)), [FindingState::Opened]);
}

#[test]
fn it_follows_the_damage_and_is_put_out_when_that_doubles() {
    let mut sim = Sim::router();
    sim.evidence(pool(20, 119));
    for last in 20..34 {
        leak(&mut sim, last);
    }
    let finding = open(&sim, FindingKind::ReleasesIgnored);
    assert_eq!((finding.cases, finding.of), (14, 14));
    assert!(
        finding.title.ends_with("14 of 14 ignored"),
        "{}",
        finding.title
    );
    // Nine seconds each, 86 addresses are left.
    assert_eq!(
        finding.damage.as_deref(),
        Some(
            "14 of 100 addresses of pool guests leaked (14 %), the pool runs out in about 13 min (12 min to 13 min)"
        )
    );
    let cases: Vec<u64> = told_ignored(&sim).iter().map(|one| one.cases).collect();
    assert_eq!(cases, [1, 2, 4, 8]);
    assert_eq!(finding.history.len(), 4);
}

#[test]
fn a_pool_that_runs_out_is_a_finding_of_its_own() {
    let mut sim = Sim::router();
    sim.evidence(pool(20, 49));
    for last in 20..49 {
        leak(&mut sim, last);
    }
    let finding = open(&sim, FindingKind::PoolExhaustion);
    assert_eq!(finding.cause, Some(Cause::ServerIdOtherLocalAddress));
    assert!(
        finding.title.starts_with(
            "pool guests on eth3: 29 of 30 addresses are leased; the pool runs out in about"
        ),
        "{}",
        finding.title
    );
    leak(&mut sim, 49);
    let finding = open(&sim, FindingKind::PoolExhaustion);
    assert!(
        finding.title.ends_with("the pool has no free address left"),
        "{}",
        finding.title
    );
    assert_eq!(
        finding.damage.as_deref(),
        Some("30 of 30 addresses leaked, the pool has no free address left")
    );
    for last in 20..50 {
        heal(&mut sim, last);
    }
    sim.pass(1000).pass(1000).pass(10_000);
    let states = states(&told(&sim, FindingKind::PoolExhaustion));
    assert_eq!(states.last(), Some(&FindingState::Closed));
    assert_eq!(sim.engine.pool_reports(NETNS).first().unwrap().leaked, 0);
}

/// Nothing is over because it can't be seen.
#[test]
fn a_pool_whose_database_is_not_read_any_more_keeps_its_finding() {
    let mut sim = Sim::router();
    sim.evidence(pool(20, 20));
    leak(&mut sim, 20);
    let title = open(&sim, FindingKind::PoolExhaustion).title;
    sim.read(LeaseContent::Unusable {
        problem: DatabaseProblem::Unreadable,
        reason: "EACCES".into(),
    });
    sim.pass(1000).pass(60_000).pass(1000);
    assert_eq!(open(&sim, FindingKind::PoolExhaustion).title, title);
    sim.read(LeaseContent::Full(vec![]));
    sim.pass(2000).pass(1000).pass(20_000).pass(1000);
    let states = states(&told(&sim, FindingKind::PoolExhaustion));
    assert_eq!(states.last(), Some(&FindingState::Closed));
}

#[test]
fn it_closes_when_nothing_that_leaked_is_left_and_none_comes() {
    let mut sim = Sim::router();
    for last in 20..24 {
        leak(&mut sim, last);
    }
    sim.pass(100_000);
    assert_eq!(
        open(&sim, FindingKind::ReleasesIgnored).cases,
        4,
        "what leaked is there"
    );
    sim.read(LeaseContent::Full(vec![]));
    sim.pass(1000).pass(1000);
    let told = told_ignored(&sim);
    assert_eq!(
        told.last().unwrap().state,
        FindingState::Closed,
        "{:?}",
        states(&told)
    );
    assert!(sim.engine.open_findings().is_empty());
    assert_eq!(told.last().unwrap().damage, None);
    // It happens again: a new one.
    leak(&mut sim, 30);
    assert_eq!(open(&sim, FindingKind::ReleasesIgnored).id, 2);
}

#[test]
fn it_closes_when_the_same_clients_are_honoured_again() {
    let mut sim = Sim::router();
    for last in 20..26 {
        leak(&mut sim, last);
    }
    for last in 20..23 {
        heal(&mut sim, last);
    }
    assert_eq!(
        open(&sim, FindingKind::ReleasesIgnored).of,
        6,
        "not at once, and they name another id"
    );
    sim.pass(90_000).pass(1000);
    assert!(
        sim.engine.open_findings().is_empty(),
        "three leaks are left, but none comes"
    );
}

#[test]
fn others_that_are_honoured_are_no_cure() {
    let mut sim = Sim::router();
    for last in 20..24 {
        leak(&mut sim, last);
    }
    for last in 60..70 {
        take(&mut sim, last);
        heal(&mut sim, last);
    }
    sim.pass(500_000).pass(1000);
    let finding = open(&sim, FindingKind::ReleasesIgnored);
    assert_eq!(
        (finding.cases, finding.of),
        (4, 4),
        "they name the right id"
    );
}

/// What meets everybody is over when others are honoured; what one client does is not.
#[test]
fn others_that_are_honoured_show_that_the_place_is_cured() {
    let listening = |sim: &mut Sim, on: &str| {
        let Evidence::Configuration(mut whole) = pool(20, 119) else {
            panic!("it is a configuration");
        };
        whole.options[0] = line(&format!("listen-address={on}"));
        sim.evidence(Evidence::Configuration(whole));
        sim.pass(10);
    };
    let release = |sim: &mut Sim, last: u8| {
        let packet = Packet {
            ciaddr: address(last),
            chaddr: mac(last),
            ..Packet::release(VIP)
        };
        sim.leased(lease(address(last), mac(last), None)).pass(1000);
        sim.see(&packet, ETH3, Direction::Ingress);
    };
    let mut sim = Sim::router();
    listening(&mut sim, "127.0.0.1");
    release(&mut sim, 20);
    sim.still_there();
    let finding = open(&sim, FindingKind::ReleasesIgnored);
    assert_eq!(finding.cause, Some(Cause::InterfaceNotServed));
    listening(&mut sim, "127.0.0.1,172.29.101.1");
    for last in 60..63 {
        release(&mut sim, last);
        sim.pass(10).gone(address(last)).pass(1000);
    }
    assert_eq!(
        open(&sim, FindingKind::ReleasesIgnored).id,
        finding.id,
        "not at once"
    );
    sim.pass(3_600_000).pass(1000);
    let told = told_ignored(&sim);
    assert_eq!(told.last().unwrap().state, FindingState::Closed);
    assert_eq!(sim.engine.leaks().len(), 1, "its address is leased still");
}

#[test]
fn a_stray_message_that_leaks_nothing_is_no_finding() {
    let mut sim = Sim::router();
    let bare = |sim: &mut Sim, last: u8| {
        let packet = Packet {
            ciaddr: address(last),
            chaddr: mac(last),
            server_id: None,
            ..Packet::release(VIP)
        };
        sim.see(&packet, ETH3, Direction::Ingress)
            .still_there()
            .pass(1000);
    };
    sim.leased(lease(LEASED, CLIENT, None));
    bare(&mut sim, 60);
    bare(&mut sim, 61);
    assert!(
        sim.engine.open_findings().is_empty(),
        "{:?}",
        sim.outcomes()
    );
}

#[test]
fn renewals_that_go_unanswered_are_one_from_the_third() {
    let mut sim = Sim::router();
    let renew = |sim: &mut Sim, xid: u32| {
        let packet = Packet {
            kind: 3,
            xid,
            requested: None,
            server_id: None,
            source_mac: CLIENT,
            udp_checksum: None,
            ..Packet::release(VIP)
        };
        sim.see(&packet, ETH3, Direction::Ingress).pass(5000);
    };
    sim.grant();
    renew(&mut sim, 1);
    renew(&mut sim, 2);
    assert!(sim.engine.open_findings().is_empty());
    renew(&mut sim, 3);
    let finding = open(&sim, FindingKind::RenewalsUnanswered);
    assert_eq!(finding.cause, Some(Cause::BadUdpChecksum));
    assert_eq!(
        finding.title,
        "renewals on eth3 go unanswered because its UDP checksum is wrong: 3 of 3"
    );
    assert_eq!(finding.damage, None);
    for _ in 0..60 {
        sim.pass(1000);
    }
    let told = told(&sim, FindingKind::RenewalsUnanswered);
    assert_eq!(states(&told), [FindingState::Opened, FindingState::Closed]);
}

#[test]
fn ids_beyond_eight_are_one_finding() {
    let mut sim = Sim::router();
    for last in 20..40 {
        take(&mut sim, last);
        let packet = Packet {
            ciaddr: address(last),
            chaddr: mac(last),
            server_id: Some(Ipv4Addr::new(192, 0, 2, last)),
            ..Packet::release(VIP)
        };
        sim.see(&packet, ETH3, Direction::Ingress).still_there();
    }
    sim.pass(1000);
    let open = sim.engine.open_findings();
    assert_eq!(open.len(), 9, "eight, and one for the rest");
    assert!(
        open.iter()
            .all(|finding| finding.cause == Some(Cause::ServerIdForeign))
    );
    let damage = open.last().and_then(|finding| finding.damage.as_deref());
    assert_eq!(damage, Some("12 addresses leaked"), "none twice");
    let cases: u64 = open.iter().map(|finding| finding.cases).sum();
    assert_eq!(cases, 20, "{:?}", sim.outcomes());
}

#[test]
fn predictions_are_opened_changed_and_closed_by_what_they_are_about() {
    let mut sim = Sim::router();
    let prediction = |subject: &str, title: &str| Prediction {
        kind: FindingKind::TagOnlyRange,
        netns: NETNS,
        interface: Some(ETH3),
        server: Some(DNSMASQ),
        subject: subject.into(),
        leases: 0,
        title: title.to_owned(),
        evidence: vec![],
        remedy: "Add a range without a tag.".to_owned(),
        side_effect: None,
    };
    let mut put = |all: Vec<Prediction>| {
        sim.engine.predicted(NETNS, all);
        sim.pass(1);
        let told = told(&sim, FindingKind::TagOnlyRange);
        let told = told
            .iter()
            .map(|one| (one.id, one.state))
            .collect::<Vec<_>>();
        sim.outputs.clear();
        told
    };
    let (a, b) = (prediction("a", "one"), prediction("b", "two"));
    let opened = FindingState::Opened;
    assert_eq!(put(vec![a.clone(), b.clone()]), [(1, opened), (2, opened)]);
    assert_eq!(put(vec![b.clone(), a.clone()]), []);
    let other = prediction("b", "two, and three");
    assert_eq!(
        put(vec![a.clone(), other.clone()]),
        [(2, FindingState::Updated)]
    );
    assert_eq!(put(vec![other]), [(1, FindingState::Closed)]);
    assert_eq!(put(vec![]), [(2, FindingState::Closed)]);
    sim.engine.predicted(NetnsId(9), vec![]);
    assert!(sim.engine.open_findings().is_empty());
}

#[test]
fn leases_that_are_renewed_one_by_one_are_not_told_one_by_one() {
    let mut sim = Sim::router();
    let ack = |sim: &mut Sim, id: Ipv4Addr, last: u8| {
        let grant = Packet {
            chaddr: mac(last),
            ..Packet::ack(id, address(last))
        };
        sim.see(&grant, ETH3, Direction::Egress);
        sim.pass(1).leased(lease(address(last), mac(last), None));
        sim.pass(1000);
    };
    for last in 20..26 {
        ack(&mut sim, VIP, last);
    }
    let Evidence::Configuration(mut whole) = pool(20, 119) else {
        panic!("it is a configuration");
    };
    whole.options[0] = line("interface=eth3");
    sim.evidence(Evidence::Configuration(whole));
    assert_eq!(open(&sim, FindingKind::ServerIdChanged).cases, 6);
    for last in 20..25 {
        ack(&mut sim, PRIMARY, last);
    }
    let finding = open(&sim, FindingKind::ServerIdChanged);
    assert!(finding.title.starts_with("1 lease on eth3 was granted by"));
    ack(&mut sim, PRIMARY, 25);
    let told = states(&told(&sim, FindingKind::ServerIdChanged));
    assert_eq!(told, [FindingState::Opened, FindingState::Closed]);
}

#[test]
fn a_long_history_keeps_its_ends() {
    let mut sim = Sim::router();
    let mut told = Vec::new();
    for round in 0..40_u32 {
        let title = format!("round {round}");
        let prediction = Prediction {
            kind: FindingKind::DatabaseNotLive,
            netns: NETNS,
            interface: None,
            server: None,
            subject: "file".into(),
            leases: 0,
            title,
            evidence: vec![],
            remedy: String::new(),
            side_effect: None,
        };
        sim.engine.predicted(NETNS, vec![prediction]);
        sim.pass(1);
        told.push(sim.at);
    }
    let finding = open(&sim, FindingKind::DatabaseNotLive);
    assert_eq!(finding.history.len(), 32);
    assert_eq!(finding.history.first().unwrap().state, FindingState::Opened);
    assert!(finding.history.is_sorted_by_key(|change| change.at));
}
