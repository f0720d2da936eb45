//! Facts from this host for the engine: interfaces, server processes, lease
//! databases.
//!
//! Only looks, and only at the network namespace that its thread is in; changes
//! nothing and sends nothing. [`EvidenceTask`] owns all of it.

pub(crate) mod configuration;
mod control_socket;
mod follow_log;
mod handles;
mod inotify;
pub mod interfaces;
mod lease_file;
mod lease_log;
mod leases;
mod library;
mod liveness;
mod netlink;
mod pace;
mod place;
pub(crate) mod procfs;
pub(crate) mod readiness;
mod room;
pub mod selection;
mod servers;
mod settle;
pub mod snapshot;
pub mod status;
mod table;
mod task;
mod text_change;
mod window;

pub use handles::Handles;
pub use inotify::DirectoryWatch;
pub use task::{EVIDENCE_QUEUE, EvidenceConfig, EvidenceError, EvidenceTask, REQUEST_QUEUE};
