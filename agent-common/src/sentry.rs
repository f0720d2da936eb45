//! What the second object, the sentry, puts into its ring: a packet that passed a socket,
//! was dropped, or was read from a raw socket. A header, then the packet from its IP
//! header.

use crate::count::class;
use crate::message_type;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What precedes the captured octets. What a hook does not know is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SentryHeader {
    /// `bpf_ktime_get_ns()`: nanoseconds of the monotonic clock.
    pub ktime_nanos: u64,
    /// The socket's cookie.
    pub socket_cookie: u64,
    /// Where in the kernel a packet was dropped: the address after the call.
    pub location: u64,
    /// The device's index in its network namespace.
    pub ifindex: u32,
    /// The device that the socket is bound to.
    pub bound_ifindex: u32,
    /// The network namespace's inode.
    pub netns_inode: u32,
    /// The kernel's number of a drop reason, if [`flag::REASON`].
    pub reason: u32,
    /// The reading process (thread group), as the first pid namespace numbers it.
    pub pid: u32,
    /// Length of the packet from its IP header, in octets.
    pub wire_length: u32,
    /// How many octets of the packet follow this header; what comes after is garbage.
    pub captured_length: u32,
    /// [`crate::ABI_VERSION`] of the program that wrote this.
    pub abi_version: u16,
    /// One of [`crate::hook`].
    pub hook: u8,
    /// One of [`crate::direction`]: towards the socket, or from it.
    pub direction: u8,
    /// See [`crate::message_type`].
    pub message_type: u8,
    /// `skb->pkt_type`, or [`crate::sample::PACKET_TYPE_UNKNOWN`].
    pub packet_type: u8,
    /// A set of [`flag`].
    pub flags: u8,
    /// Zero.
    pub reserved: u8,
    /// The reading thread's name, filled up with zeros.
    pub command: [u8; 16],
    /// Zero.
    pub padding: u32,
}

/// Bits of [`SentryHeader::flags`].
pub mod flag {
    /// `reason` is set.
    pub const REASON: u8 = 1;
}

const _: () = assert!(size_of::<SentryHeader>() == 80);
const _: () = assert!(align_of::<SentryHeader>() == 8);

/// Names of programs and globals in the sentry. Maps are named as in the other object.
pub mod name {
    /// cgroup_skb ingress.
    pub const CGROUP_INGRESS: &str = "leasehound_cgi";
    /// cgroup_skb egress.
    pub const CGROUP_EGRESS: &str = "leasehound_cgo";
    /// The tracepoint `kfree_skb`.
    pub const KFREE_SKB: &str = "leasehound_drop";
    /// The tracepoint `consume_skb`.
    pub const CONSUME_SKB: &str = "leasehound_read";
    /// An empty cgroup_skb program: the yardstick of the benchmark.
    pub const EMPTY_CGROUP: &str = "leasehound_nopc";

    /// Offsets of fields in the running kernel's structures, each a `u32`.
    pub mod offset {
        /// `sk_buff.dev`
        pub const SKB_DEV: &str = "SKB_DEV";
        /// `sk_buff.sk`
        pub const SKB_SK: &str = "SKB_SK";
        /// `sk_buff._skb_refdst`
        pub const SKB_DST: &str = "SKB_DST";
        /// `sk_buff.destructor`
        pub const SKB_DESTRUCTOR: &str = "SKB_DESTRUCTOR";
        /// `sk_buff.data_len`
        pub const SKB_DATA_LEN: &str = "SKB_DATA_LEN";
        /// `sk_buff.pkt_type`: of the octet whose lowest three bits it is.
        pub const SKB_PKT_TYPE: &str = "SKB_PKT_TYPE";
        /// `sk_buff.skb_iif`
        pub const SKB_IIF: &str = "SKB_IIF";
        /// `sk_buff.protocol`
        pub const SKB_PROTOCOL: &str = "SKB_PROTOCOL";
        /// `sk_buff.network_header`
        pub const SKB_NETWORK_HEADER: &str = "SKB_NETWORK_HEADER";
        /// `sk_buff.tail`
        pub const SKB_TAIL: &str = "SKB_TAIL";
        /// `sk_buff.head`
        pub const SKB_HEAD: &str = "SKB_HEAD";
        /// `sock.__sk_common.skc_family`
        pub const SOCK_FAMILY: &str = "SOCK_FAMILY";
        /// `sock.__sk_common.skc_net.net`
        pub const SOCK_NET: &str = "SOCK_NET";
        /// `sock.__sk_common.skc_cookie`
        pub const SOCK_COOKIE: &str = "SOCK_COOKIE";
        /// `net_device.ifindex`
        pub const DEV_IFINDEX: &str = "DEV_IFINDEX";
        /// `net_device.nd_net.net`
        pub const DEV_NET: &str = "DEV_NET";
        /// `dst_entry.dev`
        pub const DST_DEV: &str = "DST_DEV";
        /// `net.ns.inum`
        pub const NET_INODE: &str = "NET_INODE";
        /// `net.loopback_dev`
        pub const NET_LOOPBACK: &str = "NET_LOOPBACK";
    }

