//! What can go wrong between an object and a hook: one line each, and what to do.

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use aya::programs::tc::TcError;
use aya::programs::xdp::XdpError;
use nix::errno::Errno;
use std::io;

/// Why the eBPF programs could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// EPERM
    #[error(
        "no CAP_BPF, CAP_NET_ADMIN or CAP_PERFMON: run as root, or give the program all three; \
         replay needs none"
    )]
    NoRights,
    /// The verifier, or a kernel that is too old.
    #[error(
        "the kernel refused the eBPF program {program} ({reason}): Linux 5.17 or newer is \
         needed, 5.18 for XDP"
    )]
    Refused {
        /// Its name.
        program: &'static str,
        /// The error, and the last line of the verifier's log.
        reason: String,
    },
    /// The object is not the one that this agent was written for.
    #[error("the embedded eBPF object is not of this version: build the agent anew")]
    WrongVersion,
    /// A map or program is not in the object.
    #[error("the embedded eBPF object lacks {name}: build the agent anew")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// Anything else.
    #[error("the eBPF object cannot be loaded: {reason}")]
    Object {
        /// All that is known.
        reason: String,
    },
}

/// Why a hook could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// EPERM
    #[error(
        "{interface}: no CAP_BPF or CAP_NET_ADMIN: run as root, or give the program both; \
         replay needs none"
    )]
    NoRights {
        /// The interface.
        interface: String,
    },
    /// No such interface in this namespace.
    #[error("{interface}: no such interface here; `leasehound interfaces` lists those there are")]
    NoInterface {
        /// The interface.
        interface: String,
    },
    /// EBUSY or EEXIST at XDP.
    #[error(
        "{interface}: another XDP program is attached (`ip link show dev {interface}` names \
         it): use --ingress auto"
    )]
    XdpBusy {
        /// The interface.
        interface: String,
    },
    /// The driver has no native XDP, or not for this device's settings.
    #[error(
        "{interface}: its driver has no native XDP ({reason}): use --ingress auto or \
         --ingress xdp-generic"
    )]
    NoNativeXdp {
        /// The interface.
        interface: String,
        /// The kernel's error.
        reason: String,
    },
    /// The kernel would attach XDP only in a way that survives this process.
    #[error("{interface}: this kernel has no XDP links (Linux 5.9 has): use --ingress auto")]
    NoXdpLink {
        /// The interface.
        interface: String,
    },
    /// The XDP program itself was refused at load.
    #[error("{interface}: XDP is not to be had on this kernel ({reason}): use --ingress auto")]
    NoXdp {
        /// The interface.
        interface: String,
        /// Why it was not loaded.
        reason: String,
    },
    /// Neither tcx nor clsact.
    #[error(
        "{interface}: the kernel has neither tcx nor clsact ({reason}): CONFIG_NET_CLS_BPF and \
         CONFIG_NET_SCH_INGRESS are needed"
    )]
    NoHook {
        /// The interface.
        interface: String,
        /// The kernel's error.
        reason: String,
    },
    /// The object lacks a program.
    #[error("the embedded eBPF object lacks {name}: build the agent anew")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// Hooks of this interface are attached already.
    #[error("{interface}: already watched")]
    AlreadyAttached {
        /// The interface.
        interface: String,
    },
    /// Anything else.
    #[error("{interface}: the hook {hook} cannot be attached: {reason}")]
    Other {
        /// The interface.
        interface: String,
        /// Which hook was tried.
        hook: &'static str,
        /// The kernel's error.
        reason: String,
    },
}

impl LoadError {
    pub(in crate::capture) fn from_ebpf(error: &EbpfError) -> Self {
        match error {
            EbpfError::MapError(error) if map_errno(error) == Some(Errno::EPERM) => Self::NoRights,
            EbpfError::ParseError(aya_symbol)
                if aya_symbol
                    .to_string()
                    .contains(leasehound_common::ABI_SYMBOL) =>
            {
                Self::WrongVersion
            }
            _ => Self::Object {
                reason: one_line(&chain(error)),
            },
        }
    }

    pub(in crate::capture) fn from_program(program: &'static str, error: &ProgramError) -> Self {
        match error {
            ProgramError::LoadError {
                io_error,
                verifier_log,
            } => {
                // A program can be refused with these for what it does, too. Without
                // CAP_PERFMON the verifier allows less.
                if matches!(io_errno(io_error), Some(Errno::EPERM | Errno::EACCES))
                    && !may_load_programs()
                {
                    return Self::NoRights;
                }
                let log = verifier_log.to_string();
                let said = log.lines().rev().find(|line| {
                    let statistics = ["processed ", "stack depth ", "verification time "];
                    !line.trim().is_empty()
                        && !statistics.iter().any(|start| line.starts_with(start))
                });
                Self::Refused {
                    program,
                    reason: format!("{io_error}; {}", said.unwrap_or("no verifier log")),
                }
            }
            other => Self::Refused {
                program,
                reason: one_line(&chain(other)),
            },
        }
    }
}

/// Whether this process has the capabilities that loading takes (capabilities(7)). If
/// that cannot be told, it has.
pub(in crate::capture) fn may_load_programs() -> bool {
    const CAP_NET_ADMIN: u32 = 12;
    const CAP_SYS_ADMIN: u32 = 21;
    const CAP_PERFMON: u32 = 38;
    const CAP_BPF: u32 = 39;
    let effective = std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("CapEff:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or(u64::MAX);
    let has = |capability: u32| effective & (1 << capability) != 0;
    has(CAP_NET_ADMIN) && (has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_PERFMON)))
}

/// The kernel's errno in an attach error, if that is what it is.
pub(in crate::capture) fn program_errno(error: &ProgramError) -> Option<Errno> {
    match error {
        ProgramError::SyscallError(error) => io_errno(&error.io_error),
        ProgramError::TcError(error) => tc_errno(error),
        ProgramError::XdpError(XdpError::NetlinkError(error))
        | ProgramError::NetlinkError(error) => error.raw_os_error().map(Errno::from_raw),
        ProgramError::IOError(error) => io_errno(error),
        ProgramError::UnknownInterface { .. } => Some(Errno::ENODEV),
        _ => None,
    }
}

pub(super) fn tc_errno(error: &TcError) -> Option<Errno> {
    match error {
        TcError::NetlinkError(error) => error.raw_os_error().map(Errno::from_raw),
        TcError::IoError(error) if error.kind() == io::ErrorKind::NotFound => Some(Errno::ENOENT),
        TcError::IoError(error) => io_errno(error),
        _ => None,
    }
}

fn map_errno(error: &MapError) -> Option<Errno> {
    match error {
        MapError::CreateError { io_error, .. } => io_errno(io_error),
        MapError::SyscallError(error) => io_errno(&error.io_error),
        _ => None,
    }
}

fn io_errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// An error and its sources, which several of aya's leave out of their own text.
pub(in crate::capture) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
