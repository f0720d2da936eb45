//! From a message and the evidence to a verdict.
//!
//! [`rules`] say what in the packet breaks a rule of the server, [`lease_state`] what
//! the database shows, and [`decide`] weighs the two: the database decides whether the
//! message was honoured, the rules say why not.

mod attempt_case;
mod attempt_configuration;
mod attempt_kernel;
mod attempt_replies;
pub mod attempt_rules;
mod attempt_server;
pub mod decide;
pub mod delivered;
pub mod kernel_reason;
pub mod lease_state;
pub mod profile;
pub mod rules;
mod rules_client;
mod rules_configuration;
mod rules_delivery;
mod rules_dnsmasq;
mod rules_isc;
mod rules_kea;
mod rules_kernel;
mod rules_networkd;
mod rules_udhcpd;
mod rules_unsupported;

use crate::binding::{Binding, Granter};
use crate::cause::Cause;
use crate::database::Database;
use crate::evidence::{Lease, Listening, PortUse, ServerFacts, ServerKind};
use crate::host::{Host, Locality};
use crate::message::ServerId;
use crate::origin::InterfaceId;
use crate::release::Release;
use crate::server::IdUse;
use crate::time::Timestamp;
use crate::verdict::{Ground, GroundSource};
use delivered::Delivered;
pub use rules_configuration::{Configured, arrivals};

/// Everything a rule may look at.
#[derive(Debug)]
pub struct Case<'a> {
    /// The message.
    pub release: &'a Release,
    /// The host's addresses.
    pub host: &'a Host,
    /// The program that the message is for.
    pub kind: ServerKind,
    /// The process that the message is for, if it runs here.
    pub process: Option<Process>,
    /// Ids seen on the address's subnet, the newest first.
    pub ids: &'a [IdUse],
    /// Ids that servers of this host were seen to use, on any subnet, with the interface.
    pub ids_of_this_host: &'a [(InterfaceId, ServerId)],
    /// The database that the lease belongs to.
    pub database: Option<&'a Database>,
    /// The lease of the address, there or just gone.
    pub lease: Option<&'a Lease>,
    /// A message about the same address was honoured, and no ACK came since.
    pub released_before: bool,
    /// What the server was told to do, of a dnsmasq.
    pub configured: Option<Configured<'a>>,
    /// What the kernel was seen to do with it.
    pub delivered: Delivered<'a>,
}

/// A server process, as far as rules need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// Ids that it used before do not count.
    pub started: Timestamp,
    /// Whether it is the only server of its namespace.
    pub port: PortUse,
    /// How it takes its packets.
    pub listens: Listening,
}

impl Process {
    /// As a look for servers found it.
    pub const fn of(facts: &ServerFacts) -> Self {
        Self {
            pid: facts.pid,
            started: facts.started,
            port: facts.port,
            listens: facts.listens,
        }
    }
}

/// A rule that the message breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub cause: Cause,
    /// Whether it stands without a look at the database.
    pub strength: Strength,
    /// What shows it.
    pub grounds: Vec<Ground>,
    /// What to do, with the facts of the case.
    pub remedy: String,
}

/// How much a breach proves by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// The kernel was seen to keep it from the server.
    Seen,
    /// The server certainly drops such a message.
    Alone,
    /// It explains a lease that stayed, and proves nothing by itself.
    IfStillLeased,
}

impl Breach {
    /// A breach that the packet alone proves, with the cause's own remedy.
    pub fn new(cause: Cause, grounds: Vec<Ground>) -> Self {
        let text = cause.explanation();
        let remedy = match text.side_effect {
            Some(side_effect) => format!("{} Mind: {side_effect}", text.remedy),
            None => text.remedy.to_owned(),
        };
        Self {
            cause,
            strength: Strength::Alone,
            grounds,
            remedy,
        }
    }

