//! A lease file as a snapshot: what `replay --lease-db KIND:PATH` is given.

use leasehound_core::evidence::{LeaseContent, LeaseUpdate, ServerKind};
use leasehound_core::lease::dnsmasq::{self, SkipReason};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

/// The value of `--lease-db`: `dnsmasq:/var/lib/misc/dnsmasq.leases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseDatabaseSpec {
    /// Whose format it is.
    pub kind: ServerKind,
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
    #[error("lease databases of kind \"{kind}\" can't be read: known is dnsmasq")]
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
            Some(("dnsmasq", path)) => Ok(Self {
                kind: ServerKind::Dnsmasq,
                path: path.into(),
            }),
            Some((kind, _)) => Err(LeaseDatabaseSpecError::UnknownKind {
                kind: kind.to_owned(),
            }),
        }
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// From the system.
    #[error("lease database {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The text does not end with a whole line.
    #[error("lease database {}: cut off in the middle of a line", path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
    },
    /// A line is no lease: with leases left out, a RELEASE would look honoured.
    #[error(
        "lease database {}, line {line}: {reason}: this is no lease file of dnsmasq, or it is damaged",
        path.display()
    )]
    NotALease {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: SkipReason,
    },
}

/// Reads a file once, as the state of things at its modification time.
pub fn read(spec: &LeaseDatabaseSpec, netns: NetnsId) -> Result<LeaseUpdate, SnapshotError> {
    let (text, modified) = text_and_time(spec).map_err(|source| SnapshotError::Io {
        path: spec.path.clone(),
        source,
    })?;
    let parsed = dnsmasq::parse(&text);
    if !parsed.complete && !text.is_empty() {
        return Err(SnapshotError::CutOff {
            path: spec.path.clone(),
        });
    }
    if let Some(skipped) = parsed.skipped.first() {
        return Err(SnapshotError::NotALease {
            path: spec.path.clone(),
            line: skipped.line_number,
            reason: skipped.reason,
        });
    }
    Ok(LeaseUpdate {
        server: None,
        kind: spec.kind,
        netns,
        read_from: modified,
        read_until: modified,
        content: LeaseContent::Full(parsed.leases),
    })
}

fn text_and_time(spec: &LeaseDatabaseSpec) -> io::Result<(Vec<u8>, Timestamp)> {
    let mut file = File::open(&spec.path)?;
    let modified = file.metadata()?.modified()?;
    let age = modified
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok((text, Timestamp::ZERO.saturating_add(age)))
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
            kind: ServerKind::Dnsmasq,
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
        let (_file, spec) = spec_of("0 02:00:00:00:00:01 10.0.0.1 * *\nroot:x:0:0:root\n");
        let error = read(&spec, NetnsId(0)).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
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
            parse("kea:/a")
                .unwrap_err()
                .to_string()
                .contains("known is dnsmasq")
        );
    }
}