    /// Which arguments the tracepoint `kfree_skb` has, a set of [`super::argument`]; a `u32`.
    pub const DROP_ARGUMENTS: &str = "DROP_ARGUMENTS";
    /// Drop reasons that mean that nothing was dropped: bit `n` of the two `u64` for
    /// reason `n`.
    pub const NO_DROPS: &str = "NO_DROPS";
    /// The number of the drop reason OTHERHOST, a `u32`; `u32::MAX` if there is none.
    pub const OTHER_HOST: &str = "OTHER_HOST";
    /// Drop reasons that mean nothing for a packet to a client, which reads its raw copy:
    /// bit `n` of the two `u64` for reason `n`.
    pub const CLIENT_REASONS: &str = "CLIENT_REASONS";
    /// The number of the drop reason NOT_SPECIFIED, a `u32`; `u32::MAX` if there is none.
    pub const NOT_SPECIFIED: &str = "NOT_SPECIFIED";
    /// Start and end of the function `__udp4_lib_rcv`, two `u64`; 0 if unknown.
    pub const UDP_RECEIVE: &str = "UDP_RECEIVE";
    /// The address of `sock_rfree`, a `u64`; 0 if unknown.
    pub const SOCK_RFREE: &str = "SOCK_RFREE";
}

/// Bits of the global [`name::DROP_ARGUMENTS`].
pub mod argument {
    /// `reason`, the third argument.
    pub const REASON: u32 = 1;
    /// `rx_sk`, the fourth argument.
    pub const SOCKET: u32 = 2;
}

/// Who shares a set of buckets: a storm of one takes nothing from another.
pub mod group {
    /// Packets offered to sockets.
    pub const OFFERED: u32 = 0;
    /// Packets sent by sockets.
    pub const SENT: u32 = 1;
    /// Packets dropped.
    pub const DROPPED: u32 = 2;
    /// Packets dropped because they were for another host.
    pub const OTHER_HOST: u32 = 3;
    /// Packets read from raw sockets.
    pub const READ: u32 = 4;
    /// How many there are.
    pub const COUNT: u32 = 5;
}

/// Buckets of one group.
const PER_GROUP: u32 = message_type::HIGHEST_V4 as u32 + 2;

/// How many buckets there are.
pub const BUCKETS: u32 = group::COUNT * PER_GROUP;

/// The bucket of a DHCPv4 message type in a [`group`].
pub const fn bucket_index(group: u32, message_type: u8) -> u32 {
    let slot = if message_type <= message_type::HIGHEST_V4 {
        message_type
    } else {
        message_type::HIGHEST_V4 + 1
    };
    group * PER_GROUP + slot as u32
}

/// Frames for other hosts reach every port of a bridge that floods, and all of a mirrored
/// network. Each tells the same, so that these few per second and message type are
/// enough; what is left out is counted as [`crate::count::stat::WITHHELD`] and is no loss.
pub const OTHER_HOST_BUDGET: crate::count::Budget = crate::count::Budget {
    per_second: [50; class::COUNT],
    burst: [100; class::COUNT],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_the_way_through_octets() {
        let header = SentryHeader {
            ktime_nanos: 1,
            socket_cookie: 2,
            location: 3,
            ifindex: 4,
            bound_ifindex: 5,
            netns_inode: 6,
            reason: 7,
            pid: 8,
            wire_length: 9,
            captured_length: 10,
            abi_version: crate::ABI_VERSION,
            hook: crate::hook::KFREE_SKB,
            direction: crate::direction::INGRESS,
            message_type: 7,
            packet_type: 3,
            flags: flag::REASON,
            reserved: 0,
            command: *b"dhcpd\0\0\0\0\0\0\0\0\0\0\0",
            padding: 0,
        };
        assert_eq!(SentryHeader::read_from_bytes(header.as_bytes()), Ok(header));
        assert!(SentryHeader::read_from_bytes(&[0; 79]).is_err());
    }

    #[test]
    fn buckets_are_distinct_and_in_range() {
        let mut seen = [false; BUCKETS as usize];
        for group in 0..group::COUNT {
            for message_type in 0..=19 {
                let index = bucket_index(group, message_type) as usize;
                assert!(!seen[index], "group {group} type {message_type}");
                seen[index] = true;
            }
            assert_eq!(bucket_index(group, 19), bucket_index(group, 255));
        }
    }
}
