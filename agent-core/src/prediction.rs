//! What will fail before it fails: told by the configuration, the interfaces and the lease
//! databases alone, without a packet.

pub mod text;

use crate::evidence::ServerRef;
use crate::finding::FindingKind;
use crate::origin::{InterfaceId, NetnsId};
use crate::verdict::Ground;

/// One thing that will go wrong. It stands as long as what it was told by stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// What kind.
    pub kind: FindingKind,
    /// The namespace.
    pub netns: NetnsId,
    /// The interface, of one about one.
    pub interface: Option<InterfaceId>,
    /// The server process.
    pub server: Option<ServerRef>,
    /// What tells it apart from others of its kind there: a range, a path, an id.
    pub subject: Box<str>,
    /// One sentence.
    pub title: String,
    /// What it rests on, strongest first.
    pub evidence: Vec<Ground>,
    /// What to do.
    pub remedy: String,
    /// What that breaks.
    pub side_effect: Option<String>,
}
