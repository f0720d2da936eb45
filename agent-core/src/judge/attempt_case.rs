//! What is known of one attempt by REQUEST when it is judged: who was to get it, who
//! did, and whether it is a server of this host's to answer.

use super::kernel_reason::{cause_of, is_after_offer};
use super::profile::Profile;
use super::rules_dnsmasq::expired;
use super::{Configured, ground};
use crate::attempt::Attempt;
use crate::binding::Granter;
use crate::cause::Cause;
use crate::database::Database;
use crate::delivery::{ProcessFacts, ProcessKey, SocketCookie, Sources};
use crate::evidence::ServerKind;
use crate::host::{Host, Locality};
use crate::message::ServerId;
use crate::origin::InterfaceId;
use crate::server::IdUse;
use crate::sockets::{Path, Sockets};
use crate::trail::{Step, What};
use crate::verdict::GroundSource::{AckHistory, Delivery, Packet};
use crate::verdict::{Certainty, ClientState, DeliveryOutcome, Ground};
use std::net::Ipv4Addr;

/// Everything that a rule about an attempt may look at.
#[derive(Debug, Clone, Copy)]
pub struct AttemptCase<'a> {
    /// The attempt.
    pub attempt: &'a Attempt,
    /// The host's addresses.
    pub host: &'a Host,
    /// Who listens.
    pub sockets: &'a Sockets,
    /// Which facts come at all.
    pub sources: Sources,
    /// The server program, as far as known.
    pub kind: ServerKind,
    /// What the server was told to do, of a dnsmasq.
    pub configured: Option<Configured<'a>>,
    /// Whether a server process of the namespace is known.
    pub server_here: bool,
    /// What the kernel did with the attempt's messages, in order of time.
    pub steps: &'a [&'a Step],
    /// What it did with the replies.
    pub reply_steps: &'a [&'a Step],
    /// Ids seen on the address's subnet, the newest first.
    pub ids: &'a [IdUse],
    /// The lease databases of the namespace.
    pub databases: &'a [&'a Database],
    /// Samples were lost meanwhile.
    pub lost: bool,
}

/// Whom the messages were handed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach<'a> {
    /// The server that it was for.
    Server,
    /// The UDP socket of a server that reads frames: it throws away what comes there.
    Fallback,
    /// Other processes only.
    Others(Vec<&'a ProcessFacts>),
    /// Somebody, and whether it was the right one is not known.
    Somebody,
    /// Nobody, as far as it was seen.
    Nobody,
}

/// Whose it is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// A server's of this host.
    Ours,
    /// Another host's.
    Theirs(Certainty, Ground),
    /// It can't be told.
    Unclear,
}

