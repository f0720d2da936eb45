//! A lease file as a snapshot: what `replay --lease-db KIND:PATH` is given.

use super::follow_log::read_once;
use super::lease_log::LeaseLog;
use super::settle::{ReadError, damage_of};
use leasehound_core::evidence::{LeaseContent, LeaseUpdate};
use leasehound_core::lease::{Damage, Format};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

/// The value of `--lease-db`: `dnsmasq:/var/lib/misc/dnsmasq.leases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseDatabaseSpec {
    /// Whose format it is.
    pub format: Format,
    /// Where it is.
    pub path: PathBuf,
}

/// Why a value of `--lease-db` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseDatabaseSpecError {
    /// No colon, or nothing behind it.
    #[error("\"{text}\" is not KIND:PATH, such as dnsmasq:/var/lib/misc/dnsmasq.leases")]
    NotKindAndPath {
        /// As given.
        text: String,
    },
    /// A format that can't be read.
    #[error(
        "lease databases of kind \"{kind}\" can't be read: known are {}",
        Format::ALL.map(Format::as_str).join(", ")
    )]
    UnknownKind {
        /// As given.
        kind: String,
    },
}

impl FromStr for LeaseDatabaseSpec {
    type Err = LeaseDatabaseSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None | Some((_, "")) => Err(LeaseDatabaseSpecError::NotKindAndPath {
                text: text.to_owned(),
            }),
            Some((kind, path)) => match Format::from_word(kind) {
                Some(format) => Ok(Self {
                    format,
                    path: path.into(),
                }),
                None => Err(LeaseDatabaseSpecError::UnknownKind {
                    kind: kind.to_owned(),
                }),
            },
        }
    }
}

impl LeaseDatabaseSpec {
    /// As a log that no process of this host is known to write.
    pub(super) fn log(&self) -> LeaseLog {
        LeaseLog {
            format: self.format,
            pid: None,
            name: self.path.clone(),
        }
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no text.
    #[error("lease database {}: {reason}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What happened.
        reason: Box<str>,
    },
    /// The text does not end with a whole line.
    #[error("lease database {}: cut off in the middle of a line", path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
    },
    /// A line is no lease: with leases left out, a RELEASE would look honoured.
    #[error(
        "lease database {}, {damage}: this is no lease file of {}, or it is damaged",
        path.display(),
        format.as_str()
    )]
    NotALease {
        /// The file.
        path: PathBuf,
        /// Whose format it should have.
        format: Format,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// Reads a file once, as the state of things at its modification time.
pub fn read(spec: &LeaseDatabaseSpec, netns: NetnsId) -> Result<LeaseUpdate, SnapshotError> {
    let unread = |error: ReadError| SnapshotError::Unread {
        path: spec.path.clone(),
        reason: error.to_string().into(),
    };
    let reading = read_once(&spec.log()).map_err(unread)?;
    let modified = modified(spec).map_err(|error| unread(error.into()))?;
    if !reading.complete {
        return Err(SnapshotError::CutOff {
            path: spec.path.clone(),
        });
    }
    if let Some(damage) = damage_of(&reading) {
        return Err(SnapshotError::NotALease {
            path: spec.path.clone(),
            format: spec.format,
            damage,
        });
    }
    Ok(LeaseUpdate {
        server: None,
        kind: spec.format.server(),
        netns,
        read_from: modified,
        read_until: modified,
        content: LeaseContent::Full(reading.leases),
    })
}

fn modified(spec: &LeaseDatabaseSpec) -> io::Result<Timestamp> {
    let modified = fs::metadata(&spec.path)?.modified()?;
    let age = modified
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Timestamp::ZERO.saturating_add(age))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn spec_of(text: &str) -> (tempfile::NamedTempFile, LeaseDatabaseSpec) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        file.as_file().set_modified(modified).unwrap();
        let spec = LeaseDatabaseSpec {
            format: Format::Dnsmasq,
            path: file.path().to_owned(),
        };
        (file, spec)
    }

    #[test]
    fn a_snapshot_is_of_its_modification_time() {
        let (_file, spec) = spec_of("0 02:00:00:00:00:01 10.0.0.1 * *\n");
        let update = read(&spec, NetnsId(0)).unwrap();
        assert_eq!(update.read_from.as_nanos(), 1_700_000_000_123_456_789);
        assert_eq!(update.read_until, update.read_from);
        assert_eq!(update.server, None);
        assert!(matches!(update.content, LeaseContent::Full(leases) if leases.len() == 1));
        let (_file, spec) = spec_of("");
        let update = read(&spec, NetnsId(0)).unwrap();
        assert_eq!(update.content, LeaseContent::Full(Vec::new()));
    }

    #[test]
    fn half_a_file_is_refused() {
        let (_file, spec) = spec_of("0 02:00:00:00:00:01 10.0.0.1 * *\n0 02:00");
        let error = read(&spec, NetnsId(0)).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("cut off in the middle of a line")
        );
    }

    #[test]
    fn another_file_is_refused() {
        let (_file, spec) = spec_of("0 02:00:00:00:00:01 10.0.0.1 * *\n7 root:x:0\n");
        let error = read(&spec, NetnsId(0)).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        let (_file, spec) = spec_of("root:x:0:0:root:/root:/bin/bash\n");
        let error = read(&spec, NetnsId(0)).unwrap_err().to_string();
        assert!(error.contains("no record of a kind"), "{error}");
    }

    #[test]
    fn the_value_of_the_flag() {
        let parse = str::parse::<LeaseDatabaseSpec>;
        assert_eq!(parse("dnsmasq:/a:b").unwrap().path, PathBuf::from("/a:b"));
        assert!(
            parse("dnsmasq:")
                .unwrap_err()
                .to_string()
                .contains("KIND:PATH")
        );
        assert!(parse("/a").unwrap_err().to_string().contains("KIND:PATH"));
        assert!(
            parse("isc:/a")
                .unwrap_err()
                .to_string()
                .ends_with("known are dnsmasq, libvirt, isc_dhcpd, kea, udhcpd, systemd_networkd")
        );
    }
}