    /// The same, and the kernel was seen to do it.
    #[must_use]
    pub fn seen(mut self) -> Self {
        self.strength = Strength::Seen;
        self
    }

    /// The same, but only as an explanation.
    #[must_use]
    pub fn if_still_leased(mut self) -> Self {
        self.strength = Strength::IfStillLeased;
        self
    }
}

/// What the rules know of the server's own id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnId {
    /// The server goes by this one, and this is how that is known.
    Known(ServerId, Ground),
    /// Not known.
    Unknown,
}

impl Case<'_> {
    /// The id that the server compares option 54 with.
    ///
    /// The ACK that granted the lease counts, unless the server was restarted since;
    /// then what it has used on this subnet since counts. An id that the message
    /// itself overrides (RFC 5107, option 82 sub-option 11) goes before both; where the server
    /// was not heard at all, dnsmasq's configuration tells. An
    /// ACK that went through a relay proves nothing for a message that does not.
    pub fn own_id(&self) -> OwnId {
        let message = &self.release.message;
        if let Some(overridden) = message.server_id_override {
            let says = format!("the relay agent overrides the server id with {overridden}");
            return OwnId::Known(ServerId(overridden), ground(GroundSource::Packet, says));
        }
        let since = self
            .process
            .map_or(Timestamp::ZERO, |process| process.started);
        // Another host's ACK says nothing of our own server's id.
        let ours =
            |binding: &&Binding| self.process.is_none() || binding.granted_by != Granter::OtherHost;
        if let Some(binding) = self
            .release
            .binding
            .as_ref()
            .filter(ours)
            .filter(|binding| binding.acked >= since)
        {
            if binding.relayed && message.giaddr.is_unspecified() {
                return OwnId::Unknown;
            }
            let says = format!("last ACK for this lease named {}", binding.server_id);
            return OwnId::Known(binding.server_id, ground(GroundSource::AckHistory, says));
        }
        match self.current_id(since) {
            Some(id) => {
                let before = self
                    .release
                    .binding
                    .as_ref()
                    .filter(|before| before.server_id != id);
                let says = match before {
                    Some(before) if before.granted_by == Granter::OtherHost => format!(
                        "another host's server granted this lease last, as {}; ours goes by {id}",
                        before.server_id
                    ),
                    Some(before) => format!(
                        "the server was restarted since it granted this lease as {}; it has named {id} since",
                        before.server_id
                    ),
                    None => format!("the server named {id} in its latest reply on this subnet"),
                };
                OwnId::Known(id, ground(GroundSource::AckHistory, says))
            }
            None => self.configured_id().unwrap_or(OwnId::Unknown),
        }
    }

    /// The id last seen on the subnet from the server in question, since `since`.
    pub fn current_id(&self, since: Timestamp) -> Option<ServerId> {
        let ours = |id: &&IdUse| !(self.process.is_some() && id.granted_by == Granter::OtherHost);
        let live: Vec<&IdUse> = self
            .ids
            .iter()
            .filter(ours)
            .filter(|id| id.last_seen >= since)
            .collect();
        live.first().map(|id| id.server_id)
    }

    /// Whether an address belongs to the server's host: by the host's own addresses,
    /// or, in a bare capture, because a reply that named one of the server's ids came
    /// from it.
    pub fn is_servers_host(&self, address: std::net::Ipv4Addr) -> Locality {
        match self.host.locality(self.release.netns, address) {
            Locality::Unknown
                if self
                    .ids
                    .iter()
                    .any(|id| id.source == Some(address) || id.server_id.0 == address) =>
            {
                Locality::Local
            }
            Locality::Unknown
                if address.is_broadcast() || address.is_unspecified() || address.is_multicast() =>
            {
                Locality::Elsewhere
            }
            known => known,
        }
    }
}

/// One piece of evidence.
pub fn ground(source: GroundSource, says: impl Into<String>) -> Ground {
    Ground {
        source,
        says: says.into(),
    }
}
