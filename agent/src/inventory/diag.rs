//! One `NETLINK_SOCK_DIAG` socket and its dumps (sock_diag(7)).
//!
//! Speaks to the kernel of the namespace that the opening thread is in, and only
//! asks: `SOCK_DESTROY` must never be sent from here.

use rtnetlink::packet_core::NetlinkBuffer;
use rtnetlink::sys::protocols::NETLINK_SOCK_DIAG;
use rtnetlink::sys::{Socket, SocketAddr};
use std::io;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x01;
const NLM_F_DUMP: u16 = 0x300;
const HEADER: usize = 16;

/// A dump is cut into pieces of at most 32 KiB (`netlink_dump`).
pub(super) const RECEIVE_BUFFER: usize = 64 * 1024;

/// Index into the array of `INET_DIAG_SKMEMINFO` and `PACKET_DIAG_MEMINFO`.
const SK_MEMINFO_RMEM_ALLOC: usize = 0;
const SK_MEMINFO_RCVBUF: usize = 1;
const SK_MEMINFO_DROPS: usize = 8;

/// A socket that asks for sockets.
pub(super) struct Diag {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Diag {
    /// In the calling thread's namespace. `buffer` is taken over for its memory.
    pub(super) fn open(buffer: Vec<u8>) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, buffer })
    }

    /// The memory that [`Diag::open`] took.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Asks for a dump with `request`, what follows the `nlmsghdr`, and hands each
    /// answer to `take` without its `nlmsghdr`.
    pub(super) fn dump(&mut self, request: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.socket.send(&message(request), 0)?;
        self.buffer.reserve(RECEIVE_BUFFER);
        loop {
            self.buffer.clear();
            self.socket.recv(&mut self.buffer, 0)?;
            if self.buffer.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            for message in messages(&self.buffer) {
                match message? {
                    (NLMSG_DONE | NLMSG_ERROR, payload) => return outcome(payload),
                    (SOCK_DIAG_BY_FAMILY, payload) => take(payload),
                    _ => {}
                }
            }
        }
    }
}

/// The messages of one datagram: type and payload.
pub(super) fn messages(mut rest: &[u8]) -> impl Iterator<Item = io::Result<(u16, &[u8])>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let datagram = std::mem::take(&mut rest);
        let message = match NetlinkBuffer::new_checked(datagram) {
            Ok(message) => message,
            Err(error) => return Some(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
        };
        let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
        rest = datagram
            .get(length.saturating_add(3) & !3..)
            .unwrap_or_default();
        let payload = datagram.get(HEADER..length).unwrap_or_default();
        Some(Ok((message.message_type(), payload)))
    })
}

/// What of a socket's memory is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Memory {
    pub(super) received: u32,
    pub(super) buffer: u32,
    pub(super) drops: u32,
}

impl Memory {
    pub(super) fn parse(attribute: &[u8]) -> Self {
        let at = |index: usize| u32_at(attribute, index * 4).unwrap_or(0);
        Self {
            received: at(SK_MEMINFO_RMEM_ALLOC),
            buffer: at(SK_MEMINFO_RCVBUF),
            drops: at(SK_MEMINFO_DROPS),
        }
    }
}

/// A number in the machine's byte order.
pub(super) fn u32_at(octets: &[u8], offset: usize) -> Option<u32> {
    let number = octets.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*number))
}

/// A number in the machine's byte order.
pub(super) fn u16_at(octets: &[u8], offset: usize) -> Option<u16> {
    let number = octets.get(offset..)?.first_chunk::<2>()?;
    Some(u16::from_ne_bytes(*number))
}

/// Two words, the low one first (`sock_diag_save_cookie`).
pub(super) fn cookie_at(octets: &[u8], offset: usize) -> Option<u64> {
    let low = u32_at(octets, offset)?;
    let high = u32_at(octets, offset + 4)?;
    Some(u64::from(high) << 32 | u64::from(low))
}

fn message(request: &[u8]) -> Vec<u8> {
    let length = HEADER + request.len();
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_ne_bytes());
    message.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(request);
    message
}

/// Both the end of a dump and an error begin with a negated errno, or 0.
fn outcome(payload: &[u8]) -> io::Result<()> {
    let code = payload
        .first_chunk::<4>()
        .map_or(0, |code| i32::from_ne_bytes(*code));
    if code == 0 {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(code.saturating_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_their_padded_length() {
        let mut datagram = Vec::new();
        for payload in [&b"abcde"[..], &b"f"[..]] {
            datagram.extend(message(payload));
            datagram.resize(datagram.len().next_multiple_of(4), 0);
        }
        let found: Vec<_> = messages(&datagram).map(Result::unwrap).collect();
        assert_eq!(found, [(20, &b"abcde"[..]), (20, &b"f"[..])]);
    }

    #[test]
    fn a_cut_message_is_an_error_and_the_last() {
        let whole = message(b"abcd");
        let found: Vec<_> = messages(&whole[..18]).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].is_err());
    }

    #[test]
    fn an_errno_ends_a_dump() {
        assert!(outcome(&0_i32.to_ne_bytes()).is_ok());
        let refused = outcome(&(-1_i32).to_ne_bytes()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
