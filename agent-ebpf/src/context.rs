//! What a hook hands to a program, read through one trait. The unsafe code is here, in
//! `emit` and in `kernel`.
//!
//! Octets are read straight from the packet where the kernel has them in one piece, and
//! through a helper where it does not.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{__sk_buff, xdp_md};
use aya_ebpf::helpers::{
    bpf_get_socket_cookie, bpf_loop, bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
};
use aya_ebpf::programs::{TcContext, XdpContext};
use core::ffi::{c_long, c_void};
use core::mem::MaybeUninit;
use leasehound_common::sample::PACKET_TYPE_UNKNOWN;
use leasehound_ebpf::classify::{OPTIONS_SEARCHED, OptionSearch, Packet};

/// A packet that can be copied.
pub(crate) trait Source: Packet {
    /// Length in octets.
    fn wire_length(&self) -> u32;
    /// How many of them can be copied: at least one.
    fn available(&self) -> u32;
    /// Copies the first `length` octets.
    ///
    /// # Safety
    /// `to` must have room for `length` octets.
    unsafe fn copy_start(&self, to: *mut u8, length: u32) -> bool;
}

/// A packet and what the kernel says about it.
pub(crate) trait Frame: Source {
    /// The interface's index.
    fn ifindex(&self) -> u32;
    /// `pkt_type`.
    fn packet_type(&self) -> u8;
    /// The tag that was taken out of the octets.
    fn metadata_tag(&self) -> Option<u16>;
    /// Of the sending socket.
    fn socket_cookie(&self) -> u64;
    /// What aya's macros want to see.
    fn context(&self) -> &impl EbpfContext;
}

/// A frame at tcx or clsact.
pub(crate) struct Skb(TcContext);

/// A frame at XDP.
pub(crate) struct Xdp(XdpContext);

impl Skb {
    #[inline(always)]
    pub(crate) const fn new(context: TcContext) -> Self {
        Self(context)
    }

    /// The device that the socket is bound to, 0 for none. Only where `skb->sk` is the
    /// socket in question.
    #[inline(always)]
    pub(crate) fn bound_ifindex(&self) -> u32 {
        // SAFETY: the kernel passed this pointer, and the other one is null or good.
        unsafe {
            let socket = (*self.raw()).__bindgen_anon_2.sk;
            if socket.is_null() {
                0
            } else {
                (*socket).bound_dev_if
            }
        }
    }

    #[inline(always)]
    const fn raw(&self) -> *mut __sk_buff {
        self.0.skb.skb
    }
}

impl Xdp {
    #[inline(always)]
    pub(crate) const fn new(context: XdpContext) -> Self {
        Self(context)
    }

    #[inline(always)]
    const fn raw(&self) -> *mut xdp_md {
        self.0.ctx
    }
}

impl Packet for Skb {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let start = self.0.data() + offset as usize;
        if start + N <= self.0.data_end() {
            // SAFETY: the verifier accepts this only because of the line above.
            return Some(unsafe { *(start as *const [u8; N]) });
        }
        FarSkb(self.raw()).read(offset)
    }

    #[inline(always)]
    fn read_far<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        FarSkb(self.raw()).read(offset)
    }

    #[inline(always)]
    fn start<const N: usize>(&self) -> Option<&[u8; N]> {
        let start = self.0.data();
        // SAFETY: as above; nothing here moves the packet while it is borrowed.
        (start + N <= self.0.data_end()).then(|| unsafe { &*(start as *const [u8; N]) })
    }

    #[inline(always)]
    fn search(&self, search: &mut OptionSearch) {
        search_far(FarSkb(self.raw()), search);
    }
}

impl Packet for Xdp {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let start = self.0.data() + offset as usize;
        if start + N <= self.0.data_end() {
            // SAFETY: as above.
            return Some(unsafe { *(start as *const [u8; N]) });
        }
        FarXdp(self.raw()).read(offset)
    }

    #[inline(always)]
    fn read_far<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        FarXdp(self.raw()).read(offset)
    }

    #[inline(always)]
    fn start<const N: usize>(&self) -> Option<&[u8; N]> {
        let start = self.0.data();
        // SAFETY: as above; nothing here moves the packet while it is borrowed.
        (start + N <= self.0.data_end()).then(|| unsafe { &*(start as *const [u8; N]) })
    }

    #[inline(always)]
    fn search(&self, search: &mut OptionSearch) {
        search_far(FarXdp(self.raw()), search);
    }
}

