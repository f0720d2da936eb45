//! leasehound's first object, loaded for each network namespace: one program per hook, and an empty one of each type as the
//! yardstick of the benchmark.
//!
//! Every way out of every program lets the packet pass to the next one. Nothing here
//! may ever answer anything else.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    allow(clippy::cast_possible_truncation, reason = "widths are the kernel's")
)]

#[cfg(target_arch = "bpf")]
#[allow(dead_code, reason = "the rest is for the other object")]
mod context;
#[cfg(target_arch = "bpf")]
mod emit;
#[cfg(target_arch = "bpf")]
mod frames;
#[cfg(target_arch = "bpf")]
mod programs;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// On a host this target has nothing to do: the library holds what can be tested.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
