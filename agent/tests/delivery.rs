//! What the sentry reports of the whole host, on a real kernel: needs root, works in
//! namespaces of its own.
#![cfg(feature = "ebpf")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: the panic is the report"
)]

#[path = "delivery/drops.rs"]
mod drops;
#[path = "delivery/reads.rs"]
mod reads;
#[path = "delivery/sockets.rs"]
mod sockets;
#[path = "inventory/space.rs"]
#[allow(dead_code, reason = "another test file uses the rest")]
mod space;
#[path = "delivery/world.rs"]
mod world;
