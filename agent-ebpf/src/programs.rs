//! The entry points.

use crate::context::{Frame, Skb, Xdp};
use crate::frames::{Place, add_stat, emit, emit_icmp_error};
use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use leasehound_common::count::stat;
use leasehound_common::{direction, hook};
use leasehound_ebpf::classify::{Class, classify};

/// TC_ACT_UNSPEC for a clsact filter, TCX_NEXT for a tcx program: "not for me to say".
const NEXT: i32 = -1;

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[classifier]
pub(crate) fn leasehound_tcxi(context: TcContext) -> i32 {
    watch(
        &Skb::new(context),
        Place {
            hook: hook::TCX,
            direction: direction::INGRESS,
        },
    );
    NEXT
}

#[classifier]
pub(crate) fn leasehound_tcxo(context: TcContext) -> i32 {
    watch(
        &Skb::new(context),
        Place {
            hook: hook::TCX,
            direction: direction::EGRESS,
        },
    );
    NEXT
}

#[classifier]
pub(crate) fn leasehound_in(context: TcContext) -> i32 {
    watch(
        &Skb::new(context),
        Place {
            hook: hook::CLSACT,
            direction: direction::INGRESS,
        },
    );
    NEXT
}

#[classifier]
pub(crate) fn leasehound_out(context: TcContext) -> i32 {
    watch(
        &Skb::new(context),
        Place {
            hook: hook::CLSACT,
            direction: direction::EGRESS,
        },
    );
    NEXT
}

#[xdp(frags)]
pub(crate) fn leasehound_xdp(context: XdpContext) -> u32 {
    watch(
        &Xdp::new(context),
        Place {
            hook: hook::XDP,
            direction: direction::INGRESS,
        },
    );
    XDP_PASS
}

#[classifier]
pub(crate) fn leasehound_nop(_context: TcContext) -> i32 {
    NEXT
}

#[xdp(frags)]
pub(crate) fn leasehound_nopx(_context: XdpContext) -> u32 {
    XDP_PASS
}

#[inline(always)]
fn watch(frame: &impl Frame, place: Place) {
    match classify(frame) {
        Class::Other => {}
        Class::ExtensionHeaders => add_stat(place, stat::EXTENSION_HEADERS),
        Class::Dhcp(dhcp) => emit(frame, &dhcp, place),
        Class::IcmpError(quoted) => emit_icmp_error(frame, &quoted, place),
    }
}
