//! Puts the programs on an interface, and takes them off.

use super::claim::Claim;
use super::error::{AttachError, chain, program_errno, tc_errno};
use super::load::Capture;
use aya::programs::links::FdLink;
use aya::programs::tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::XdpLink;
use aya::programs::{
    LinkOrder, Program, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
};
use leasehound_common::name;
use leasehound_core::origin::{Direction, Hook};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

/// Before filters of others, which may end the packet's way through the chain.
const FIRST_PRIORITY: u16 = 1;

/// How packets towards the host are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IngressMode {
    /// tcx, or clsact where the kernel has no tcx (before 6.6).
    #[default]
    Auto,
    /// A clsact filter.
    Tc,
    /// XDP in the driver. On a veth it slows the peer to a third.
    Xdp,
    /// XDP in the stack: any device.
    XdpGeneric,
}

/// How a hook is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookMode {
    /// A tcx link.
    Tcx,
    /// A clsact filter.
    Clsact,
    /// An XDP link, native.
    XdpNative,
    /// An XDP link, generic.
    XdpGeneric,
}

impl HookMode {
    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
            Self::XdpNative => "xdp",
            Self::XdpGeneric => "xdp-generic",
        }
    }

    /// The hook that samples of this mode name.
    pub const fn hook(self) -> Hook {
        match self {
            Self::Tcx => Hook::Tcx,
            Self::Clsact => Hook::Clsact,
            Self::XdpNative | Self::XdpGeneric => Hook::Xdp,
        }
    }
}

/// One attached program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookStatus {
    /// The interface's name when it was attached.
    pub interface: Box<str>,
    /// Its index.
    pub ifindex: u32,
    /// Which way packets go through it.
    pub direction: Direction,
    /// How it is attached.
    pub mode: HookMode,
}

/// A program on an interface, until dropped.
#[derive(Debug)]
pub(super) struct Attachment {
    status: HookStatus,
    _link: HeldLink,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held for their Drop, which detaches")]
enum HeldLink {
    Classifier(SchedClassifierLink),
    Xdp(FdLink),
}

impl Capture {
    /// Watches an interface of the calling thread's namespace, both ways: all hooks, or
    /// none and an error.
    ///
    /// Removes clsact filters first that an earlier, killed process left here; others'
    /// filters and the qdisc stay, and all filters while another leasehound lives that
    /// uses them in this namespace.
    pub fn attach(
        &mut self,
        interface: &str,
        ifindex: u32,
        mode: IngressMode,
    ) -> Result<Vec<HookStatus>, AttachError> {
        if self.hooks().any(|hook| hook.ifindex == ifindex) {
            return Err(AttachError::AlreadyAttached {
                interface: interface.to_owned(),
            });
        }
        self.remove_stale_filters(interface);
        let attached = self.attach_both(interface, ifindex, mode);
        self.give_up_claim_without_filters();
        attached
    }

    fn attach_both(
        &mut self,
        interface: &str,
        ifindex: u32,
        mode: IngressMode,
    ) -> Result<Vec<HookStatus>, AttachError> {
        let mut target = Target {
            capture: self,
            interface,
            ifindex,
        };
        let attachments = [
            target.ingress(mode)?,
            target.classifier(Direction::Egress, mode == IngressMode::Tc)?,
        ];
        // Most hooks go by name, and the name may have passed to another interface: then
        // what was attached goes again here.
        if if_nametoindex(interface) != Ok(ifindex) {
            return Err(AttachError::NoInterface {
                interface: interface.to_owned(),
            });
        }
        let statuses = attachments.iter().map(|one| one.status.clone()).collect();
        self.attachments.extend(attachments);
        Ok(statuses)
    }

    /// Stops watching an interface, gone or not. Returns how many hooks that were.
    pub fn detach(&mut self, ifindex: u32) -> usize {
        let before = self.attachments.len();
        self.attachments
            .retain(|attachment| attachment.status.ifindex != ifindex);
        self.give_up_claim_without_filters();
        before - self.attachments.len()
    }

