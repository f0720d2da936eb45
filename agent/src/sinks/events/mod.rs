//! Events, schema 1: one JSON object a line.
//!
//! The same serialiser serves `--events`, `replay --format json` and the API. The
//! order of keys is fixed, so the same event is the same bytes. Keys may be added;
//! none is renamed or taken away.

mod finding;
mod hook;
mod loss;
mod message;
mod text;
mod verdict;
mod writer;

pub use finding::FindingEvent;
pub use hook::HookEvent;
pub use loss::{LossEvent, LossReport};
pub use message::{MessageEvent, oddity_code};
pub use text::{Seconds, Utc};
pub use verdict::{ServerEvent, VerdictEvent};
pub use writer::{EventError, EventWriter, Flushed, Output};

/// The version of the published schema.
pub const SCHEMA: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::fixtures;
    use crate::sinks::hooks::{AttachFailure, HookMode, HookReport, HookState};
    use leasehound_core::evidence::{Loss, LossStage};
    use leasehound_core::message::MessageType;
    use leasehound_core::origin::Hook;
    use std::net::Ipv4Addr;

    fn line(event: &impl serde::Serialize) -> String {
        serde_json::to_string(event).unwrap()
    }

    #[test]
    fn an_ignored_release_reads_as_published() {
        let verdict = fixtures::ignored();
        let name = fixtures::names().get(verdict.origin.interface);
        insta::assert_snapshot!(line(&VerdictEvent::new(&verdict, &name)));
    }

    #[test]
    fn other_outcomes_have_no_cause() {
        let names = fixtures::names();
        let [honoured, undetermined, decline] = [
            fixtures::honoured(),
            fixtures::undetermined(),
            fixtures::declined(),
        ];
        let lines = [&honoured, &undetermined, &decline].map(|verdict| {
            line(&VerdictEvent::new(
                verdict,
                &names.get(verdict.origin.interface),
            ))
        });
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_message_a_hook_and_a_loss_read_as_published() {
        let names = fixtures::names();
        let seen = fixtures::seen(fixtures::request());
        let name = names.get(seen.origin.interface);
        let hook = HookReport {
            at: fixtures::at(5),
            interface: fixtures::ROUTER,
            hook: Hook::Tcx,
            mode: HookMode::Ingress,
            state: HookState::Failed {
                reason: AttachFailure::Permission,
                detail: "no CAP_BPF: run as root".to_owned(),
            },
        };
        let attached = HookReport {
            state: HookState::Attached,
            ..hook.clone()
        };
        let loss = LossReport {
            at: fixtures::at(6),
            hook: Some(Hook::Tcx),
            loss: Loss {
                stage: LossStage::Ring,
                count: 12,
            },
        };
        let lines = [
            line(&MessageEvent::new(&seen, &name)),
            line(&HookEvent::new(&hook, &names.get(hook.interface))),
            line(&HookEvent::new(&attached, &names.get(attached.interface))),
            line(&LossEvent::new(loss)),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_finding_reads_as_published() {
        let finding = fixtures::finding();
        let name = fixtures::names().get(fixtures::ROUTER);
        insta::assert_snapshot!(line(&FindingEvent::new(&finding, "qrouter", Some(&name))));
    }

    #[test]
    fn a_request_names_the_state_of_its_client() {
        let names = fixtures::names();
        let state = |change: &dyn Fn(&mut leasehound_core::decode::v4::Message4), to: &str| {
            let mut message = fixtures::request();
            change(&mut message);
            let mut seen = fixtures::seen(message);
            seen.destination = to.parse().unwrap();
            let value =
                serde_json::to_value(MessageEvent::new(&seen, &names.get(seen.origin.interface)))
                    .unwrap();
            value["state"].as_str().map(ToOwned::to_owned)
        };
        let bound = Ipv4Addr::new(172, 29, 101, 250);
        let broadcast = "255.255.255.255:67";
        let unicast = "172.29.101.1:67";
        assert_eq!(state(&|_| {}, broadcast).as_deref(), Some("selecting"));
        assert_eq!(
            state(&|message| message.server_id = None, broadcast).as_deref(),
            Some("init_reboot")
        );
        let with_ciaddr = move |message: &mut leasehound_core::decode::v4::Message4| {
            message.server_id = None;
            message.ciaddr = bound;
        };
        assert_eq!(state(&with_ciaddr, unicast).as_deref(), Some("renewing"));
        assert_eq!(state(&with_ciaddr, broadcast).as_deref(), Some("rebinding"));
        let relayed = |message: &mut leasehound_core::decode::v4::Message4| {
            with_ciaddr(message);
            message.giaddr = Ipv4Addr::new(10, 0, 0, 1);
        };
        assert_eq!(state(&relayed, unicast).as_deref(), Some("rebinding"));
        let release = |message: &mut leasehound_core::decode::v4::Message4| {
            message.message_type = Some(MessageType::Release);
        };
        assert_eq!(state(&release, unicast), None);
    }

    #[test]
    fn text_from_the_network_cannot_break_the_line() {
        let mut verdict = fixtures::ignored();
        verdict.remedy = Some("a\n{\"schema\":2}\u{7}\u{2028}".to_owned());
        let name = fixtures::names().get(verdict.origin.interface);
        let text = line(&VerdictEvent::new(&verdict, &name));
        assert!(!text.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["remedy"], verdict.remedy.unwrap());
    }
}
