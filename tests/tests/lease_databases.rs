//! The lease databases of real servers, through grant, renew, release, decline, restart,
//! expiry and compaction: what the parsers read there is what the clients were told.
//!
//! With `LEASEHOUND_RECORD=agent-core/tests/leases` each stage is kept there: the
//! fixtures of `agent-core/tests/recorded_leases.rs` are made so.

#[path = "lease_databases/book.rs"]
mod book;
#[path = "lease_databases/servers.rs"]
mod servers;

use anyhow::{Context, Result, ensure};
use book::{Book, Told};
use leasehound_core::lease::{Format, kea_control};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::client6::{Client6, Grant, Wish};
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::message::{Mac, kind};
use leasehound_tests::router::Router;
use leasehound_tests::wait::{PATIENCE, wait_for};
use nix::sys::signal::Signal;
use servers::{Kea, dhcpd, dnsmasq, dnsmasq_of_libvirt, udhcpd};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const HOUR: u64 = 3600;
/// An identifier with all that has to be escaped somewhere.
const AWKWARD: &[u8] = b"\0some \"cl\\ient\"\n\x7f\xff,x";
/// Leases of so many seconds run out while a lab waits.
const SHORT: u64 = 3;

/// Without a cache of renewals: a dhcpd 4.4.3 for IPv6 that had one ends by itself on a
/// RELEASE that follows.
const DHCPD: &str = "\
authoritative;
ping-check false;
ddns-update-style none;
dhcp-cache-threshold 0;
default-lease-time 3600;
max-lease-time 3600;
subnet 172.29.101.0 netmask 255.255.255.0 { range 172.29.101.100 172.29.101.199; }
";
const DHCPD6: &str = "\
authoritative;
ddns-update-style none;
dhcp-cache-threshold 0;
default-lease-time 3600;
max-lease-time 3600;
preferred-lifetime 3600;
subnet6 fd00:29::/64 { range6 fd00:29::100 fd00:29::1ff; prefix6 fd00:30:: fd00:30:0:ff00:: /56; }
";

/// A network, a server's files, and what the clients were told.
struct Lab {
    network: Router,
    files: ServerFiles,
    told: Told,
}

impl Lab {
    fn new() -> Result<Self> {
        let network = Router::new()?;
        for (namespace, interface) in [(&network.router, "eth3"), (&network.client, "eth0")] {
            namespace.set("net/ipv6/conf/all/disable_ipv6=0")?;
            namespace.set(&format!("net/ipv6/conf/{interface}/accept_dad=0"))?;
            namespace.set(&format!("net/ipv6/conf/{interface}/disable_ipv6=0"))?;
        }
        #[rustfmt::skip]
        network.router.run("ip", &["addr", "add", "fd00:29::1/64", "dev", "eth3", "nodad"])?;
        for (namespace, interface) in [(&network.router, "eth3"), (&network.client, "eth0")] {
            wait_for("a link-local address", PATIENCE, || {
                let shown = namespace.run("ip", &["-6", "addr", "show", "dev", interface])?;
                let ready = shown.contains("fe80:") && !shown.contains("tentative");
                Ok(ready.then_some(()))
            })?;
        }
        Ok(Self {
            network,
            files: ServerFiles::new()?,
            told: Told::default(),
        })
    }

    fn book(&self, format: Format, server: &'static str, file: &str, lifetime: u64) -> Book {
        Book::new(format, server, self.files.path(file), lifetime)
    }

    /// Client `number` takes a lease. `keeps_id`: the server writes identifiers down.
    fn obtain(&mut self, number: u8, id: Option<&[u8]>, keeps_id: bool) -> Result<(Client, Lease)> {
        let client = Client::new(&self.network, Mac::client(number), id)?;
        let lease = client.obtain()?;
        let id = id.filter(|_| keeps_id);
        let (address, mac) = (lease.address.to_string(), client.mac().to_string());
        // Simulated clients answer no ARP.
        #[rustfmt::skip]
        self.network.router.run("ip", &[
            "neighbour", "replace", &address, "lladdr", &mac, "dev", "eth3", "nud", "permanent",
        ])?;
        self.told.leased(lease.address, client.mac(), id);
        Ok((client, lease))
    }

    /// Renews, and waits for the ACK.
    fn renew((client, lease): &(Client, Lease)) -> Result<()> {
        let frame = client.rebind(*lease);
        client.send(&frame)?;
        wait_for("the ACK of a renewal", PATIENCE, || {
            let answers = client.answers(frame.message.xid)?;
            Ok(answers
                .iter()
                .any(|answer| answer.kind() == Some(kind::ACK))
                .then_some(()))
        })
    }

