//! What the kernel's own structures say, read at offsets that the agent found in the
//! running kernel's BTF.
//!
//! Any address may be tried: the helper refuses a bad one, and then nothing is known. What
//! lies at a good one may still be something else, for parts of `sk_buff` are used for
//! several purposes: whatever is taken for a network namespace has to prove it.

use crate::context::{Source, search_far};
use aya_ebpf::Global;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use core::mem::MaybeUninit;
use leasehound_ebpf::classify::{IpStart, OptionSearch, Packet, ip_without_dhcp};

macro_rules! offsets {
    ($($name:ident)*) => {
        $(#[unsafe(no_mangle)]
        static $name: Global<u32> = Global::new(u32::MAX);)*
    };
}

offsets! {
    SKB_DEV SKB_SK SKB_DST SKB_DESTRUCTOR SKB_DATA_LEN SKB_PKT_TYPE SKB_IIF SKB_PROTOCOL
    SKB_NETWORK_HEADER SKB_TAIL SKB_HEAD
    SOCK_FAMILY SOCK_NET SOCK_COOKIE
    DEV_IFINDEX DEV_NET
    DST_DEV
    NET_INODE NET_LOOPBACK
}

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];

/// `LOOPBACK_IFINDEX` in net/flow.h: the first device of each namespace.
const LOOPBACK_IFINDEX: u32 = 1;

/// The address of a structure, or of what passes for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) u64);

impl Address {
    #[inline(always)]
    fn read<T: Copy>(self, offset: &Global<u32>) -> Option<T> {
        read(self.0.wrapping_add(u64::from(offset.load())))
    }

    /// Follows a pointer; null leads nowhere.
    #[inline(always)]
    fn follow(self, offset: &Global<u32>) -> Option<Self> {
        match self.read(offset) {
            None | Some(0) => None,
            Some(address) => Some(Self(address)),
        }
    }
}

#[inline(always)]
fn read<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes all of the value, zeros if it fails, and all callers ask for
    // integers or arrays of them.
    unsafe {
        let result = bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const _,
        );
        (result == 0).then(|| value.assume_init())
    }
}

/// A `struct sock`.
#[derive(Clone, Copy)]
pub(crate) struct Socket(pub(crate) Address);

impl Socket {
    /// 0 if nothing has asked for it yet.
    #[inline(always)]
    pub(crate) fn cookie(self) -> u64 {
        self.0.read(&SOCK_COOKIE).unwrap_or(0)
    }

    /// `AF_PACKET` and the like; 0 if unknown.
    #[inline(always)]
    pub(crate) fn family(self) -> u16 {
        self.0.read(&SOCK_FAMILY).unwrap_or(0)
    }

    #[inline(always)]
    fn netns(self) -> u32 {
        self.0.follow(&SOCK_NET).map_or(0, netns_inode)
    }
}

/// Where a packet is; 0 is unknown.
#[derive(Clone, Copy)]
pub(crate) struct Whereabouts {
    pub(crate) netns_inode: u32,
    pub(crate) ifindex: u32,
}

const NOWHERE: Whereabouts = Whereabouts {
    netns_inode: 0,
    ifindex: 0,
};

/// A `struct sk_buff`.
#[derive(Clone, Copy)]
pub(crate) struct KernelSkb(pub(crate) Address);

impl KernelSkb {
    /// The packet, unless it is certainly not DHCPv4: four reads at most for others.
    #[inline(always)]
    pub(crate) fn packet(self) -> Option<KernelPacket> {
        if self.0.read::<[u8; 2]>(&SKB_PROTOCOL)? != ETHERTYPE_IPV4 {
            return None;
        }
        let head: u64 = self.0.read(&SKB_HEAD)?;
        let network_header = u32::from(self.0.read::<u16>(&SKB_NETWORK_HEADER)?);
        let start = head.wrapping_add(u64::from(network_header));
        if ip_without_dhcp(&read::<IpStart>(start)?) {
            return None;
        }
        // An offset too, on all machines with 64 bits.
        let tail: u32 = self.0.read(&SKB_TAIL)?;
        let length = tail.wrapping_sub(network_header);
        if network_header == 0 || tail < network_header || length < size_of::<IpStart>() as u32 {
            return None;
        }
        let elsewhere: u32 = self.0.read(&SKB_DATA_LEN)?;
        Some(KernelPacket {
            start,
            length,
            wire_length: length.wrapping_add(elsewhere),
        })
    }

    #[inline(always)]
    pub(crate) fn packet_type(self) -> u8 {
        self.0.read::<u8>(&SKB_PKT_TYPE).unwrap_or(0) & 7
    }

