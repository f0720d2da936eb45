//! leasehound's shell around the pure core: capture, evidence, sinks, commands.

pub mod capture;
pub mod clock;
pub mod commands;
pub mod evidence;
pub mod recording;
pub mod sinks;
