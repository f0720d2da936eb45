//! The settings of `run`: flag before environment before file before default.

use crate::assumed_kind::AssumedKind;
use crate::cli::{Ingress, RunArgs};
use crate::evidence::snapshot::LeaseDatabaseSpec;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Where metrics are served unless told otherwise: loopback, for the page names
/// clients.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 10_547);

/// Everything `run` goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Interfaces to watch; empty for the default choice.
    pub interfaces: Vec<String>,
    /// Interfaces to leave out.
    pub exclude_interface: Vec<String>,
    /// Network namespaces to watch; empty for the agent's own.
    pub netns: Vec<String>,
    /// The ingress hook.
    pub ingress: Ingress,
    /// The HTTP address.
    pub listen: SocketAddr,
    /// Lease databases named by hand.
    pub lease_db: Vec<LeaseDatabaseSpec>,
    /// Server programs that are told, not found.
    pub server_kind: Vec<AssumedKind>,
    /// Where events go.
    pub events: Option<PathBuf>,
    /// Whether events include messages.
    pub messages: bool,
    /// Whether to do without the hooks that see the whole host.
    pub no_delivery: bool,
    /// How long a server has to answer a REQUEST.
    pub answer_deadline: Duration,
    /// Where the recording goes.
    pub record: Option<PathBuf>,
    /// Its greatest size, in octets.
    pub record_limit: u64,
    /// Ring buffer, in octets.
    pub ring_bytes: u32,
    /// Frames between reader and engine.
    pub channel_depth: usize,
    /// Samples a second and CPU of chatter.
    pub sample_rate: u32,
}

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file can't be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or has unknown keys or unusable values.
    #[error("{path}, line {line}: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A value that can't be used.
    #[error("{flag} {value} is out of range: {range}")]
    OutOfRange {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: u64,
        /// What would do.
        range: &'static str,
    },
}

/// The file: the long flags as keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    interface: Option<Vec<String>>,
    exclude_interface: Option<Vec<String>>,
    netns: Option<Vec<String>>,
    ingress: Option<Ingress>,
    listen: Option<SocketAddr>,
    #[serde(default, deserialize_with = "parsed")]
    lease_db: Option<Vec<LeaseDatabaseSpec>>,
    #[serde(default, deserialize_with = "parsed")]
    server_kind: Option<Vec<AssumedKind>>,
    events: Option<PathBuf>,
    messages: Option<bool>,
    no_delivery: Option<bool>,
    answer_deadline: Option<f64>,
    record: Option<PathBuf>,
    record_limit: Option<u64>,
    ring_size: Option<u32>,
    channel_depth: Option<usize>,
    sample_rate: Option<u32>,
}

fn parsed<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parsed: Result<Vec<T>, _> = texts.iter().map(|text| text.parse()).collect();
    parsed.map(Some).map_err(serde::de::Error::custom)
}

