//! What every program does to sample: take a token, find room in the ring, copy. Knows
//! neither maps nor what is sampled: each object brings its own.
//!
//! Each way in which a sample can be lost is told to the caller, who counts it.

use crate::context::Source;
use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use leasehound_common::count::{Bucket, Budget, class, stat};
use leasehound_common::sample::{CAPTURE_MAX, CAPTURE_SMALL};

/// Nanoseconds of the monotonic clock.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// Adds one to a counter of this CPU.
#[inline(always)]
pub(crate) fn count(counters: &PerCpuArray<u64>, index: u32) {
    if let Some(counter) = counters.get_ptr_mut(index) {
        add_one(counter);
    }
}

/// Not atomic: the value belongs to this CPU, and the hooks run with softirqs off, so
/// that no other program can come between. Where one can (the tracepoints), a number may
/// be one too low.
#[inline(always)]
pub(crate) fn add_one(counter: *mut u64) {
    // SAFETY: a map value that the verifier knows to be there.
    unsafe { counter.write(counter.read().wrapping_add(1)) };
}

/// Takes a token. Two CPUs at once may both take the last one, or lose a refill: the
/// budget is a protection, not an account, and a lock would cost more.
#[inline(always)]
pub(crate) fn grant(
    buckets: &Array<Bucket>,
    index: u32,
    budget: &Budget,
    class: u8,
    now: u64,
) -> bool {
    let (per_second, burst) = match class {
        class::VITAL => (budget.per_second[0], budget.burst[0]),
        class::USUAL => (budget.per_second[1], budget.burst[1]),
        _ => (budget.per_second[2], budget.burst[2]),
    };
    let Some(slot) = buckets.get_ptr_mut(index) else {
        return false;
    };
    // SAFETY: a map value that the verifier knows to be there.
    unsafe {
        let (bucket, granted) = slot.read().take(now, per_second, burst);
        slot.write(bucket);
        granted
    }
}

/// The last quarter of a ring of `size` octets is for vital messages, the second half not
/// for plentiful ones: a storm cannot push a RELEASE out.
#[inline(always)]
pub(crate) fn has_room_for(ring: &RingBuf, size: u64, class: u8) -> bool {
    if class == class::VITAL {
        return true;
    }
    let limit = if class == class::USUAL {
        size - size / 4
    } else {
        size / 2
    };
    ring.query(u64::from(BPF_RB_AVAIL_DATA)) <= limit
}

/// Copies the start of a packet behind the header that `header` makes of the number of
/// octets copied. Returns what became of it: one of `stat`.
#[inline(always)]
pub(crate) fn put<H: Copy>(
    ring: &RingBuf,
    packet: &impl Source,
    header: impl Fn(u32) -> H + Copy,
) -> u8 {
    let available = packet.available();
    if available <= CAPTURE_SMALL as u32 {
        put_up_to::<H, CAPTURE_SMALL>(ring, packet, available, header)
    } else {
        put_up_to::<H, CAPTURE_MAX>(ring, packet, available, header)
    }
}

/// Reserves room for `N` octets (a power of two) and copies up to that many. The
/// reservation is never zeroed: that cost 10,000 verified instructions.
#[inline(always)]
fn put_up_to<H: Copy, const N: usize>(
    ring: &RingBuf,
    packet: &impl Source,
    available: u32,
    header: impl Fn(u32) -> H,
) -> u8 {
    const { assert!(align_of::<H>() <= 8 && N.is_power_of_two()) };
    let Some(mut room) = ring.reserve_bytes(size_of::<H>() + N, 0) else {
        return stat::LOST_RING;
    };
    let length = if available < N as u32 {
        available
    } else {
        N as u32
    };
    // 1..=N, in the form that the verifier can follow.
    let length = (core::hint::black_box(length).wrapping_sub(1) & (N as u32 - 1)) + 1;
    let start = room.as_mut_ptr();
    // SAFETY: the reservation has room for both and is aligned for the header.
    let copied = unsafe {
        start.cast::<H>().write(header(length));
        packet.copy_start(start.add(size_of::<H>()), length)
    };
    if !copied {
        room.discard(0);
        return stat::LOST_COPY;
    }
    room.submit(0);
    stat::SAMPLED
}
