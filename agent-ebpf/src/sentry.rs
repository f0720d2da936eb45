//! leasehound's second object: programs that are attached once for the whole host, and
//! tell what became of DHCPv4 packets in all network namespaces.
//!
//! None of them can change a packet's fate, but for the cgroup_skb ones, which let every
//! packet pass.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    allow(clippy::cast_possible_truncation, reason = "widths are the kernel's")
)]

#[cfg(target_arch = "bpf")]
#[allow(dead_code, reason = "the rest is for the other object")]
mod context;
#[cfg(target_arch = "bpf")]
mod deliveries;
#[cfg(target_arch = "bpf")]
mod drops;
#[cfg(target_arch = "bpf")]
#[allow(dead_code, reason = "the rest is for the other object")]
mod emit;
#[cfg(target_arch = "bpf")]
mod kernel;
#[cfg(target_arch = "bpf")]
mod reads;
#[cfg(target_arch = "bpf")]
mod samples;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// On a host this target has nothing to do: the library holds what can be tested.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
