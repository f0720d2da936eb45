//! The part of leasehound's eBPF programs that knows no kernel: `cargo test` runs it
//! on the host.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod classify;
