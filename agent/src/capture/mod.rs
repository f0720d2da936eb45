//! Where frames come from: the kernel's hooks, or a file.

#[cfg(feature = "ebpf")]
pub mod ebpf;
pub mod file;

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
            socket: None,
        }
    }
}

/// What a capture hands to the task that owns the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureEvent {
    /// A frame.
    Frame(CapturedFrame),
    /// Frames that were lost before they could become events.
    Loss(Loss),
}
