//! REQUESTs of clients that have a lease, or think so, sent to the servers of the release
//! matrix: what each answers, and what the agent says of those that it leaves unanswered.

use anyhow::{Result, ensure};
use leasehound_tests::agent::{Agent, text};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::frame::Frame;
use leasehound_tests::kea::Sockets;
use leasehound_tests::matrix::{BYSTANDER, CLIENT, LATECOMER};
use leasehound_tests::message::{Message, kind, option};
use leasehound_tests::program::{Program, Server};
use leasehound_tests::router::Router;
use leasehound_tests::scene::{ANSWER_DEADLINE, truth};
use leasehound_tests::verdict::verdict_on;
use serde_json::Value;
use std::net::Ipv4Addr;

/// An address of the pool that nobody ever had.
const NOBODYS: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 180);

/// What the client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Ack,
    Nak,
    /// No answer, for this cause.
    Silence(&'static str),
}

use Expected::{Ack, Nak, Silence};

/// Whose address the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Own,
    Nobodys,
    Anothers,
}

/// How often the agent may say that it did not see whether the message was delivered. Hooks that
/// see the whole host lose samples to the labs that run beside this one, and the one on raw
/// sockets comes a moment after the agent has found a server that reads them.
const TRIES: u32 = 3;

fn check(
    program: Program,
    asks: Asks,
    build: fn(&Client, Lease) -> Frame,
    expected: Expected,
) -> Result<()> {
    for attempt in 1..=TRIES {
        let verdict = run(program, asks, build, expected)?;
        if attempt < TRIES && text(&verdict, "missing") == "delivery" {
            eprintln!("--- not seen by the agent: once more");
            continue;
        }
        return says(&verdict, expected);
    }
    Ok(())
}

/// Whether a verdict is the one that is expected.
fn says(verdict: &Value, expected: Expected) -> Result<()> {
    let said = (text(verdict, "verdict"), text(verdict, "cause"));
    let wanted = match expected {
        Ack => ("answered", ""),
        Nak => ("refused", "refused"),
        Silence(cause) => ("unanswered", cause),
    };
    ensure!(said == wanted, "not {wanted:?}: {verdict}");
    Ok(())
}

/// One try; the agent's verdict.
fn run(
    program: Program,
    asks: Asks,
    build: fn(&Client, Lease) -> Frame,
    expected: Expected,
) -> Result<Value> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = Server::start(program, &network, &files)?;
    let agent = Agent::start(&network.router, &["--answer-deadline", ANSWER_DEADLINE]);
    let client = Client::new(&network, CLIENT, None)?;
    let other = program.obtain(&Client::new(&network, BYSTANDER, None)?)?;
    let lease = match asks {
        Asks::Own => program.obtain(&client)?,
        Asks::Nobodys => Lease {
            address: NOBODYS,
            ..other
        },
        Asks::Anothers => other,
    };
    // The client answers no ARP.
    let (address, mac) = (lease.address.to_string(), CLIENT.to_string());
    #[rustfmt::skip]
    network.router.run("ip", &[
        "neigh", "replace", &address, "lladdr", &mac, "dev", "eth3", "nud", "permanent",
    ])?;
    let frame = build(&client, lease);
    client.send(&frame)?;
    program.obtain(&Client::new(&network, LATECOMER, None)?)?;
    let answers = client.answers(frame.message.xid)?;
    let kinds: Vec<u8> = answers.iter().filter_map(Message::kind).collect();
    let wanted: &[u8] = match expected {
        Ack => &[kind::ACK],
        Nak => &[kind::NAK],
        Silence(_) => &[],
    };
    truth(kinds == wanted, || {
        format!("{program:?} answers {kinds:?}, not {wanted:?}")
    })?;
    eprintln!("--- the server does as expected");

    let agent = agent?;
    let verdict = verdict_on(&agent, frame.message.xid)?;
    let pid = verdict.pointer("/server/pid").and_then(Value::as_u64);
    ensure!(pid == Some(server.id().into()), "another server: {verdict}");
    Ok(verdict)
}

