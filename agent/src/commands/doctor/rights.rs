//! Which right each part of `run` needs, and what is not known without it
//! (capabilities(7)).

use std::fs;
use std::io;

/// A capability and what rests on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right {
    /// `CAP_BPF`
    pub(super) name: &'static str,
    /// Its bit (linux/capability.h).
    bit: u32,
    /// What needs it.
    pub(super) needed_for: &'static str,
    /// What is lost without it.
    pub(super) lost: &'static str,
}

/// All of them, the ones that nothing works without first.
pub(super) const RIGHTS: [Right; 7] = [
    Right {
        name: "CAP_BPF",
        bit: 39,
        needed_for: "loading any of the programs",
        lost: "`run` does not start (`replay` needs no rights)",
    },
    Right {
        name: "CAP_NET_ADMIN",
        bit: 12,
        needed_for: "the hooks on interfaces (tcx, clsact, XDP), cgroup_skb",
        lost: "`run` does not start",
    },
    Right {
        name: "CAP_PERFMON",
        bit: 38,
        needed_for: "programs that read packets and kernel memory: all hooks, kfree_skb",
        lost: "`run` does not start",
    },
    Right {
        name: "CAP_SYS_PTRACE",
        bit: 19,
        needed_for: "other users' /proc/PID/fd and /proc/PID/ns",
        lost: "which process holds a socket, and servers' lease files: verdicts miss `server`, `lease_database` or `delivery`",
    },
    Right {
        name: "CAP_DAC_READ_SEARCH",
        bit: 2,
        needed_for: "lease files that only their server may read",
        lost: "their content: verdicts miss `lease_database`",
    },
    Right {
        name: "CAP_SYS_ADMIN",
        bit: 21,
        needed_for: "entering other network namespaces (setns), --netns",
        lost: "servers in other network namespaces",
    },
    Right {
        name: "CAP_SYSLOG",
        bit: 34,
        needed_for: "addresses in /proc/kallsyms",
        lost: "consume_skb (whether a server read a raw frame), and the names of the functions that drop",
    },
];

/// The effective capabilities of this process, a bit each.
pub(super) fn effective() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/thread-self/status")?;
    in_status(&status).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

fn in_status(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

impl Right {
    /// Whether it is among `effective`.
    pub(super) const fn is_in(&self, effective: u64) -> bool {
        effective >> self.bit & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_from_the_status_of_a_process() {
        let effective = in_status("Name:\tx\nCapEff:\t000000c000001000\n").unwrap();
        let held: Vec<&str> = RIGHTS
            .iter()
            .filter(|right| right.is_in(effective))
            .map(|right| right.name)
            .collect();
        assert_eq!(held, ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]);
        assert_eq!(in_status("Name:\tx\n"), None);
    }
}
