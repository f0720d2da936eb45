//! How a lease database stands to its server, as JSON.

use super::evidence::ServerKindText;
use leasehound_core::evidence::{DatabaseLiveness, Liveness, ServerRef};
use leasehound_core::origin::NetnsId;
use serde::{Deserialize, Serialize};

/// [`DatabaseLiveness`]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LivenessText {
    server: Option<u32>,
    kind: ServerKindText,
    netns: u32,
    name: Option<Box<str>>,
    state: StateText,
}

/// [`Liveness`]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateText {
    Unknown,
    Live,
    Replaced { reason: Box<str> },
    NotLive { reason: Box<str> },
}

impl From<&DatabaseLiveness> for LivenessText {
    fn from(liveness: &DatabaseLiveness) -> Self {
        let state = match &liveness.state {
            Liveness::Unknown => StateText::Unknown,
            Liveness::Live => StateText::Live,
            Liveness::Replaced { reason } => StateText::Replaced {
                reason: reason.clone(),
            },
            Liveness::NotLive { reason } => StateText::NotLive {
                reason: reason.clone(),
            },
        };
        Self {
            server: liveness.server.map(|server| server.0),
            kind: liveness.kind.into(),
            netns: liveness.netns.0,
            name: liveness.name.clone(),
            state,
        }
    }
}

impl From<LivenessText> for DatabaseLiveness {
    fn from(text: LivenessText) -> Self {
        let state = match text.state {
            StateText::Unknown => Liveness::Unknown,
            StateText::Live => Liveness::Live,
            StateText::Replaced { reason } => Liveness::Replaced { reason },
            StateText::NotLive { reason } => Liveness::NotLive { reason },
        };
        Self {
            server: text.server.map(ServerRef),
            kind: text.kind.into(),
            netns: NetnsId(text.netns),
            name: text.name,
            state,
        }
    }
}
