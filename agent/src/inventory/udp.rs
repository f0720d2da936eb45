//! UDP sockets on the DHCP server ports, by `inet_diag` (`net/ipv4/udp_diag.c`).

use super::diag::{Diag, Memory, cookie_at, u32_at};
use super::socket::{ListeningSocket, SocketKind};
use rtnetlink::packet_core::NlasIterator;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The DHCPv4 server port (RFC 2131 §4.1).
pub(super) const DHCPV4_SERVER_PORT: u16 = 67;
/// The DHCPv6 server port (RFC 8415 §7.2).
pub(super) const DHCPV6_SERVER_PORT: u16 = 547;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_UDP: u8 = 17;
/// State of a UDP socket that has a peer (`TCP_ESTABLISHED`).
const ESTABLISHED: u8 = 1;
const ALL_STATES: u32 = u32::MAX;

const INET_DIAG_REQ_BYTECODE: u16 = 1;
const INET_DIAG_SKMEMINFO: u16 = 7;
const INET_DIAG_SKV6ONLY: u16 = 11;

const INET_DIAG_BC_JMP: u8 = 1;
const INET_DIAG_BC_S_GE: u8 = 2;
const INET_DIAG_BC_S_LE: u8 = 3;

/// Length of `inet_diag_msg`.
const MESSAGE: usize = 72;
/// Where its cookie is.
pub(super) const COOKIE: usize = 44;

/// The sockets of the namespace that `diag` belongs to.
pub(super) fn dump(diag: &mut Diag, netns: u64) -> io::Result<Vec<ListeningSocket>> {
    let mut sockets = Vec::new();
    for family in [AF_INET, AF_INET6] {
        diag.dump(&request(family), |message| {
            sockets.extend(parse(message, netns));
        })?;
    }
    // The kernel puts a new socket before the others of its port.
    let mut order = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
    for socket in &mut sockets {
        order = order.saturating_sub(1);
        socket.order = order;
    }
    Ok(sockets)
}

/// `inet_diag_req_v2` and the filter for the ports, so that one look at the
/// kernel's table does for both.
fn request(family: u8) -> Vec<u8> {
    let extensions = 1_u8 << (INET_DIAG_SKMEMINFO - 1);
    let mut request = vec![family, IPPROTO_UDP, extensions, 0];
    request.extend_from_slice(&ALL_STATES.to_ne_bytes());
    request.resize(56, 0);
    let ports = ports_filter();
    let length = u16::try_from(4 + ports.len()).unwrap_or(0);
    request.extend_from_slice(&length.to_ne_bytes());
    request.extend_from_slice(&INET_DIAG_REQ_BYTECODE.to_ne_bytes());
    request.extend_from_slice(&ports);
    request
}

/// Bytecode that takes the two ports. Each instruction names the distance to the
/// next one if it holds and if not; the distance to the end takes the socket, four
/// more refuse it. Only what follows through the `yes` distances may be jumped to
/// (`valid_cc`), hence the `JMP`.
fn ports_filter() -> Vec<u8> {
    [
        (INET_DIAG_BC_S_GE, 8, 20),
        (0, 0, DHCPV4_SERVER_PORT),
        (INET_DIAG_BC_S_LE, 8, 12),
        (0, 0, DHCPV4_SERVER_PORT),
        (INET_DIAG_BC_JMP, 4, 20),
        (INET_DIAG_BC_S_GE, 8, 20),
        (0, 0, DHCPV6_SERVER_PORT),
        (INET_DIAG_BC_S_LE, 8, 12),
        (0, 0, DHCPV6_SERVER_PORT),
    ]
    .into_iter()
    .flat_map(|(code, yes, no): (u8, u8, u16)| {
        let [no0, no1] = no.to_ne_bytes();
        [code, yes, no0, no1]
    })
    .collect()
}

/// From `inet_diag_msg` and its attributes.
fn parse(message: &[u8], netns: u64) -> Option<ListeningSocket> {
    let (header, attributes) = message.split_first_chunk::<MESSAGE>()?;
    let [family, state, _, _, port0, port1, ..] = *header;
    let port = u16::from_be_bytes([port0, port1]);
    let source = header.get(8..)?;
    let address: IpAddr = match family {
        AF_INET => Ipv4Addr::from(*source.first_chunk::<4>()?).into(),
        AF_INET6 => Ipv6Addr::from(*source.first_chunk::<16>()?).into(),
        _ => return None,
    };
    let mut memory = Memory::default();
    let mut ipv6_only = false;
    for attribute in NlasIterator::new(attributes).flatten() {
        match attribute.kind() {
            INET_DIAG_SKMEMINFO => memory = Memory::parse(attribute.value()),
            INET_DIAG_SKV6ONLY => ipv6_only = attribute.value().first() == Some(&1),
            _ => {}
        }
    }
    Some(ListeningSocket {
        cookie: cookie_at(header, COOKIE)?,
        inode: u32_at(header, 68)?.into(),
        netns,
        uid: u32_at(header, 64),
        ifindex: u32_at(header, 40).filter(|ifindex| *ifindex != 0),
        kind: SocketKind::Udp {
            address,
            port,
            takes_ipv4: takes_ipv4(address, ipv6_only),
            connected: state == ESTABLISHED,
        },
        drops: memory.drops,
        receive_queue: u32_at(header, 56)?.max(memory.received),
        receive_buffer: memory.buffer,
        order: 0,
        reuse_port: None,
        holders: Vec::new(),
    })
}

fn takes_ipv4(address: IpAddr, ipv6_only: bool) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => {
            !ipv6_only && (address.is_unspecified() || address.to_ipv4_mapped().is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cut_anywhere_is_no_socket_and_no_panic() {
        let mut message = vec![0; MESSAGE];
        message[0] = AF_INET;
        message[4..6].copy_from_slice(&67_u16.to_be_bytes());
        message[44] = 7;
        for length in 0..MESSAGE {
            assert_eq!(parse(&message[..length], 1), None);
        }
        let socket = parse(&message, 1).unwrap();
        assert_eq!((socket.cookie, socket.port()), (7, Some(67)));
        assert!(socket.is_wildcard());
    }

    #[test]
    fn an_ipv6_socket_takes_ipv4_unless_it_says_no() {
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        assert!(takes_ipv4(any, false));
        assert!(!takes_ipv4(any, true));
        assert!(!takes_ipv4(IpAddr::V6(Ipv6Addr::LOCALHOST), false));
    }

    #[test]
    fn the_request_is_as_long_as_it_says() {
        let request = request(AF_INET);
        assert_eq!(request.len(), 56 + 4 + 36);
        assert_eq!(request[56..58], 40_u16.to_ne_bytes());
    }
}
