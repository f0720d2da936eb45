//! placeholder until the other half is merged
use crate::cause::Cause;
pub(crate) fn cause_of(reason: &str, place: Option<&str>) -> Option<Cause> {
    let udp = place.is_some_and(|p| p.starts_with("__udp4_lib_") || p.starts_with("udp_"));
    Some(match reason {
        "NETFILTER_DROP" => Cause::FirewallDropped,
        "IP_RPFILTER" => Cause::ReversePathFiltered,
        "IP_INVALID_SOURCE" => Cause::SourceUnspecified,
        "IP_INADDRERRORS" => Cause::DestinationNotLocal,
        "OTHERHOST" => Cause::FrameForOtherHost,
        "NO_SOCKET" => Cause::NoListener,
        "NOT_SPECIFIED" if udp => Cause::NoListener,
        "SOCKET_RCVBUFF" | "PROTO_MEM" => Cause::SocketOverflow,
        "UDP_CSUM" => Cause::BadUdpChecksum,
        _ => return None,
    })
}
