//! What the kernel did with the message in question, read against whom it was for.

use super::ground;
use crate::delivery::{Device, ProcessFacts, SocketCookie, Sources};
use crate::host::Host;
use crate::origin::NetnsId;
use crate::sockets::{Path, Sockets};
use crate::time::Timestamp;
use crate::trail::{Step, What};
use crate::verdict::{DeliveryOutcome, Ground, GroundSource};

/// A message's way through the kernel.
#[derive(Debug)]
pub struct Delivered<'a> {
    /// Its namespace.
    pub netns: NetnsId,
    /// What happened, in order of time.
    pub steps: Vec<&'a Step>,
    /// Who listens, and who did.
    pub sockets: &'a Sockets,
    /// Names of devices.
    pub host: &'a Host,
    /// Which facts come at all.
    pub sources: Sources,
    /// The process id of the server that it is for.
    pub expected: Option<u32>,
    /// How that server takes messages.
    pub path: Path,
}

/// Whom a message reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// A socket of the server that it is for.
    Expected,
    /// Sockets of other processes only.
    Others,
    /// A socket whose process is not known, or it is not known whom it is for.
    Unresolved,
    /// No socket.
    Nobody,
}

impl<'a> Delivered<'a> {
    /// The UDP sockets that it was offered to.
    pub fn offers(&self) -> impl Iterator<Item = (SocketCookie, Option<&'a ProcessFacts>)> + '_ {
        self.steps.iter().filter_map(|step| match step.what {
            What::Offered { socket, .. } => Some((socket, self.sockets.process(socket))),
            _ => None,
        })
    }

    /// The reasons for which it was dropped, with the kernel functions.
    pub fn drops(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + '_ {
        self.steps.iter().filter_map(|step| match &step.what {
            What::Dropped { reason, place, .. } => Some((&**reason, place.as_deref())),
            _ => None,
        })
    }

    /// Whom it reached.
    pub fn reached(&self) -> Reached {
        let read_by = |pid: u32| {
            self.steps
                .iter()
                .any(|step| step.what == What::Read { pid })
        };
        let mut any = false;
        let mut unknown = self.expected.is_none();
        if self.expected.is_some_and(read_by) {
            return Reached::Expected;
        }
        for (_, process) in self.offers() {
            any = true;
            match process {
                Some(process) if Some(process.key.pid) == self.expected => {
                    return Reached::Expected;
                }
                Some(_) => {}
                None => unknown = true,
            }
        }
        match (any, unknown) {
            (false, _) => Reached::Nobody,
            (true, true) => Reached::Unresolved,
            (true, false) => Reached::Others,
        }
    }

    /// Whether it waits in a socket of its server that was looked at later than `since`.
    pub fn unread_since(&self, since: Timestamp) -> Option<u32> {
        let taken = self.sockets.taken(self.netns)?;
        if taken < since || !self.sources.sockets.is_on() {
            return None;
        }
        self.offers()
            .filter(|(_, process)| process.map(|process| process.key.pid) == self.expected)
            .find_map(|(socket, _)| self.sockets.unread(self.netns, socket))
    }

    /// For metrics; `None` where nothing was seen of it.
    pub fn outcome(&self) -> Option<DeliveryOutcome> {
        match self.reached() {
            Reached::Expected => Some(DeliveryOutcome::ExpectedDaemon),
            Reached::Others => Some(DeliveryOutcome::WrongDaemon),
            Reached::Unresolved => None,
            Reached::Nobody => {
                let mut drops = self.drops().peekable();
                drops.peek()?;
                if drops.any(|(reason, place)| is_no_socket(reason, place)) {
                    Some(DeliveryOutcome::NoSocket)
                } else {
                    Some(DeliveryOutcome::Dropped)
                }
            }
        }
    }

    /// What was seen, one clause each.
    pub fn grounds(&self) -> Vec<Ground> {
        let mut grounds: Vec<Ground> = Vec::new();
        for step in &self.steps {
            let said = match &step.what {
                What::Offered { socket, .. } => {
                    let says = format!("the kernel gave it to {}", self.holder(*socket));
                    ground(GroundSource::Delivery, says)
                }
                What::Read { pid } => ground(
                    GroundSource::Delivery,
                    format!("pid {pid} read it from a raw socket"),
                ),
                What::Dropped { reason, place, .. } => {
                    ground(GroundSource::KernelDrop, dropped(reason, place.as_deref()))
                }
                What::Unreachable { what, from } => {
                    ground(GroundSource::Icmp, format!("{from} answered \"{what}\""))
                }
                What::Sent { .. } => continue,
            };
            if !grounds.contains(&said) {
                grounds.push(said);
            }
        }
        grounds
    }

    /// "pid 4863 (dnsmasq, serving br101)"
    pub fn holder(&self, socket: SocketCookie) -> String {
        let Some(process) = self.sockets.process(socket) else {
            return "a socket whose process is not known".to_owned();
        };
        self.named(process)
    }

    /// "pid 4863 (dnsmasq, serving br101)"
    pub fn named(&self, process: &ProcessFacts) -> String {
        name_of(self.sockets, self.host, self.netns, process)
    }
}

/// A process as operators know it.
pub fn name_of(sockets: &Sockets, host: &Host, netns: NetnsId, process: &ProcessFacts) -> String {
    let pid = process.key.pid;
    let command = &process.command;
    let device = sockets
        .of_process(netns, pid)
        .find_map(|socket| match socket.device? {
            Device::Interface(id) => host.interface(id),
            Device::Gone => None,
        });
    if let Some(device) = device {
        return format!("pid {pid} ({command}, bound to {})", device.name);
    }
    let serves = sockets.serves(pid).and_then(|id| host.interface(id));
    match serves {
        Some(interface) => format!("pid {pid} ({command}, serving {})", interface.name),
        None => format!("pid {pid} ({command})"),
    }
}

/// Whether a drop says that no socket was there for it. A broadcast that nobody takes
/// has no reason of its own (`__udp4_lib_mcast_deliver()`).
pub fn is_no_socket(reason: &str, place: Option<&str>) -> bool {
    reason == "NO_SOCKET" || (reason == "NOT_SPECIFIED" && place.is_some_and(is_udp_receive))
}

fn is_udp_receive(place: &str) -> bool {
    place.starts_with("__udp4_lib_") || place.starts_with("udp_")
}

fn dropped(reason: &str, place: Option<&str>) -> String {
    match (reason, place) {
        ("", None) => "the kernel dropped it".to_owned(),
        ("", Some(place)) => format!("the kernel dropped it in {place}()"),
        (reason, None) => format!("the kernel dropped it: {reason}"),
        (reason, Some(place)) => format!("the kernel dropped it: {reason} in {place}()"),
    }
}
