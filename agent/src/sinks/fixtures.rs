//! Verdicts and messages for the tests of the sinks.

use super::names::InterfaceNames;
use super::servers::{LeakEntry, LeaseEntry, PoolEntry};
use leasehound_core::accounts::forecast::{Basis, Forecast, Interval};
use leasehound_core::accounts::leaks::{GivenBack, Leak, Shown, Standing};
use leasehound_core::accounts::pools::PoolReport;
use leasehound_core::cause::Cause;
use leasehound_core::configuration::Pool;
use leasehound_core::database::DatabaseId;
use leasehound_core::decode::v4::{Message4, Oddity};
use leasehound_core::engine::{LeaseReport, MessageSeen};
use leasehound_core::evidence::{Lease, ServerKind, ServerRef};
use leasehound_core::finding::{Finding, FindingChange, FindingKind, FindingState};
use leasehound_core::frame::VlanStack;
use leasehound_core::message::{ClientId, HardwareAddress, MessageType, ServerId, TransactionId};
use leasehound_core::origin::{Direction, Hook, InterfaceId, NetnsId, Origin};
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{
    Certainty, Ground, GroundSource, Missing, Outcome, ServerSummary, Verdict,
};
use std::net::Ipv4Addr;
use std::time::Duration;

pub(super) const LOOPBACK: InterfaceId = InterfaceId(1);
pub(super) const ROUTER: InterfaceId = InterfaceId(2);

/// `lo`, and `eth3` of the namespace `qrouter`.
pub(super) fn names() -> InterfaceNames {
    let names = InterfaceNames::new();
    names.insert(LOOPBACK, "", "lo");
    names.insert(ROUTER, "qrouter", "eth3");
    names
}

/// Seconds after 2026-11-20T10:45:20.301798Z.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(1_795_171_520_301_798_000).saturating_add(Duration::from_secs(seconds))
}

fn origin(interface: InterfaceId) -> Origin {
    Origin {
        interface,
        direction: Direction::Ingress,
        hook: Hook::Tcx,
    }
}

/// CloudStack issue 10182, as the contract shows it.
pub(super) fn ignored() -> Verdict {
    let latency = Duration::from_micros(1_000_412);
    Verdict {
        id: 17,
        at: at(0),
        seen: at(0).saturating_sub(latency),
        message_type: MessageType::Release,
        state: None,
        origin: origin(LOOPBACK),
        vlan: VlanStack::default(),
        hardware_address: HardwareAddress::ethernet([2, 2, 0, 0xd4, 0, 0x4f]),
        client_id: None,
        address: Ipv4Addr::new(172, 29, 101, 250),
        xid: TransactionId(0),
        server_id: Some(ServerId(Ipv4Addr::new(172, 29, 101, 245))),
        server: Some(ServerSummary {
            kind: ServerKind::Dnsmasq,
            pid: Some(812),
            server_ids: vec![ServerId(Ipv4Addr::new(172, 29, 101, 1))],
        }),
        outcome: Outcome::Ignored {
            cause: Cause::ServerIdOtherLocalAddress,
            certainty: Certainty::Observed,
        },
        evidence: vec![
            Ground {
                source: GroundSource::AckHistory,
                says: "last ACK for this lease named 172.29.101.1".to_owned(),
            },
            Ground {
                source: GroundSource::LeaseDatabase,
                says: "still leased 1.0 s later".to_owned(),
            },
        ],
        remedy: Some(
            "Make the sender name 172.29.101.1, or add 172.29.101.245 to listen-address; the \
             latter makes it the server id of every client if it is the primary address."
                .to_owned(),
        ),
        delivery: None,
        latency,
        loss: false,
    }
}

pub(super) fn honoured() -> Verdict {
    Verdict {
        id: 18,
        at: at(3),
        seen: at(2),
        vlan: VlanStack {
            outer: Some(100),
            inner: Some(7),
        },
        origin: origin(ROUTER),
        client_id: Some(ClientId::new(&[1, 2, 2, 0, 0xd4, 0, 0x4f])),
        xid: TransactionId(0x00c0_ffee),
        outcome: Outcome::Honoured,
        evidence: vec![Ground {
            source: GroundSource::LeaseDatabase,
            says: "the lease left the database 0.2 s later".to_owned(),
        }],
        remedy: None,
        delivery: None,
        latency: Duration::from_millis(200),
        ..ignored()
    }
}

pub(super) fn undetermined() -> Verdict {
    Verdict {
        id: 19,
        outcome: Outcome::Undetermined {
            missing: Missing::LeaseDatabase,
        },
        server_id: None,
        server: None,
        evidence: Vec::new(),
        remedy: None,
        delivery: None,
        latency: Duration::from_secs(5),
        loss: true,
        ..ignored()
    }
}

pub(super) fn declined() -> Verdict {
    Verdict {
        id: 20,
        message_type: MessageType::Decline,
        outcome: Outcome::Ignored {
            cause: Cause::LeaseAbsent,
            certainty: Certainty::Inferred,
        },
        server: Some(ServerSummary {
            kind: ServerKind::Unknown,
            pid: None,
            server_ids: Vec::new(),
        }),
        ..honoured()
    }
}

