//! Asks a Kea for its leases on its control socket, where they are in no file: the command
//! `lease4-get-all` of the hook `lease_cmds`. Sends that, and nothing that changes anything.
//!
//! Nothing tells of a change there, so what Kea has counted is asked for now and then
//! (`statistic-get`, some hundred octets): leases change only with an ACK, a RELEASE or a
//! DECLINE, and by time. The leases themselves are asked for when that has changed, and
//! when the engine wants to know, but no more often than [`super::pace`] has it.

use super::lease_file::seen_from_here;
use super::settle::{Content, Known, ReadError, Settled};
use super::table::Table;
use crate::clock;
use leasehound_core::evidence::DatabaseProblem;
use leasehound_core::lease::Format;
use leasehound_core::lease::kea_control::{Incoming, Reply};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Kea answers out of its memory; 100,000 leases take it a second.
const PATIENCE: Duration = Duration::from_secs(2);
/// 100,000 leases are 30 MB of JSON, which is read as it comes.
const SIZE_LIMIT: u64 = 256 * 1024 * 1024;
/// What is taken from the socket at once.
const PIECE: usize = 64 * 1024;
/// A counter's answer is some hundred octets, however many samples of it Kea keeps.
const SMALL: u64 = 1024 * 1024;
const ALL_LEASES: &[u8] = br#"{ "command": "lease4-get-all" }"#;
/// Messages by which leases change.
const COUNTERS: [&str; 3] = [
    "pkt4-ack-sent",
    "pkt4-release-received",
    "pkt4-decline-received",
];

/// `control-socket` of a Kea.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ControlSocket {
    /// The process that listens on it.
    pub(super) pid: u32,
    /// Its name, as Kea has it.
    pub(super) name: PathBuf,
}

impl ControlSocket {
    /// Asks for all leases.
    pub(super) async fn read(&self, known: Option<&Known>) -> Result<Settled, ReadError> {
        let from = clock::now();
        let reply = in_time(all_leases(&self.path())).await?;
        let until = clock::now();
        let seen = leases_of(reply)?;
        let gone = known.map_or_else(Vec::new, |known| known.table.missing_in(&seen));
        Ok(Settled {
            from,
            until,
            content: Content::Read {
                seen,
                gone,
                text: Some(Vec::new()),
            },
        })
    }

    /// What Kea has counted of that by which leases change; `None` if it does not say.
    pub(super) async fn counted(&self) -> Option<[i64; 3]> {
        let mut all = [0; 3];
        for (value, name) in all.iter_mut().zip(COUNTERS) {
            let command =
                format!(r#"{{ "command": "statistic-get", "arguments": {{ "name": "{name}" }} }}"#);
            let path = self.path();
            let reply = in_time(exchange(&path, command.as_bytes())).await.ok()?;
            *value = counter_of(&reply, name)?;
        }
        Some(all)
    }

    fn path(&self) -> PathBuf {
        seen_from_here(self.pid, &self.name)
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
    match timeout(PATIENCE, answer).await {
        Ok(reply) => reply,
        Err(_) => Err(refused("Kea did not answer on its control socket in time")),
    }
}

/// Puts a command. Kea closes the connection after its answer.
async fn put(path: &Path, command: &[u8]) -> Result<UnixStream, ReadError> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(refused("Kea's control socket is not there"));
        }
        Err(error) => return Err(error.into()),
    };
    stream.write_all(command).await?;
    Ok(stream)
}

async fn exchange(path: &Path, command: &[u8]) -> Result<Vec<u8>, ReadError> {
    let stream = put(path, command).await?;
    let mut reply = Vec::new();
    stream.take(SMALL).read_to_end(&mut reply).await?;
    Ok(reply)
}

/// Asks for all leases, and parses them as they come: the text is never held as a whole.
async fn all_leases(path: &Path) -> Result<Reply, ReadError> {
    let mut stream = put(path, ALL_LEASES).await?;
    let mut incoming = Incoming::default();
    let mut piece = Vec::with_capacity(PIECE);
    let mut left = SIZE_LIMIT;
    while stream.read_buf(&mut piece).await? > 0 {
        let came = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        left = left
            .checked_sub(came)
            .ok_or(ReadError::TooLarge { limit: SIZE_LIMIT })?;
        incoming.append(&piece);
        piece.clear();
        if incoming.is_complete() {
            break;
        }
    }
    Ok(incoming.finish())
}

fn leases_of(reply: Reply) -> Result<Table, ReadError> {
    match reply.result {
        Some(0 | 3) if reply.reading.complete => {}
        Some(0 | 3) | None => return Err(refused("Kea's answer on its control socket breaks off")),
        Some(_) => {
            let text = reply.text.unwrap_or_default();
            return Err(refused(&format!("Kea does not tell its leases: {text}")));
        }
    }
    if let Some(damage) = reply.reading.damage {
        let format = Format::Kea;
        return Err(ReadError::NotALease { format, damage });
    }
    Ok(Table::new(reply.reading.leases))
}

fn refused(reason: &str) -> ReadError {
    ReadError::NoBooks {
        problem: DatabaseProblem::Unreadable,
        reason: reason.into(),
    }
}

/// Of `{ "arguments": { "pkt4-ack-sent": [ [ 3, "2026-…" ], … ] } }` the newest value, which
/// is the first; 0 before there is any.
fn counter_of(reply: &[u8], name: &str) -> Option<i64> {
    let reply: serde_json::Value = serde_json::from_slice(reply).ok()?;
    let all = reply.get("arguments")?;
    let newest = all
        .get(name)
        .and_then(|samples| samples.get(0)?.get(0)?.as_i64());
    Some(newest.unwrap_or(0))
}

#[cfg(test)]
mod tests;
