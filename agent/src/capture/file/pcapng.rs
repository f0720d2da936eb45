//! The pcapng format (draft-ietf-opsawg-pcapng): sections of blocks.

use super::error::Stop;
use super::link::LinkCode;
use super::order::ByteOrder;
use super::resolution::Resolution;
use super::window::Window;
use super::{FileInterface, Found, LOCAL_OCTETS};
use leasehound_core::origin::Direction;
use leasehound_core::time::Timestamp;
use std::io::Read;
use std::ops::Range;

/// First octets of a section header block, the same in both byte orders.
pub(crate) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
/// Says the byte order of a section.
pub(crate) const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Describes an interface.
pub(crate) const INTERFACE_DESCRIPTION: u32 = 1;
/// A packet with interface and time.
pub(crate) const ENHANCED_PACKET: u32 = 6;
/// A packet as programs wrote it before 2009.
const PACKET: u32 = 2;
/// A packet without interface and time.
const SIMPLE_PACKET: u32 = 3;

/// Comes with every block type that is free for local use.
const LOCAL_USE: u32 = 0x8000_0000;
/// The option, in an interface description or a packet, that only leasehound's own
/// recordings have: codes from 0x8000 are free for local use.
pub(crate) const LOCAL_OPTION: u16 = 0x9ea5;
// Options of an interface description, then of an enhanced packet.
pub(crate) const IF_NAME: u16 = 2;
pub(crate) const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
pub(crate) const EPB_FLAGS: u16 = 2;

/// Type, length, length.
const BLOCK_FRAME: usize = 12;
/// As in Wireshark: nothing that is written gets longer, and a damaged length must
/// not make us wait for gigabytes.
const MAX_BLOCK: usize = 16 * 1024 * 1024;
/// A file with more describes interfaces without end.
const MAX_INTERFACES: usize = 65_536;

/// Octets that are kept of an interface's name; the kernel's have at most 15.
const MAX_NAME: usize = 256;

/// A piece of the file: a packet, or a block of a type that is free for local use.
pub(crate) enum Piece {
    Packet(Found),
    Local {
        block_type: u32,
        body: Range<usize>,
        length: usize,
    },
}

/// Where in a pcapng file the parser stands.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: ByteOrder,
    /// Index of the section's first interface in the file's list.
    section: usize,
    /// What a simple packet's time is taken to be.
    latest: Timestamp,
}

impl Pcapng {
    /// Whether a file that begins so is pcapng.
    pub(super) fn recognises(first: [u8; 4]) -> bool {
        u32::from_be_bytes(first) == SECTION_HEADER
    }

    pub(super) fn new() -> Self {
        Self {
            order: ByteOrder::Little,
            section: 0,
            latest: Timestamp::ZERO,
        }
    }

    /// Whether the first section's first block is of this type and begins with `mark`.
    pub(super) fn begins_with<R: Read>(
        &mut self,
        window: &mut Window<R>,
        block_type: u32,
        mark: [u8; 4],
    ) -> Result<bool, Stop> {
        let Some((SECTION_HEADER, length)) = self.block(window)? else {
            return Ok(false);
        };
        if !window.fill(length + BLOCK_FRAME)? {
            return Ok(false);
        }
        let Some(&[t0, t1, t2, t3, _, _, _, _, m0, m1, m2, m3]) = window
            .data()
            .get(length..)
            .and_then(|octets| octets.first_chunk())
        else {
            return Ok(false);
        };
        Ok(self.order.u32([t0, t1, t2, t3]) == block_type && [m0, m1, m2, m3] == mark)
    }

