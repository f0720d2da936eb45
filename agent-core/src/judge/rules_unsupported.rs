//! Servers that do nothing with a kind of message by design, whatever it says: what
//! their entry in the [`profile`](super::profile) says, as a rule.

use super::profile::{Handled, Profile};
use super::rules::Rule;
use super::{Breach, Case, ground};
use crate::cause::Cause;
use crate::verdict::GroundSource::ServerProcess;

/// All that such a server is known to check.
pub(super) const RULES: &[Rule] = &[unsupported_by_server];

/// The message is for a server that only logs its like. Its cause is no alarm: nothing
/// that the sender could do would help.
pub(super) fn unsupported_by_server(case: &Case<'_>) -> Option<Breach> {
    let ending = Profile::of(case.kind).ending(case.release.is_decline());
    if ending.handled != Handled::Never {
        return None;
    }
    let kind = case.kind.as_str();
    let name = if case.release.is_decline() {
        "DECLINE"
    } else {
        "RELEASE"
    };
    let says = match case.process {
        Some(process) => format!(
            "pid {} is {kind}, which does nothing with a {name}",
            process.pid
        ),
        None => format!("the server is {kind}, which does nothing with a {name}"),
    };
    Some(Breach::new(
        Cause::UnsupportedByServer,
        vec![ground(ServerProcess, says)],
    ))
}
