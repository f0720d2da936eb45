//! Predictions about ranges.

use super::{Prediction, Subject, ground, text};
use crate::dnsmasq::range::{Mode, Range};
use crate::dnsmasq::tags::Carried;
use crate::dnsmasq::{Fate, Model, Question, Service};
use crate::evidence::InterfaceFacts;
use crate::finding::FindingKind;
use crate::verdict::GroundSource::ServerConfiguration;

/// Ranges whose leases can be got, with an option that a RELEASE does not have, and not be
/// given back.
pub(super) fn only_by_tag(
    subject: &Subject<'_>,
    model: &Model,
    interfaces: &[InterfaceFacts],
    found: &mut Vec<Prediction>,
) {
    let mut told: Vec<&Range> = Vec::new();
    for interface in interfaces.iter().filter(|interface| !interface.loopback) {
        let Service::Served(served) = model.service(interfaces, &interface.name) else {
            continue;
        };
        for linked in &served.linked {
            let range = linked.range;
            if range.mode == Mode::Proxy || told.contains(&range) || !can_be_had(model, range) {
                continue;
            }
            // What dhcp_release sends.
            let question = Question {
                ciaddr: range.first,
                carried: Carried {
                    interface: &interface.name,
                    options: [53, 54, 61].into_iter().collect(),
                    all: true,
                },
            };
            if let Fate::Filtered(_) = model.release(interfaces, question) {
                told.push(range);
                let mut prediction = tag_only(subject, model, range);
                prediction.interface = Some(interface.id);
                found.push(prediction);
            }
        }
    }
}

/// Some option leads to it: a range that nobody gets has no leases either.
fn can_be_had(model: &Model, range: &Range) -> bool {
    let mut positive = range.filter.iter().filter(|test| !test.negated).peekable();
    positive.peek().is_some()
        && positive.any(|test| !model.tags.options_behind(&test.tag).is_empty())
}

fn tag_only(subject: &Subject<'_>, model: &Model, range: &Range) -> Prediction {
    let tags = text::tags_of(model, range);
    let title = format!(
        "leases from {} of {} can't be released: the range asks for {tags}, and a RELEASE carries no such option \
         (dhcp_release never does)",
        range.name,
        subject.name()
    );
    let kind = FindingKind::TagOnlyRange;
    let mut prediction = subject.prediction(kind, &range.name, title);
    let says = format!(
        "dhcp-range={} is the only way to its addresses, for {tags}",
        range.name
    );
    prediction.evidence = vec![ground(ServerConfiguration, says)];
    prediction.remedy = text::untagged_beside(Some(range));
    prediction
}
