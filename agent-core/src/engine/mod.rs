//! The façade: [`Engine`].

mod account;
mod assumed;
mod attempt_table;
mod attempt_verdicts;
mod attempts;
mod configuration;
mod findings;
mod kernel;
mod learn;
mod lookup;
mod open;
mod pending;
mod verdicts;

pub use account::{LeaseReport, LeaseTally};
pub use assumed::AssumedServer;
pub use pending::PendingLimits;

use crate::accounts::Accounts;
use crate::binding::Bindings;
use crate::database::Databases;
use crate::decode::v4::{self, Message4, NotDhcp4};
use crate::delivery::{SocketCookie, Sources};
use crate::evidence::{Evidence, EvidenceRequest, Loss, ServerKind};
use crate::exchange::Exchanges;
use crate::finding::Finding;
use crate::frame::{self, Datagram, NotDhcpFrame, RawFrame, VlanStack};
use crate::host::Host;
use crate::message::MessageType;
use crate::origin::{InterfaceId, NetnsId, Origin};
use crate::server::Servers;
use crate::sockets::Sockets;
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use crate::trail::Trails;
use crate::verdict::{ClientState, Verdict};
use attempt_table::Attempts;
use configuration::Configurations;
use findings::Findings;
use pending::Pending;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// IP protocol number.
const ICMP: u8 = 1;

/// How the engine judges. Part of a recording: the same configuration and the same
/// input give the same output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long a server has before "still leased" means "ignored". dnsmasq rewrites
    /// its lease file within 0.6 ms of the packet (measured).
    pub grace: Duration,
    /// How long, after that, a reading of the database may take.
    pub reading_grace: Duration,
    /// The server program to assume where none is found running.
    pub assumed_server: Option<ServerKind>,
    /// The server programs that are told to be behind interfaces, whatever is found: the
    /// first that fits counts.
    pub assumed_on: Vec<AssumedServer>,
    /// When a reading that was announced will come: a replay's lease file speaks at
    /// its modification time, and verdicts wait for it.
    pub announced_reading: Option<Timestamp>,
    /// Whether somebody answers evidence requests.
    pub live_evidence: bool,
    /// Whether each message is put out, and not the verdicts alone.
    pub emit_messages: bool,
    /// Open RELEASEs and DECLINEs.
    pub pending: PendingLimits,
    /// Bindings remembered.
    pub bindings: usize,
    /// Transactions remembered.
    pub exchanges: usize,
    /// Server ids remembered.
    pub server_ids: usize,
    /// Messages of which it is remembered what the kernel did with them.
    pub trails: usize,
    /// Sockets whose processes are remembered.
    pub sockets: usize,
    /// Leaked addresses remembered.
    pub leaks: usize,
    /// How long a server has to answer a REQUEST, from the first message of an attempt.
    /// Clients send again after four seconds (RFC 2131 §4.1).
    pub answer: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grace: Duration::from_millis(900),
            reading_grace: Duration::from_secs(1),
            assumed_server: None,
            assumed_on: vec![],
            announced_reading: None,
            live_evidence: true,
            emit_messages: false,
            pending: PendingLimits::default(),
            // A /16 of clients; about 150 octets each.
            bindings: 65_536,
            exchanges: 8_192,
            server_ids: 1_024,
            trails: 8_192,
            sockets: 4_096,
            leaks: 65_536,
            answer: Duration::from_secs(4),
        }
    }
}

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A DHCPv4 message was seen (only with [`Config::emit_messages`]).
    Message(Box<MessageSeen>),
    /// A RELEASE, DECLINE or REQUEST was seen for the first time; its verdict will
    /// follow.
    Opened {
        /// Where.
        origin: Origin,
        /// Release, decline or request.
        message_type: MessageType,
        /// The client's state, of a REQUEST.
        state: Option<ClientState>,
    },
    /// A further copy of a message that was [`Output::Opened`], at another place.
    Duplicate {
        /// Where.
        origin: Origin,
    },
    /// A payload on a DHCP port that is no DHCP message, or is damaged.
    Malformed {
        /// Where.
        origin: Origin,
        /// A label value.
        reason: &'static str,
    },
    /// A verdict.
    Verdict(Box<Verdict>),
    /// A diagnosis is new, has changed, or is over.
    Finding(Box<Finding>),
    /// The kernel dropped a DHCP message.
    KernelDrop {
        /// In which namespace.
        netns: NetnsId,
        /// On which device, where that is known.
        interface: Option<InterfaceId>,
        /// `enum skb_drop_reason` without its prefix.
        reason: Box<str>,
    },
    /// A question to the outside.
    Request(EvidenceRequest),
}

/// A message and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSeen {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub origin: Origin,
    /// VLAN tags.
    pub vlan: VlanStack,
    /// IP source and UDP source port.
    pub source: SocketAddrV4,
    /// IP destination and UDP destination port.
    pub destination: SocketAddrV4,
    /// What.
    pub message: Message4,
}

