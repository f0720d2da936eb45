//! Leaks and pools, as the engine keeps them.

mod support;

use leasehound_core::accounts::forecast::Forecast;
use leasehound_core::accounts::leaks::GivenBack;
use leasehound_core::configuration::{ConfigurationLine, Pool, ServerConfiguration};
use leasehound_core::engine::Config;
use leasehound_core::evidence::{
    DatabaseProblem, Evidence, Lease, LeaseContent, LeaseUpdate, Listening, PortUse, ServerFacts,
    ServerKind, ServerRef,
};
use leasehound_core::message::HardwareAddress;
use leasehound_core::origin::{Direction, NetnsId};
use leasehound_core::time::Timestamp;
use std::net::Ipv4Addr;
use std::time::Duration;
use support::{CLIENT, DNSMASQ, ETH3, LEASED, LO, NETNS, PRIMARY, Packet, Sim, VIP, lease};

const OTHER: [u8; 6] = [2, 2, 0, 0xd4, 0, 0x50];
const NONE: [Ipv4Addr; 0] = [];

fn leaked(sim: &Sim) -> Vec<Ipv4Addr> {
    sim.engine.leaks().iter().map(|leak| leak.address).collect()
}

/// CloudStack's: a release tool of this host names the primary address.
fn wrong_release(sim: &mut Sim) {
    let packet = Packet {
        source: PRIMARY,
        ..Packet::release(PRIMARY)
    };
    sim.see(&packet, LO, Direction::Ingress);
}

fn leaking() -> Sim {
    let mut sim = Sim::router();
    sim.grant();
    wrong_release(&mut sim);
    sim.still_there();
    assert_eq!(leaked(&sim), [LEASED], "{:?}", sim.outcomes());
    sim
}

fn line(text: &str) -> ConfigurationLine {
    ConfigurationLine {
        origin: "command line".into(),
        number: 1,
        text: text.into(),
    }
}

fn pools(from: u8, until: u8) -> Evidence {
    pools_and(from, until, &[])
}

