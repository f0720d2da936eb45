//! The rules as an ordered list: what meets a packet first comes first.

use super::{Breach, Case, rules_dnsmasq, rules_kernel};
use crate::evidence::ServerKind;

/// A rule: what the message breaks, if it does.
pub type Rule = fn(&Case<'_>) -> Option<Breach>;

/// The rules that hold for a server, in the order in which its host applies them:
/// the kernel's path to a UDP socket, then the server's own checks.
pub fn rules_for(kind: ServerKind) -> impl Iterator<Item = &'static Rule> {
    let lists: [&'static [Rule]; 2] = match kind {
        ServerKind::Dnsmasq => [rules_kernel::UDP_SOCKET, rules_dnsmasq::RULES],
        ServerKind::Unknown => [&[], &[]],
    };
    lists.into_iter().flatten()
}

/// The first rule that the message breaks.
pub fn first_breach(case: &Case<'_>) -> Option<Breach> {
    rules_for(case.kind).find_map(|rule| rule(case))
}
