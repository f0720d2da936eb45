//! DHCPv4 packets that the kernel drops, in any network namespace.
//!
//! A healthy host drops some all the time, of which nobody wants to hear: the looped copy
//! of a broadcast reply, copies for capture tools, what a bridge floods to ports of
//! others, and replies to a client that has no address yet and reads its raw copy.
//! Whether a frame for another host should have been for this one can't be told here:
//! such drops are reported, but a few of them are enough.

use crate::kernel::{Address, KernelSkb, Socket};
use crate::samples::emit;
use aya_ebpf::Global;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use leasehound_common::hook;
use leasehound_common::sentry::{SentryHeader, argument, flag, group};
use leasehound_ebpf::classify::{Class, Packet as _, classify_ip, message_type_of};

#[unsafe(no_mangle)]
static DROP_ARGUMENTS: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static NO_DROPS: Global<[u64; 2]> = Global::new([0; 2]);
#[unsafe(no_mangle)]
static CLIENT_REASONS: Global<[u64; 2]> = Global::new([0; 2]);
#[unsafe(no_mangle)]
static OTHER_HOST: Global<u32> = Global::new(u32::MAX);
#[unsafe(no_mangle)]
static NOT_SPECIFIED: Global<u32> = Global::new(u32::MAX);
#[unsafe(no_mangle)]
static UDP_RECEIVE: Global<[u64; 2]> = Global::new([0; 2]);

/// `skb->pkt_type` (linux/if_packet.h).
const PACKET_OTHERHOST: u8 = 3;
const PACKET_OUTGOING: u8 = 4;
const PACKET_LOOPBACK: u8 = 5;

const CLIENT_PORT: [u8; 2] = 68_u16.to_be_bytes();

#[raw_tracepoint(tracepoint = "kfree_skb")]
#[expect(clippy::needless_pass_by_value, reason = "aya's macro hands it over")]
pub(crate) fn leasehound_drop(context: RawTracePointContext) -> i32 {
    dropped(&context);
    0
}

#[inline(always)]
fn dropped(context: &RawTracePointContext) {
    // What lies behind the last argument is anything.
    let arguments = DROP_ARGUMENTS.load();
    let reason: Option<u32> = if arguments & argument::REASON != 0 {
        Some(context.arg(2))
    } else {
        None
    };
    if is_one_of(reason, NO_DROPS.load()) {
        return;
    }
    let skb = KernelSkb(Address(context.arg(0)));
    let Some(packet) = skb.packet() else {
        return;
    };
    let Class::Dhcp(dhcp) = classify_ip(&packet) else {
        return;
    };
    let packet_type = skb.packet_type();
    let group = match packet_type {
        // The second is what a packet socket gets of a packet on its way out.
        PACKET_LOOPBACK | PACKET_OUTGOING => return,
        PACKET_OTHERHOST if reason != Some(OTHER_HOST.load()) => return,
        PACKET_OTHERHOST => group::OTHER_HOST,
        _ => group::DROPPED,
    };
    let location: u64 = context.arg(1);
    let is_for_client = packet
        .read::<4>(dhcp.udp)
        .is_some_and(|[_, _, a, b]| [a, b] == CLIENT_PORT);
    if is_for_client && is_of_no_matter_to_clients(reason, location) && skb.is_received() {
        return;
    }
    let message_type = message_type_of(&packet, &dhcp);
    emit(&packet, hook::KFREE_SKB, message_type, group, |blank| {
        let receiver = if arguments & argument::SOCKET != 0 {
            match context.arg(3) {
                0 => None,
                address => Some(Socket(Address(address))),
            }
        } else {
            None
        };
        let whereabouts = skb.whereabouts(receiver);
        SentryHeader {
            location,
            reason: reason.unwrap_or(0),
            flags: if reason.is_some() { flag::REASON } else { 0 },
            netns_inode: whereabouts.netns_inode,
            ifindex: whereabouts.ifindex,
            socket_cookie: match receiver {
                Some(socket) => socket.cookie(),
                None => 0,
            },
            packet_type,
            ..blank
        }
    });
}

/// Whether the stack of a client's host drops packets to port 68 for this: they are for a
/// raw socket, and the stack knows neither the port nor, at times, the address.
#[inline(always)]
fn is_of_no_matter_to_clients(reason: Option<u32>, location: u64) -> bool {
    if is_one_of(reason, CLIENT_REASONS.load()) {
        return true;
    }
    // What a broadcast without listeners gets; so do other drops in other places.
    let [start, end] = UDP_RECEIVE.load();
    reason == Some(NOT_SPECIFIED.load()) && location > start && location <= end
}

/// `set` has bit `n` for reason `n`.
#[inline(always)]
const fn is_one_of(reason: Option<u32>, set: [u64; 2]) -> bool {
    match reason {
        Some(number @ 0..64) => set[0] >> number & 1 != 0,
        Some(number @ 64..128) => set[1] >> (number - 64) & 1 != 0,
        _ => false,
    }
}
