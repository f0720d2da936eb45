//! The rules as an ordered list: what meets a packet first comes first.

use super::{Breach, Case, rules_dnsmasq, rules_isc, rules_kea, rules_kernel};
use crate::evidence::{Listening, ServerKind};

/// A rule: what the message breaks, if it does.
pub type Rule = fn(&Case<'_>) -> Option<Breach>;

/// The rules that hold for a server, in the order in which its host applies them: the
/// kernel's path to a UDP socket, where the server has no other, then its own checks.
pub fn rules_for(kind: ServerKind, listens: Listening) -> impl Iterator<Item = &'static Rule> {
    let path = match (kind, listens) {
        (ServerKind::Dnsmasq, _) | (ServerKind::IscDhcpd | ServerKind::Kea, Listening::Udp) => {
            rules_kernel::UDP_SOCKET
        }
        // Both read raw frames unless told otherwise.
        (ServerKind::IscDhcpd | ServerKind::Kea, Listening::Raw | Listening::Unknown)
        | (ServerKind::Unknown, _) => &[],
    };
    let own = match kind {
        ServerKind::Dnsmasq => rules_dnsmasq::RULES,
        ServerKind::IscDhcpd => rules_isc::RULES,
        ServerKind::Kea => rules_kea::RULES,
        ServerKind::Unknown => &[],
    };
    path.iter().chain(own)
}

/// The first rule that the message breaks.
pub fn first_breach(case: &Case<'_>) -> Option<Breach> {
    let listens = case
        .process
        .map_or(Listening::default(), |process| process.listens);
    rules_for(case.kind, listens).find_map(|rule| rule(case))
}
