//! Why a hook is not to be had, and what is not known for that: one line each.

use crate::capture::ebpf::LoadError;
use leasehound_core::origin::Hook;
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

/// Why one of the two tracepoints is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {refusal}, so that {}", hook.as_str(), lost(*hook))]
pub struct TraceError {
    /// Which one.
    pub hook: Hook,
    /// Why.
    pub refusal: TraceRefusal,
}

/// Why a tracepoint is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceRefusal {
    /// The kernel does not tell what its structures look like.
    #[error("{reason} (a kernel with CONFIG_DEBUG_INFO_BTF is needed)")]
    NoTypes {
        /// What is missing.
        reason: String,
    },
    /// The kernel does not tell where its functions are.
    #[error(
        "/proc/kallsyms does not tell where sock_rfree is (CAP_SYSLOG and a kernel with \
         CONFIG_KALLSYMS are needed)"
    )]
    NoSymbols,
    /// EPERM at load or attach.
    #[error("no CAP_BPF or CAP_PERFMON (run as root, or give the program both)")]
    NoRights,
    /// Anything else.
    #[error("not to be had ({reason})")]
    Refused {
        /// The kernel's error.
        reason: String,
    },
}

fn lost(hook: Hook) -> &'static str {
    if hook == Hook::ConsumeSkb {
        "it is not known whether a server that reads raw frames has read a message"
    } else {
        "it is not known for what reason the kernel drops a message"
    }
}

impl From<LoadError> for TraceRefusal {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::NoRights => Self::NoRights,
            other => Self::Refused {
                reason: other.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_that_says_what_is_lost() {
        let trace = |hook, refusal| TraceError { hook, refusal }.to_string();
        assert_eq!(
            trace(Hook::KfreeSkb, TraceRefusal::NoRights),
            "kfree_skb: no CAP_BPF or CAP_PERFMON (run as root, or give the program both), so \
             that it is not known for what reason the kernel drops a message"
        );
        assert_eq!(
            trace(Hook::ConsumeSkb, TraceRefusal::NoSymbols),
            "consume_skb: /proc/kallsyms does not tell where sock_rfree is (CAP_SYSLOG and a \
             kernel with CONFIG_KALLSYMS are needed), so that it is not known whether a server \
             that reads raw frames has read a message"
        );
        let path = PathBuf::from("/sys/fs/cgroup");
        assert_eq!(
            CgroupError::Occupied { path }.to_string(),
            "another eBPF program holds /sys/fs/cgroup for itself (attached without \
             BPF_F_ALLOW_MULTI; `bpftool cgroup show` names it), so that it is not known which \
             socket gets or sends a message"
        );
    }
}
