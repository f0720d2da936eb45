//! Facts from this host for the engine.

pub mod interfaces;
mod netlink;
mod readiness;
pub mod selection;
