//! Throw-away networks on this machine: namespaces, links, a scratch folder and the
//! programs that run in them. All of it goes when the value is dropped.

mod agent;
mod daemon;
mod netns;
mod scratch;

pub(crate) use agent::{PORT, agent_flags, start_agent};
pub(crate) use daemon::Daemon;
pub(crate) use netns::Netns;
pub(crate) use scratch::Scratch;