impl<'a> AttemptCase<'a> {
    /// The process that sent the ACK of the lease, if it still runs.
    pub fn granter(&self) -> Option<&'a ProcessFacts> {
        let socket = self.attempt.binding.as_ref()?.granted_through?;
        let process = self.sockets.process(socket)?;
        self.sockets
            .lives(self.attempt.key.netns, process.key)
            .then_some(process)
    }

    /// The process that the attempt is for: the one that answered; else the one that
    /// granted the lease, else the only one that listens.
    pub fn expected(&self) -> Option<&'a ProcessFacts> {
        let answered = self.attempt.last_reply().and_then(|reply| reply.socket);
        answered
            .and_then(|socket| self.sockets.process(socket))
            .or_else(|| self.granter())
            .or_else(|| self.sole())
    }

    fn sole(&self) -> Option<&'a ProcessFacts> {
        let survey = self.sockets.survey(self.attempt.key.netns)?;
        let mut sole: Option<&ProcessFacts> = None;
        for socket in &survey.sockets {
            let process = socket.process.as_ref()?;
            if sole.is_some_and(|sole| sole.key != process.key) {
                return None;
            }
            sole = Some(process);
        }
        sole
    }

    /// How the server takes messages.
    pub fn path(&self) -> Path {
        let netns = self.attempt.key.netns;
        let known = match self.expected() {
            Some(process) => self.sockets.path_of(netns, process.key.pid),
            None => self.sockets.path_of_all(netns),
        };
        if known == Path::Unknown && !self.surveyed() {
            return Profile::of(self.kind).intake.path();
        }
        known
    }

    /// Whether it was looked who listens.
    pub fn surveyed(&self) -> bool {
        self.sockets.survey(self.attempt.key.netns).is_some()
    }

    /// The sockets that the messages were offered to.
    pub fn offered(&self) -> impl Iterator<Item = SocketCookie> + 'a {
        self.steps.iter().filter_map(|step| match step.what {
            What::Offered { socket, .. } => Some(socket),
            _ => None,
        })
    }

    fn read_by(&self) -> impl Iterator<Item = u32> + 'a {
        self.steps.iter().filter_map(|step| match step.what {
            What::Read { pid } => Some(pid),
            _ => None,
        })
    }

    /// The drops of the messages, each with its cause.
    pub fn drops(&self) -> impl Iterator<Item = (Cause, &'a What)> + 'a {
        self.steps.iter().filter_map(|step| match &step.what {
            what @ What::Dropped { reason, place, .. } => {
                Some((cause_of(reason, place.as_deref())?, what))
            }
            _ => None,
        })
    }

    /// Whom the messages were handed to.
    pub fn reach(&self) -> Reach<'a> {
        let Some(expected) = self.expected() else {
            let taken = self.offered().next().is_some() || self.read_by().next().is_some();
            return if taken {
                Reach::Somebody
            } else {
                Reach::Nobody
            };
        };
        if self.read_by().any(|pid| pid == expected.key.pid) {
            return Reach::Server;
        }
        let mut others: Vec<&ProcessFacts> = Vec::new();
        let (mut own, mut unknown) = (false, false);
        for socket in self.offered() {
            match self.sockets.process(socket) {
                Some(process) if process.key == expected.key => own = true,
                Some(process) if others.iter().any(|known| known.key == process.key) => {}
                Some(process) => others.push(process),
                None => unknown = true,
            }
        }
        match (own, self.path()) {
            (true, Path::Frames) => Reach::Fallback,
            (true, _) => Reach::Server,
            (false, _) if unknown => Reach::Somebody,
            (false, _) if others.is_empty() => Reach::Nobody,
            (false, _) => Reach::Others(others),
        }
    }

    /// What became of the messages, for the verdict; `None` if nothing is known.
    pub fn delivery(&self) -> Option<DeliveryOutcome> {
        let drops: Vec<Cause> = self.drops().map(|(cause, _)| cause).collect();
        match self.reach() {
            Reach::Server if drops.iter().any(|cause| is_after_offer(*cause)) => {
                Some(DeliveryOutcome::Dropped)
            }
            Reach::Server => Some(DeliveryOutcome::ExpectedDaemon),
            Reach::Others(_) => Some(DeliveryOutcome::WrongDaemon),
            Reach::Nobody
                if self.path() != Path::Frames && drops.first() == Some(&Cause::NoListener) =>
            {
                Some(DeliveryOutcome::NoSocket)
            }
            Reach::Nobody if self.path() != Path::Frames && self.is_dropped() => {
                Some(DeliveryOutcome::Dropped)
            }
            Reach::Fallback | Reach::Somebody | Reach::Nobody => None,
        }
    }

    fn is_dropped(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step.what, What::Dropped { .. }))
    }

    /// Whether it went to all.
    pub fn is_broadcast(&self) -> bool {
        let destination = self.attempt.carrier.destination;
        self.host.is_broadcast(self.attempt.key.netns, destination) || destination.is_multicast()
    }

    /// Whether an address is one of the namespace's.
    pub fn locality(&self, address: Ipv4Addr) -> Locality {
        self.host.locality(self.attempt.key.netns, address)
    }

    /// Whether a database has a lease of the address for this client.
    pub fn is_leased(&self) -> bool {
        let message = &self.attempt.message;
        self.databases.iter().any(|database| {
            database.present(self.attempt.address).is_some_and(|held| {
                let same_id =
                    message.client_id.is_some() && held.lease.client_id == message.client_id;
                same_id || held.lease.hardware_address == message.hardware_address
            })
        })
    }

    /// Whether a server of this host was heard to use an id here.
    pub fn is_used(&self, id: ServerId) -> bool {
        let ours = |used: &&IdUse| used.server_id == id && used.granted_by == Granter::ThisHost;
        self.ids.iter().any(|used| ours(&used))
    }

    /// Whether a process that still runs granted the client the address, for a time that is
    /// not over: it should know of it.
    pub fn should_be_leased(&self) -> bool {
        let client = self.attempt.key.hardware_address;
        let binding = self.attempt.binding.as_ref();
        binding.is_some_and(|binding| {
            let over = expired(binding.expires(), self.attempt.seen);
            let restarted = binding.granted_through.is_some() && self.granter().is_none();
            binding.hardware_address == client && !over && !restarted
        })
    }

    /// Whose it is to answer.
    pub fn whose(&self) -> Whose {
        let attempt = self.attempt;
        let selected = attempt.message.server_id;
        if let (ClientState::Selecting, Some(named)) = (attempt.key.state, selected) {
            return self.whose_id(named);
        }
        let destination = attempt.carrier.destination;
        if !self.is_broadcast() && self.locality(destination) == Locality::Local {
            return Whose::Ours;
        }
        match attempt.binding.as_ref() {
            Some(binding) if binding.granted_by == Granter::ThisHost => return Whose::Ours,
            Some(binding) if binding.granted_by == Granter::OtherHost => {
                let says = format!("another host granted this lease, as {}", binding.server_id);
                return Whose::Theirs(Certainty::Observed, ground(AckHistory, says));
            }
            _ => {}
        }
        let others = self
            .ids
            .iter()
            .any(|id| id.granted_by == Granter::OtherHost);
        let listens = self.server_here || self.sockets.udp(attempt.key.netns).next().is_some();
        if self.is_leased() || (self.is_broadcast() && listens && !others) {
            return Whose::Ours;
        }
        Whose::Unclear
    }

    fn whose_id(&self, named: ServerId) -> Whose {
        let used = self.ids.iter().find(|id| id.server_id == named);
        let says = format!("option 54 chooses the server {named}");
        match (used.map(|id| id.granted_by), self.locality(named.0)) {
            (Some(Granter::ThisHost), _) | (None, Locality::Local) => Whose::Ours,
            (Some(Granter::OtherHost), _) => {
                let says = format!("{says}, another host's");
                Whose::Theirs(Certainty::Observed, ground(AckHistory, says))
            }
            (_, Locality::Elsewhere) => {
                let says = format!("{says}, no address of this host");
                Whose::Theirs(Certainty::Inferred, ground(Packet, says))
            }
            _ => Whose::Unclear,
        }
    }

    /// An interface, for the operator.
    pub fn name(&self, interface: InterfaceId) -> Option<&'a str> {
        self.host.interface(interface).map(|facts| &*facts.name)
    }

    /// That the message was handed to processes.
    pub fn handed_to(&self, processes: &[&ProcessFacts]) -> Ground {
        let named: Vec<String> = processes.iter().map(|process| named(process)).collect();
        ground(
            Delivery,
            format!("the kernel offered it to {}", named.join(" and ")),
        )
    }

    /// The processes that the messages were offered to, as far as known.
    pub fn offered_to(&self) -> Vec<&'a ProcessFacts> {
        let mut keys: Vec<ProcessKey> = Vec::new();
        let processes = self
            .offered()
            .filter_map(|cookie| self.sockets.process(cookie));
        let mut known = Vec::new();
        for process in processes {
            if !keys.contains(&process.key) {
                keys.push(process.key);
                known.push(process);
            }
        }
        known
    }
}

/// A process, for the operator.
pub fn named(process: &ProcessFacts) -> String {
    format!("pid {} ({})", process.key.pid, process.command)
}
