//! What the evidence task knows of itself, for metrics and the status page.

use leasehound_core::evidence::{Liveness, ServerFacts, ServerKind, ServerRef};
use leasehound_core::origin::NetnsId;
use std::path::PathBuf;

/// The state of all sources of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EvidenceStatus {
    /// One for each server, and one for each `--lease-db`.
    pub databases: Vec<DatabaseStatus>,
    /// The server processes that run now.
    pub servers: Vec<ServerFacts>,
    /// What could not be looked at, one line each: rights that are missing, a
    /// watch that failed.
    pub problems: Vec<Box<str>>,
}

/// One lease database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// Whose format it is.
    pub kind: ServerKind,
    /// The namespace that its leases belong to.
    pub netns: NetnsId,
    /// The process that writes it, if it is known.
    pub server: Option<ServerRef>,
    /// Its name; a file that was replaced keeps the name it had.
    pub path: Option<PathBuf>,
    /// Whether its latest reading was of use.
    pub up: bool,
    /// Leases in the latest usable reading.
    pub entries: usize,
    /// Why it is not up.
    pub reason: Option<Box<str>>,
    /// How it stands to what its server goes by; the server may write another file than the
    /// one that its path leads to, and it is up all the same.
    pub liveness: Liveness,
}
