//! Where frames come from: the kernel's hooks, or a file.

#[cfg(feature = "ebpf")]
pub mod delivery;
#[cfg(feature = "ebpf")]
pub mod ebpf;
pub mod file;
#[cfg(feature = "ebpf")]
mod opening;

use leasehound_core::delivery::SocketCookie;
use leasehound_core::evidence::Loss;
use leasehound_core::frame::{LinkType, PacketType, RawFrame, VlanStack};
use leasehound_core::origin::Origin;
use leasehound_core::time::Timestamp;

/// One frame, owned, on its way to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedFrame {
    /// When the hook or the capture tool saw it.
    pub at: Timestamp,
    /// Where.
    pub origin: Origin,
    /// How the octets begin.
    pub link: LinkType,
    /// Length on the wire, in octets.
    pub wire_length: u32,
    /// Tags that the kernel had taken out.
    pub vlan: VlanStack,
    /// The kernel's `pkt_type`, where known.
    pub packet_type: Option<PacketType>,
    /// Cookie of the sending socket: at egress, where the kernel knows it.
    pub socket: Option<u64>,
    /// What was captured.
    pub bytes: Box<[u8]>,
}

impl CapturedFrame {
    /// The frame as the engine takes it.
    pub fn as_raw(&self) -> RawFrame<'_> {
        RawFrame {
            link: self.link,
            bytes: &self.bytes,
            wire_length: self.wire_length,
            vlan: self.vlan,
            packet_type: self.packet_type,
            socket: self.socket.map(SocketCookie),
        }
    }
}

/// What a capture hands to the task that owns the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureEvent {
    /// A frame.
    Frame(CapturedFrame),
    /// Frames, or other samples, that were lost before they could become events.
    Loss(Loss),
    /// A packet at a UDP socket.
    Socket(SocketSample),
    /// A packet that the kernel dropped.
    Drop(DropSample),
    /// A packet that a process read from a raw socket.
    RawRead(RawReadSample),
}

/// Which way a packet passed a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The kernel was about to put it into the socket's queue. A filter, a full buffer or
    /// a bad checksum may still have kept it out, and whether the process read it is not
    /// known.
    Offered,
    /// The socket sent it.
    Sent,
}

/// A DHCPv4 packet that reached or left a UDP socket, in whichever network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSample {
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub way: Way,
    /// The kernel's name for the socket: `sk:` in `ss -e`, in hexadecimal there.
    pub cookie: u64,
    /// The layer 3 device, numbered as in the socket's namespace; lo for a packet that
    /// never leaves the host.
    pub ifindex: u32,
    /// The device that the socket is bound to.
    pub bound_ifindex: Option<u32>,
    /// Length from the IP header, in octets.
    pub wire_length: u32,
    /// What was captured, from the IP header.
    pub packet: Box<[u8]>,
}

/// A DHCPv4 packet that the kernel dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropSample {
    /// When.
    pub at: Timestamp,
    /// Why: a name of the kernel's `enum skb_drop_reason` without its prefix
    /// (`NETFILTER_DROP`). Empty where the kernel gives no reason, `UNKNOWN` for a number
    /// that it has no name for.
    pub reason: Box<str>,
    /// The function that dropped it, where `/proc/kallsyms` tells.
    pub place: Option<Box<str>>,
    /// Inode of the network namespace. The kernel does not tell it where a packet was in a
    /// socket's queue already, as one with a bad checksum is: then the [`SocketSample`] of
    /// the same packet, which came before, says whose queue that is.
    pub netns_inode: Option<u32>,
    /// The device, numbered as in its namespace.
    pub ifindex: Option<u32>,
    /// Cookie of the socket that it was for, where the kernel tells: from Linux 6.11,
    /// and only if something has asked for the cookie before.
    pub cookie: Option<u64>,
    /// For whom it was, to the kernel. Packets on their way out read as for this host.
    pub packet_type: Option<PacketType>,
    /// Length from the IP header, in octets; link padding counts.
    pub wire_length: u32,
    /// What was captured, from the IP header.
    pub packet: Box<[u8]>,
}

/// A DHCPv4 packet that a process read from an AF_PACKET socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReadSample {
    /// When.
    pub at: Timestamp,
    /// The process, numbered as in the first pid namespace.
    pub pid: u32,
    /// The reading thread's name.
    pub command: Box<str>,
    /// Length from the IP header, in octets; link padding counts.
    pub wire_length: u32,
    /// What was captured, from the IP header.
    pub packet: Box<[u8]>,
}
