//! The host with its two bridges and two servers, the clients behind them, and the truth.

use crate::client::{Client, Lease};
use crate::dnsmasq::{Dnsmasq, ServerFiles};
use crate::message::{Message, kind};
use crate::netns::Namespace;
use crate::responder::Responder;
use crate::segment::Segment;
use anyhow::{Context, Result, bail, ensure};
use std::net::Ipv4Addr;

/// Clients behind each bridge: with fewer, a lottery might come out one way for all.
const CLIENTS: u8 = 12;

/// How a server opens its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// dnsmasq with the arguments of OpenStack nova: 0.0.0.0:67 with SO_REUSEPORT.
    Nova,
    /// dnsmasq with `--interface` and this: bound to the device.
    Device(&'static str),
    /// The labs' own, with this program: 0.0.0.0:67 with SO_REUSEADDR alone.
    Responder(&'static str),
}

/// Which of a segment's unicasts reach the server that granted the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrives {
    /// All.
    Always,
    /// None.
    Never,
    /// Some clients' all, others' none: of all segments together at least one each.
    ByChance,
}

/// Which message a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// REQUEST in RENEWING
    Renew,
    /// REQUEST in REBINDING
    Rebind,
    /// RELEASE
    Release,
}

/// What came of a message.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Which message.
    pub step: Step,
    /// Which of the two segments.
    pub home: usize,
    /// The leased address.
    pub address: Ipv4Addr,
    /// Its transaction.
    pub xid: u32,
    /// An ACK came, or the lease left the lease file.
    pub arrived: bool,
}

/// A server and its files.
#[derive(Debug)]
pub struct Daemon {
    // Dropped first: it prints its log, which is among the files.
    process: Option<Process>,
    files: ServerFiles,
    kind: Kind,
}

#[derive(Debug)]
enum Process {
    Dnsmasq(Dnsmasq),
    Responder(Responder),
}

struct Member {
    home: usize,
    client: Client,
    lease: Lease,
}

/// All of it.
pub struct Lab<'n> {
    daemons: Vec<Daemon>,
    members: Vec<Member>,
    segments: Vec<Segment>,
    router: &'n Namespace,
}

impl<'n> Lab<'n> {
    /// Puts br100 and br101 into a namespace, and starts their servers in this order.
    pub fn start(router: &'n Namespace, kinds: [Kind; 2]) -> Result<Self> {
        let mut lab = Self {
            daemons: Vec::new(),
            members: Vec::new(),
            segments: Vec::new(),
            router,
        };
        for (name, number) in [("br100", 1), ("br101", 2)] {
            let segment = Segment::bridged(router, name, number, 1)?;
            lab.segments.push(segment);
        }
        for (segment, kind) in lab.segments.iter().zip(kinds) {
            let files = ServerFiles::new()?;
            let process = Some(serve(router, segment, &files, kind)?);
            lab.daemons.push(Daemon {
                process,
                files,
                kind,
            });
        }
        Ok(lab)
    }

    /// The agent's flags for lease files of servers that it does not know.
    pub fn databases(&self) -> Result<Vec<String>> {
        let unknown = |daemon: &&Daemon| matches!(daemon.kind, Kind::Responder(_));
        let mut flags = Vec::new();
        for daemon in self.daemons.iter().filter(unknown) {
            let file = daemon.files.lease_file();
            let file = file.to_str().context("path")?;
            flags.extend(["--lease-db".to_owned(), format!("dnsmasq:{file}")]);
        }
        Ok(flags)
    }

    /// The name of a segment's bridge.
    pub fn interface(&self, home: usize) -> Result<&str> {
        Ok(self.segment(home)?.interface())
    }

    /// The process that serves a segment.
    pub fn server(&self, home: usize) -> Result<u32> {
        let daemon = self.daemons.get(home).context("no such server")?;
        match daemon.process.as_ref().context("not running")? {
            Process::Dnsmasq(dnsmasq) => Ok(dnsmasq.id()),
            Process::Responder(responder) => Ok(responder.id()),
        }
    }

