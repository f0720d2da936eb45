//! Counts a DHCP frame exactly, then samples it if it may.
//!
//! Order matters: the counter comes first and knows no budget. After it, each way in
//! which a sample can be lost has a counter of its own.

use crate::context::Frame;
use crate::emit;
use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, PerCpuHashMap, RingBuf};
use aya_log_ebpf::debug;
use leasehound_common::count::{
    BUCKETS, Bucket, Budget, CounterKey, ICMP_BUCKET, STATS as STAT_COUNT, bucket_index, class,
    class_of, stat, stat_index,
};
use leasehound_common::sample::{SampleHeader, flag};
use leasehound_common::{ABI_VERSION, direction, message_type};
use leasehound_ebpf::classify::{Dhcp, message_type_of};

#[map]
static COUNTERS: PerCpuHashMap<CounterKey, u64> = PerCpuHashMap::with_max_entries(4096, 0);
#[map]
static STATS: PerCpuArray<u64> = PerCpuArray::with_max_entries(STAT_COUNT, 0);
#[map]
static BUCKETS_BY_TYPE: Array<Bucket> = Array::with_max_entries(BUCKETS, 0);
#[map]
static SAMPLES: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// See `leasehound_common::ABI_SYMBOL`.
#[unsafe(no_mangle)]
static LEASEHOUND_ABI_2: Global<u32> = Global::new(ABI_VERSION as u32);
#[unsafe(no_mangle)]
static BUDGET: Global<Budget> = Global::new(Budget::DEFAULT);
#[unsafe(no_mangle)]
static RING_BYTES: Global<u64> = Global::new(1 << 20);

/// Where a program is attached: a constant of each program.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// One of [`leasehound_common::hook`].
    pub(crate) hook: u8,
    /// One of [`leasehound_common::direction`].
    pub(crate) direction: u8,
}

/// How a frame is sampled.
#[derive(Clone, Copy)]
struct Quota {
    bucket: u32,
    class: u8,
    flags: u8,
}

/// Counts and samples a DHCP frame.
#[inline(always)]
pub(crate) fn emit(frame: &impl Frame, dhcp: &Dhcp, place: Place) {
    let message_type = message_type_of(frame, dhcp);
    let key = key_of(frame, dhcp, message_type, place);
    if !count(&key) {
        add_stat(place, stat::UNCOUNTED);
    }
    let quota = Quota {
        bucket: bucket_index(key.family, key.message_type),
        class: class_of(key.family, key.message_type),
        flags: 0,
    };
    let outcome = sample(frame, dhcp, key, quota);
    add_stat(place, outcome);
    debug!(
        frame.context(),
        "ifindex {} family {} type {} outcome {}",
        key.ifindex,
        key.family,
        key.message_type,
        outcome
    );
}

/// Samples an ICMP error about DHCP: no message, and not counted as one.
#[inline(always)]
pub(crate) fn emit_icmp_error(frame: &impl Frame, quoted: &Dhcp, place: Place) {
    let key = key_of(frame, quoted, message_type::NONE, place);
    let quota = Quota {
        bucket: ICMP_BUCKET,
        class: class::USUAL,
        flags: flag::ICMP_ERROR,
    };
    let outcome = sample(frame, quoted, key, quota);
    add_stat(place, outcome);
}

/// Counts what `classify` saw but did not look into.
#[inline(always)]
pub(crate) fn add_stat(place: Place, stat: u8) {
    emit::count(&STATS, stat_index(place.hook, stat));
}

#[inline(always)]
fn key_of(frame: &impl Frame, dhcp: &Dhcp, message_type: u8, place: Place) -> CounterKey {
    CounterKey {
        ifindex: frame.ifindex(),
        direction: place.direction,
        family: dhcp.family,
        message_type,
        hook: place.hook,
    }
}

#[inline(always)]
fn count(key: &CounterKey) -> bool {
    if let Some(counter) = COUNTERS.get_ptr_mut(key) {
        emit::add_one(counter);
        return true;
    }
    if COUNTERS.insert(key, 1, u64::from(BPF_NOEXIST)).is_ok() {
        return true;
    }
    // Another CPU was first, or the map is full.
    match COUNTERS.get_ptr_mut(key) {
        Some(counter) => {
            emit::add_one(counter);
            true
        }
        None => false,
    }
}

/// Returns what became of it: one of `stat`.
#[inline(always)]
fn sample(frame: &impl Frame, dhcp: &Dhcp, key: CounterKey, quota: Quota) -> u8 {
    let now = emit::now();
    if !emit::grant(
        &BUCKETS_BY_TYPE,
        quota.bucket,
        &BUDGET.load(),
        quota.class,
        now,
    ) {
        return stat::LOST_BUDGET;
    }
    if !emit::has_room_for(&SAMPLES, RING_BYTES.load(), quota.class) {
        return stat::LOST_RING;
    }
    let (metadata_tci, metadata_flag) = match frame.metadata_tag() {
        Some(tci) => (tci, flag::METADATA_TAG),
        None => (0, 0),
    };
    let fragment_flag = if dhcp.first_fragment {
        flag::FIRST_FRAGMENT
    } else {
        0
    };
    let header = SampleHeader {
        ktime_nanos: now,
        socket_cookie: if key.direction == direction::EGRESS {
            frame.socket_cookie()
        } else {
            0
        },
        ifindex: key.ifindex,
        wire_length: frame.wire_length(),
        captured_length: 0,
        abi_version: ABI_VERSION,
        l3_offset: dhcp.l3 as u16,
        udp_offset: dhcp.udp as u16,
        payload_offset: dhcp.payload() as u16,
        metadata_tci,
        frame_tci: dhcp.tci,
        frame_tags: dhcp.tags,
        hook: key.hook,
        direction: key.direction,
        family: key.family,
        message_type: key.message_type,
        flags: metadata_flag | fragment_flag | quota.flags,
        packet_type: frame.packet_type(),
        reserved: [0; 7],
    };
    emit::put(&SAMPLES, frame, |captured_length| SampleHeader {
        captured_length,
        ..header
    })
}
