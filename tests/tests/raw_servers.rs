//! RELEASEs and RENEWs with the same things in their way as in `drops.rs`, to servers that
//! are no dnsmasq: ISC dhcpd 4.4.3 and Kea 2.2, whose raw sockets read what the kernel drops
//! afterwards, Kea with UDP sockets, and udhcpd and systemd-networkd, which bind theirs to the
//! device. The server's own books are the truth; a drop on a path that the server does not
//! use means nothing.

use anyhow::{Result, ensure};
use leasehound_tests::agent::{Agent, text};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::counters::Counter;
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::ear::Ear;
use leasehound_tests::firewall::{Firewall, Place};
use leasehound_tests::frame::{Checksum, Frame};
use leasehound_tests::kea::Sockets;
use leasehound_tests::matrix::{CLIENT, Expected, LATECOMER, says};
use leasehound_tests::message::{Mac, kind};
use leasehound_tests::program::{Program, Server};
use leasehound_tests::router::{Router, connect};
use leasehound_tests::scene::{ANSWER_DEADLINE, truth};
use leasehound_tests::verdict::verdict_on;
use leasehound_tests::wait::{PATIENCE, wait_for};
use serde_json::Value;
use std::net::Ipv4Addr;

/// What is in the way of the RELEASE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Nothing,
    Firewall(Place),
    ReversePathFilter,
    SourceUnspecified,
    AddressMovedAway,
    WrongChecksum,
    /// No frame of a client's, but `dhcp_release` on the router.
    Looped,
}

impl Obstacle {
    fn put(self, router: &Router, lease: Lease) -> Result<Option<Firewall>> {
        let ip = |arguments: String| ip(router, &arguments);
        match self {
            Self::Firewall(place) => {
                return Firewall::drop(&router.router, place, "udp dport 67").map(Some);
            }
            Self::ReversePathFilter => {
                let (one, other) = (Mac::client(91), Mac::client(92));
                connect(&router.router, "eth9", one, &router.client, "eth9", other)?;
                ip(format!("route add {}/32 dev eth9", lease.address))?;
                router.router.set("net/ipv4/conf/eth3/rp_filter=1")?;
            }
            Self::AddressMovedAway => {
                // Else the kernel takes the secondary address away with the primary one.
                router
                    .router
                    .set("net/ipv4/conf/eth3/promote_secondaries=1")?;
                ip(format!("addr delete {}/24 dev eth3", lease.server_id))?;
            }
            Self::Nothing | Self::SourceUnspecified | Self::WrongChecksum | Self::Looped => {}
        }
        Ok(None)
    }

    fn bend(self, frame: &mut Frame) {
        match self {
            Self::SourceUnspecified => frame.source = Ipv4Addr::UNSPECIFIED,
            Self::WrongChecksum => frame.checksum = Checksum::Wrong,
            _ => {}
        }
    }

    /// Where the kernel counts what it drops, for all that the server may read of it.
    fn dropped(self, router: &Router, firewall: Option<&Firewall>) -> Result<u64> {
        match (self, firewall) {
            (_, Some(firewall)) => firewall.dropped(&router.router),
            (Self::ReversePathFilter, None) => {
                Counter::Netstat("TcpExt", "IPReversePathFilter").read(&router.router)
            }
            (Self::AddressMovedAway, None) => {
                Counter::Snmp("Ip", "InAddrErrors").read(&router.router)
            }
            _ => Ok(0),
        }
    }