/// Frames and messages that were taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames handed in.
    pub frames: u64,
    /// Frames that carry no DHCP.
    pub not_dhcp: u64,
    /// DHCPv4 messages.
    pub messages: u64,
    /// DHCPv6 messages; they are counted, not judged.
    pub messages6: u64,
    /// DHCP payloads that could not be read.
    pub malformed: u64,
    /// Frames that came with a time before one that was handed in earlier.
    pub late: u64,
    /// Leases granted here that passed T2 with no ACK seen.
    pub leases_past_t2: u64,
}

/// Judges releases. Sans-I/O: whoever owns it feeds it and takes what comes out.
///
/// # Contract
///
/// - Hand in what happens: [`handle_frame`](Self::handle_frame),
///   [`handle_evidence`](Self::handle_evidence), [`handle_loss`](Self::handle_loss).
/// - After each call, take everything from [`poll_output`](Self::poll_output) until it
///   gives `None`.
/// - Call [`handle_timeout`](Self::handle_timeout) when the time that
///   [`poll_timeout`](Self::poll_timeout) gave has come. A frame with a later time does
///   the same.
/// - At the end call [`finish`](Self::finish): each open RELEASE and REQUEST gets its
///   verdict.
/// - Time is a parameter and never goes back: an event with an older time than one
///   before it is counted as late and taken at the newest time seen. Its own time still
///   counts where it is compared with readings of a database.
/// - Each RELEASE or DECLINE yields exactly one verdict, never before the message; so does
///   each attempt by REQUEST, however often it is sent.
/// - All tables are bounded ([`Config`]); [`table_usage`](Self::table_usage) tells how
///   full they are and what they forgot.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    now: Timestamp,
    outputs: VecDeque<Output>,
    counts: Counts,
    host: Host,
    servers: Servers,
    databases: Databases,
    configurations: Configurations,
    exchanges: Exchanges,
    bindings: Bindings,
    pending: Pending,
    sockets: Sockets,
    trails: Trails,
    sources: Sources,
    findings: Findings,
    attempts: Attempts,
    accounts: Accounts,
    /// Addresses whose release was honoured and that nobody was granted since.
    honoured: Table<(NetnsId, Ipv4Addr), u64>,
    last_loss: Option<Timestamp>,
    /// Facts about deliveries and drops were lost, of any namespace.
    last_fact_loss: Option<Timestamp>,
    /// The second, and the walks over whole tables in it.
    walks: (u64, u32),
}