    /// The next packet or local block, or `None` at the end. Other blocks are consumed.
    #[inline]
    pub(super) fn next<R: Read>(
        &mut self,
        window: &mut Window<R>,
        interfaces: &mut Vec<FileInterface>,
    ) -> Result<Option<Piece>, Stop> {
        loop {
            let Some((block_type, length)) = self.block(window)? else {
                return Ok(None);
            };
            let body = 8..length - 4;
            let content = window.data().get(body.clone()).unwrap_or_default();
            match block_type {
                ENHANCED_PACKET | PACKET | SIMPLE_PACKET => {
                    let found = if block_type == SIMPLE_PACKET {
                        self.simple_packet(content, interfaces)?
                    } else {
                        self.packet(block_type, content, interfaces)?
                    };
                    self.latest = found.at;
                    return Ok(Some(Piece::Packet(Found { length, ..found })));
                }
                INTERFACE_DESCRIPTION => {
                    let interface = self.interface(content)?;
                    if interfaces.len() >= MAX_INTERFACES {
                        return Err(corrupted("more than 65536 interfaces"));
                    }
                    interfaces.push(interface);
                }
                SECTION_HEADER => self.section = interfaces.len(),
                block_type if block_type & LOCAL_USE != 0 => {
                    return Ok(Some(Piece::Local {
                        block_type,
                        body,
                        length,
                    }));
                }
                // Statistics, names, secrets, custom blocks: nothing to judge.
                _ => {}
            }
            window.consume(length);
        }
    }

    /// Type and length of the block at hand, after which it is whole in the window.
    #[inline]
    fn block<R: Read>(&mut self, window: &mut Window<R>) -> Result<Option<(u32, usize)>, Stop> {
        if !window.fill(BLOCK_FRAME)? {
            return if window.data().is_empty() {
                Ok(None)
            } else {
                Err(Stop::Truncated)
            };
        }
        let Some(&[t0, t1, t2, t3, l0, l1, l2, l3, m0, m1, m2, m3]) = window.data().first_chunk()
        else {
            return Err(Stop::Truncated);
        };
        if Self::recognises([t0, t1, t2, t3]) {
            self.order = match u32::from_be_bytes([m0, m1, m2, m3]) {
                BYTE_ORDER_MAGIC => ByteOrder::Big,
                magic if magic.swap_bytes() == BYTE_ORDER_MAGIC => ByteOrder::Little,
                _ => return Err(corrupted("a section without byte-order magic")),
            };
        }
        let block_type = self.order.u32([t0, t1, t2, t3]);
        let length = self.order.u32([l0, l1, l2, l3]) as usize;
        if length < BLOCK_FRAME || !length.is_multiple_of(4) || length > MAX_BLOCK {
            return Err(Stop::Corrupted(format!(
                "a block of {length} octets, which no block has"
            )));
        }
        if !window.fill(length)? {
            return Err(Stop::Truncated);
        }
        let repeated = window
            .data()
            .get(length - 4..length)
            .and_then(|octets| octets.first_chunk())
            .map(|octets| self.order.u32(*octets) as usize);
        if repeated != Some(length) {
            return Err(corrupted("the two lengths of a block differ"));
        }
        Ok(Some((block_type, length)))
    }

    fn interface(&self, mut content: &[u8]) -> Result<FileInterface, Stop> {
        let short = || corrupted("an interface description that is too short");
        let code = self.order.take_u16(&mut content).ok_or_else(short)?;
        self.order.take_u16(&mut content).ok_or_else(short)?;
        let snap_length = self.order.take_u32(&mut content).ok_or_else(short)?;
        let mut resolution = Resolution::MICROS;
        let mut offset = 0;
        let mut interface = FileInterface::new(LinkCode(code.into()), resolution);
        for (code, value) in Options::new(content, self.order) {
            match (code, value) {
                (IF_NAME, name) => {
                    let name = name.get(..MAX_NAME).unwrap_or(name);
                    interface.name = Some(String::from_utf8_lossy(name).into());
                }
                (IF_TSRESOL, [value, ..]) => {
                    resolution = Resolution::from_tsresol(*value)
                        .ok_or_else(|| corrupted("an impossible if_tsresol"))?;
                }
                (IF_TSOFFSET, value) => {
                    offset = value
                        .first_chunk()
                        .map_or(0, |octets| self.order.i64(*octets));
                }
                (LOCAL_OPTION, value) if value.len() <= LOCAL_OCTETS => {
                    interface.local = Some(value.into());
                }
                _ => {}
            }
        }
        interface.resolution = resolution.with_offset(offset);
        interface.snap_length = snap_length;
        Ok(interface)
    }

