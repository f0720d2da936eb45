//! A healthy network, with all that happens there in an hour and means nothing: three
//! kinds of server, bridges with several ports, a macvlan device, replies by unicast and
//! by broadcast, renewals, retransmissions, restarts, an address that goes and comes
//! back. The agent has nothing to complain of.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, Stopped, findings, request_verdicts, text, verdicts};
use leasehound_tests::client::Client;
use leasehound_tests::netns::Namespace;
use leasehound_tests::programs::Program;
use leasehound_tests::site::{Kind, Site};
use leasehound_tests::two_daemons::{FLAGS, heard, listen};
use leasehound_tests::wait::{PATIENCE, wait_for};
use std::collections::BTreeMap;

/// Simulated clients at the three sites.
const CLIENTS: [u8; 3] = [16, 12, 12];
/// Those that take their leases through a relay agent: the last of the first site.
const RELAYED: u8 = 2;
/// Those that the router gives up with dhcp_release: the first of the first site.
const GIVEN_UP: usize = 4;
/// How often all of them renew.
const RENEWALS: usize = 4;
/// Programs with a lease.
const PROGRAMS: usize = 4;

#[test]
fn a_quiet_hour() -> Result<()> {
    let mut sites = [
        Site::start(Kind::Dnsmasq, 1, 4)?,
        Site::start(Kind::IscDhcpd, 2, 1)?,
        Site::start(Kind::Kea, 3, 3)?,
    ];
    let home = Namespace::new("agent")?;
    let names = sites.each_ref().map(|site| site.router.name().to_owned());
    let mut flags = FLAGS.to_vec();
    for name in &names {
        flags.extend(["--netns", name]);
    }
    let agent = Agent::start(&home, &flags);

    let clients: usize = CLIENTS.map(usize::from).iter().sum();
    arrive(&mut sites)?;
    let guests = start_programs(&sites)?;
    for guest in &guests {
        let site = sites.get(guest.site).context("site")?;
        guest.program.address(site.segment.port(guest.port)?)?;
    }
    requests(&mut sites)?;
    let renewals = listen(&agent, |agent| {
        agent.request_verdicts("renewing", RENEWALS * clients)
    });
    release_programs(&sites, guests)?;
    leave(&sites)?;

    let mut agent = agent?;
    heard(renewals)?;
    agent.verdicts(clients + PROGRAMS)?;
    nothing_to_complain_of(&agent.stop()?, clients)
}

/// Everybody takes a lease; some of the first site through a relay agent.
fn arrive(sites: &mut [Site; 3]) -> Result<()> {
    // The last port of a bridge is left to a program.
    for ((site, clients), ports) in sites.iter_mut().zip(CLIENTS).zip([2, 1, 2]) {
        let relayed = if ports == 2 && clients == CLIENTS[0] {
            RELAYED
        } else {
            0
        };
        for number in 1..=clients {
            if number > clients - relayed {
                site.obtain_relayed(number)?;
            } else {
                site.obtain(number, ports)?;
            }
        }
        for member in &site.members {
            let held = site.holds(member.client.mac(), member.lease.address)?;
            ensure!(held, "{:?} is not in the database", member.lease);
        }
    }
    Ok(())
}

/// Renewals at T1, rebinding, rebooting, before and after restarts and the address's
/// absence.
fn requests(sites: &mut [Site; 3]) -> Result<()> {
    for site in sites {
        site.request_all(Client::renew)?;
        site.request_all(Client::renew)?;
        site.request_all(Client::rebind)?;
        site.restart()?;
        site.request_all(Client::renew)?;
        site.request_all(Client::reboot)?;
        site.lose_address_for_a_while()?;
        site.request_all(Client::renew)?;
    }
    Ok(())
}

/// Everybody gives up its lease; for some of the first site the router does it.
fn leave(sites: &[Site; 3]) -> Result<()> {
    for (index, site) in sites.iter().enumerate() {
        for (number, member) in site.members.iter().enumerate() {
            if index == 0 && number < GIVEN_UP {
                let address = member.lease.address.to_string();
                let mac = member.client.mac().to_string();
                let device = site.segment.interface();
                site.router.run("dhcp_release", &[device, &address, &mac])?;
            } else {
                member.client.send(&member.client.release(member.lease))?;
            }
        }
        site.segment.settle()?;
        for member in &site.members {
            let held = site.holds(member.client.mac(), member.lease.address)?;
            ensure!(!held, "{:?} is still leased", member.lease);
        }
    }
    Ok(())
}

/// udhcpc or dhclient, behind a port of a site.
struct Guest {
    site: usize,
    port: usize,
    program: Program,
}

fn start_programs(sites: &[Site; 3]) -> Result<Vec<Guest>> {
    const PLACES: [(usize, usize, bool); PROGRAMS] =
        [(0, 2, true), (0, 3, false), (1, 0, true), (2, 2, false)];
    let started = PLACES.map(|(index, port, is_udhcpc)| {
        let site = sites.get(index).context("site")?;
        let namespace = site.segment.port(port)?;
        let program = if is_udhcpc {
            Program::udhcpc(namespace, site.files())?
        } else {
            Program::dhclient(namespace, site.files())?
        };
        Ok(Guest {
            site: index,
            port,
            program,
        })
    });
    started.into_iter().collect()
}

/// Each gives up what it has.
fn release_programs(sites: &[Site; 3], guests: Vec<Guest>) -> Result<()> {
    for guest in guests {
        let site = sites.get(guest.site).context("site")?;
        let namespace = site.segment.port(guest.port)?;
        let mac = site.segment.port_mac(guest.port)?;
        let address = guest.program.address(namespace)?;
        ensure!(site.holds(mac, address)?, "{address} is not leased");
        guest.program.release(namespace)?;
        // It may have to ask for the server's MAC first, which on a macvlan takes longer
        // than a simulated client's exchange.
        wait_for("the program's lease to leave", PATIENCE, || {
            Ok((!site.holds(mac, address)?).then_some(()))
        })?;
    }
    Ok(())
}

fn nothing_to_complain_of(stopped: &Stopped, clients: usize) -> Result<()> {
    let found = findings(&stopped.events);
    ensure!(found.is_empty(), "findings: {found:#?}");
    let releases = verdicts(&stopped.events);
    let requests = request_verdicts(&stopped.events);
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for verdict in releases.iter().chain(&requests) {
        let said = text(verdict, "verdict");
        ensure!(
            matches!(said, "honoured" | "answered"),
            "a complaint: {verdict}"
        );
        *counts.entry((text(verdict, "state"), said)).or_default() += 1;
    }
    eprintln!("verdicts: {counts:?}");
    let expected = [
        (("", "honoured"), clients + PROGRAMS),
        (("renewing", "answered"), RENEWALS * clients),
        (("rebinding", "answered"), clients),
        (("init_reboot", "answered"), clients),
    ];
    for (what, expected) in expected {
        let count = counts.get(&what).copied().unwrap_or(0);
        ensure!(count == expected, "{count} {what:?}, not {expected}");
    }
    ensure!(stopped.status.success(), "it ended with {}", stopped.status);
    Ok(())
}
