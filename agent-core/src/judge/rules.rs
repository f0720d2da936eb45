//! The rules as an ordered list: what meets a packet first comes first.

use super::profile::Profile;
use super::{Breach, Case, rules_delivery, rules_kernel};
use crate::sockets::Path;

/// A rule: what the message breaks, if it does.
pub type Rule = fn(&Case<'_>) -> Option<Breach>;

/// The rules on the way to a server, in the order in which its host applies them.
fn rules_on_the_way(path: Path) -> impl Iterator<Item = &'static Rule> {
    let lists: [&'static [Rule]; 2] = match path {
        Path::Udp => [rules_kernel::UDP_SOCKET, rules_delivery::UDP_SOCKET],
        Path::Frames => [rules_delivery::FRAMES, &[]],
        Path::Unknown => [&[], &[]],
    };
    lists.into_iter().flatten()
}

/// The first rule on the way that the message breaks, with what the kernel was seen to
/// do with it.
fn on_the_way(case: &Case<'_>) -> Option<Breach> {
    let mut breach = rules_on_the_way(case.delivered.path).find_map(|rule| rule(case))?;
    breach.grounds.extend(case.delivered.grounds());
    Some(breach)
}

/// The first rule that the message breaks.
pub fn first_breach(case: &Case<'_>) -> Option<Breach> {
    on_the_way(case).or_else(|| {
        Profile::of(case.kind)
            .rules
            .iter()
            .find_map(|rule| rule(case))
    })
}
