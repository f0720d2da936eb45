//! The kernel's reasons for dropping a message, as causes.
//!
//! Names are those of `enum skb_drop_reason` (include/net/dropreason-core.h) without
//! their prefix; which of them a case gives was measured on Linux 6.18. A reason that
//! says nothing about DHCP's way has no cause here.

use crate::cause::Cause;

/// The cause behind a drop; `place` is the kernel function, where it could be named.
///
/// Whether a drop matters at all depends on how the server listens: one that reads
/// frames has its own copy.
pub fn cause_of(reason: &str, place: Option<&str>) -> Option<Cause> {
    Some(match reason {
        "NETFILTER_DROP" => Cause::FirewallDropped,
        "IP_RPFILTER" => Cause::ReversePathFiltered,
        "IP_INVALID_SOURCE" => Cause::SourceUnspecified,
        "IP_INADDRERRORS" => Cause::DestinationNotLocal,
        "OTHERHOST" => Cause::FrameForOtherHost,
        "NO_SOCKET" => Cause::NoListener,
        "SOCKET_RCVBUFF" | "PROTO_MEM" => Cause::SocketOverflow,
        "UDP_CSUM" => Cause::BadUdpChecksum,
        // A broadcast that no socket takes is given no reason (Linux
        // `__udp4_lib_mcast_deliver()`), and a kernel before 5.17 gives none at all.
        "" | "NOT_SPECIFIED" if place.is_some_and(is_udp_receive) => Cause::NoListener,
        _ => return None,
    })
}

/// Whether the message had reached a socket by the time it was dropped for `cause`: the
/// offer to the socket was seen before, and does not speak against the drop.
pub const fn is_after_offer(cause: Cause) -> bool {
    matches!(cause, Cause::SocketOverflow | Cause::BadUdpChecksum)
}

fn is_udp_receive(place: &str) -> bool {
    ["__udp4_lib_rcv", "__udp4_lib_mcast_deliver", "udp_rcv"].contains(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_that_was_measured_has_its_cause() {
        let udp = Some("__udp4_lib_rcv");
        for (reason, place, cause) in [
            (
                "NETFILTER_DROP",
                Some("nf_hook_slow"),
                Cause::FirewallDropped,
            ),
            ("IP_RPFILTER", None, Cause::ReversePathFiltered),
            ("IP_INVALID_SOURCE", None, Cause::SourceUnspecified),
            ("IP_INADDRERRORS", None, Cause::DestinationNotLocal),
            ("OTHERHOST", Some("ip_rcv_core"), Cause::FrameForOtherHost),
            ("NO_SOCKET", udp, Cause::NoListener),
            ("NOT_SPECIFIED", udp, Cause::NoListener),
            ("", udp, Cause::NoListener),
            ("SOCKET_RCVBUFF", None, Cause::SocketOverflow),
            ("PROTO_MEM", None, Cause::SocketOverflow),
            ("UDP_CSUM", Some("udp_recvmsg"), Cause::BadUdpChecksum),
        ] {
            assert_eq!(cause_of(reason, place), Some(cause), "{reason}");
        }
    }

    #[test]
    fn a_drop_without_a_reason_says_something_only_where_its_place_does() {
        assert_eq!(cause_of("NOT_SPECIFIED", None), None);
        assert_eq!(cause_of("", Some("ip_rcv_core")), None);
        assert_eq!(cause_of("NEIGH_FAILED", None), None);
    }

    #[test]
    fn only_what_the_socket_itself_refuses_comes_after_the_offer() {
        let after = Cause::ALL
            .into_iter()
            .filter(|cause| is_after_offer(*cause));
        let after: Vec<Cause> = after.collect();
        assert_eq!(after, [Cause::BadUdpChecksum, Cause::SocketOverflow]);
    }
}
