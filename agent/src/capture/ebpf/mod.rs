//! Live capture: the eBPF programs, their hooks, their ring buffer and their counters.
//!
//! Never changes a packet's fate and never leaves anything behind: hooks are links that
//! end with this process, whichever way it ends. Only a clsact filter can outlive a
//! SIGKILL, and the next start removes it by its name, unless another leasehound lives
//! there.
//!
//! Everything happens in the network namespace of the calling thread.

mod attach;
mod claim;
pub(super) mod error;
pub(super) mod load;
mod logger;
pub(super) mod pump;
pub(super) mod reader;
mod statistics;
pub(super) mod tally;
pub(super) mod trial;

pub use attach::{HookMode, HookStatus, IngressMode};
pub use error::{AttachError, LoadError};
pub use leasehound_common::count::Budget;
pub use load::{Capture, Options};
pub use reader::{InterfaceLookup, Reader};
pub use statistics::{Family, MessageCount, Statistics, StatisticsError};
pub use tally::{LossCount, SampleCount, Tally};
pub use trial::{Trial, TrialError};

/// Programs, maps and globals of the embedded object, by name.
pub use leasehound_common::name;
