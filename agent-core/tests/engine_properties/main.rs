//! What holds of the engine whatever it is handed, in whatever order.

#![expect(clippy::unwrap_used, reason = "a test: to panic is its way to fail")]
#![allow(
    unreachable_pub,
    missing_docs,
    reason = "modules of a test are nobody's interface"
)]

mod operations;
#[path = "../support/mod.rs"]
mod support;
mod watched;

use leasehound_core::engine::{Config, Output, PendingLimits};
use leasehound_core::evidence::ServerKind;
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::Outcome;
use operations::{Op, op};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use watched::Watched;

fn tiny() -> Config {
    Config {
        pending: PendingLimits {
            open: 2,
            recent: 1,
            ..PendingLimits::default()
        },
        bindings: 1,
        exchanges: 1,
        server_ids: 1,
        leaks: 1,
        ..Config::default()
    }
}

fn configs() -> impl Strategy<Value = Config> {
    let offline = |announced: Option<u64>| Config {
        live_evidence: false,
        assumed_server: Some(ServerKind::Dnsmasq),
        announced_reading: announced.map(Timestamp::from_secs),
        ..Config::default()
    };
    let instant = Config {
        grace: Duration::ZERO,
        reading_grace: Duration::ZERO,
        ..Config::default()
    };
    prop_oneof![
        4 => Just(Config { emit_messages: true, ..Config::default() }),
        2 => Just(tiny()),
        1 => Just(instant),
        1 => option::of(990..1050_u64).prop_map(offline),
    ]
}

fn run(config: &Config, prompt: bool, ops: &[Op]) -> Vec<Output> {
    let mut watched = Watched::new(config.clone(), prompt);
    for op in ops {
        watched.apply(op);
    }
    watched.finish()
}

fn outcomes(outputs: &[Output]) -> BTreeMap<u64, Outcome> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Verdict(verdict) => Some((verdict.id, verdict.outcome)),
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_contract_holds_and_the_same_input_gives_the_same_output(config in configs(), prompt: bool, ops in vec(op(), 0..60)) {
        prop_assert_eq!(run(&config, prompt, &ops), run(&config, prompt, &ops));
    }

    #[test]
    fn facts_said_again_change_no_verdict(config in configs(), ops in vec((op(), any::<bool>()), 0..60)) {
        let mut once = Watched::new(config.clone(), true);
        let mut watched = Watched::new(config, true);
        for (op, again) in &ops {
            once.apply(op);
            watched.apply(op);
            // A reply may show that a message broke no rule. That counts with the next
            // fact, so both are given one.
            if matches!(op, Op::Frame { packet, .. } if packet.op == 2) {
                once.repeat_itself();
                watched.repeat_itself();
            }
            if *again {
                watched.repeat_itself();
            }
        }
        prop_assert_eq!(outcomes(&watched.finish()), outcomes(&once.finish()));
    }
}
