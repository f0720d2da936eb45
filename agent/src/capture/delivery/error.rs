//! Why a hook is not to be had, and what is not known for that: one line each.

use crate::capture::ebpf::LoadError;
use std::path::PathBuf;

/// Why packets at UDP sockets are not seen.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// Not mounted, or not to be seen from here.
    #[error(
        "no cgroup v2 hierarchy is mounted, so that {LOST_SOCKETS}: mount -t cgroup2 none \
         /sys/fs/cgroup/unified, or mount the host's /sys/fs/cgroup"
    )]
    NoHierarchy,
    /// EPERM at load or attach.
    #[error(
        "no CAP_BPF, CAP_NET_ADMIN or CAP_PERFMON, so that {LOST_SOCKETS}: run as root, or give \
         the program all three"
    )]
    NoRights,
    /// EPERM at attach in spite of all rights.
    #[error(
        "another eBPF program holds {} for itself (attached without BPF_F_ALLOW_MULTI; `bpftool \
         cgroup show` names it), so that {LOST_SOCKETS}", path.display()
    )]
    Occupied {
        /// The cgroup.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cgroup_skb is not to be had ({reason}), so that {LOST_SOCKETS}")]
    Refused {
        /// The kernel's error.
        reason: String,
    },
}

const LOST_SOCKETS: &str = "it is not known which socket gets or sends a message";

impl From<LoadError> for CgroupError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::NoRights => Self::NoRights,
            other => Self::Refused {
                reason: other.to_string(),
            },
        }
    }
}
