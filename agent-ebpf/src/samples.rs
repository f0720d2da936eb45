//! The sentry's maps, and how it samples: like the other object, but for counters of
//! messages, which it has none of.

use crate::context::Source;
use crate::emit;
use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use leasehound_common::count::{
    Bucket, Budget, STATS as STAT_COUNT, class, class_of, stat, stat_index,
};
use leasehound_common::sample::PACKET_TYPE_UNKNOWN;
use leasehound_common::sentry::{BUCKETS, OTHER_HOST_BUDGET, SentryHeader, bucket_index, group};
use leasehound_common::{ABI_VERSION, direction, family};

#[map]
static STATS: PerCpuArray<u64> = PerCpuArray::with_max_entries(STAT_COUNT, 0);
#[map]
static BUCKETS_BY_TYPE: Array<Bucket> = Array::with_max_entries(BUCKETS, 0);
#[map]
static SAMPLES: RingBuf = RingBuf::with_byte_size(1 << 18, 0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// See `leasehound_common::ABI_SYMBOL`.
#[unsafe(no_mangle)]
static LEASEHOUND_ABI_2: Global<u32> = Global::new(ABI_VERSION as u32);
#[unsafe(no_mangle)]
static BUDGET: Global<Budget> = Global::new(Budget::DEFAULT);
#[unsafe(no_mangle)]
static RING_BYTES: Global<u64> = Global::new(1 << 18);

/// A header that says nothing yet but where it comes from.
#[inline(always)]
pub(crate) const fn blank(hook: u8, message_type: u8) -> SentryHeader {
    SentryHeader {
        ktime_nanos: 0,
        socket_cookie: 0,
        location: 0,
        ifindex: 0,
        bound_ifindex: 0,
        netns_inode: 0,
        reason: 0,
        pid: 0,
        wire_length: 0,
        captured_length: 0,
        abi_version: ABI_VERSION,
        hook,
        direction: direction::INGRESS,
        message_type,
        packet_type: PACKET_TYPE_UNKNOWN,
        flags: 0,
        reserved: 0,
        command: [0; 16],
        padding: 0,
    }
}

/// Samples a packet if it may; `header` is asked for only then.
#[inline(always)]
pub(crate) fn emit(
    packet: &impl Source,
    hook: u8,
    message_type: u8,
    group: u32,
    header: impl FnOnce(SentryHeader) -> SentryHeader,
) {
    let outcome = sample(packet, hook, message_type, group, header);
    emit::count(&STATS, stat_index(hook, outcome));
}

/// Returns what became of it: one of `stat`.
#[inline(always)]
fn sample(
    packet: &impl Source,
    hook: u8,
    message_type: u8,
    group: u32,
    header: impl FnOnce(SentryHeader) -> SentryHeader,
) -> u8 {
    let now = emit::now();
    let bucket = bucket_index(group, message_type);
    let other_host = group == group::OTHER_HOST;
    let (class, budget, refused) = if other_host {
        (class::PLENTIFUL, OTHER_HOST_BUDGET, stat::WITHHELD)
    } else {
        let class = class_of(family::V4, message_type);
        (class, BUDGET.load(), stat::LOST_BUDGET)
    };
    if !emit::grant(&BUCKETS_BY_TYPE, bucket, &budget, class, now) {
        return refused;
    }
    if !emit::has_room_for(&SAMPLES, RING_BYTES.load(), class) {
        return stat::LOST_RING;
    }
    let mut header = header(blank(hook, message_type));
    header.ktime_nanos = now;
    header.wire_length = packet.wire_length();
    emit::put(&SAMPLES, packet, |captured_length| SentryHeader {
        captured_length,
        ..header
    })
}
