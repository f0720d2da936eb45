//! What each server program does with the messages that are judged: the one place that
//! answers it. The entries, each with the source that it was read in, are in [`table`].
//!
//! Here is what a program looks at and what it passes over; the rules turn that into
//! causes. Nothing here knows a message.

mod table;
#[cfg(test)]
mod tests;

use super::rules::Rule;
use crate::evidence::ServerKind;
use crate::sockets::Path;

/// One program.
#[derive(Debug)]
pub struct Profile {
    /// Which.
    pub kind: ServerKind,
    /// The versions that were read, and whether the labs tried them.
    pub known_from: &'static str,
    /// How it takes messages.
    pub intake: Intake,
    /// DHCPRELEASE
    pub release: Ending,
    /// DHCPDECLINE
    pub decline: Ending,
    /// DHCPREQUEST of a client that has a lease: RENEWING and REBINDING.
    pub extension: Extension,
    /// Its lease database.
    pub books: Books,
    /// Its own checks of a RELEASE or DECLINE, in its order.
    pub rules: &'static [Rule],
}

/// How a program takes messages, as far as the program alone tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// Through UDP sockets, always.
    Udp,
    /// Through UDP sockets or frame by frame: its sockets tell.
    UdpOrFrames,
    /// From a virtual switch: what the host's kernel does on the way to a socket is nothing
    /// to it, and the addresses that it goes by are none of the host's.
    Switch,
    /// Not known.
    Unclear,
}

impl Intake {
    /// The path, where its sockets are not known.
    pub const fn path(self) -> Path {
        match self {
            Self::Udp => Path::Udp,
            Self::UdpOrFrames | Self::Switch | Self::Unclear => Path::Unknown,
        }
    }
}

/// What is done with a message that ends a lease.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// Whether it does anything at all.
    pub handled: Handled,
    /// What option 54 is compared with.
    pub server_id: IdCheck,
    /// What option 50 does.
    pub requested_address: RequestedAddress,
    /// Whose lease it has to be.
    pub holder: Holder,
    /// File and function.
    pub source: &'static str,
}

/// Whether a program does anything with a kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It does.
    Yes,
    /// It does not, by design, whatever the message says.
    Never,
    /// Some versions do and some do not, or it is not known.
    Unclear,
}

/// What option 54 is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdCheck {
    /// With nothing.
    None,
    /// With the one id that the server has on the subnet; absent is as wrong as another.
    OneId,
    /// With each address that the server listens on and each id that is configured; absent
    /// is well.
    AnyOwnIfPresent,
    /// Not known.
    Unclear,
}

/// What option 50 does in a RELEASE or DECLINE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedAddress {
    /// Nothing.
    PassedOver,
    /// It makes the server take 'ciaddr' for empty.
    ClearsClientAddress,
    /// It names the address: needed.
    Needed,
    /// Not known.
    Unclear,
}

/// Who may end a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Who has the lease's client identifier; or its hardware address, where lease or
    /// message has no identifier.
    ClientIdElseHardware,
    /// Who has its client identifier, for which 1 and the hardware address stand where
    /// there is none.
    ClientId,
    /// Who has its hardware address.
    Hardware,
    /// Whoever names the address.
    Anybody,
    /// Not known, or nobody.
    Unclear,
}

/// What is done with a REQUEST that extends a lease.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// What an option does that has no place there (RFC 2131 §4.3.2): option 54.
    pub server_id: Misplaced,
    /// The same for option 50.
    pub requested_address: Misplaced,
    /// What a client hears whose lease is not there.
    pub unknown_lease: UnknownLease,
    /// File and function.
    pub source: &'static str,
}

/// What an option does in a REQUEST in which it has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaced {
    /// Nothing, or nothing that costs the client its answer.
    PassedOver,
    /// The server stays silent, whatever the option says.
    Silences,
    /// The server stays silent unless the option names one of its own ids.
    SilencesUnlessOwn,
    /// Not known.
    Unclear,
}

/// What a client hears whose lease is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownLease {
    /// Nothing, ever: a REQUEST that the server read and left unanswered had no lease.
    Silence,
    /// Nothing, or a DHCPNAK: that depends on the configuration and on how it was sent.
    SilenceOrNak,
    /// An ACK: the lease is made.
    Granted,
    /// Not known.
    Unclear,
}

/// A server's lease database.
#[derive(Debug, Clone, Copy)]
pub struct Books {
    /// When it shows a release.
    pub shows_release: ShowsRelease,
    /// What may stay in it of a lease that was released, for the operator who looks.
    pub keeps: Option<&'static str>,
    /// Whether its expiries are times, so that a lease that has run out is none even while
    /// its record stands there. dnsmasq may be built to write lengths.
    pub records_times: bool,
    /// File and function.
    pub source: &'static str,
}

/// When a database shows a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowsRelease {
    /// Before the next message is read.
    AtOnce,
    /// Hours later.
    Late,
    /// It keeps none that can be read.
    Never,
    /// Not known.
    Unclear,
}

impl Profile {
    /// Of a program.
    pub const fn of(kind: ServerKind) -> &'static Self {
        match kind {
            ServerKind::Dnsmasq => &table::DNSMASQ,
            ServerKind::IscDhcpd => &table::ISC_DHCPD,
            ServerKind::Kea => &table::KEA,
            ServerKind::Udhcpd => &table::UDHCPD,
            ServerKind::Networkd => &table::NETWORKD,
            ServerKind::CoreDhcp => &table::COREDHCP,
            ServerKind::Ovn => &table::OVN,
            ServerKind::Harvester => &table::HARVESTER,
            ServerKind::Unknown => &table::UNKNOWN,
        }
    }

    /// What it does with a RELEASE, or with a DECLINE.
    pub const fn ending(&self, decline: bool) -> &Ending {
        if decline {
            &self.decline
        } else {
            &self.release
        }
    }
}
