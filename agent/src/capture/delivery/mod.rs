//! What became of DHCPv4 packets in this host: which sockets they were offered to and
//! sent from, which ones the kernel dropped and why, who read a raw copy.
//!
//! One object, attached once, sees all network namespaces. Never changes a packet's fate
//! and leaves nothing behind: all hooks are links that end with this process. Each hook
//! stands alone: where one is refused, the others work.
//!
//! | hook | rights | without them |
//! | --- | --- | --- |
//! | cgroup_skb | CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON | no [`SocketSample`](super::SocketSample) |
//! | kfree_skb | CAP_BPF, CAP_PERFMON; CAP_SYSLOG for places | no [`DropSample`](super::DropSample) |
//! | consume_skb | CAP_BPF, CAP_PERFMON, CAP_SYSLOG | no [`RawReadSample`](super::RawReadSample) |

mod btf;
mod cgroup;
mod error;
mod layout;
mod load;
mod reader;
mod symbols;
mod trace;

pub use cgroup::CgroupScope;
pub use error::{CgroupError, TraceError, TraceRefusal};
pub use leasehound_common::sentry::name;
pub use load::{Delivery, Options};
pub use reader::Reader;
