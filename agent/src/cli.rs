//! The command line. What a flag means is said here once: `--help` and the manual
//! come from these definitions.

use crate::assumed_kind::AssumedKind;
use crate::evidence::snapshot::LeaseDatabaseSpec;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Tells whether a DHCP server honoured a RELEASE, and if not, why not.
#[derive(Debug, Parser)]
#[command(name = "leasehound", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How log lines on stderr look.
    #[arg(
        long,
        global = true,
        env = "LEASEHOUND_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// Log more; twice: everything, the eBPF programs' own lines too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch this host's interfaces and judge releases as they happen (needs rights).
    Run(Box<RunArgs>),
    /// Judge a pcap or pcapng file, or a recording of `run`, with the same engine.
    Replay(ReplayArgs),
    /// Say what a cause or a finding means, how it is detected and what to do about it; or
    /// what was missing for a verdict.
    Explain(ExplainArgs),
    /// List the interfaces of this host, and which of them `run` would watch.
    Interfaces(InterfacesArgs),
    /// Say what this host offers (kernel, rights, hooks, listeners), and what will fail
    /// before it fails; exit code 3 if something is to be put right.
    Doctor(DoctorArgs),
}

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A network namespace to look at: a name in /run/netns, or a path; repeatable.
    /// Default: 'all', the own one and every one with a name.
    #[arg(
        long,
        value_name = "NAME|PATH|all",
        env = "LEASEHOUND_NETNS",
        value_delimiter = ','
    )]
    pub netns: Vec<String>,
    /// What `run --messages --events FILE` wrote: tells under which id the leases that
    /// stand were granted, so that a changed id is found. A lease file does not say it.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Flags of `run`. All are optional here: what is absent comes from the configuration
/// file, then from the default.
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// What to watch.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// The hook for arriving packets. auto: tcx, or clsact where the kernel has no tcx;
    /// tc: clsact. XDP only on request: in native mode it slows a veth peer down.
    #[arg(long, env = "LEASEHOUND_INGRESS", value_enum)]
    pub ingress: Option<Ingress>,
    /// Where metrics and status are served. [default: 127.0.0.1:10547]
    #[arg(long, value_name = "ADDRESS:PORT", env = "LEASEHOUND_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// A lease database besides those of the servers found running; repeatable.
    #[arg(
        long,
        value_name = "KIND:PATH",
        env = "LEASEHOUND_LEASE_DB",
        value_delimiter = ','
    )]
    pub lease_db: Vec<LeaseDatabaseSpec>,
    /// The server program behind an interface, where no process tells (OVN answers out of
    /// its switch, some servers run in a container of their own): a program's word, which
    /// counts where no server is found running; or NAME=KIND or PREFIX*=KIND, which goes
    /// before what is found. Repeatable.
    #[arg(
        long,
        value_name = "[INTERFACE=]KIND",
        env = "LEASEHOUND_SERVER_KIND",
        value_delimiter = ','
    )]
    pub server_kind: Vec<AssumedKind>,
    /// Write events as JSON lines to this file, or '-' for stdout.
    #[arg(long, value_name = "FILE", env = "LEASEHOUND_EVENTS")]
    pub events: Option<PathBuf>,
    /// Put every DHCP message among the events, not verdicts and changes alone.
    #[arg(
        long,
        env = "LEASEHOUND_MESSAGES",
        action = clap::ArgAction::SetTrue,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub messages: bool,
    /// Do without the hooks that see the whole host: which socket the kernel gives a
    /// message to, and why it drops one, is then not known.
    #[arg(
        long,
        env = "LEASEHOUND_NO_DELIVERY",
        action = clap::ArgAction::SetTrue,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub no_delivery: bool,
    /// How long a server has to answer a REQUEST, in seconds; clients send again after
    /// four. [default: 4]
    #[arg(long, value_name = "SECONDS", env = "LEASEHOUND_ANSWER_DEADLINE")]
    pub answer_deadline: Option<f64>,
    /// Record all that the verdicts rest on, for `replay`.
    #[arg(long, value_name = "FILE", env = "LEASEHOUND_RECORD")]
    pub record: Option<PathBuf>,
    /// Stop recording at this size.
    #[arg(long, value_name = "MIB", env = "LEASEHOUND_RECORD_LIMIT")]
    pub record_limit: Option<u64>,
    /// Read settings from this TOML file; its keys are the long flags.
    #[arg(short, long, value_name = "FILE", env = "LEASEHOUND_CONFIG")]
    pub config: Option<PathBuf>,
    /// Size of the ring buffer, in KiB; rounded up to a power of two. [default: 1024]
    #[arg(
        long,
        value_name = "KIB",
        env = "LEASEHOUND_RING_SIZE",
        hide_short_help = true
    )]
    pub ring_size: Option<u32>,
    /// Frames that may wait between the reader and the engine. [default: 4096]
    #[arg(
        long,
        value_name = "FRAMES",
        env = "LEASEHOUND_CHANNEL_DEPTH",
        hide_short_help = true
    )]
    pub channel_depth: Option<usize>,
    /// Samples a second, CPU and message type that DISCOVER and other chatter may cost;
    /// REQUEST has four times that, RELEASE, DECLINE, ACK and NAK ten times. The counters
    /// are exact all the same. [default: 5000]
    #[arg(
        long,
        value_name = "RATE",
        env = "LEASEHOUND_SAMPLE_RATE",
        hide_short_help = true
    )]
    pub sample_rate: Option<u32>,
}