    /// Ends the server of a segment and starts it anew on the same lease file.
    pub fn restart(&mut self, home: usize) -> Result<()> {
        let segment = self.segments.get(home).context("no such segment")?;
        let daemon = self.daemons.get_mut(home).context("no such server")?;
        match daemon.process.take() {
            Some(Process::Dnsmasq(dnsmasq)) => dnsmasq.stop()?,
            _ => bail!("only dnsmasq reads its lease file when it starts"),
        }
        daemon.process = Some(serve(self.router, segment, &daemon.files, daemon.kind)?);
        Ok(())
    }

    /// Every client takes a lease, each from the server of its own bridge.
    pub fn obtain_all(&mut self) -> Result<()> {
        for (home, segment) in self.segments.iter().enumerate() {
            for number in 1..=CLIENTS {
                let client = segment.client(number, 1)?;
                let lease = client.obtain()?;
                ensure!(
                    lease.server_id == segment.address(),
                    "{lease:?} is from elsewhere"
                );
                segment.resolve(self.router, &client, lease)?;
                self.members.push(Member {
                    home,
                    client,
                    lease,
                });
            }
        }
        Ok(())
    }

    /// Every client renews: whose ACK came?
    pub fn renew_all(&self) -> Result<Vec<Outcome>> {
        self.request_all(Step::Renew)
    }

    /// Every client rebinds: whose ACK came?
    pub fn rebind_all(&self) -> Result<Vec<Outcome>> {
        self.request_all(Step::Rebind)
    }

    /// Every client gives its lease back: whose left the lease file?
    pub fn release_all(&self) -> Result<Vec<Outcome>> {
        let xids = self.send_all(Step::Release)?;
        let with_xids = self.members.iter().zip(xids);
        with_xids
            .map(|(member, xid)| {
                let daemon = self.daemons.get(member.home).context("no such server")?;
                let mac = member.client.mac();
                let held = daemon.files.holds(mac, member.lease.address)?;
                Ok(member.outcome(Step::Release, xid, !held))
            })
            .collect()
    }

    fn request_all(&self, step: Step) -> Result<Vec<Outcome>> {
        let xids = self.send_all(step)?;
        let with_xids = self.members.iter().zip(xids);
        with_xids
            .map(|(member, xid)| {
                let answers = member.client.answers(xid)?;
                let refused = |answer: &Message| answer.kind() != Some(kind::ACK);
                ensure!(!answers.iter().any(refused), "{answers:?}");
                ensure!(answers.len() <= 1, "two answered: {answers:?}");
                Ok(member.outcome(step, xid, !answers.is_empty()))
            })
            .collect()
    }

    /// Sends for every client and waits until the servers have read it.
    fn send_all(&self, step: Step) -> Result<Vec<u32>> {
        let mut xids = Vec::new();
        for Member { client, lease, .. } in &self.members {
            let frame = match step {
                Step::Renew => client.renew(*lease),
                Step::Rebind => client.rebind(*lease),
                Step::Release => client.release(*lease),
            };
            client.send(&frame)?;
            xids.push(frame.message.xid);
        }
        for segment in &self.segments {
            segment.settle()?;
        }
        Ok(xids)
    }

    fn segment(&self, home: usize) -> Result<&Segment> {
        self.segments.get(home).context("no such segment")
    }
}

impl Member {
    const fn outcome(&self, step: Step, xid: u32, arrived: bool) -> Outcome {
        Outcome {
            step,
            home: self.home,
            address: self.lease.address,
            xid,
            arrived,
        }
    }
}

fn serve(
    router: &Namespace,
    segment: &Segment,
    files: &ServerFiles,
    kind: Kind,
) -> Result<Process> {
    let range = segment.range();
    let dnsmasq = |arguments: &[&str]| {
        let arguments = [arguments, &[&range]].concat();
        Dnsmasq::start(router, files, &arguments).map(Process::Dnsmasq)
    };
    match kind {
        Kind::Nova => {
            let address = format!("--listen-address={}", segment.address());
            dnsmasq(&["--bind-interfaces", &address, "--except-interface=lo"])
        }
        Kind::Device(how) => dnsmasq(&[how, &format!("--interface={}", segment.interface())]),
        Kind::Responder(program) => {
            Responder::start(program, router, segment, files).map(Process::Responder)
        }
    }
}