    /// Stops watching: no more samples are written from here on.
    pub fn detach_all(&mut self) {
        self.attachments.clear();
        self.claim = None;
    }

    fn remove_stale_filters(&mut self, interface: &str) {
        if self.claim.is_none() {
            match Claim::stake() {
                Ok(claim) => self.claim = Some(claim),
                Err(error) => tracing::warn!(%error, "other leasehounds can't see this one"),
            }
        }
        let alone = self.claim.as_ref().map_or(Ok(false), Claim::is_alone);
        match alone {
            Ok(true) => remove_own_filters(interface),
            _ if self.warned_of_another => {}
            Ok(false) => {
                self.warned_of_another = true;
                tracing::warn!(
                    "another leasehound runs in this network namespace: filters that a killed one may have left stay"
                );
            }
            Err(error) => {
                self.warned_of_another = true;
                tracing::warn!(%error, "filters that a killed run may have left stay");
            }
        }
    }

    fn give_up_claim_without_filters(&mut self) {
        if !self.hooks().any(|hook| hook.mode == HookMode::Clsact) {
            self.claim = None;
        }
    }

    /// What is attached.
    pub fn hooks(&self) -> impl Iterator<Item = &HookStatus> {
        self.attachments.iter().map(|attachment| &attachment.status)
    }
}

struct Target<'a> {
    capture: &'a mut Capture,
    interface: &'a str,
    ifindex: u32,
}