/// What to watch: the same for `run` and `interfaces`.
#[derive(Debug, Default, Args)]
pub struct WatchArgs {
    /// Watch this interface; repeatable; /regex/ allowed. Default: lo, and every
    /// interface that is up and has an address, new ones as they appear.
    #[arg(
        short,
        long = "interface",
        value_name = "NAME",
        env = "LEASEHOUND_INTERFACE",
        value_delimiter = ','
    )]
    pub interfaces: Vec<String>,
    /// Do not watch this interface; repeatable; /regex/ allowed.
    #[arg(
        long,
        value_name = "NAME",
        env = "LEASEHOUND_EXCLUDE_INTERFACE",
        value_delimiter = ','
    )]
    pub exclude_interface: Vec<String>,
    /// Watch this network namespace: a name under /run/netns, or a path such as
    /// /proc/PID/ns/net; repeatable. 'all': the agent's own and every one with a name,
    /// new ones as they appear. Default: the agent's own.
    #[arg(
        long,
        value_name = "NAME|PATH|all",
        env = "LEASEHOUND_NETNS",
        value_delimiter = ','
    )]
    pub netns: Vec<String>,
}

/// The hook for arriving packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ingress {
    /// tcx, or clsact where the kernel has no tcx.
    Auto,
    /// clsact.
    Tc,
    /// XDP in the driver.
    Xdp,
    /// XDP in the network stack.
    XdpGeneric,
}

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The capture or recording; '-' reads stdin.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How verdicts are printed.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    /// With --format json: print every DHCP message too.
    #[arg(long)]
    pub messages: bool,
    /// The server program that the releases were for. A capture does not say.
    #[arg(long, value_enum)]
    pub server_kind: Option<Kind>,
    /// The server's lease database; it speaks for the time of its last change.
    #[arg(long, value_name = "KIND:PATH")]
    pub lease_db: Option<LeaseDatabaseSpec>,
    /// How long a server has to answer a REQUEST, in seconds; a recording has its own.
    /// [default: 4]
    #[arg(long, value_name = "SECONDS")]
    pub answer_deadline: Option<f64>,
    /// With --format table: print REQUESTs that were answered too.
    #[arg(long)]
    pub answered: bool,
    /// Exit with 3 if there is such a verdict; repeatable.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub fail_on: Vec<FailOn>,
}

/// How verdicts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object a line.
    Json,
}

/// Server programs whose rules are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// dnsmasq
    Dnsmasq,
    /// ISC dhcpd
    #[value(name = "isc_dhcpd")]
    IscDhcpd,
    /// Kea
    Kea,
    /// busybox udhcpd
    Udhcpd,
    /// systemd-networkd
    #[value(name = "systemd_networkd")]
    SystemdNetworkd,
    /// CoreDHCP
    #[value(name = "coredhcp")]
    CoreDhcp,
    /// OVN's ovn-controller
    Ovn,
    /// Harvester's vm-dhcp-controller
    Harvester,
}

/// Verdicts that make `replay` exit with 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A release or decline was ignored, other than for want of a lease.
    Ignored,
    /// A request was not answered, other than by a server of another segment.
    Unanswered,
}

/// Flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code of a cause or of a finding, or what was missing, as events and metrics have
    /// it; without it, all causes and findings are listed.
    #[arg(value_name = "CODE")]
    pub cause: Option<String>,
    /// Print the whole operator's book, in Markdown.
    #[arg(long, conflicts_with = "cause")]
    pub all: bool,
}

/// Flags of `interfaces`.
#[derive(Debug, Args)]
pub struct InterfacesArgs {
    /// What `run` would be told to watch.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// How they are printed.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

impl From<Kind> for leasehound_core::evidence::ServerKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Dnsmasq => Self::Dnsmasq,
            Kind::IscDhcpd => Self::IscDhcpd,
            Kind::Kea => Self::Kea,
            Kind::Udhcpd => Self::Udhcpd,
            Kind::SystemdNetworkd => Self::Networkd,
            Kind::CoreDhcp => Self::CoreDhcp,
            Kind::Ovn => Self::Ovn,
            Kind::Harvester => Self::Harvester,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