    fn release(&mut self, (client, lease): &(Client, Lease)) -> Result<()> {
        client.send(&client.release(*lease))?;
        self.told.gone(&lease.address.to_string());
        Ok(())
    }

    fn decline(&mut self, (client, lease): &(Client, Lease), is_kept: bool) -> Result<()> {
        client.send(&client.decline(*lease))?;
        self.told.gone(&lease.address.to_string());
        if is_kept {
            self.told.declined(lease.address);
        }
        Ok(())
    }

    /// Client `number` asks for an address or a prefix.
    fn client6(&self, number: u8, wish: Wish) -> Result<Client6> {
        let duid = duid(number);
        let iaid = 0x0102_0300 + u32::from(number);
        Client6::new(&self.network.client, "eth0", &duid, iaid, wish)
    }

    fn told6(&mut self, number: u8, wish: Wish, grant: &Grant) {
        let association = match wish {
            Wish::Address => "NonTemporary",
            Wish::Prefix => "Prefix",
        };
        let octets: Vec<String> = duid(number)
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        self.told.leased6(format!(
            "leased {}/{} {association} {} {}",
            grant.address,
            grant.prefix_length,
            0x0102_0300 + u32::from(number),
            octets.join(":")
        ));
    }

    fn gone6(&mut self, grant: &Grant) {
        self.told
            .gone(&format!("{}/{}", grant.address, grant.prefix_length));
    }

    fn obtain6(&mut self, number: u8, wish: Wish) -> Result<Grant> {
        let grant = self.client6(number, wish)?.obtain()?;
        self.told6(number, wish, &grant);
        Ok(grant)
    }

    /// Grant, renew, release and decline over IPv6, each a stage.
    fn story6(&mut self, book: &mut Book, prefixes: bool) -> Result<()> {
        let one = self.obtain6(1, Wish::Address)?;
        let other = self.obtain6(2, Wish::Address)?;
        let third = self.obtain6(3, Wish::Address)?;
        if prefixes {
            self.obtain6(4, Wish::Prefix)?;
        }
        let reading = book.stage("grant6", PATIENCE, &self.told)?;
        if let Some(duid) = &reading.server_duid {
            ensure!(
                duid.as_bytes() == one.server,
                "{duid} is not {:02x?}",
                one.server
            );
        }
        let again = self.client6(1, Wish::Address)?.renew(&one)?;
        ensure!(again.address == one.address, "renewed to {again:?}");
        book.stage("renew6", PATIENCE, &self.told)?;
        self.client6(2, Wish::Address)?.release(&other)?;
        self.gone6(&other);
        book.stage("release6", PATIENCE, &self.told)?;
        self.client6(3, Wish::Address)?.decline(&third)?;
        self.gone6(&third);
        book.stage("decline6", PATIENCE, &self.told)?;
        Ok(())
    }
}

/// A DUID-EN with all that has to be escaped somewhere.
fn duid(number: u8) -> Vec<u8> {
    let mut duid = vec![0, 2, 0, 0, 0, 9];
    duid.extend(b"\"\\\n\xff");
    duid.push(number);
    duid
}

/// Grant, renew, release and decline, each a stage. Returns a client that keeps its lease.
fn story4(lab: &mut Lab, book: &mut Book, written: &Written<'_>) -> Result<(Client, Lease)> {
    let keeps_id = written.identifiers;
    let one = lab.obtain(1, Some(AWKWARD), keeps_id)?;
    let other = lab.obtain(2, None, keeps_id)?;
    let third = lab.obtain(3, Some(&[1, 2, 2, 0, 0xd4, 1, 3]), keeps_id)?;
    written.down()?;
    book.stage("grant", PATIENCE, &lab.told)?;
    Lab::renew(&one)?;
    written.down()?;
    book.stage("renew", PATIENCE, &lab.told)?;
    lab.release(&other)?;
    // Whoever asks last proves that all before was read.
    lab.obtain(4, None, keeps_id)?;
    written.down()?;
    book.stage("release", PATIENCE, &lab.told)?;
    lab.decline(&third, written.declines)?;
    lab.obtain(5, None, keeps_id)?;
    written.down()?;
    book.stage("decline", PATIENCE, &lab.told)?;
    Ok(one)
}

/// What a server writes.
struct Written<'w> {
    /// Client identifiers.
    identifiers: bool,
    /// Addresses that are declined.
    declines: bool,
    /// Has it written down, where that is not done at once.
    now: Option<&'w dyn Fn() -> Result<()>>,
}

impl Written<'_> {
    fn down(&self) -> Result<()> {
        self.now.map_or(Ok(()), |now| now())
    }
}

const ALL: Written<'static> = Written {
    identifiers: true,
    declines: true,
    now: None,
};

