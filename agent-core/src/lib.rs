//! The pure core of leasehound: frames and evidence go in, verdicts come out.
//!
//! No I/O, no clock, no randomness, no async runtime: [`engine::Engine`] is a
//! function of what it is handed, so `run` and `replay` judge alike and the same
//! input gives byte-identical output. `cargo xtask tidy` keeps it that way.

pub mod accounts;
pub mod attempt;
pub mod binding;
pub mod cause;
pub mod configuration;
pub mod database;
pub mod decode;
pub mod delivery;
pub mod dnsmasq;
pub mod engine;
pub mod evidence;
pub mod exchange;
pub mod finding;
pub mod frame;
pub mod host;
pub mod judge;
pub mod lease;
pub mod message;
pub mod origin;
pub mod prediction;
pub mod release;
pub mod server;
pub mod sockets;
pub mod tables;
pub mod time;
pub mod trail;
pub mod verdict;