/// A REQUEST in state SELECTING.
pub(super) fn request() -> Message4 {
    Message4 {
        op: 1,
        hlen: 6,
        xid: TransactionId(0xdead_beef),
        secs: 0,
        broadcast: true,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        hardware_address: HardwareAddress::ethernet([2, 2, 0, 0xd4, 0, 0x4f]),
        message_type: Some(MessageType::Request),
        server_id: Some(ServerId(Ipv4Addr::new(172, 29, 101, 1))),
        requested_address: Some(Ipv4Addr::new(172, 29, 101, 250)),
        client_id: Some(ClientId::new(&[1, 2, 2, 0, 0xd4, 0, 0x4f])),
        lease_time: Some(Duration::from_hours(1)),
        renewal_time: None,
        rebinding_time: None,
        relay_agent_information: false,
        server_id_override: None,
        error_text: None,
        options: [50, 51, 53, 54, 61].into_iter().collect(),
        oddities: [Oddity::SplitOption, Oddity::MissingEnd]
            .into_iter()
            .collect(),
    }
}

pub(super) fn seen(message: Message4) -> MessageSeen {
    MessageSeen {
        at: at(4),
        origin: origin(LOOPBACK),
        vlan: VlanStack::default(),
        source: "0.0.0.0:68".parse().unwrap(),
        destination: "255.255.255.255:67".parse().unwrap(),
        message,
    }
}

/// 57 of 100 are leased, 50 have leaked, three hours are left.
pub(super) fn pool() -> PoolEntry {
    PoolEntry {
        netns: "qrouter".to_owned(),
        report: PoolReport {
            netns: NetnsId(1),
            server: ServerRef(7),
            pool: Pool {
                name: "172.29.101.100,172.29.101.199".into(),
                first: Ipv4Addr::new(172, 29, 101, 100),
                last: Ipv4Addr::new(172, 29, 101, 199),
                lease_time: None,
            },
            used: Some(57),
            leaked: 50,
            forecast: Forecast::In(Interval {
                earliest: Duration::from_hours(2),
                expected: Duration::from_millis(10_800_500),
                latest: Duration::from_hours(5),
                basis: Basis::Leaks,
            }),
        },
    }
}

/// One of a server whose database is not read.
pub(super) fn pool_not_read() -> PoolEntry {
    let mut entry = pool();
    entry.report.pool.name = "static".into();
    entry.report.used = None;
    entry.report.leaked = 0;
    entry.report.forecast = Forecast::Never;
    entry
}

/// The leak of [`ignored`].
pub(super) fn leak() -> LeakEntry {
    let verdict = ignored();
    LeakEntry {
        netns: "qrouter".to_owned(),
        leak: Leak {
            netns: NetnsId(1),
            address: verdict.address,
            interface: ROUTER,
            hardware_address: verdict.hardware_address,
            client_id: None,
            given_back: GivenBack::Released,
            cause: Cause::ServerIdOtherLocalAddress,
            named: verdict.server_id,
            since: at(0),
            last: at(60),
            messages: 3,
            standing: Standing::Shown(Shown {
                database: DatabaseId {
                    netns: NetnsId(1),
                    server: Some(ServerRef(7)),
                },
                expires: None,
                ends_by_time: false,
            }),
        },
    }
}

/// The same as a lease, and one that is none.
pub(super) fn leases() -> Vec<LeaseEntry> {
    let LeakEntry { netns, leak } = leak();
    let lease = Lease {
        address: leak.address,
        hardware_address: leak.hardware_address,
        client_id: None,
        expires: None,
    };
    let bound = Lease {
        address: Ipv4Addr::new(172, 29, 101, 7),
        client_id: Some(ClientId::new(&[1, 2, 2, 0, 0xd4, 0, 0x4f])),
        expires: Some(at(3600)),
        ..lease.clone()
    };
    vec![
        LeaseEntry {
            netns: netns.clone(),
            report: LeaseReport {
                lease,
                interface: Some(ROUTER),
                leak: Some(leak),
            },
        },
        LeaseEntry {
            netns,
            report: LeaseReport {
                lease: bound,
                interface: None,
                leak: None,
            },
        },
    ]
}

/// What leaked is told in one finding.
pub(super) fn finding() -> Finding {
    let cause = Cause::ServerIdOtherLocalAddress;
    let change = |state, seconds, cases| FindingChange {
        at: at(seconds),
        state,
        cases,
    };
    Finding {
        id: 3,
        kind: FindingKind::ReleasesIgnored,
        state: FindingState::Updated,
        at: at(60),
        since: at(0),
        netns: NetnsId(1),
        interface: Some(ROUTER),
        cause: Some(cause),
        title: "releases on eth3 name 172.29.101.245, the server is 172.29.101.1: 14 of 14 ignored"
            .to_owned(),
        cases: 14,
        of: 14,
        evidence: vec![Ground {
            source: GroundSource::LeaseDatabase,
            says: "still leased 1.0 s later".to_owned(),
        }],
        damage: Some(
            "7 of 100 addresses of pool guests leaked (7 %), the pool runs out in about 3 h (2 h to 5 h)"
                .to_owned(),
        ),
        remedy: "Make the sender name the id that the server uses.".to_owned(),
        side_effect: Some("Adding the primary address breaks others.".to_owned()),
        history: vec![
            change(FindingState::Opened, 0, 1),
            change(FindingState::Updated, 60, 8),
        ],
    }
}
