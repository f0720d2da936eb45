//! Facts from this host for the engine.

mod inotify;
pub mod interfaces;
mod lease_file;
mod leases;
mod netlink;
mod procfs;
mod readiness;
pub mod selection;
mod servers;
mod settle;
pub mod snapshot;