impl Source for Skb {
    #[inline(always)]
    fn wire_length(&self) -> u32 {
        self.0.len()
    }

    #[inline(always)]
    fn available(&self) -> u32 {
        self.wire_length()
    }

    #[inline(always)]
    unsafe fn copy_start(&self, to: *mut u8, length: u32) -> bool {
        // SAFETY: by contract.
        unsafe { bpf_skb_load_bytes(self.raw().cast(), 0, to.cast(), length) == 0 }
    }
}

impl Frame for Skb {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: the kernel passed this pointer; so below.
        unsafe { (*self.raw()).ifindex }
    }

    #[inline(always)]
    fn packet_type(&self) -> u8 {
        // SAFETY: as above.
        (unsafe { (*self.raw()).pkt_type }) as u8
    }

    #[inline(always)]
    fn metadata_tag(&self) -> Option<u16> {
        // SAFETY: as above.
        unsafe { ((*self.raw()).vlan_present != 0).then(|| (*self.raw()).vlan_tci as u16) }
    }

    #[inline(always)]
    fn socket_cookie(&self) -> u64 {
        // SAFETY: as above.
        unsafe { bpf_get_socket_cookie(self.raw().cast()) }
    }

    #[inline(always)]
    fn context(&self) -> &impl EbpfContext {
        &self.0
    }
}

impl Source for Xdp {
    #[inline(always)]
    fn wire_length(&self) -> u32 {
        // SAFETY: the kernel passed this pointer.
        (unsafe { bpf_xdp_get_buff_len(self.raw()) }) as u32
    }

    #[inline(always)]
    fn available(&self) -> u32 {
        self.wire_length()
    }

    #[inline(always)]
    unsafe fn copy_start(&self, to: *mut u8, length: u32) -> bool {
        // SAFETY: by contract.
        unsafe { bpf_xdp_load_bytes(self.raw(), 0, to.cast(), length) == 0 }
    }
}

impl Frame for Xdp {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.0.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn packet_type(&self) -> u8 {
        PACKET_TYPE_UNKNOWN
    }

    #[inline(always)]
    fn metadata_tag(&self) -> Option<u16> {
        None
    }

    #[inline(always)]
    fn socket_cookie(&self) -> u64 {
        0
    }

    #[inline(always)]
    fn context(&self) -> &impl EbpfContext {
        &self.0
    }
}

/// Reads through the helper: any offset, in one piece or not.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct FarSkb(*mut __sk_buff);

#[derive(Clone, Copy)]
#[repr(transparent)]
struct FarXdp(*mut xdp_md);

impl Packet for FarSkb {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut octets = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: the helper writes all N octets, zeros if it fails.
        unsafe {
            let result =
                bpf_skb_load_bytes(self.0.cast(), offset, octets.as_mut_ptr().cast(), N as u32);
            (result == 0).then(|| octets.assume_init())
        }
    }

    #[inline(always)]
    fn start<const N: usize>(&self) -> Option<&[u8; N]> {
        None
    }
}

impl Packet for FarXdp {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut octets = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: the octets are used only if the helper wrote them.
        unsafe {
            let result = bpf_xdp_load_bytes(self.0, offset, octets.as_mut_ptr().cast(), N as u32);
            (result == 0).then(|| octets.assume_init())
        }
    }

    #[inline(always)]
    fn start<const N: usize>(&self) -> Option<&[u8; N]> {
        None
    }
}

#[repr(C)]
struct Walk<P> {
    packet: P,
    search: OptionSearch,
}

/// The verifier refuses a plain loop of this many steps (a million instructions), and
/// checks the callback of `bpf_loop` once.
#[inline(always)]
pub(crate) fn search_far<P: Packet>(packet: P, search: &mut OptionSearch) {
    let mut walk = Walk {
        packet,
        search: *search,
    };
    // SAFETY: the callback takes what is passed here; `walk` outlives the call.
    unsafe {
        bpf_loop(
            OPTIONS_SEARCHED,
            walk_step::<P> as *mut c_void,
            core::ptr::from_mut(&mut walk).cast(),
            0,
        );
    }
    *search = walk.search;
}

extern "C" fn walk_step<P: Packet>(_index: u64, walk: *mut c_void) -> c_long {
    // SAFETY: `search_far` passes this pointer and nothing else calls.
    let walk = unsafe { &mut *walk.cast::<Walk<P>>() };
    c_long::from(walk.search.step(&walk.packet).is_break())
}