#[test]
fn dnsmasq_in_both_families() -> Result<()> {
    let mut lab = Lab::new()?;
    let mut book = lab.book(Format::Dnsmasq, "dnsmasq", "dnsmasq.leases", HOUR);
    let file = format!(
        "--dhcp-leasefile={}",
        lab.files.path("dnsmasq.leases").display()
    );
    // It knows no shorter lease than that, and clients may not ask for one.
    let short = format!("--dhcp-host={},120", Mac::client(9));
    let options = [file.as_str(), short.as_str()];
    let server = dnsmasq(&lab.network.router, &lab.files, &options)?;
    let expiring = lab.obtain(9, None, true)?.1;
    let written = Written {
        declines: false,
        ..ALL
    };
    story4(&mut lab, &mut book, &written)?;
    lab.story6(&mut book, false)?;
    server.stop()?;
    let _server = dnsmasq(&lab.network.router, &lab.files, &options)?;
    book.stage("restart", PATIENCE, &lab.told)?;
    lab.told.gone(&expiring.address.to_string());
    book.stage("expiry", Duration::from_secs(150), &lab.told)?;
    Ok(())
}

#[test]
fn libvirts_helper_of_a_dnsmasq_without_a_lease_file() -> Result<()> {
    let helper = Path::new("/usr/lib/libvirt/libvirt_leaseshelper");
    ensure!(
        helper.exists(),
        "no {}: run `cargo xtask test`, it installs what labs need",
        helper.display()
    );
    let mut lab = Lab::new()?;
    let mut book = lab.book(Format::Libvirt, "libvirt", "eth3.status", HOUR);
    let script = format!("--dhcp-script={}", helper.display());
    let options = ["--leasefile-ro", script.as_str()];
    let server = dnsmasq_of_libvirt(&lab.network.router, &lab.files, &options)?;
    let written = Written {
        declines: false,
        ..ALL
    };
    story4(&mut lab, &mut book, &written)?;
    lab.story6(&mut book, false)?;
    server.stop()?;
    let _server = dnsmasq_of_libvirt(&lab.network.router, &lab.files, &options)?;
    lab.obtain(6, None, true)?;
    book.stage("restart", PATIENCE, &lab.told)?;
    Ok(())
}

#[test]
fn isc_dhcpd() -> Result<()> {
    let mut lab = Lab::new()?;
    let mut book = lab.book(Format::IscDhcpd, "isc-dhcpd", "dhcpd.leases", HOUR);
    let server = dhcpd(&lab.network.router, &lab.files, '4', DHCPD)?;
    story4(&mut lab, &mut book, &ALL)?;
    server.stop()?;
    let short = format!(
        "{DHCPD}host short {{ hardware ethernet {}; default-lease-time {SHORT}; max-lease-time {SHORT}; }}\n",
        Mac::client(9)
    );
    // It writes the file anew when it starts.
    let _server = dhcpd(&lab.network.router, &lab.files, '4', &short)?;
    book.stage("restart", PATIENCE, &lab.told)?;
    let expiring = lab.obtain(9, None, true)?.1;
    book.stage("short", PATIENCE, &lab.told)?;
    lab.told.gone(&expiring.address.to_string());
    book.stage("expiry", 2 * PATIENCE, &lab.told)?;
    ensure!(book.spared > 0, "the log was never followed");
    Ok(())
}

#[test]
fn isc_dhcpd_for_ipv6() -> Result<()> {
    let mut lab = Lab::new()?;
    let mut book = lab.book(Format::IscDhcpd, "isc-dhcpd6", "dhcpd.leases", HOUR);
    let server = dhcpd(&lab.network.router, &lab.files, '6', DHCPD6)?;
    lab.story6(&mut book, true)?;
    server.stop()?;
    let short = DHCPD6.replace("3600", &SHORT.to_string());
    let _server = dhcpd(&lab.network.router, &lab.files, '6', &short)?;
    book.stage("restart", PATIENCE, &lab.told)?;
    let expiring = lab.obtain6(9, Wish::Address)?;
    book.stage("short", PATIENCE, &lab.told)?;
    lab.gone6(&expiring);
    book.stage("expiry", 2 * PATIENCE, &lab.told)?;
    Ok(())
}

