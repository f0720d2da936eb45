//! What will fail before it fails: told by the configuration, the interfaces and the lease
//! databases alone, without a packet.
//!
//! A function of what it is handed. Where a line of a configuration was not understood
//! nothing is told that rests on it: a prediction is never a guess.

mod ids;
mod ranges;
pub mod text;

use crate::configuration::{LeaseTime, Pool, ServerConfiguration};
use crate::dnsmasq::{Flag, Model};
use crate::evidence::{DatabaseLiveness, InterfaceFacts, Liveness, ServerFacts, ServerRef};
use crate::finding::FindingKind;
use crate::message::ServerId;
use crate::origin::{InterfaceId, NetnsId};
use crate::verdict::{Ground, GroundSource};
use std::net::Ipv4Addr;

/// One thing that will go wrong. It stands as long as what it was told by stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// What kind.
    pub kind: FindingKind,
    /// The namespace.
    pub netns: NetnsId,
    /// The interface, of one about one.
    pub interface: Option<InterfaceId>,
    /// The server process.
    pub server: Option<ServerRef>,
    /// What tells it apart from others of its kind there: a range, a path, ids.
    pub subject: Box<str>,
    /// How many leases it is about; 0 where it is about more than those of now.
    pub leases: u64,
    /// One sentence.
    pub title: String,
    /// What it rests on, strongest first.
    pub evidence: Vec<Ground>,
    /// What to do.
    pub remedy: String,
    /// What that breaks.
    pub side_effect: Option<String>,
}

/// A server, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The process.
    pub facts: &'a ServerFacts,
    /// What it was told to do, if that was read.
    pub configuration: Option<&'a ServerConfiguration>,
    /// What that makes of a dnsmasq.
    pub model: Option<&'a Model>,
    /// How its lease database stands, if anything is to be said of it.
    pub database: Option<&'a DatabaseLiveness>,
    /// Leases that stand and were granted here, as their last ACKs had it.
    pub granted: &'a [Granted],
}

/// A lease that stands, as its last ACK granted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Granted {
    /// The address.
    pub address: Ipv4Addr,
    /// Option 54.
    pub server_id: ServerId,
    /// Where the ACK was seen.
    pub interface: InterfaceId,
}

/// What will go wrong with a server, given all interfaces of its namespace.
pub fn predict(subject: &Subject<'_>, interfaces: &[InterfaceFacts]) -> Vec<Prediction> {
    let mut found = Vec::new();
    if let Some(model) = subject.model.filter(|model| model.is_understood()) {
        ids::tools_miss_the_id(subject, model, interfaces, &mut found);
        ranges::only_by_tag(subject, model, interfaces, &mut found);
        ids::id_has_changed(subject, model, interfaces, &mut found);
    }
    database_is_not_live(subject, &mut found);
    leases_never_end(subject, &mut found);
    found
}

impl Subject<'_> {
    fn prediction(&self, kind: FindingKind, subject: &str, title: String) -> Prediction {
        let text = kind.explanation();
        Prediction {
            kind,
            netns: self.facts.netns,
            interface: None,
            server: Some(self.facts.server),
            subject: subject.into(),
            leases: 0,
            title,
            evidence: Vec::new(),
            remedy: text.remedy.to_owned(),
            side_effect: text.side_effect.map(str::to_owned),
        }
    }

    /// `dnsmasq (pid 812)`
    fn name(&self) -> String {
        format!("{} (pid {})", self.facts.kind.as_str(), self.facts.pid)
    }
}

fn ground(source: GroundSource, says: String) -> Ground {
    Ground { source, says }
}

fn database_is_not_live(subject: &Subject<'_>, found: &mut Vec<Prediction>) {
    let Some((database, reason)) = subject
        .database
        .and_then(|database| Some((database, database.state.reason()?)))
    else {
        return;
    };
    // Then the script keeps the leases, and no file says otherwise.
    let kept_by_script = subject
        .model
        .is_some_and(|model| model.has(Flag::LeaseFileReadOnly) && model.script.is_some());
    if kept_by_script && matches!(database.state, Liveness::NotLive { .. }) {
        return;
    }
    let path = database.name.as_deref().unwrap_or_default();
    let which = if path.is_empty() {
        "the lease database".to_owned()
    } else {
        format!("the lease database {path}")
    };
    let title = format!("{which} is not what {} goes by", subject.name());
    let mut prediction = subject.prediction(FindingKind::DatabaseNotLive, path, title);
    prediction.evidence = vec![ground(GroundSource::LeaseDatabase, reason.to_owned())];
    found.push(prediction);
}

fn leases_never_end(subject: &Subject<'_>, found: &mut Vec<Prediction>) {
    let understood = subject
        .configuration
        .filter(|read| read.not_understood.is_empty());
    let pools = understood.into_iter().flat_map(|read| &read.pools);
    let infinite = |pool: &&Pool| pool.lease_time == Some(LeaseTime::Infinite);
    for pool in pools.filter(infinite) {
        let title = format!(
            "leases from {} of {} never end by themselves: an address that is not released is lost for good",
            pool.name,
            subject.name()
        );
        let kind = FindingKind::InfiniteLeaseTime;
        let mut prediction = subject.prediction(kind, &pool.name, title);
        let says = format!("the lease time of {} is infinite", pool.name);
        prediction.evidence = vec![ground(GroundSource::ServerConfiguration, says)];
        found.push(prediction);
    }
}

#[cfg(test)]
mod tests;