    fn clear(self, router: &Router, lease: Lease, firewall: Option<Firewall>) -> Result<()> {
        if let Some(firewall) = firewall {
            return firewall.lift(&router.router);
        }
        match self {
            Self::ReversePathFilter => router.router.set("net/ipv4/conf/eth3/rp_filter=0"),
            Self::AddressMovedAway => {
                ip(router, &format!("addr add {}/24 dev eth3", lease.server_id))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is taken away again, and so whether the drop has to be awaited.
    const fn is_cleared(self) -> bool {
        matches!(
            self,
            Self::Firewall(_) | Self::ReversePathFilter | Self::AddressMovedAway
        )
    }
}

fn ip(router: &Router, arguments: &str) -> Result<()> {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    router.router.run("ip", &arguments).map(drop)
}

/// A network, a server, an agent and a client with a lease.
struct Site<'n> {
    // Dropped first: it prints its log, which is among the files.
    server: Server,
    agent: Result<Agent<'n>>,
    client: Client,
    lease: Lease,
    program: Program,
    network: &'n Router,
    files: ServerFiles,
}

impl<'n> Site<'n> {
    fn new(program: Program, network: &'n Router, obstacle: Obstacle) -> Result<Self> {
        if obstacle == Obstacle::Looped {
            // `dhcp_release` names the interface's first address.
            let promote = "net/ipv4/conf/eth3/promote_secondaries=1";
            network.router.set(promote)?;
            let other = program.other_address();
            ip(network, &format!("addr delete {other}/24 dev eth3"))?;
        }
        let files = ServerFiles::new()?;
        let server = Server::start(program, network, &files)?;
        let agent = Agent::start(&network.router, &["--answer-deadline", ANSWER_DEADLINE]);
        let client = Client::new(network, CLIENT, None)?;
        let lease = program.obtain(&client)?;
        truth(lease.server_id == program.id(), || format!("{lease:?}"))?;
        // The client answers no ARP.
        let address = lease.address;
        ip(
            network,
            &format!("neigh replace {address} lladdr {CLIENT} dev eth3 nud permanent"),
        )?;
        Ok(Self {
            server,
            agent,
            client,
            lease,
            program,
            network,
            files,
        })
    }

    /// Does something with an obstacle in the way, and takes it away again.
    fn against(&self, obstacle: Obstacle, send: impl FnOnce() -> Result<()>) -> Result<()> {
        let firewall = obstacle.put(self.network, self.lease)?;
        let before = obstacle.dropped(self.network, firewall.as_ref())?;
        send()?;
        if obstacle.is_cleared() {
            wait_for("the kernel to count the drop", PATIENCE, || {
                let now = obstacle.dropped(self.network, firewall.as_ref())?;
                Ok((now == before + 1).then_some(()))
            })?;
        }
        obstacle.clear(self.network, self.lease, firewall)?;
        let latecomer = Client::new(self.network, LATECOMER, None)?;
        self.program.obtain(&latecomer).map(drop)
    }

    /// The agent's verdict, and whether it is about this server and the only alarm, if any.
    fn verdict(self, xid: u32) -> Result<Value> {
        let mut agent = self.agent?;
        let verdict = verdict_on(&agent, xid)?;
        let pid = verdict.pointer("/server/pid").and_then(Value::as_u64);
        let server = self.server.id();
        ensure!(pid == Some(server.into()), "not about {server}: {verdict}");
        let alarm = |event: &&Value| event.get("alarm").and_then(Value::as_bool) == Some(true);
        let stopped = agent.stop()?;
        let alarms: Vec<&Value> = stopped.events.iter().filter(alarm).collect();
        let wanted: Vec<&Value> = Some(&verdict).filter(alarm).into_iter().collect();
        ensure!(alarms == wanted, "other alarms: {alarms:#?}");
        Ok(verdict)
    }
}

fn release(program: Program, obstacle: Obstacle, expected: Expected) -> Result<()> {
    let network = Router::new()?;
    let site = Site::new(program, &network, obstacle)?;
    let (address, mac) = (site.lease.address.to_string(), CLIENT.to_string());
    let mut frame = site.client.release(site.lease);
    obstacle.bend(&mut frame);
    site.against(obstacle, || {
        if obstacle == Obstacle::Looped {
            let arguments = ["eth3", &address, &mac];
            network.router.run("dhcp_release", &arguments).map(drop)
        } else {
            site.client.send(&frame)
        }
    })?;
    let held = site
        .server
        .holds(&network, &site.files, CLIENT, site.lease.address)?;
    truth(held == (expected != Expected::Honoured), || {
        format!("expected {expected:?}, but the lease is there: {held}")
    })?;
    eprintln!("--- the server does as expected");

    let xid = if obstacle == Obstacle::Looped {
        0
    } else {
        frame.message.xid
    };
    says(&site.verdict(xid)?, program, expected)
}

/// A RENEW, and the cause why it got no ACK, if it got none.
fn renewal(program: Program, obstacle: Obstacle, expected: Option<&str>) -> Result<()> {
    let network = Router::new()?;
    let site = Site::new(program, &network, obstacle)?;
    let mut ear = Ear::open(&network)?;
    let mut frame = site.client.renew(site.lease);
    obstacle.bend(&mut frame);
    site.against(obstacle, || site.client.send(&frame))?;
    ear.until_acknowledged(LATECOMER)?;
    let answers = ear.answers(frame.message.xid);
    let wanted: &[u8] = if expected.is_none() {
        &[kind::ACK]
    } else {
        &[]
    };
    truth(answers == wanted, || format!("answers of type {answers:?}"))?;
    eprintln!("--- the server does as expected");

    let verdict = site.verdict(frame.message.xid)?;
    let word = if expected.is_none() {
        "answered"
    } else {
        "unanswered"
    };
    let said = (text(&verdict, "verdict"), text(&verdict, "cause"));
    ensure!(
        said == (word, expected.unwrap_or_default()),
        "not {word}: {verdict}"
    );
    Ok(())
}

/// One test for each obstacle and server.
macro_rules! rows {
    ($check:ident: $($name:ident: $obstacle:expr
        => $dhcpd:expr, $kea_raw:expr, $kea_udp:expr, $udhcpd:expr, $networkd:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn dhcpd() -> Result<()> {
                $check(Program::Dhcpd, $obstacle, $dhcpd)
            }

            #[test]
            fn kea_raw() -> Result<()> {
                $check(Program::Kea(Sockets::Raw), $obstacle, $kea_raw)
            }

            #[test]
            fn kea_udp() -> Result<()> {
                $check(Program::Kea(Sockets::Udp), $obstacle, $kea_udp)
            }

            #[test]
            fn udhcpd() -> Result<()> {
                $check(Program::Udhcpd, $obstacle, $udhcpd)
            }

            #[test]
            fn networkd() -> Result<()> {
                $check(Program::Networkd, $obstacle, $networkd)
            }
        }
    )*};
}

mod releases {
    use super::*;
    use Expected::{Honoured, Ignored};

