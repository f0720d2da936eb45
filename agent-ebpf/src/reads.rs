//! DHCPv4 packets that a process reads from an AF_PACKET socket, in any network
//! namespace.
//!
//! The tracepoint sees every packet of the host that was used up, so it is attached only
//! while somebody is interested. A packet in a packet socket's queue belongs to that
//! socket through `sock_rfree`, and is used up as `recvmsg` has copied it; if the socket
//! is closed instead, it is dropped. Sent packets belong to theirs through another function.

use crate::kernel::{Address, KernelSkb};
use crate::samples::emit;
use aya_ebpf::Global;
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use leasehound_common::hook;
use leasehound_common::sentry::{SentryHeader, group};
use leasehound_ebpf::classify::{Class, classify_ip, message_type_of};

#[unsafe(no_mangle)]
static SOCK_RFREE: Global<u64> = Global::new(0);

const AF_PACKET: u16 = 17;

/// `skb->pkt_type` (linux/if_packet.h).
const PACKET_OUTGOING: u8 = 4;

#[raw_tracepoint(tracepoint = "consume_skb")]
#[expect(clippy::needless_pass_by_value, reason = "aya's macro hands it over")]
pub(crate) fn leasehound_read(context: RawTracePointContext) -> i32 {
    read(&context);
    0
}

#[inline(always)]
fn read(context: &RawTracePointContext) {
    let skb = KernelSkb(Address(context.arg(0)));
    // Nearly all are done with here, after one read.
    if skb.destructor() != SOCK_RFREE.load() {
        return;
    }
    if skb
        .socket()
        .is_none_or(|socket| socket.family() != AF_PACKET)
    {
        return;
    }
    let Some(packet) = skb.packet() else {
        return;
    };
    let Class::Dhcp(dhcp) = classify_ip(&packet) else {
        return;
    };
    let packet_type = skb.packet_type();
    if packet_type == PACKET_OUTGOING {
        return;
    }
    let message_type = message_type_of(&packet, &dhcp);
    emit(
        &packet,
        hook::CONSUME_SKB,
        message_type,
        group::READ,
        |blank| SentryHeader {
            pid: (bpf_get_current_pid_tgid() >> 32) as u32,
            command: bpf_get_current_comm().unwrap_or([0; 16]),
            packet_type,
            ..blank
        },
    );
}
