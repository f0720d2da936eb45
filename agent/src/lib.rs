//! leasehound's shell around the pure core: capture, evidence, sinks, commands.

pub mod assumed_kind;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod engine_config;
pub mod evidence;
pub mod exit;
pub mod inventory;
pub mod logging;
pub mod netns;
pub mod recording;
pub mod settings;
pub mod sinks;