impl Target<'_> {
    fn ingress(&mut self, mode: IngressMode) -> Result<Attachment, AttachError> {
        match mode {
            IngressMode::Auto => self.classifier(Direction::Ingress, false),
            IngressMode::Tc => self.classifier(Direction::Ingress, true),
            IngressMode::Xdp => self.xdp(HookMode::XdpNative),
            IngressMode::XdpGeneric => self.xdp(HookMode::XdpGeneric),
        }
    }

    fn classifier(
        &mut self,
        direction: Direction,
        only_clsact: bool,
    ) -> Result<Attachment, AttachError> {
        if only_clsact {
            return self.clsact(direction);
        }
        match self.tcx(direction)? {
            Ok(attachment) => Ok(attachment),
            // Before 6.6 the attach type does not exist.
            Err(error) if program_errno(&error) == Some(Errno::EINVAL) => self.clsact(direction),
            Err(error) => Err(self.refused("tcx", &error)),
        }
    }

    fn tcx(
        &mut self,
        direction: Direction,
    ) -> Result<Result<Attachment, ProgramError>, AttachError> {
        let (name, attach_type) = match direction {
            Direction::Egress => (name::TCX_EGRESS, TcAttachType::Egress),
            Direction::Ingress | Direction::Unknown => (name::TCX_INGRESS, TcAttachType::Ingress),
        };
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        let interface = self.interface;
        let program: &mut SchedClassifier = self.program(name)?;
        let link = program
            .attach_with_options(interface, attach_type, options)
            .and_then(|id| program.take_link(id));
        Ok(link.map(|link| self.attachment(direction, HookMode::Tcx, HeldLink::Classifier(link))))
    }

    fn clsact(&mut self, direction: Direction) -> Result<Attachment, AttachError> {
        let (name, attach_type) = match direction {
            Direction::Egress => (name::CLSACT_EGRESS, TcAttachType::Egress),
            Direction::Ingress | Direction::Unknown => {
                (name::CLSACT_INGRESS, TcAttachType::Ingress)
            }
        };
        let interface = self.interface;
        match tc::qdisc_add_clsact(interface) {
            Ok(()) => {}
            Err(error) if tc_errno(&error) == Some(Errno::EEXIST) => {}
            Err(error) => return Err(self.refused("clsact", &error.into())),
        }
        let program: &mut SchedClassifier = self.program(name)?;
        let mut attach = |priority| {
            program.attach_with_options(
                interface,
                attach_type,
                TcAttachOptions::Netlink(NlOptions {
                    priority,
                    ..NlOptions::default()
                }),
            )
        };
        // A filter of another kind may own the first priority: then where there is room.
        let id = match attach(FIRST_PRIORITY) {
            Err(error) if matches!(program_errno(&error), Some(Errno::EINVAL | Errno::EEXIST)) => {
                attach(0)
            }
            other => other,
        };
        match id.and_then(|id| program.take_link(id)) {
            Ok(link) => {
                Ok(self.attachment(direction, HookMode::Clsact, HeldLink::Classifier(link)))
            }
            Err(error) => Err(self.refused("clsact", &error)),
        }
    }

    fn xdp(&mut self, mode: HookMode) -> Result<Attachment, AttachError> {
        if let Some(reason) = &self.capture.xdp_refused {
            return Err(AttachError::NoXdp {
                interface: self.interface.to_owned(),
                reason: reason.clone(),
            });
        }
        let ifindex = self.ifindex;
        let native = mode == HookMode::XdpNative;
        let flags = if native {
            XdpMode::Driver
        } else {
            XdpMode::Skb
        };
        let program: &mut Xdp = self.program(name::XDP)?;
        let link = program
            .attach_to_if_index(ifindex, flags)
            .and_then(|id| program.take_link(id));
        let link: XdpLink = match link {
            Ok(link) => link,
            Err(error) => return Err(self.xdp_refused(native, &error)),
        };
        // aya falls back to a netlink attachment, which would survive this process:
        // the conversion fails for one, and dropping it detaches.
        let link = FdLink::try_from(link).map_err(|_| AttachError::NoXdpLink {
            interface: self.interface.to_owned(),
        })?;
        Ok(self.attachment(Direction::Ingress, mode, HeldLink::Xdp(link)))
    }

    fn program<'b, P>(&'b mut self, name: &'static str) -> Result<&'b mut P, AttachError>
    where
        &'b mut P: TryFrom<&'b mut Program, Error = ProgramError>,
    {
        self.capture
            .ebpf
            .program_mut(name)
            .and_then(|program| program.try_into().ok())
            .ok_or(AttachError::Missing { name })
    }

    fn attachment(&self, direction: Direction, mode: HookMode, link: HeldLink) -> Attachment {
        Attachment {
            status: HookStatus {
                interface: self.interface.into(),
                ifindex: self.ifindex,
                direction,
                mode,
            },
            _link: link,
        }
    }

    fn xdp_refused(&self, native: bool, error: &ProgramError) -> AttachError {
        let interface = self.interface.to_owned();
        match program_errno(error) {
            Some(Errno::EBUSY | Errno::EEXIST) => AttachError::XdpBusy { interface },
            // ERANGE, EINVAL and E2BIG: the driver cannot with this MTU or queue setup.
            Some(Errno::EOPNOTSUPP | Errno::ERANGE | Errno::EINVAL | Errno::E2BIG) if native => {
                AttachError::NoNativeXdp {
                    interface,
                    reason: chain(error),
                }
            }
            _ => self.refused("xdp", error),
        }
    }

    fn refused(&self, hook: &'static str, error: &ProgramError) -> AttachError {
        let interface = self.interface.to_owned();
        match program_errno(error) {
            Some(Errno::EPERM | Errno::EACCES) => AttachError::NoRights { interface },
            Some(Errno::ENODEV | Errno::ENXIO) => AttachError::NoInterface { interface },
            Some(Errno::ENOENT | Errno::EOPNOTSUPP) if hook == "clsact" => AttachError::NoHook {
                interface,
                reason: chain(error),
            },
            _ => AttachError::Other {
                interface,
                hook,
                reason: chain(error),
            },
        }
    }
}

/// Removes filters that carry our programs' names. There is nothing to remove in the
/// usual case, and an interface without the qdisc says so with an error: both are fine.
fn remove_own_filters(interface: &str) {
    for (attach_type, name) in [
        (TcAttachType::Ingress, name::CLSACT_INGRESS),
        (TcAttachType::Egress, name::CLSACT_EGRESS),
    ] {
        match tc::qdisc_detach_program(interface, attach_type, name) {
            Ok(()) => tracing::info!(interface, name, "removed a filter that a killed run left"),
            Err(error) => tracing::trace!(interface, name, %error, "no filter left behind"),
        }
    }
}
