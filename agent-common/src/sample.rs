//! One sampled frame in the ring buffer: a header, then the start of the frame.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How many octets of a frame a sample holds at most.
pub const CAPTURE_MAX: usize = 2048;

/// Frames up to this length are put into a smaller reservation: an ordinary DHCP
/// message does not cost 2 KiB of ring.
pub const CAPTURE_SMALL: usize = 512;

/// What precedes the captured octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SampleHeader {
    /// `bpf_ktime_get_ns()`: nanoseconds of the monotonic clock.
    pub ktime_nanos: u64,
    /// `bpf_get_socket_cookie()` of the sending socket at egress; 0 if there is none,
    /// and at ingress, where `skb->sk` is not the receiver.
    pub socket_cookie: u64,
    /// The interface's index in its network namespace.
    pub ifindex: u32,
    /// Length of the frame, in octets.
    pub wire_length: u32,
    /// How many octets of the frame follow this header; what comes after is garbage.
    pub captured_length: u32,
    /// [`crate::ABI_VERSION`] of the program that wrote this.
    pub abi_version: u16,
    /// Where the IP header begins in the frame.
    pub l3_offset: u16,
    /// Where the UDP header begins in the frame.
    pub udp_offset: u16,
    /// Where the DHCP message begins in the frame.
    pub payload_offset: u16,
    /// The tag that the kernel had taken out of the frame, if [`flag::METADATA_TAG`].
    pub metadata_tci: u16,
    /// The outer and the inner tag in the frame, as many as `frame_tags` says.
    pub frame_tci: [u16; 2],
    /// How many tags are in the frame: 0 to 2.
    pub frame_tags: u8,
    /// One of [`crate::hook`].
    pub hook: u8,
    /// One of [`crate::direction`].
    pub direction: u8,
    /// One of [`crate::family`].
    pub family: u8,
    /// As counted: see [`crate::message_type`].
    pub message_type: u8,
    /// A set of [`flag`].
    pub flags: u8,
    /// `skb->pkt_type`, or [`PACKET_TYPE_UNKNOWN`].
    pub packet_type: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Bits of [`SampleHeader::flags`].
pub mod flag {
    /// The first of several IP fragments.
    pub const FIRST_FRAGMENT: u8 = 1;
    /// `metadata_tci` is set.
    pub const METADATA_TAG: u8 = 2;
    /// Not DHCP but an ICMPv4 error about it: `udp_offset` and `payload_offset` are those
    /// of the quoted datagram, whose payload may be missing. Not in the message counters.
    pub const ICMP_ERROR: u8 = 4;
}

/// XDP runs before the kernel has decided for whom a frame is.
pub const PACKET_TYPE_UNKNOWN: u8 = 255;

const _: () = assert!(size_of::<SampleHeader>() == 56);
const _: () = assert!(align_of::<SampleHeader>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_the_way_through_octets() {
        let header = SampleHeader {
            ktime_nanos: 1,
            socket_cookie: 2,
            ifindex: 3,
            wire_length: 4,
            captured_length: 5,
            abi_version: crate::ABI_VERSION,
            l3_offset: 14,
            udp_offset: 34,
            payload_offset: 42,
            metadata_tci: 100,
            frame_tci: [7, 8],
            frame_tags: 2,
            hook: crate::hook::XDP,
            direction: crate::direction::INGRESS,
            family: crate::family::V4,
            message_type: 7,
            flags: flag::FIRST_FRAGMENT,
            packet_type: PACKET_TYPE_UNKNOWN,
            reserved: [0; 7],
        };
        assert_eq!(SampleHeader::read_from_bytes(header.as_bytes()), Ok(header));
        assert!(SampleHeader::read_from_bytes(&[0; 55]).is_err());
    }
}