impl Settings {
    /// From the flags (with the environment in them) and the file that they name.
    pub fn resolve(args: RunArgs) -> Result<Self, SettingsError> {
        let file = args
            .config
            .as_deref()
            .map(read)
            .transpose()?
            .unwrap_or_default();
        // An empty variable, usual in service files, is none.
        let chosen = |mut flags: Vec<String>, file: Option<Vec<String>>| {
            flags.retain(|flag| !flag.is_empty());
            if flags.is_empty() {
                file.unwrap_or_default()
            } else {
                flags
            }
        };
        let lease_db = if args.lease_db.is_empty() {
            file.lease_db.unwrap_or_default()
        } else {
            args.lease_db
        };
        let server_kind = if args.server_kind.is_empty() {
            file.server_kind.unwrap_or_default()
        } else {
            args.server_kind
        };
        let ring_kib = args.ring_size.or(file.ring_size).unwrap_or(1024);
        let channel_depth = args.channel_depth.or(file.channel_depth).unwrap_or(4096);
        let record_mib = args.record_limit.or(file.record_limit).unwrap_or(1024);
        in_range(
            "--ring-size",
            ring_kib.into(),
            4,
            1 << 20,
            "4 to 1048576 KiB",
        )?;
        in_range(
            "--channel-depth",
            channel_depth as u64,
            1,
            1 << 20,
            "1 to 1048576 frames",
        )?;
        let sample_rate = args.sample_rate.or(file.sample_rate).unwrap_or(5000);
        in_range(
            "--sample-rate",
            sample_rate.into(),
            1,
            1 << 20,
            "1 to 1048576 samples a second",
        )?;
        let answer_deadline = answer_deadline(args.answer_deadline.or(file.answer_deadline))?;
        in_range("--record-limit", record_mib, 1, 1 << 30, "1 MiB to 1 PiB")?;
        Ok(Self {
            interfaces: chosen(args.watch.interfaces, file.interface),
            exclude_interface: chosen(args.watch.exclude_interface, file.exclude_interface),
            netns: chosen(args.watch.netns, file.netns),
            ingress: args.ingress.or(file.ingress).unwrap_or(Ingress::Auto),
            listen: args.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN),
            lease_db,
            server_kind,
            events: args.events.or(file.events),
            messages: args.messages || file.messages.unwrap_or(false),
            no_delivery: args.no_delivery || file.no_delivery.unwrap_or(false),
            answer_deadline,
            record: args.record.or(file.record),
            record_limit: record_mib << 20,
            ring_bytes: (ring_kib << 10).next_power_of_two(),
            channel_depth,
            sample_rate,
        })
    }
}

/// Whole milliseconds; what is no such number is out of every range.
/// How long a server has to answer, from a number of seconds; without one, until clients
/// send again (RFC 2131 §4.1).
pub fn answer_deadline(seconds: Option<f64>) -> Result<Duration, SettingsError> {
    let millis = millis(seconds.unwrap_or(4.0));
    in_range(
        "--answer-deadline",
        millis,
        100,
        60_000,
        "0.1 to 60 seconds",
    )?;
    Ok(Duration::from_millis(millis))
}

fn millis(seconds: f64) -> u64 {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn in_range(
    flag: &'static str,
    value: u64,
    least: u64,
    most: u64,
    range: &'static str,
) -> Result<(), SettingsError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(SettingsError::OutOfRange { flag, value, range })
    }
}

fn read(path: &Path) -> Result<File, SettingsError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
        path: shown.clone(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        SettingsError::Invalid {
            path: shown,
            line,
            message: error.message().replace('\n', " "),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::WatchArgs;
    use std::io::Write as _;

    fn resolve(text: &str, args: RunArgs) -> Result<Settings, SettingsError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Settings::resolve(RunArgs {
            config: Some(file.path().into()),
            ..args
        })
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let text = "ingress = \"xdp-generic\"\nlisten = \"127.0.0.1:9\"\ninterface = [\"eth1\"]\n\
                    netns = [\"blue\", \"/proc/7/ns/net\"]\n";
        let args = RunArgs {
            watch: WatchArgs {
                interfaces: vec!["eth0".into()],
                ..WatchArgs::default()
            },
            ..RunArgs::default()
        };
        let settings = resolve(text, args).unwrap();
        assert_eq!(settings.interfaces, ["eth0"]);
        assert_eq!(settings.netns, ["blue", "/proc/7/ns/net"]);
        assert_eq!(settings.ingress, Ingress::XdpGeneric);
        assert_eq!(settings.listen.port(), 9);
        assert_eq!(settings.channel_depth, 4096);
    }

    #[test]
    fn what_cannot_be_used_names_its_line() {
        for (text, line, part) in [
            (
                "ingress = \"tc\"\n\ninterfacse = []\n",
                ", line 3:",
                "interfacse",
            ),
            ("listen = \"nowhere\"\n", ", line 1:", "socket address"),
            (
                "\nlease-db = [\"windows:/x\"]\n",
                ", line 2:",
                "can't be read",
            ),
            ("ring-size = \n", ", line 1:", ""),
        ] {
            let message = resolve(text, RunArgs::default()).unwrap_err().to_string();
            assert!(
                message.contains(line) && message.contains(part),
                "{message}"
            );
            assert!(!message.contains('\n'), "{message}");
        }
        let error = resolve("ring-size = 1", RunArgs::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--ring-size 1 is out of range: 4 to 1048576 KiB"
        );
    }
}