    /// Whether it came in over a device (`skb_iif`), and was not made here.
    #[inline(always)]
    pub(crate) fn is_received(self) -> bool {
        self.0.read(&SKB_IIF).unwrap_or(0_u32) != 0
    }

    /// The socket it belongs to: of its sender, or, in the queue of a packet socket, of
    /// its receiver.
    #[inline(always)]
    pub(crate) fn socket(self) -> Option<Socket> {
        self.0.follow(&SKB_SK).map(Socket)
    }

    /// The function that lets go of that socket.
    #[inline(always)]
    pub(crate) fn destructor(self) -> u64 {
        self.0.read(&SKB_DESTRUCTOR).unwrap_or(0)
    }

    /// From the receiving socket if there is one, else from `dev`. In a UDP socket's queue
    /// other data lies where `dev` was, and on its way out a packet has none at first: only
    /// then are the sending socket and the route asked. (While there is a device, the
    /// socket may still be the sender's in another namespace.)
    #[inline(always)]
    pub(crate) fn whereabouts(self, receiver: Option<Socket>) -> Whereabouts {
        let by_device = match self.0.follow(&SKB_DEV) {
            Some(device) => device_whereabouts(device),
            None => NOWHERE,
        };
        let by_receiver = match receiver {
            Some(socket) => socket.netns(),
            None => 0,
        };
        if by_receiver != 0 && by_receiver != by_device.netns_inode {
            return Whereabouts {
                netns_inode: by_receiver,
                ifindex: 0,
            };
        }
        if by_device.netns_inode != 0 {
            return by_device;
        }
        let by_route = self.by_route();
        if by_route.netns_inode != 0 && !self.is_received() {
            return by_route;
        }
        let by_sender = match self.socket() {
            Some(socket) => socket.netns(),
            None => 0,
        };
        Whereabouts {
            netns_inode: if by_sender != 0 {
                by_sender
            } else {
                by_route.netns_inode
            },
            ifindex: 0,
        }
    }

    #[inline(always)]
    fn by_route(self) -> Whereabouts {
        // The lowest bit says that there is no reference (`SKB_DST_NOREF`).
        let route = self.0.read(&SKB_DST).unwrap_or(0_u64) & !1;
        if route == 0 {
            return NOWHERE;
        }
        match Address(route).follow(&DST_DEV) {
            Some(device) => device_whereabouts(device),
            None => NOWHERE,
        }
    }
}

/// Of what may be a `struct net_device`.
#[inline(always)]
fn device_whereabouts(device: Address) -> Whereabouts {
    let netns_inode = match device.follow(&DEV_NET) {
        Some(net) => netns_inode(net),
        None => 0,
    };
    if netns_inode == 0 {
        return NOWHERE;
    }
    Whereabouts {
        netns_inode,
        ifindex: device.read(&DEV_IFINDEX).unwrap_or(0),
    }
}

/// The inode of what may be a `struct net`, and 0 if it is none: its loopback device has to
/// point back to it.
#[inline(never)]
fn netns_inode(net: Address) -> u32 {
    let Some(loopback) = net.follow(&NET_LOOPBACK) else {
        return 0;
    };
    if loopback.follow(&DEV_NET) != Some(net)
        || loopback.read(&DEV_IFINDEX) != Some(LOOPBACK_IFINDEX)
    {
        return 0;
    }
    net.read(&NET_INODE).unwrap_or(0)
}

/// A packet in the kernel's memory, from its IP header. What is not in one piece with that
/// is out of reach.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct KernelPacket {
    start: u64,
    length: u32,
    wire_length: u32,
}

impl Packet for KernelPacket {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        if offset > self.length || self.length - offset < N as u32 {
            return None;
        }
        read(self.start.wrapping_add(u64::from(offset)))
    }

    #[inline(always)]
    fn start<const N: usize>(&self) -> Option<&[u8; N]> {
        None
    }

    #[inline(always)]
    fn search(&self, search: &mut OptionSearch) {
        search_far(*self, search);
    }
}

impl Source for KernelPacket {
    #[inline(always)]
    fn wire_length(&self) -> u32 {
        self.wire_length
    }

    #[inline(always)]
    fn available(&self) -> u32 {
        self.length
    }

    #[inline(always)]
    unsafe fn copy_start(&self, to: *mut u8, length: u32) -> bool {
        // SAFETY: by contract.
        unsafe { bpf_probe_read_kernel(to.cast(), length, self.start as *const _) == 0 }
    }
}