    #[inline]
    fn packet(
        &self,
        block_type: u32,
        content: &[u8],
        interfaces: &[FileInterface],
    ) -> Result<Found, Stop> {
        let order = self.order;
        let Some((header, rest)) = content.split_first_chunk::<20>() else {
            return Err(corrupted("a packet block that is too short"));
        };
        let &[
            i0,
            i1,
            i2,
            i3,
            h0,
            h1,
            h2,
            h3,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
            w0,
            w1,
            w2,
            w3,
        ] = header;
        let index = if block_type == PACKET {
            u32::from(order.u16([i0, i1]))
        } else {
            order.u32([i0, i1, i2, i3])
        };
        let high = u64::from(order.u32([h0, h1, h2, h3]));
        let low = u64::from(order.u32([l0, l1, l2, l3]));
        let captured = order.u32([c0, c1, c2, c3]) as usize;
        if captured > rest.len() {
            return Err(corrupted("a packet that is longer than its block"));
        }
        let (interface, known) = self.find(index, interfaces)?;
        let start = 8 + header.len();
        let mut found = Found {
            at: known.resolution.timestamp(high << 32 | low),
            interface,
            direction: Direction::Unknown,
            wire_length: order.u32([w0, w1, w2, w3]),
            bytes: start..start + captured,
            local: None,
            length: 0,
        };
        let options = captured.next_multiple_of(4);
        for (code, value) in Options::new(rest.get(options..).unwrap_or_default(), order) {
            match code {
                EPB_FLAGS => {
                    let flags = value.first_chunk().map_or(0, |octets| order.u32(*octets));
                    found.direction = match flags & 3 {
                        1 => Direction::Ingress,
                        2 => Direction::Egress,
                        _ => Direction::Unknown,
                    };
                }
                LOCAL_OPTION => found.local = local(value),
                _ => {}
            }
        }
        Ok(found)
    }

    fn simple_packet(
        &self,
        mut content: &[u8],
        interfaces: &[FileInterface],
    ) -> Result<Found, Stop> {
        let wire_length = self
            .order
            .take_u32(&mut content)
            .ok_or_else(|| corrupted("a packet block that is too short"))?;
        let (interface, known) = self.find(0, interfaces)?;
        let limit = match known.snap_length {
            0 => wire_length,
            limit => limit.min(wire_length),
        };
        let captured = (limit as usize).min(content.len());
        Ok(Found {
            at: self.latest,
            interface,
            direction: Direction::Unknown,
            wire_length,
            bytes: 12..12 + captured,
            local: None,
            length: 0,
        })
    }

    #[inline]
    fn find<'a>(
        &self,
        index: u32,
        interfaces: &'a [FileInterface],
    ) -> Result<(u32, &'a FileInterface), Stop> {
        let in_file = self.section.saturating_add(index as usize);
        match (interfaces.get(in_file), u32::try_from(in_file)) {
            (Some(interface), Ok(in_file)) => Ok((in_file, interface)),
            _ => Err(Stop::Corrupted(format!(
                "a packet of interface {index}, which is not described"
            ))),
        }
    }
}

/// Recordings of the first format have 16 octets; what came later is 0 there.
fn local(value: &[u8]) -> Option<[u8; LOCAL_OCTETS]> {
    const FIRST_FORMAT: usize = 16;
    let mut octets = [0; LOCAL_OCTETS];
    let length = value.len().min(LOCAL_OCTETS);
    if length < FIRST_FORMAT {
        return None;
    }
    octets
        .get_mut(..length)?
        .copy_from_slice(value.get(..length)?);
    Some(octets)
}

fn corrupted(what: &str) -> Stop {
    Stop::Corrupted(what.to_owned())
}

/// The options of a block, as far as they hold together.
struct Options<'a> {
    rest: &'a [u8],
    order: ByteOrder,
}

impl<'a> Options<'a> {
    #[inline]
    fn new(rest: &'a [u8], order: ByteOrder) -> Self {
        Self { rest, order }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let code = self.order.take_u16(&mut self.rest)?;
        let length = usize::from(self.order.take_u16(&mut self.rest)?);
        if code == 0 {
            return None;
        }
        let value = self.rest.get(..length)?;
        self.rest = self
            .rest
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some((code, value))
    }
}
