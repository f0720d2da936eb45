//! DHCPv4 packets at UDP sockets: cgroup_skb on the root of the cgroup v2 hierarchy, to
//! which every socket of the host belongs.
//!
//! Ingress runs for each receiving socket, before its filter, its buffer and the
//! checksum have their say: what is seen here was offered, not read.

use crate::context::{Frame as _, Skb, Source as _};
use crate::samples::emit;
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::{SkBuffContext, TcContext};
use leasehound_common::sentry::{SentryHeader, group};
use leasehound_common::{direction, hook};
use leasehound_ebpf::classify::{Class, classify_ip, message_type_of};

const PASS: i32 = 1;

#[cgroup_skb(ingress)]
#[expect(clippy::needless_pass_by_value, reason = "aya's macro hands it over")]
pub(crate) fn leasehound_cgi(context: SkBuffContext) -> i32 {
    watch(&context, direction::INGRESS, group::OFFERED);
    PASS
}

#[cgroup_skb(egress)]
#[expect(clippy::needless_pass_by_value, reason = "aya's macro hands it over")]
pub(crate) fn leasehound_cgo(context: SkBuffContext) -> i32 {
    watch(&context, direction::EGRESS, group::SENT);
    PASS
}

#[cgroup_skb(ingress)]
pub(crate) fn leasehound_nopc(_context: SkBuffContext) -> i32 {
    PASS
}

#[inline(always)]
fn watch(context: &SkBuffContext, direction: u8, group: u32) {
    // The same view of a packet at another hook.
    let packet = Skb::new(TcContext::new(context.skb.skb));
    let Class::Dhcp(dhcp) = classify_ip(&packet) else {
        return;
    };
    let message_type = message_type_of(&packet, &dhcp);
    emit(&packet, hook::CGROUP_SKB, message_type, group, |blank| {
        SentryHeader {
            direction,
            socket_cookie: packet.socket_cookie(),
            ifindex: packet.ifindex(),
            bound_ifindex: packet.bound_ifindex(),
            wire_length: packet.wire_length(),
            packet_type: packet.packet_type(),
            ..blank
        }
    });
}