fn pools_and(from: u8, until: u8, not_understood: &[&str]) -> Evidence {
    let address = |last| Ipv4Addr::new(172, 29, 101, last);
    Evidence::Configuration(ServerConfiguration {
        server: DNSMASQ,
        netns: NETNS,
        pools: vec![Pool {
            name: "range".into(),
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
        not_understood: not_understood.iter().map(|line| (*line).into()).collect(),
    })
}

#[test]
fn a_leak_is_of_the_segment_and_ages_from_its_release() {
    let mut sim = leaking();
    let leaks = sim.engine.leaks();
    let leak = leaks.first().unwrap();
    assert_eq!(
        (leak.interface, leak.given_back),
        (ETH3, GivenBack::Released)
    );
    assert_eq!(leak.cause.code(), "server_id_other_local_address");
    assert_eq!(leak.named.map(|id| id.0), Some(PRIMARY));
    sim.pass(60_000);
    let oldest = sim.engine.oldest_leaks();
    let age = oldest.get(&(NETNS, ETH3)).unwrap();
    assert_eq!(age.as_millis(), 60_901);
    let tally = sim.engine.lease_tallies(NETNS);
    let tally = tally.get(&Some(ETH3)).unwrap();
    assert_eq!((tally.bound, tally.leaked, tally.declined), (0, 1, 0));
}

#[test]
fn a_second_release_is_the_same_leak() {
    let mut sim = leaking();
    let since = sim.engine.leaks().first().unwrap().since;
    sim.pass(5000);
    wrong_release(&mut sim);
    sim.still_there();
    let leaks = sim.engine.leaks();
    let leak = leaks.first().unwrap();
    assert_eq!((leaks.len(), leak.messages, leak.since), (1, 2, since));
    assert!(leak.last > since);
}

#[test]
fn readings_that_change_nothing_heal_nothing() {
    let mut sim = leaking();
    sim.pass(10_000).read_nothing_new();
    sim.read(LeaseContent::Full(vec![lease(LEASED, CLIENT, None)]));
    let other = Ipv4Addr::new(172, 29, 101, 90);
    sim.leased(lease(other, OTHER, None)).gone(other);
    sim.read(LeaseContent::Unusable {
        problem: DatabaseProblem::Damaged,
        reason: "torn".into(),
    });
    assert_eq!(leaked(&sim), [LEASED]);
}

/// A leak is told from the reading that shows it, though that changes no lease.
#[test]
fn what_a_reading_confirms_is_news() {
    let mut sim = Sim::router();
    sim.grant();
    wrong_release(&mut sim);
    sim.pass(901).pass(20_000);
    assert_eq!(sim.outcomes().len(), 1);
    assert_eq!(leaked(&sim), NONE, "{:?}", sim.verdicts());
    let told = sim.engine.accounts_generation();
    sim.read_nothing_new();
    assert_eq!(leaked(&sim), [LEASED]);
    assert!(sim.engine.accounts_generation() > told);
    let told = sim.engine.accounts_generation();
    sim.read_nothing_new();
    assert_eq!(sim.engine.accounts_generation(), told, "nothing new");
}

#[test]
fn it_heals_when_the_lease_leaves_the_database() {
    let mut sim = leaking();
    sim.gone(LEASED);
    assert_eq!(leaked(&sim), NONE);
    let mut sim = leaking();
    sim.read(LeaseContent::Full(vec![]));
    assert_eq!(leaked(&sim), NONE);
}

#[test]
fn it_heals_when_somebody_else_gets_the_address() {
    let mut sim = leaking();
    sim.leased(lease(LEASED, OTHER, None));
    assert_eq!(leaked(&sim), NONE);
}

#[test]
fn an_address_that_its_client_takes_again_is_in_use() {
    let mut sim = leaking();
    sim.pass(10);
    sim.see(&Packet::request(LEASED), ETH3, Direction::Ingress);
    assert_eq!(leaked(&sim), [LEASED], "asked for is not granted");
    sim.see(&Packet::ack(VIP, LEASED), ETH3, Direction::Egress);
    assert_eq!(leaked(&sim), NONE);
    sim.pass(5000).read_nothing_new();
    assert_eq!(leaked(&sim), NONE);
    // And may leak again.
    wrong_release(&mut sim);
    sim.still_there();
    assert_eq!(leaked(&sim), [LEASED]);
}

#[test]
fn a_lease_that_is_extended_unseen_is_in_use() {
    let mut sim = leaking();
    let extended = Lease {
        expires: Some(Timestamp::from_secs(200_000)),
        ..lease(LEASED, CLIENT, None)
    };
    sim.leased(extended);
    assert_eq!(leaked(&sim), NONE);
}

#[test]
fn a_server_that_is_restarted_with_its_file_keeps_its_leaks() {
    let mut sim = leaking();
    sim.evidence(Evidence::ServerGone(DNSMASQ));
    assert_eq!(leaked(&sim), NONE, "no server, no lease");
    sim.pass(1000);
    let again = ServerRef(8);
    sim.evidence(Evidence::Server(ServerFacts {
        server: again,
        netns: NETNS,
        kind: ServerKind::Dnsmasq,
        pid: 813,
        started: sim.at,
        port: PortUse::Shared,
        listens: Listening::Udp,
    }));
    let read = |at, leases| {
        Evidence::Leases(LeaseUpdate {
            server: Some(again),
            kind: ServerKind::Dnsmasq,
            netns: NETNS,
            read_from: at,
            read_until: at,
            content: LeaseContent::Full(leases),
        })
    };
    sim.evidence(read(sim.at, vec![lease(LEASED, CLIENT, None)]));
    assert_eq!(leaked(&sim), [LEASED]);
    sim.evidence(read(sim.at, vec![]));
    assert_eq!(leaked(&sim), NONE);
}

#[test]
fn a_server_that_does_not_come_back_is_forgotten() {
    let mut sim = leaking();
    sim.evidence(Evidence::ServerGone(DNSMASQ));
    let entries = |sim: &Sim| {
        let usage = sim.engine.table_usage();
        usage
            .iter()
            .find(|usage| usage.table == "leaks")
            .unwrap()
            .entries
    };
    assert_eq!(entries(&sim), 1);
    sim.pass(3_601_000);
    assert_eq!(entries(&sim), 0);
}

#[test]
fn nothing_leaks_where_nothing_stands() {
    // No such lease.
    let mut sim = Sim::router();
    wrong_release(&mut sim);
    sim.still_there();
    assert_eq!(leaked(&sim), NONE);
    // Another client's.
    let mut sim = Sim::router();
    sim.leased(lease(LEASED, OTHER, None));
    wrong_release(&mut sim);
    sim.still_there();
    assert_eq!(leaked(&sim), NONE, "{:?}", sim.outcomes());
    // Honoured.
    let mut sim = Sim::router();
    sim.grant();
    sim.see(&Packet::release(VIP), ETH3, Direction::Ingress);
    sim.pass(10).gone(LEASED);
    assert_eq!(leaked(&sim), NONE);
}

#[test]
fn in_a_database_that_keeps_records_a_leak_ends_by_time() {
    let mut sim = Sim::router_of(ServerKind::IscDhcpd, Listening::Raw);
    let ends = sim.at.saturating_add(Duration::from_mins(1));
    let short = Lease {
        expires: Some(ends),
        ..lease(LEASED, CLIENT, None)
    };
    sim.see(&Packet::request(LEASED), ETH3, Direction::Ingress);
    sim.see(&Packet::ack(VIP, LEASED), ETH3, Direction::Egress);
    sim.pass(1).leased(short).pass(5000);
    // dhcpd compares the hardware address.
    let packet = Packet {
        ciaddr: Ipv4Addr::UNSPECIFIED,
        ..Packet::release(VIP)
    };
    sim.see(&packet, ETH3, Direction::Ingress);
    sim.still_there();
    assert_eq!(leaked(&sim), [LEASED], "{:?}", sim.outcomes());
    sim.pass(60_000);
    assert_eq!(leaked(&sim), NONE);
}

#[test]
fn a_declined_address_that_stays_leased_counts_apart() {
    let mut sim = Sim::router();
    sim.grant();
    sim.see(&Packet::decline(PRIMARY), ETH3, Direction::Ingress);
    sim.still_there();
    let tally = sim.engine.lease_tallies(NETNS);
    let tally = tally.get(&Some(ETH3)).unwrap();
    assert_eq!((tally.bound, tally.leaked, tally.declined), (0, 0, 1));
    let reports = sim.engine.lease_reports(NETNS, 10);
    let given_back = reports.first().and_then(|report| report.leak.as_ref());
    assert_eq!(
        given_back.map(|leak| leak.given_back),
        Some(GivenBack::Declined)
    );
}

#[test]
fn the_table_is_bounded_and_counts_what_it_forgot() {
    let mut sim = Sim::bare(Config {
        leaks: 2,
        ..Config::default()
    });
    let mut full = Sim::router();
    std::mem::swap(&mut sim.outputs, &mut full.outputs);
    sim.evidence(support::interfaces());
    sim.evidence(Evidence::Server(ServerFacts {
        server: DNSMASQ,
        netns: NETNS,
        kind: ServerKind::Dnsmasq,
        pid: 812,
        started: Timestamp::from_secs(900),
        port: PortUse::Sole,
        listens: Listening::Udp,
    }));
    sim.read(LeaseContent::Full(vec![]));
    for last in 20..25 {
        let address = Ipv4Addr::new(172, 29, 101, last);
        let mac = [2, 2, 0, 0, 0, last];
        let grant = Packet {
            chaddr: mac,
            ..Packet::ack(VIP, address)
        };
        sim.see(&grant, ETH3, Direction::Egress);
        sim.pass(1).leased(lease(address, mac, None)).pass(5000);
        let packet = Packet {
            ciaddr: address,
            chaddr: mac,
            ..Packet::release(PRIMARY)
        };
        sim.see(&packet, LO, Direction::Ingress);
        sim.still_there();
    }
    let newest = [23, 24].map(|last| Ipv4Addr::new(172, 29, 101, last));
    assert_eq!(leaked(&sim), newest);
    let usage = sim.engine.table_usage();
    let usage = usage.iter().find(|usage| usage.table == "leaks").unwrap();
    assert_eq!((usage.entries, usage.evictions), (2, 3));
}

#[test]
fn a_pool_is_counted_from_the_database() {
    let mut sim = leaking();
    sim.evidence(pools(10, 29));
    sim.leased(lease(Ipv4Addr::new(172, 29, 101, 21), OTHER, None));
    sim.leased(lease(
        Ipv4Addr::new(172, 29, 101, 200),
        [2, 9, 9, 9, 9, 9],
        None,
    ));
    sim.pass(300);
    let pools = sim.engine.pool_reports(NETNS);
    let pool = pools.first().unwrap();
    assert_eq!(
        (pool.pool.size(), pool.used, pool.leaked, pool.forecast),
        (20, Some(2), 1, Forecast::Never)
    );
    assert_eq!(sim.engine.pool_reports(NetnsId(9)), []);
    sim.evidence(Evidence::ServerGone(DNSMASQ));
    assert_eq!(sim.engine.pool_reports(NETNS), []);
}

/// A server goes by what stood in its files when it started.
#[test]
fn pools_that_were_written_since_are_none() {
    let ranges = |sim: &Sim| -> Vec<Pool> {
        let reports = sim.engine.pool_reports(NETNS).into_iter();
        let told: Vec<Pool> = reports.map(|report| report.pool).collect();
        let read = sim.engine.pools(NETNS).into_iter();
        assert_eq!(
            read.map(|(_, pool)| pool.clone()).collect::<Vec<Pool>>(),
            told
        );
        told
    };
    let changed = "x was changed after the server had started: it goes by what stood there before";
    let mut sim = Sim::router();
    sim.evidence(pools_and(10, 29, &["x 7: something new"]));
    let before = ranges(&sim);
    assert_eq!(before.len(), 1);
    sim.evidence(pools_and(10, 99, &["x 7: something new", changed]));
    assert_eq!(ranges(&sim), before);
    sim.evidence(pools_and(10, 199, &[changed]));
    assert_eq!(ranges(&sim), before);
    let mut sim = Sim::router();
    sim.evidence(pools_and(10, 29, &[changed]));
    assert_eq!(ranges(&sim), []);
}

#[test]
fn the_use_of_a_pool_is_not_guessed() {
    let mut sim = Sim::bare(Config::default());
    sim.evidence(pools(10, 29));
    sim.pass(1000);
    let pools = sim.engine.pool_reports(NETNS);
    assert_eq!(pools.first().unwrap().used, None);
    assert_eq!(pools.first().unwrap().forecast, Forecast::Never);
}

/// What stood in a database that can't be read any more may be long over.
#[test]
fn the_use_of_a_pool_goes_with_its_database() {
    let mut sim = leaking();
    sim.evidence(pools(20, 20)).pass(300);
    let stands = |sim: &Sim| {
        let reports = sim.engine.pool_reports(NETNS);
        let report = reports.first().unwrap();
        (report.used, report.forecast)
    };
    assert_eq!(stands(&sim), (Some(1), Forecast::Now));
    let told = sim.engine.accounts_generation();
    sim.read(LeaseContent::Unusable {
        problem: DatabaseProblem::Damaged,
        reason: "torn".into(),
    });
    sim.pass(300);
    assert_eq!(stands(&sim), (None, Forecast::Never));
    assert!(sim.engine.accounts_generation() > told);
    sim.read_nothing_new().pass(300);
    assert_eq!(stands(&sim), (Some(1), Forecast::Now));
}

#[test]
fn a_full_pool_is_full_now() {
    let mut sim = Sim::router();
    sim.evidence(pools(20, 20)).grant().pass(300);
    assert_eq!(
        sim.engine.pool_reports(NETNS).first().unwrap().forecast,
        Forecast::Now
    );
}

#[test]
fn hardware_addresses_that_are_empty_match_nobody() {
    let mut sim = leaking();
    let nobody = Lease {
        hardware_address: HardwareAddress::ethernet([0; 6]),
        ..lease(LEASED, CLIENT, None)
    };
    sim.leased(nobody);
    assert_eq!(leaked(&sim), NONE);
}
