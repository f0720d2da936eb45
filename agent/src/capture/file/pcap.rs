//! The pcap format (draft-ietf-opsawg-pcap): a file header, then packets.

use super::error::Stop;
use super::link::LinkCode;
use super::order::ByteOrder;
use super::resolution::Resolution;
use super::window::Window;
use super::{FileInterface, Found, MAX_PACKET};
use leasehound_core::origin::Direction;
use std::io::Read;

const FILE_HEADER: usize = 24;

/// Where in a pcap file the parser stands: it keeps nothing of the packets.
#[derive(Debug)]
pub(super) struct Pcap {
    order: ByteOrder,
    resolution: Resolution,
    /// 16, or 24 in the variant of old Red Hat and SuSE kernels.
    packet_header: usize,
}

impl Pcap {
    /// Whether a file that begins so is pcap.
    pub(super) fn recognises(magic: [u8; 4]) -> bool {
        variant(magic).is_some()
    }

    /// Reads the file header.
    pub(super) fn open<R: Read>(window: &mut Window<R>) -> Result<(Self, FileInterface), Stop> {
        if !window.fill(FILE_HEADER)? {
            return Err(Stop::Truncated);
        }
        let (order, nanos, packet_header) = window
            .data()
            .first_chunk()
            .and_then(|magic| variant(*magic))
            .ok_or_else(|| Stop::Corrupted("no pcap magic number".to_owned()))?;
        // Between them: version, time zone, accuracy, snap length. Nothing depends on them.
        let mut network = window.data().get(20..).unwrap_or_default();
        let network = order.take_u32(&mut network).ok_or(Stop::Truncated)?;
        window.consume(FILE_HEADER);
        let resolution = if nanos {
            Resolution::NANOS
        } else {
            Resolution::MICROS
        };
        // The top six bits say whether and how long a frame check sequence is.
        let code = LinkCode(network & 0x03ff_ffff);
        Ok((
            Self {
                order,
                resolution,
                packet_header,
            },
            FileInterface::new(code, resolution),
        ))
    }

    /// The next packet, or `None` at the end.
    #[inline]
    pub(super) fn next<R: Read>(&self, window: &mut Window<R>) -> Result<Option<Found>, Stop> {
        if !window.fill(self.packet_header)? {
            return if window.data().is_empty() {
                Ok(None)
            } else {
                Err(Stop::Truncated)
            };
        }
        let Some(
            &[
                s0,
                s1,
                s2,
                s3,
                f0,
                f1,
                f2,
                f3,
                c0,
                c1,
                c2,
                c3,
                w0,
                w1,
                w2,
                w3,
            ],
        ) = window.data().first_chunk()
        else {
            return Err(Stop::Truncated);
        };
        let seconds = self.order.u32([s0, s1, s2, s3]);
        let fraction = self.order.u32([f0, f1, f2, f3]);
        let captured = self.order.u32([c0, c1, c2, c3]) as usize;
        let wire_length = self.order.u32([w0, w1, w2, w3]);
        if captured > MAX_PACKET {
            return Err(Stop::Corrupted(format!(
                "a packet of {captured} octets, more than {MAX_PACKET}"
            )));
        }
        let length = self.packet_header + captured;
        if !window.fill(length)? {
            return Err(Stop::Truncated);
        }
        Ok(Some(Found {
            at: self.resolution.split(seconds, fraction),
            interface: 0,
            direction: Direction::Unknown,
            wire_length,
            bytes: self.packet_header..length,
            local: None,
            length,
        }))
    }
}

/// Byte order, whether fractions are nanoseconds, and the length of a packet header.
fn variant(magic: [u8; 4]) -> Option<(ByteOrder, bool, usize)> {
    match magic {
        [0xd4, 0xc3, 0xb2, 0xa1] => Some((ByteOrder::Little, false, 16)),
        [0xa1, 0xb2, 0xc3, 0xd4] => Some((ByteOrder::Big, false, 16)),
        [0x4d, 0x3c, 0xb2, 0xa1] => Some((ByteOrder::Little, true, 16)),
        [0xa1, 0xb2, 0x3c, 0x4d] => Some((ByteOrder::Big, true, 16)),
        [0x34, 0xcd, 0xb2, 0xa1] => Some((ByteOrder::Little, false, 24)),
        [0xa1, 0xb2, 0xcd, 0x34] => Some((ByteOrder::Big, false, 24)),
        _ => None,
    }
}