impl Engine {
    /// An engine that knows nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            now: Timestamp::ZERO,
            outputs: VecDeque::new(),
            counts: Counts::default(),
            host: Host::default(),
            servers: Servers::new(config.server_ids),
            databases: Databases::default(),
            configurations: Configurations::default(),
            exchanges: Exchanges::new(config.exchanges),
            bindings: Bindings::new(config.bindings),
            honoured: Table::new("honoured_releases", config.pending.recent),
            pending: Pending::new(config.pending),
            sockets: Sockets::new(config.sockets),
            trails: Trails::new(config.trails),
            sources: Sources::default(),
            findings: Findings::default(),
            attempts: Attempts::new(config.pending),
            accounts: Accounts::new(config.leaks),
            last_loss: None,
            last_fact_loss: None,
            walks: (0, 0),
            config,
        }
    }

    /// Takes a frame. `at` is when it was captured.
    pub fn handle_frame(&mut self, at: Timestamp, origin: Origin, frame: &RawFrame<'_>) {
        self.counts.frames += 1;
        if at < self.now {
            self.counts.late += 1;
        }
        self.advance(at);
        let datagram = match frame::parse(frame) {
            Ok(datagram) => datagram,
            Err(NotDhcpFrame::NotUdp(ICMP)) => return self.icmp(at, origin, frame),
            Err(reason) => return self.not_dhcp(origin, reason),
        };
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (datagram.source, datagram.destination)
        else {
            self.counts.messages6 += 1;
            return;
        };
        match v4::decode(datagram.payload, usize::from(datagram.payload_length)) {
            Ok(message) => {
                let socket = frame.socket;
                self.message4(
                    at,
                    origin,
                    &datagram,
                    (source, destination),
                    message,
                    socket,
                );
            }
            Err(reason) => {
                self.counts.malformed += 1;
                let reason = match reason {
                    NotDhcp4::TooShort { .. } => "too_short",
                    NotDhcp4::CutShort { .. } => "cut_short",
                };
                self.outputs.push_back(Output::Malformed { origin, reason });
            }
        }
    }

    fn not_dhcp(&mut self, origin: Origin, reason: NotDhcpFrame) {
        self.counts.not_dhcp += 1;
        // Anything else may be any traffic; this one had a DHCP port's worth of header.
        if let NotDhcpFrame::BadUdpLength(_) = reason {
            self.outputs.push_back(Output::Malformed {
                origin,
                reason: "bad_udp_length",
            });
        }
    }

    fn message4(
        &mut self,
        at: Timestamp,
        origin: Origin,
        datagram: &Datagram<'_>,
        (source, destination): (Ipv4Addr, Ipv4Addr),
        message: Message4,
        socket: Option<SocketCookie>,
    ) {
        self.counts.messages += 1;
        if self.config.emit_messages {
            let vlan = datagram.vlan;
            let source = SocketAddrV4::new(source, datagram.source_port);
            let destination = SocketAddrV4::new(destination, datagram.destination_port);
            let seen = MessageSeen {
                at,
                origin,
                vlan,
                source,
                destination,
                message: message.clone(),
            };
            self.outputs.push_back(Output::Message(Box::new(seen)));
        }
        match message.message_type {
            Some(MessageType::Discover) => self.learn_client(origin, &message),
            Some(MessageType::Request) => {
                self.learn_client(origin, &message);
                self.request_seen(at, origin, datagram, (source, destination), message);
            }
            Some(MessageType::Offer) => self.learn_reply(at, origin, source, &message, socket),
            Some(MessageType::Ack | MessageType::Nak) => {
                if message.message_type == Some(MessageType::Ack) {
                    self.learn_reply(at, origin, source, &message, socket);
                }
                self.reply_seen(at, origin, source, &message, socket);
            }
            Some(MessageType::Release | MessageType::Decline) => {
                self.open(at, origin, datagram, (source, destination), message);
            }
            _ => {}
        }
    }

    /// Takes a fact from outside the packets.
    pub fn handle_evidence(&mut self, at: Timestamp, evidence: Evidence) {
        self.advance(at);
        match evidence {
            Evidence::Interfaces { netns, interfaces } => {
                self.interfaces_seen(netns, interfaces);
                self.pending
                    .settle_destinations(netns, &self.host, self.now);
                self.judge_waiting(netns);
            }
            Evidence::Server(facts) => {
                let netns = facts.netns;
                self.server_seen(facts);
                self.judge_waiting(netns);
            }
            Evidence::ServerGone(server) => self.server_gone(server),
            Evidence::Configuration(configuration) => self.configured(configuration),
            Evidence::Leases(update) => self.leases_read(update),
            Evidence::Liveness(liveness) => self.liveness_seen(liveness),
            Evidence::Sockets(survey) => self.surveyed(survey),
            Evidence::Delivery(delivery) => self.delivered(&delivery),
            Evidence::Drop(dropped) => self.dropped(dropped),
            Evidence::RawRead(read) => self.read_raw(&read),
            Evidence::Sources(sources) => self.sources = sources,
            Evidence::FactsLost(loss) => {
                if loss.count > 0 {
                    self.last_fact_loss = Some(self.now);
                }
            }
        }
    }

    /// Takes notice that samples were lost.
    pub fn handle_loss(&mut self, at: Timestamp, loss: Loss) {
        self.advance(at);
        if loss.count > 0 {
            self.last_loss = Some(self.now);
        }
    }

    /// Acts on what is due at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.advance(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next wanted.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let timeouts = [
            self.pending.next_timeout(),
            self.attempts.next_timeout(),
            self.findings.next_timeout(),
            self.configurations.next_timeout(),
            self.accounts.next_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// The next thing that came out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Ends: each open RELEASE gets the verdict that can be given now.
    pub fn finish(&mut self, now: Timestamp) {
        self.advance(now);
        self.judge_all_open();
        self.judge_open_attempts();
        self.predict_last();
        self.accounts.close(&self.databases, self.now);
        self.last_words();
    }

    /// RELEASEs and DECLINEs without a verdict yet.
    pub fn open_count(&self) -> usize {
        self.pending.len()
    }

    /// REQUESTs without a verdict yet.
    pub fn open_request_count(&self) -> usize {
        self.attempts.len()
    }

    /// Leases that servers of this host granted in a namespace and that are past T2: no
    /// ACK was seen since, nor their end.
    pub fn leases_past_t2(&self, netns: NetnsId) -> usize {
        self.bindings.past_t2(netns)
    }

    /// What was taken in.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How full the tables are.
    pub fn table_usage(&self) -> Vec<TableUsage> {
        let [open_requests, judged_requests] = self.attempts.usage();
        let [leaks, pools] = self.accounts.usage();
        vec![
            open_requests,
            judged_requests,
            self.pending.usage(),
            self.bindings.usage(),
            self.exchanges.usage(),
            self.servers.usage(),
            self.honoured.usage(),
            self.trails.usage(),
            self.sockets.usage(),
            leaks,
            pools,
        ]
    }

    /// Leases that the databases hold.
    pub fn lease_count(&self) -> usize {
        self.databases.lease_count()
    }

    fn advance(&mut self, to: Timestamp) {
        loop {
            let release = self.pending.due(to);
            let attempt = self.attempts.due(to);
            match (release, attempt) {
                (Some((due, id)), other) if other.is_none_or(|(other, _)| due <= other) => {
                    self.now = self.now.max(due);
                    self.timed_out(id);
                }
                (_, Some((due, id))) => {
                    self.now = self.now.max(due);
                    self.attempt_due(id);
                }
                (_, None) => break,
            }
        }
        self.now = self.now.max(to);
        self.accounts.advance(&self.databases, self.now);
        self.open_what_stands();
        self.predict_anew();
        self.review_findings();
        self.count_past_t2();
    }
}
