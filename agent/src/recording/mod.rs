//! A live run, written down so that `replay` judges it alike.
//!
//! A recording is a pcapng file: Wireshark and tcpdump show its packets. Between them
//! stand blocks of a type that is free for local use (top bit set), which other readers
//! pass over, and which carry what else the engine was handed: its configuration,
//! evidence, losses, timeouts, the end. Read back in order, the records are the
//! engine's inputs exactly, so the verdicts are the same to the octet.
//!
//! Nothing here judges, reads a clock, or bounds the file's size: the caller does.

mod configuration;
mod delivery;
mod error;
mod evidence;
mod json;
mod layout;
mod liveness;
mod read;
#[cfg(test)]
mod strategies;
#[cfg(test)]
mod strategies_delivery;
#[cfg(test)]
mod tests;
mod write;

pub use error::{RecordingError, WriteError};
pub use read::{RecordingReader, Source, open};
pub use write::RecordingWriter;

use crate::capture::CapturedFrame;
use leasehound_core::evidence::{Evidence, Loss};
use leasehound_core::frame::RawFrame;
use leasehound_core::origin::Origin;
use leasehound_core::time::Timestamp;

/// The format written here, and the newest that can be read. A change that an older
/// leasehound would read wrongly counts it up.
pub const FORMAT: u32 = 2;

/// What a recording says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Version of the format: [`FORMAT`] when written here.
    pub format: u32,
    /// Version of the leasehound that wrote it.
    pub leasehound: String,
    /// The engine's configuration, as the caller lays it out.
    pub engine_config: serde_json::Value,
}

impl Header {
    /// For a recording that this program writes.
    pub fn new(engine_config: serde_json::Value) -> Self {
        Self {
            format: FORMAT,
            leasehound: env!("CARGO_PKG_VERSION").to_owned(),
            engine_config,
        }
    }
}

/// One input of the engine. `F` is [`CapturedFrame`], or [`RecordedFrame`] as the
/// reader lends it.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<F = CapturedFrame> {
    /// The beginning; again where recordings were put one after the other.
    Header(Header),
    /// A frame.
    Frame {
        /// The engine's time when it took the frame.
        now: Timestamp,
        /// The frame.
        frame: F,
    },
    /// A fact from outside the packets.
    Evidence {
        /// The engine's time when it took it.
        at: Timestamp,
        /// The fact.
        evidence: Evidence,
    },
    /// Samples that were lost.
    Loss {
        /// The engine's time when it was told.
        at: Timestamp,
        /// Where and how many.
        loss: Loss,
    },
    /// The engine's `handle_timeout`.
    Timeout(Timestamp),
    /// The engine's `finish`.
    Finish(Timestamp),
}

/// A recorded frame, lent until the next record is asked for.
#[derive(Debug, Clone, Copy)]
pub struct RecordedFrame<'a> {
    /// When the hook saw it.
    pub at: Timestamp,
    /// Where.
    pub origin: Origin,
    /// The frame as the engine takes it.
    pub raw: RawFrame<'a>,
}

impl RecordedFrame<'_> {
    /// A copy that lasts.
    pub fn to_captured(&self) -> CapturedFrame {
        CapturedFrame {
            at: self.at,
            origin: self.origin,
            link: self.raw.link,
            wire_length: self.raw.wire_length,
            vlan: self.raw.vlan,
            packet_type: self.raw.packet_type,
            socket: self.raw.socket.map(|socket| socket.0),
            bytes: self.raw.bytes.into(),
        }
    }
}

impl Record<RecordedFrame<'_>> {
    /// A copy that lasts.
    pub fn into_owned(self) -> Record {
        match self {
            Self::Header(header) => Record::Header(header),
            Self::Frame { now, frame } => Record::Frame {
                now,
                frame: frame.to_captured(),
            },
            Self::Evidence { at, evidence } => Record::Evidence { at, evidence },
            Self::Loss { at, loss } => Record::Loss { at, loss },
            Self::Timeout(now) => Record::Timeout(now),
            Self::Finish(now) => Record::Finish(now),
        }
    }
}
