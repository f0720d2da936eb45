//! How lease databases are written.

use crate::evidence::ServerKind;

/// How a lease database is written. One server may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// dnsmasq's lease file.
    Dnsmasq,
    /// The JSON that libvirt's lease helper writes for its dnsmasq.
    Libvirt,
    /// ISC dhcpd's log of declarations.
    IscDhcpd,
    /// Kea's memfile.
    Kea,
    /// busybox udhcpd's dump.
    Udhcpd,
    /// What systemd-networkd keeps over a restart.
    Networkd,
}

impl Format {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Dnsmasq,
        Self::Libvirt,
        Self::IscDhcpd,
        Self::Kea,
        Self::Udhcpd,
        Self::Networkd,
    ];

    /// The word used in flags and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Libvirt => "libvirt",
            _ => self.server().as_str(),
        }
    }

    /// The one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Whose leases are written so.
    pub const fn server(self) -> ServerKind {
        match self {
            Self::Dnsmasq | Self::Libvirt => ServerKind::Dnsmasq,
            Self::IscDhcpd => ServerKind::IscDhcpd,
            Self::Kea => ServerKind::Kea,
            Self::Udhcpd => ServerKind::Udhcpd,
            Self::Networkd => ServerKind::Networkd,
        }
    }

    /// Whether the server appends to its file, so that a [`super::Log`] can go on where
    /// it was; the others are written anew as a whole.
    pub const fn is_log(self) -> bool {
        matches!(self, Self::IscDhcpd | Self::Kea)
    }
}
