//! An engine whose contract is watched while it works.

use crate::operations::{ADDRESSES, Op, interfaces};
use crate::support::NETNS;
use leasehound_core::engine::{Config, Engine, Output};
use leasehound_core::evidence::{
    Evidence, Lease, LeaseContent, LeaseUpdate, Loss, LossStage, ServerFacts, ServerKind, ServerRef,
};
use leasehound_core::frame::{LinkType, RawFrame, VlanStack};
use leasehound_core::origin::{Hook, Origin};
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{Outcome, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// What a database held and which addresses its readings found without their lease.
#[derive(Default)]
struct Shown {
    leases: BTreeMap<Ipv4Addr, Lease>,
    lacking: Vec<(Ipv4Addr, Timestamp)>,
}

impl Shown {
    fn read(&mut self, until: Timestamp, content: &LeaseContent) {
        let before = self.leases.clone();
        let upserted = match content {
            LeaseContent::Unusable { .. } => return,
            LeaseContent::Full(all) => {
                self.leases.clear();
                all
            }
            LeaseContent::Delta { upserted, removed } => {
                for address in removed {
                    self.leases.remove(address);
                }
                upserted
            }
        };
        self.leases
            .extend(upserted.iter().map(|lease| (lease.address, lease.clone())));
        let client = |lease: &Lease| (lease.hardware_address, lease.client_id.clone());
        for address in ADDRESSES {
            let now = self.leases.get(&address).map(client);
            let was = before.get(&address).map(client);
            if now.is_none() || was.is_some_and(|was| now.is_some_and(|now| now != was)) {
                self.lacking.push((address, until));
            }
        }
    }
}

/// Hands operations to an engine and watches the contract meanwhile.
pub struct Watched {
    engine: Engine,
    /// Whether timeouts come at once, as the contract wants them. A late frame is due
    /// before it comes: judged before or after the next reading, it may look different.
    prompt: bool,
    at: Timestamp,
    outputs: Vec<Output>,
    opened: u64,
    judged: BTreeSet<u64>,
    shown: BTreeMap<Option<ServerRef>, Shown>,
    /// The newest evidence of each kind, to say again.
    said: BTreeMap<String, Evidence>,
}

impl Watched {
    pub fn new(config: Config, prompt: bool) -> Self {
        Self {
            engine: Engine::new(config),
            prompt,
            at: Timestamp::from_secs(1000),
            outputs: vec![],
            opened: 0,
            judged: BTreeSet::new(),
            shown: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    pub fn apply(&mut self, op: &Op) {
        let millis = Duration::from_millis;
        match op {
            Op::Frame {
                packet,
                late,
                interface,
                direction,
                packet_type,
                damage,
                cut,
            } => {
                let mut bytes = packet.frame();
                let wire_length = u32::try_from(bytes.len()).unwrap();
                if let Some((index, flip)) = damage {
                    *index.get_mut(&mut bytes) ^= flip;
                }
                if let Some(index) = cut {
                    bytes.truncate(index.index(bytes.len()));
                }
                let origin = Origin {
                    interface: *interface,
                    direction: *direction,
                    hook: Hook::Tcx,
                };
                let frame = RawFrame {
                    link: LinkType::Ethernet,
                    bytes: &bytes,
                    wire_length,
                    vlan: VlanStack::default(),
                    packet_type: *packet_type,
                    socket: None,
                };
                let at = self.at.saturating_sub(millis(*late));
                self.engine.handle_frame(at, origin, &frame);
            }
            Op::Reading {
                server,
                lag,
                took,
                content,
            } => {
                let read_from = self.at.saturating_sub(millis(lag + took));
                let read_until = self.at.saturating_sub(millis(*lag));
                let shown = self.shown.entry(*server).or_default();
                shown.read(read_until, content);
                let update = LeaseUpdate {
                    server: *server,
                    kind: ServerKind::Dnsmasq,
                    netns: NETNS,
                    read_from,
                    read_until,
                    content: content.clone(),
                };
                self.say(format!("leases {server:?}"), Evidence::Leases(update));
            }
            Op::Interfaces(variant) => self.say("interfaces".to_owned(), interfaces(*variant)),
            Op::Started(server, ago) => {
                let facts = ServerFacts {
                    server: *server,
                    netns: NETNS,
                    kind: ServerKind::Dnsmasq,
                    pid: 800 + server.0,
                    started: self.at.saturating_sub(millis(*ago)),
                    port: leasehound_core::evidence::PortUse::Shared,
                    listens: leasehound_core::evidence::Listening::Udp,
                };
                self.say(format!("server {server:?}"), Evidence::Server(facts));
            }
            Op::Gone(server) => {
                self.said.remove(&format!("leases {:?}", Some(*server)));
                self.said.remove(&format!("server {server:?}"));
                self.shown.entry(Some(*server)).or_default().leases.clear();
                let gone = Evidence::ServerGone(*server);
                self.engine.handle_evidence(self.at, gone);
            }
            Op::Loss(count) => {
                let loss = Loss {
                    stage: LossStage::Ring,
                    count: *count,
                };
                self.engine.handle_loss(self.at, loss);
            }
            Op::Pass(time) => {
                self.at = self.at.saturating_add(millis(*time));
                self.timeout(self.at);
            }
            Op::Back(by) => self.timeout(self.at.saturating_sub(millis(*by))),
        }
        if self.prompt
            && self
                .engine
                .poll_timeout()
                .is_some_and(|next| next <= self.at)
        {
            self.timeout(self.at);
        }
        self.collect();
    }

    fn say(&mut self, what: String, evidence: Evidence) {
        self.engine.handle_evidence(self.at, evidence.clone());
        self.said.insert(what, evidence);
    }

    /// Says the newest facts once more: no new fact.
    pub fn repeat_itself(&mut self) {
        for evidence in self.said.values() {
            self.engine.handle_evidence(self.at, evidence.clone());
        }
        self.collect();
    }

    fn timeout(&mut self, now: Timestamp) {
        self.engine.handle_timeout(now);
        let next = self.engine.poll_timeout();
        assert!(
            next.is_none_or(|next| next > now),
            "{next:?} is due at {now:?}"
        );
    }

    pub fn finish(mut self) -> Vec<Output> {
        self.engine.finish(self.at);
        self.collect();
        assert_eq!(self.engine.open_count(), 0);
        assert_eq!(self.engine.open_request_count(), 0);
        assert_eq!(self.engine.poll_timeout(), None);
        assert_eq!(
            self.judged.len() as u64,
            self.opened,
            "one verdict for each message"
        );
        self.outputs
    }

    fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match &output {
                Output::Opened { .. } => self.opened += 1,
                Output::Verdict(verdict) => self.check(&verdict.clone()),
                _ => {}
            }
            self.outputs.push(output);
        }
        for usage in self.engine.table_usage() {
            assert!(usage.entries <= usage.capacity, "{usage:?}");
        }
        assert_eq!(self.open() + self.judged.len() as u64, self.opened);
    }

    fn open(&self) -> u64 {
        (self.engine.open_count() + self.engine.open_request_count()) as u64
    }

    fn check(&mut self, verdict: &Verdict) {
        assert!(
            (1..=self.opened).contains(&verdict.id),
            "{verdict:?} before its message"
        );
        assert!(self.judged.insert(verdict.id), "{verdict:?} comes again");
        assert!(
            verdict.at >= verdict.seen && verdict.at <= self.at,
            "{verdict:?}"
        );
        if verdict.outcome == Outcome::Honoured {
            let mut lacking = self.shown.values().flat_map(|shown| &shown.lacking);
            assert!(
                lacking.any(|(address, until)| {
                    *address == verdict.address && *until >= verdict.seen
                }),
                "no reading after the message lacked the lease: {verdict:?}"
            );
        }
    }
}