    const FIREWALL: Expected = Ignored("firewall_dropped");
    const REVERSE: Expected = Ignored("reverse_path_filtered");
    const UNSPECIFIED: Expected = Ignored("source_unspecified");
    const NOT_LOCAL: Expected = Ignored("destination_not_local");
    const CHECKSUM: Expected = Ignored("bad_udp_checksum");
    const DISCARD: Expected = Ignored("discard_socket");

    rows! { release:
        nothing: Obstacle::Nothing => Honoured, Honoured, Honoured, Honoured, Honoured;
        firewall_at_input: Obstacle::Firewall(Place::Input)
            => Honoured, Honoured, FIREWALL, FIREWALL, FIREWALL;
        firewall_at_prerouting: Obstacle::Firewall(Place::Prerouting)
            => Honoured, Honoured, FIREWALL, FIREWALL, FIREWALL;
        firewall_at_netdev_ingress: Obstacle::Firewall(Place::Ingress("eth3"))
            => Honoured, Honoured, FIREWALL, FIREWALL, FIREWALL;
        reverse_path_filter: Obstacle::ReversePathFilter
            => Honoured, Honoured, REVERSE, REVERSE, REVERSE;
        source_unspecified: Obstacle::SourceUnspecified
            => Honoured, Honoured, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED;
        address_moved_away: Obstacle::AddressMovedAway
            => Honoured, Honoured, NOT_LOCAL, NOT_LOCAL, NOT_LOCAL;
        wrong_udp_checksum: Obstacle::WrongChecksum
            => CHECKSUM, Honoured, CHECKSUM, CHECKSUM, CHECKSUM;
        dhcp_release: Obstacle::Looped
            => DISCARD, DISCARD, Honoured, Honoured, Honoured;
    }
}

/// Without the reverse-path filter: the way back is not to the client either.
mod renewals {
    use super::*;

    const FIREWALL: Option<&str> = Some("firewall_dropped");
    const UNSPECIFIED: Option<&str> = Some("source_unspecified");
    const NOT_LOCAL: Option<&str> = Some("destination_not_local");
    const CHECKSUM: Option<&str> = Some("bad_udp_checksum");

    rows! { renewal:
        nothing: Obstacle::Nothing => None, None, None, None, None;
        firewall_at_input: Obstacle::Firewall(Place::Input)
            => None, None, FIREWALL, FIREWALL, FIREWALL;
        firewall_at_prerouting: Obstacle::Firewall(Place::Prerouting)
            => None, None, FIREWALL, FIREWALL, FIREWALL;
        firewall_at_netdev_ingress: Obstacle::Firewall(Place::Ingress("eth3"))
            => None, None, FIREWALL, FIREWALL, FIREWALL;
        source_unspecified: Obstacle::SourceUnspecified
            => None, None, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED;
        address_moved_away: Obstacle::AddressMovedAway
            => None, None, NOT_LOCAL, NOT_LOCAL, NOT_LOCAL;
        wrong_udp_checksum: Obstacle::WrongChecksum
            => CHECKSUM, None, CHECKSUM, CHECKSUM, CHECKSUM;
    }
}
