//! What will fail before it fails, as findings: they stand as long as they are predicted.
//!
//! One about leases is not told anew with each of them, but when they have doubled.

use super::{Draft, Subject};
use crate::engine::Engine;
use crate::origin::NetnsId;
use crate::prediction::Prediction;
use std::collections::BTreeMap;

impl Engine {
    /// All that is predicted of a namespace now, instead of what was before. Findings are
    /// opened, updated and closed by kind, interface and subject.
    pub fn predicted(&mut self, netns: NetnsId, predictions: Vec<Prediction>) {
        let subject = |one: &Prediction| {
            Subject::Predicted(netns, one.kind, one.interface, one.subject.clone())
        };
        let mut there: BTreeMap<Subject, Prediction> = BTreeMap::new();
        for prediction in predictions {
            // Of two about the same, the first is the stronger.
            there.entry(subject(&prediction)).or_insert(prediction);
        }
        let over: Vec<Subject> = self
            .findings
            .open
            .keys()
            .filter(|subject| matches!(subject, Subject::Predicted(of, ..) if *of == netns))
            .filter(|subject| !there.contains_key(subject))
            .cloned()
            .collect();
        for subject in over {
            self.close(&subject);
        }
        for (subject, prediction) in there {
            let place = (netns, prediction.interface);
            let draft = Draft {
                since: self.now,
                title: prediction.title,
                cases: prediction.leases,
                of: prediction.leases,
                amount: prediction.leases,
                evidence: prediction.evidence,
                remedy: prediction.remedy,
                side_effect: prediction.side_effect,
                ..Draft::of(prediction.kind, place)
            };
            self.put(subject, draft);
        }
    }
}
