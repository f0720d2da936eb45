//! The text of a local block. Names are those of the Rust fields, times are
//! nanoseconds since the epoch.

use super::evidence::EvidenceText;
use super::{FORMAT, Header, Record, RecordingError};
use leasehound_core::evidence::{Loss, LossStage};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum Text {
    Header {
        format: u32,
        leasehound: String,
        engine_config: serde_json::Value,
    },
    Evidence {
        at: u64,
        evidence: EvidenceText,
    },
    Loss {
        at: u64,
        stage: LossStageText,
        count: u64,
    },
    Timeout {
        now: u64,
    },
    Finish {
        now: u64,
    },
}

/// As much of a header as every version has, to tell a newer one before its fields
/// are looked at.
#[derive(Deserialize)]
struct AnyHeader {
    record: String,
    format: u32,
    #[serde(default)]
    leasehound: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LossStageText {
    Budget,
    Ring,
    Channel,
    Decode,
}

/// Why a text is no record.
pub(super) enum Refusal {
    Newer(RecordingError),
    Damaged(String),
}

/// A record, and what it calls a namespace.
pub(super) struct Parsed<F> {
    pub(super) record: Record<F>,
    pub(super) netns_name: Option<(NetnsId, Box<str>)>,
}

/// Reads the text of a local block.
pub(super) fn parse<F>(text: &[u8]) -> Result<Parsed<F>, Refusal> {
    let parsed = match serde_json::from_slice::<Text>(text) {
        Ok(Text::Header {
            format, leasehound, ..
        }) if format > FORMAT => return Err(newer(format, leasehound)),
        Ok(parsed) => parsed,
        // A newer header may have lost or changed the other fields.
        Err(error) => {
            return Err(match serde_json::from_slice::<AnyHeader>(text) {
                Ok(any) if any.record == "header" && any.format > FORMAT => {
                    newer(any.format, any.leasehound)
                }
                _ => Refusal::Damaged(format!("a record: {error}")),
            });
        }
    };
    let netns_name = match &parsed {
        Text::Evidence { evidence, .. } => evidence.netns_name(),
        _ => None,
    };
    let record = match parsed {
        Text::Header {
            format,
            leasehound,
            engine_config,
        } => Record::Header(Header {
            format,
            leasehound,
            engine_config,
        }),
        Text::Evidence { at, evidence } => Record::Evidence {
            at: Timestamp::from_nanos(at),
            evidence: evidence
                .try_into()
                .map_err(|error| Refusal::Damaged(format!("evidence: {error}")))?,
        },
        Text::Loss { at, stage, count } => Record::Loss {
            at: Timestamp::from_nanos(at),
            loss: Loss {
                stage: stage.into(),
                count,
            },
        },
        Text::Timeout { now } => Record::Timeout(Timestamp::from_nanos(now)),
        Text::Finish { now } => Record::Finish(Timestamp::from_nanos(now)),
    };
    Ok(Parsed { record, netns_name })
}

fn newer(found: u32, leasehound: String) -> Refusal {
    Refusal::Newer(RecordingError::NewerFormat {
        found,
        known: FORMAT,
        leasehound,
    })
}

impl From<LossStage> for LossStageText {
    fn from(stage: LossStage) -> Self {
        match stage {
            LossStage::Budget => Self::Budget,
            LossStage::Ring => Self::Ring,
            LossStage::Channel => Self::Channel,
            LossStage::Decode => Self::Decode,
        }
    }
}

impl From<LossStageText> for LossStage {
    fn from(stage: LossStageText) -> Self {
        match stage {
            LossStageText::Budget => Self::Budget,
            LossStageText::Ring => Self::Ring,
            LossStageText::Channel => Self::Channel,
            LossStageText::Decode => Self::Decode,
        }
    }
}
