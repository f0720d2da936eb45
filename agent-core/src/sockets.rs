//! Who listens: the sockets of each namespace, and the processes behind cookies that
//! were seen in the past.

use crate::delivery::{
    ProcessFacts, ProcessKey, SocketConflict, SocketCookie, SocketFacts, SocketSurvey, Takes,
};
use crate::origin::{InterfaceId, NetnsId};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Surveys that are remembered of a namespace.
const HISTORY: usize = 16;

/// Servers of one host: each has a socket or two.
const GRANTING: usize = 256;

/// A server that reads its socket has read what came so long ago.
const READ_WITHIN: Duration = Duration::from_millis(100);

/// Octets in a receive buffer, as the kernel counts them, that are more than what comes in a
/// moment: a dozen messages.
const MANY: u32 = 16 * 1024;

/// How a server takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Through UDP sockets: what the kernel drops on the way, it does not get.
    Udp,
    /// It reads frames: what the IP layer drops does not matter, and its UDP sockets
    /// only keep ICMP errors from being sent.
    Frames,
    /// Not known.
    Unknown,
}

/// All sockets that are known.
#[derive(Debug)]
pub struct Sockets {
    /// The latest last; those before it differ each from the next.
    surveys: BTreeMap<NetnsId, VecDeque<SocketSurvey>>,
    /// Sockets of the past too: cookies are not used twice.
    holders: Table<SocketCookie, ProcessFacts>,
    /// Where leases were granted through them last.
    granted: Table<SocketCookie, InterfaceId>,
    /// When they were offered a message last.
    offered: Table<SocketCookie, Timestamp>,
}

impl Sockets {
    /// Remembers the holders of `capacity` sockets; the least recently surveyed goes
    /// first.
    pub fn new(capacity: usize) -> Self {
        Self {
            surveys: BTreeMap::new(),
            holders: Table::new("sockets", capacity),
            granted: Table::new("granting_sockets", GRANTING),
            offered: Table::new("offered_sockets", GRANTING),
        }
    }

    /// Replaces what is known of a namespace.
    pub fn surveyed(&mut self, survey: SocketSurvey) {
        for socket in &survey.sockets {
            if let Some(process) = &socket.process {
                self.holders.put(socket.cookie, process.clone());
            }
        }
        let history = self.surveys.entry(survey.netns).or_default();
        if history
            .back()
            .is_some_and(|last| last.says_the_same_as(&survey))
        {
            history.pop_back();
        } else if history.len() >= HISTORY {
            history.pop_front();
        }
        history.push_back(survey);
    }

    /// A lease was granted through a socket.
    pub fn granted(&mut self, socket: SocketCookie, interface: InterfaceId) {
        self.granted.put(socket, interface);
    }

    /// A socket was offered a message.
    pub fn offered(&mut self, socket: SocketCookie, at: Timestamp) {
        let last = self.offered.peek(&socket).copied().unwrap_or_default();
        self.offered.put(socket, at.max(last));
    }

    /// Octets that lie unread in a socket, as of the latest survey; `None` if there are none,
    /// or if they may be those of a message that had just come.
    pub fn unread(&self, netns: NetnsId, socket: SocketCookie) -> Option<u32> {
        let survey = self.survey(netns)?;
        let waiting = self.open(netns, socket)?.waiting;
        let last = self.offered.peek(&socket).copied();
        let just_came = last.is_some_and(|last| last.saturating_add(READ_WITHIN) > survey.taken);
        (waiting > 0 && (!just_came || waiting > MANY)).then_some(waiting)
    }

    /// The interface on which a process granted a lease last.
    pub fn serves(&self, pid: u32) -> Option<InterfaceId> {
        let mut granted = self.granted.iter();
        let of = |socket: &SocketCookie| self.process(*socket).map(|facts| facts.key.pid);
        let (_, interface) = granted.find(|(socket, _)| of(socket) == Some(pid))?;
        Some(*interface)
    }

    /// The process behind a cookie, of now or of the past.
    pub fn process(&self, socket: SocketCookie) -> Option<&ProcessFacts> {
        self.holders.peek(&socket)
    }

    /// The latest survey of a namespace.
    pub fn survey(&self, netns: NetnsId) -> Option<&SocketSurvey> {
        self.surveys.get(&netns)?.back()
    }

    /// The survey that tells of a time: the first that was taken then or later, or the
    /// latest. A server may be started again before a message is judged.
    pub fn survey_at(&self, netns: NetnsId, at: Timestamp) -> Option<&SocketSurvey> {
        let history = self.surveys.get(&netns)?;
        let mut later = history.iter().filter(|survey| survey.taken >= at);
        later.next().or(history.back())
    }

    /// The UDP sockets of a namespace.
    pub fn udp(&self, netns: NetnsId) -> impl Iterator<Item = &SocketFacts> {
        self.all(netns).filter(|socket| is_udp(socket))
    }

    /// The UDP sockets of a namespace at a time.
    pub fn udp_at(&self, netns: NetnsId, at: Timestamp) -> impl Iterator<Item = &SocketFacts> {
        let survey = self.survey_at(netns, at).into_iter();
        survey
            .flat_map(|survey| &survey.sockets)
            .filter(|socket| is_udp(socket))
    }

    /// A socket that is open in a namespace.
    pub fn open(&self, netns: NetnsId, cookie: SocketCookie) -> Option<&SocketFacts> {
        self.all(netns).find(|socket| socket.cookie == cookie)
    }

    /// Sockets in each other's way.
    pub fn conflicts(&self, netns: NetnsId) -> &[SocketConflict] {
        self.survey(netns).map_or(&[], |survey| &survey.conflicts)
    }

    /// Whether a process holds a socket of the namespace.
    pub fn lives(&self, netns: NetnsId, process: ProcessKey) -> bool {
        self.of_process(netns, process.pid)
            .any(|socket| holder(socket).is_some_and(|facts| facts.key == process))
    }

    /// The sockets of a process.
    pub fn of_process(&self, netns: NetnsId, pid: u32) -> impl Iterator<Item = &SocketFacts> {
        self.all(netns)
            .filter(move |socket| holder(socket).is_some_and(|facts| facts.key.pid == pid))
    }

    /// How a process takes messages, by its sockets.
    pub fn path_of(&self, netns: NetnsId, pid: u32) -> Path {
        let mut path = Path::Unknown;
        for socket in self.of_process(netns, pid) {
            match socket.takes {
                Takes::Frames => return Path::Frames,
                Takes::Udp { .. } => path = Path::Udp,
            }
        }
        path
    }

    /// How any server of a namespace takes messages: UDP where nobody reads frames.
    pub fn path_of_all(&self, netns: NetnsId) -> Path {
        match self.survey(netns) {
            None => Path::Unknown,
            Some(survey) if survey.sockets.iter().any(|s| s.takes == Takes::Frames) => {
                Path::Unknown
            }
            Some(_) => Path::Udp,
        }
    }

    /// When a namespace was last looked at.
    pub fn taken(&self, netns: NetnsId) -> Option<Timestamp> {
        self.survey(netns).map(|survey| survey.taken)
    }

    /// How full the table of holders is.
    pub fn usage(&self) -> TableUsage {
        self.holders.usage()
    }

    fn all(&self, netns: NetnsId) -> impl Iterator<Item = &SocketFacts> {
        self.survey(netns)
            .into_iter()
            .flat_map(|survey| &survey.sockets)
    }
}

fn is_udp(socket: &SocketFacts) -> bool {
    matches!(socket.takes, Takes::Udp { .. })
}

fn holder(socket: &SocketFacts) -> Option<&ProcessFacts> {
    socket.process.as_ref()
}
