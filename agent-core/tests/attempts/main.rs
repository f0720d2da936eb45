//! REQUESTs on a simulated router: answered, refused, or unanswered, and why.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "a test: to panic is its way to fail, and its modules are nobody's interface"
)]

mod answers;
mod delivery;
mod lab;
mod sends;
mod servers;
#[path = "../support/mod.rs"]
mod support;