/// One module for each row, one test in it for each server, in the order of the columns.
macro_rules! rows {
    ($($name:ident: $asks:ident, |$client:ident, $lease:ident| $build:expr
        => $dnsmasq:expr, $dhcpd:expr, $kea_raw:expr, $kea_udp:expr, $udhcpd:expr, $networkd:expr;)*) => {$(
        mod $name {
            use super::*;

            fn row(program: Program, expected: Expected) -> Result<()> {
                check(program, Asks::$asks, |$client, $lease| $build, expected)
            }

            #[test]
            fn dnsmasq() -> Result<()> {
                row(Program::Dnsmasq, $dnsmasq)
            }

            #[test]
            fn dhcpd() -> Result<()> {
                row(Program::Dhcpd, $dhcpd)
            }

            #[test]
            fn kea_raw() -> Result<()> {
                row(Program::Kea(Sockets::Raw), $kea_raw)
            }

            #[test]
            fn kea_udp() -> Result<()> {
                row(Program::Kea(Sockets::Udp), $kea_udp)
            }

            #[test]
            fn udhcpd() -> Result<()> {
                row(Program::Udhcpd, $udhcpd)
            }

            #[test]
            fn networkd() -> Result<()> {
                row(Program::Networkd, $networkd)
            }
        }
    )*};
}

fn with(mut frame: Frame, option: u8, address: Ipv4Addr) -> Frame {
    frame.message.set(option, &address.octets());
    frame
}

const FORBIDDEN: Expected = Silence("forbidden_options");
const UNKNOWN: Expected = Silence("silent_for_unknown_lease");
/// Kea with UDP sockets hears no broadcast.
const UNHEARD: Expected = Silence("no_listener");
const FOREIGN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 67);

// dnsmasq, dhcpd, Kea raw, Kea udp, udhcpd, networkd
rows! {
    renew: Own, |client, lease| client.renew(lease)
        => Ack, Ack, Ack, Ack, Ack, Ack;
    rebind: Own, |client, lease| client.rebind(lease)
        => Ack, Ack, Ack, UNHEARD, Ack, Ack;
    reboot: Own, |client, lease| client.reboot(lease)
        => Ack, Ack, Ack, UNHEARD, Ack, Ack;
    renew_with_the_servers_id: Own,
        |client, lease| with(client.renew(lease), option::SERVER_ID, lease.server_id)
        => Ack, Ack, Ack, Ack, Ack, FORBIDDEN;
    renew_with_another_servers_id: Own,
        |client, lease| with(client.renew(lease), option::SERVER_ID, FOREIGN)
        => Ack, Ack, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN;
    renew_with_the_requested_address: Own,
        |client, lease| with(client.renew(lease), option::REQUESTED_ADDRESS, lease.address)
        => Ack, Ack, Ack, Ack, Ack, FORBIDDEN;
    rebind_with_another_servers_id: Own,
        |client, lease| with(client.rebind(lease), option::SERVER_ID, FOREIGN)
        => Ack, Ack, FORBIDDEN, UNHEARD, FORBIDDEN, FORBIDDEN;
    renew_of_what_nobody_has: Nobodys, |client, lease| client.renew(lease)
        => Nak, Ack, Ack, Ack, UNKNOWN, Ack;
    rebind_of_what_nobody_has: Nobodys, |client, lease| client.rebind(lease)
        => UNKNOWN, Ack, Ack, UNHEARD, UNKNOWN, Ack;
    reboot_to_what_nobody_has: Nobodys, |client, lease| client.reboot(lease)
        => UNKNOWN, Ack, Nak, UNHEARD, Nak, Ack;
    renew_of_what_another_has: Anothers, |client, lease| client.renew(lease)
        => Nak, Nak, Nak, Nak, UNKNOWN, UNKNOWN;
    rebind_of_what_another_has: Anothers, |client, lease| client.rebind(lease)
        => UNKNOWN, Nak, Nak, UNHEARD, UNKNOWN, UNKNOWN;
}
