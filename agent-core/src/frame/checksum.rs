//! The UDP checksum (RFC 768, RFC 8200 §8.1): a ones'-complement sum over
//! pseudo-header, UDP header and payload.

use super::{Datagram, Fragment, UdpChecksum};
use std::net::IpAddr;

const UDP: u16 = 17;

pub(super) fn judge(datagram: &Datagram<'_>) -> UdpChecksum {
    let field = datagram.checksum_field;
    if field == 0 {
        // Only IPv4 allows it: Linux drops an IPv6 datagram without a checksum.
        return match datagram.source {
            IpAddr::V4(_) => UdpChecksum::Absent,
            IpAddr::V6(_) => UdpChecksum::Bad,
        };
    }
    if datagram.fragment == Fragment::First
        || datagram.payload.len() != usize::from(datagram.payload_length)
    {
        return UdpChecksum::Unknown;
    }
    let length = datagram.payload_length.saturating_add(8);
    let pseudo_header = u64::from(length)
        + u64::from(UDP)
        + address_sum(datagram.source)
        + address_sum(datagram.destination);
    let header = u64::from(datagram.source_port)
        + u64::from(datagram.destination_port)
        + u64::from(length)
        + u64::from(field);
    if fold(pseudo_header + header + u64::from(payload_sum(datagram.payload))) == 0xffff {
        UdpChecksum::Valid
    } else if fold(pseudo_header) == field {
        // The kernel leaves ~csum_tcpudp_magic(…), which is the folded sum itself.
        UdpChecksum::Partial
    } else {
        UdpChecksum::Bad
    }
}

fn address_sum(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => address
            .to_bits()
            .to_be_bytes()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| u64::from(u32::from_be_bytes(*word)))
            .sum(),
    }
}

/// The folded sum of the octets as big-endian words. The sum is taken in the
/// machine's own byte order, eight octets at a time, and swapped at the end
/// (RFC 1071 §2 B).
fn payload_sum(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (slot, octet) in last.iter_mut().zip(rest) {
        *slot = *octet;
    }
    // 2 × 32 bits a word and at most 2^13 words: far from overflow.
    let sum = words.iter().chain([&last]).fold(0_u64, |sum, word| {
        let word = u64::from_ne_bytes(*word);
        sum + (word >> 32) + (word & 0xffff_ffff)
    });
    u16::from_be(fold(sum))
}

/// Folds carries back in; nonzero stays nonzero.
fn fold(mut sum: u64) -> u16 {
    sum = (sum >> 32) + (sum & 0xffff_ffff);
    sum = (sum >> 32) + (sum & 0xffff_ffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    u16::try_from(sum).unwrap_or(u16::MAX)
}