#[test]
fn kea_for_ipv4() -> Result<()> {
    let mut lab = Lab::new()?;
    let mut book = lab.book(Format::Kea, "kea4", "kea-leases.csv", HOUR);
    let mut kea = Kea {
        family: 4,
        lifetime: HOUR,
        clean_up_seconds: 0,
    };
    let server = kea.start(&lab.network.router, &lab.files)?;
    story4(&mut lab, &mut book, &ALL)?;
    let told = control(&lab, &book, "lease4-get-all")?;
    let read = book.stage("control", PATIENCE, &lab.told)?;
    ensure!(
        told.reading.leases == read.leases,
        "{told:?} is not {read:?}"
    );
    ensure!(
        told.reading.declined == read.declined,
        "{told:?} is not {read:?}"
    );
    server.stop()?;
    kea.lifetime = SHORT;
    let server = kea.start(&lab.network.router, &lab.files)?;
    book.stage("restart", PATIENCE, &lab.told)?;
    let expiring = lab.obtain(9, None, true)?.1;
    book.stage("short", PATIENCE, &lab.told)?;
    lab.told.gone(&expiring.address.to_string());
    book.stage("expiry", 2 * PATIENCE, &lab.told)?;
    server.stop()?;
    kea.clean_up_seconds = 1;
    let _server = kea.start(&lab.network.router, &lab.files)?;
    cleaned_up(&lab)?;
    book.stage("compaction", PATIENCE, &lab.told)?;
    ensure!(book.spared > 0, "the log was never followed");
    Ok(())
}

#[test]
fn kea_for_ipv6() -> Result<()> {
    let mut lab = Lab::new()?;
    let mut book = lab.book(Format::Kea, "kea6", "kea-leases.csv", HOUR);
    let mut kea = Kea {
        family: 6,
        lifetime: HOUR,
        clean_up_seconds: 0,
    };
    let server = kea.start(&lab.network.router, &lab.files)?;
    lab.story6(&mut book, true)?;
    let told = control(&lab, &book, "lease6-get-all")?;
    let read = book.stage("control", PATIENCE, &lab.told)?;
    ensure!(
        told.reading.leases6 == read.leases6,
        "{told:?} is not {read:?}"
    );
    server.stop()?;
    kea.lifetime = SHORT;
    let server = kea.start(&lab.network.router, &lab.files)?;
    book.stage("restart", PATIENCE, &lab.told)?;
    let expiring = lab.obtain6(9, Wish::Address)?;
    book.stage("short", PATIENCE, &lab.told)?;
    lab.gone6(&expiring);
    book.stage("expiry", 2 * PATIENCE, &lab.told)?;
    server.stop()?;
    kea.clean_up_seconds = 1;
    let _server = kea.start(&lab.network.router, &lab.files)?;
    cleaned_up(&lab)?;
    book.stage("compaction", PATIENCE, &lab.told)?;
    Ok(())
}

#[test]
fn udhcpd_when_it_is_told_to_write() -> Result<()> {
    let mut lab = Lab::new()?;
    let mut book = lab.book(Format::Udhcpd, "udhcpd", "udhcpd.leases", HOUR);
    let server = udhcpd(&lab.network.router, &lab.files, HOUR)?;
    let now = || server.signal(Signal::SIGUSR1);
    let written = Written {
        identifiers: false,
        now: Some(&now),
        ..ALL
    };
    story4(&mut lab, &mut book, &written)?;
    server.stop()?;
    let server = udhcpd(&lab.network.router, &lab.files, SHORT)?;
    server.signal(Signal::SIGUSR1)?;
    let reading = book.stage("restart", PATIENCE, &lab.told)?;
    ensure!(
        reading.written_at.is_some(),
        "it does not say when it was written"
    );
    let expiring = lab.obtain(9, None, false)?.1;
    server.signal(Signal::SIGUSR1)?;
    book.stage("short", PATIENCE, &lab.told)?;
    lab.told.gone(&expiring.address.to_string());
    wait_for("a lease to run out", PATIENCE, || {
        server.signal(Signal::SIGUSR1)?;
        Ok(book.stage("expiry", Duration::ZERO, &lab.told).ok())
    })?;
    Ok(())
}

/// Asks a Kea for all its leases.
fn control(lab: &Lab, book: &Book, command: &str) -> Result<kea_control::Reply> {
    let mut socket = UnixStream::connect(lab.files.path("kea.sock")).context("kea.sock")?;
    write!(socket, "{{ \"command\": \"{command}\" }}")?;
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply)?;
    book.aside("control.reply", &reply)?;
    let reply = kea_control::parse(&reply);
    ensure!(reply.result == Some(0), "{reply:?}");
    Ok(reply)
}

/// Waits for kea-lfc to have done.
fn cleaned_up(lab: &Lab) -> Result<()> {
    wait_for("a clean-up", 3 * PATIENCE, || {
        let is = |suffix: &str| lab.files.path(&format!("kea-leases.csv{suffix}")).exists();
        Ok((is(".2") && !is(".1") && !is(".completed")).then_some(()))
    })
}
