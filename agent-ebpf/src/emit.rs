//! Counts a DHCP frame exactly, then samples it if it may. The other half of the
//! project's unsafe code.
//!
//! Order matters: the counter comes first and knows no budget. After it, each way in
//! which a sample can be lost has a counter of its own.

use crate::context::Frame;
use aya_ebpf::Global;
use aya_ebpf::bindings::{BPF_NOEXIST, BPF_RB_AVAIL_DATA};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, PerCpuHashMap, RingBuf};
use aya_log_ebpf::debug;
use leasehound_common::count::{
    BUCKETS, Bucket, Budget, CounterKey, STATS as STAT_COUNT, bucket_index, class, class_of, stat,
    stat_index,
};
use leasehound_common::sample::{CAPTURE_MAX, CAPTURE_SMALL, SampleHeader, flag};
use leasehound_common::{ABI_VERSION, direction};
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
static LEASEHOUND_ABI_1: Global<u32> = Global::new(ABI_VERSION as u32);
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

/// Counts and samples a DHCP frame.
#[inline(always)]
pub(crate) fn emit(frame: &impl Frame, dhcp: &Dhcp, place: Place) {
    let message_type = message_type_of(frame, dhcp);
    let key = CounterKey {
        ifindex: frame.ifindex(),
        direction: place.direction,
        family: dhcp.family,
        message_type,
        hook: place.hook,
    };
    if !count(&key) {
        add_stat(place, stat::UNCOUNTED);
    }
    let outcome = sample(frame, dhcp, key);
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

/// Counts what `classify` saw but did not look into.
#[inline(always)]
pub(crate) fn add_stat(place: Place, stat: u8) {
    if let Some(counter) = STATS.get_ptr_mut(stat_index(place.hook, stat)) {
        add_one(counter);
    }
}

#[inline(always)]
fn count(key: &CounterKey) -> bool {
    if let Some(counter) = COUNTERS.get_ptr_mut(key) {
        add_one(counter);
        return true;
    }
    if COUNTERS.insert(key, 1, u64::from(BPF_NOEXIST)).is_ok() {
        return true;
    }
    // Another CPU was first, or the map is full.
    match COUNTERS.get_ptr_mut(key) {
        Some(counter) => {
            add_one(counter);
            true
        }
        None => false,
    }
}

/// Not atomic: the value belongs to this CPU, and the hooks run with softirqs off, so
/// that no other program can come between.
#[inline(always)]
fn add_one(counter: *mut u64) {
    // SAFETY: a map value that the verifier knows to be there.
    unsafe { counter.write(counter.read().wrapping_add(1)) };
}

/// Returns what became of it: one of `stat`.
#[inline(always)]
fn sample(frame: &impl Frame, dhcp: &Dhcp, key: CounterKey) -> u8 {
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let class = class_of(key.family, key.message_type);
    if !grant(key, class, now) {
        return stat::LOST_BUDGET;
    }
    if !ring_has_room_for(class) {
        return stat::LOST_RING;
    }
    let wire_length = frame.wire_length();
    let (metadata_tci, metadata_flag) = match frame.metadata_tag() {
        Some(tci) => (tci, flag::METADATA_TAG),
        None => (0, 0),
    };
    let header = SampleHeader {
        ktime_nanos: now,
        socket_cookie: if key.direction == direction::EGRESS {
            frame.socket_cookie()
        } else {
            0
        },
        ifindex: key.ifindex,
        wire_length,
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
        flags: metadata_flag
            | if dhcp.first_fragment {
                flag::FIRST_FRAGMENT
            } else {
                0
            },
        packet_type: frame.packet_type(),
        reserved: [0; 7],
    };
    if wire_length <= CAPTURE_SMALL as u32 {
        put::<CAPTURE_SMALL>(frame, header)
    } else {
        put::<CAPTURE_MAX>(frame, header)
    }
}

/// Takes a token. Two CPUs at once may both take the last one, or lose a refill: the
/// budget is a protection, not an account, and a lock would cost more.
#[inline(always)]
fn grant(key: CounterKey, class: u8, now: u64) -> bool {
    let budget = BUDGET.load();
    let (per_second, burst) = match class {
        class::VITAL => (budget.per_second[0], budget.burst[0]),
        class::USUAL => (budget.per_second[1], budget.burst[1]),
        _ => (budget.per_second[2], budget.burst[2]),
    };
    let Some(slot) = BUCKETS_BY_TYPE.get_ptr_mut(bucket_index(key.family, key.message_type)) else {
        return false;
    };
    // SAFETY: a map value that the verifier knows to be there.
    unsafe {
        let (bucket, granted) = slot.read().take(now, per_second, burst);
        slot.write(bucket);
        granted
    }
}

/// The last quarter of the ring is for vital messages, the second half not for
/// plentiful ones: a storm cannot push a RELEASE out.
#[inline(always)]
fn ring_has_room_for(class: u8) -> bool {
    if class == class::VITAL {
        return true;
    }
    let size = RING_BYTES.load();
    let limit = if class == class::USUAL {
        size - size / 4
    } else {
        size / 2
    };
    SAMPLES.query(u64::from(BPF_RB_AVAIL_DATA)) <= limit
}

/// Reserves room for `N` octets (a power of two) and copies up to that many. The
/// reservation is never zeroed: that cost 10,000 verified instructions.
#[inline(always)]
#[expect(
    clippy::cast_ptr_alignment,
    reason = "the kernel aligns records to 8 octets"
)]
fn put<const N: usize>(frame: &impl Frame, mut header: SampleHeader) -> u8 {
    let Some(mut room) = SAMPLES.reserve_bytes(size_of::<SampleHeader>() + N, 0) else {
        return stat::LOST_RING;
    };
    let length = if header.wire_length < N as u32 {
        header.wire_length
    } else {
        N as u32
    };
    // 1..=N, in the form that the verifier can follow.
    let length = (core::hint::black_box(length).wrapping_sub(1) & (N as u32 - 1)) + 1;
    header.captured_length = length;
    let start = room.as_mut_ptr();
    // SAFETY: the reservation has room for both and is aligned for the header.
    let copied = unsafe {
        start.cast::<SampleHeader>().write(header);
        frame.copy_start(start.add(size_of::<SampleHeader>()), length)
    };
    if !copied {
        room.discard(0);
        return stat::LOST_COPY;
    }
    room.submit(0);
    stat::SAMPLED
}
