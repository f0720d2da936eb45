//! The event `verdict`.

use super::SCHEMA;
use super::text::{OriginPart, Seconds, Text, Texts, Utc};
use crate::sinks::Family;
use crate::sinks::book::runbook;
use crate::sinks::names::InterfaceName;
use leasehound_core::cause::Cause;
use leasehound_core::message::{ClientId, HardwareAddress, ServerId, TransactionId};
use leasehound_core::verdict::{
    Certainty, ClientState, DeliveryOutcome, Ground, Missing, ServerSummary, Verdict,
};
use serde::{Serialize, Serializer};
use std::net::Ipv4Addr;

/// A [`Verdict`] as schema 1 writes it.
#[derive(Debug, Serialize)]
pub struct VerdictEvent<'a> {
    schema: u32,
    time: Utc,
    kind: &'static str,
    id: u64,
    message_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    family: &'static str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certainty: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'static str>,
    origin: OriginPart<'a>,
    client: ClientPart<'a>,
    address: Ipv4Addr,
    transaction_id: Text<TransactionId>,
    server_id: Option<Ipv4Addr>,
    server: Option<ServerEvent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    evidence: Grounds<'a>,
    remedy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runbook: Option<String>,
    message_time: Utc,
    latency_seconds: Seconds,
    loss: bool,
}

impl<'a> VerdictEvent<'a> {
    /// The event for `verdict`, seen on the interface that is called `name`.
    pub fn new(verdict: &'a Verdict, name: &'a InterfaceName) -> Self {
        let outcome = verdict.outcome;
        Self {
            schema: SCHEMA,
            time: Utc(verdict.at),
            kind: "verdict",
            id: verdict.id,
            message_type: verdict.message_type.as_str(),
            state: verdict.state.map(ClientState::as_str),
            family: Family::Ipv4.as_str(),
            verdict: verdict.outcome.as_str(),
            cause: outcome.cause().map(Cause::code),
            certainty: outcome.certainty().map(Certainty::as_str),
            alarm: outcome.cause().map(|_| outcome.is_alarm()),
            missing: outcome.missing().map(Missing::as_str),
            origin: OriginPart::new(verdict.origin, verdict.vlan, name),
            client: ClientPart::new(verdict.hardware_address, verdict.client_id.as_ref()),
            address: verdict.address,
            transaction_id: Text(verdict.xid),
            server_id: verdict.server_id.map(|id| id.0),
            server: verdict.server.as_ref().map(ServerEvent::new),
            delivery: verdict.delivery.map(DeliveryOutcome::as_str),
            evidence: Grounds(&verdict.evidence),
            remedy: verdict.remedy.as_deref(),
            runbook: outcome.cause().map(|cause| runbook(cause.code())),
            message_time: Utc(verdict.seen),
            latency_seconds: Seconds(verdict.latency),
            loss: verdict.loss,
        }
    }
}

/// `client`
#[derive(Debug, Serialize)]
pub(super) struct ClientPart<'a> {
    hardware_address: Text<HardwareAddress>,
    client_id: Option<Text<&'a ClientId>>,
}

impl<'a> ClientPart<'a> {
    pub(super) fn new(hardware_address: HardwareAddress, client_id: Option<&'a ClientId>) -> Self {
        Self {
            hardware_address: Text(hardware_address),
            client_id: client_id.map(Text),
        }
    }
}

/// `server`, in verdicts and in the API.
#[derive(Debug, Serialize)]
pub struct ServerEvent<'a> {
    kind: &'static str,
    pid: Option<u32>,
    server_ids: Texts<'a, ServerId>,
}

impl<'a> ServerEvent<'a> {
    /// The object for `server`.
    pub fn new(server: &'a ServerSummary) -> Self {
        Self {
            kind: server.kind.as_str(),
            pid: server.pid,
            server_ids: Texts(&server.server_ids),
        }
    }
}

#[derive(Debug)]
pub(super) struct Grounds<'a>(pub(super) &'a [Ground]);

#[derive(Serialize)]
struct GroundPart<'a> {
    source: &'static str,
    says: &'a str,
}

impl Serialize for Grounds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|ground| GroundPart {
            source: ground.source.as_str(),
            says: &ground.says,
        }))
    }
}
