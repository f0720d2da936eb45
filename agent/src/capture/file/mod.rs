//! Frames from pcap and pcapng files, and from pipes that carry them.
//!
//! [`CaptureReader`] reads both formats in both byte orders and lends each packet out
//! of its buffer: nothing is copied per packet, and memory does not grow with the
//! file. It never judges a frame, and never reads a clock: time is the file's own.
//!
//! pcap-parser is not used here but in the tests, as a second opinion. Its streaming
//! reader drops the system's error, wants the whole first header in one read (pipes
//! give less), takes a packet that is longer than its complete block for one that is
//! still to come, reads `if_tsoffset` little-endian in big-endian files, knows no
//! binary `if_tsresol`, and allocates for the options of each packet.

mod error;
mod link;
mod order;
mod pcap;
pub(crate) mod pcapng;
mod resolution;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod window;

pub use error::ReadError;
pub use link::LinkCode;

use error::Stop;
use leasehound_core::frame::LinkType;
use leasehound_core::origin::Direction;
use leasehound_core::time::Timestamp;
use pcap::Pcap;
use pcapng::Pcapng;
pub(crate) use pcapng::Piece;
use resolution::Resolution;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use window::Window;

/// As in libpcap and Wireshark: a longer "packet" is damage.
const MAX_PACKET: usize = 262_144;

/// One packet of a capture, lent until the next one is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFrame<'a> {
    /// When it was captured; a simple packet block, which has no time, is given that of
    /// the packet before it.
    pub at: Timestamp,
    /// Index into [`CaptureReader::interfaces`].
    pub interface: u32,
    /// The kernel's interface index, which `tcpdump -i any` stores for each packet.
    pub ifindex: Option<u32>,
    /// From `epb_flags`, else from the cooked header's packet type.
    pub direction: Direction,
    /// How the octets begin.
    pub link: LinkType,
    /// Length on the wire, in octets.
    pub wire_length: u32,
    /// What was captured.
    pub bytes: &'a [u8],
}

/// An interface that a capture describes; pcap has one, without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInterface {
    /// `if_name`, if the file has it.
    pub name: Option<Box<str>>,
    /// The link type as the file has it.
    pub code: LinkCode,
    /// The link type; `None` if it can't be read here.
    pub link: Option<LinkType>,
    /// Packets that were passed over because of the link type.
    pub skipped: u64,
    resolution: Resolution,
    snap_length: u32,
    /// What a recording says of it.
    pub(crate) local: Option<Box<[u8]>>,
}

impl FileInterface {
    fn new(code: LinkCode, resolution: Resolution) -> Self {
        Self {
            name: None,
            code,
            link: code.link_type(),
            skipped: 0,
            resolution,
            snap_length: 0,
            local: None,
        }
    }
}

/// Octets of the local option of a packet.
pub(crate) const LOCAL_OCTETS: usize = 24;

/// A packet as a format's parser leaves it: where it is, from the window's start.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) at: Timestamp,
    interface: u32,
    direction: Direction,
    wire_length: u32,
    bytes: Range<usize>,
    /// What a recording says of it.
    pub(crate) local: Option<[u8; LOCAL_OCTETS]>,
    /// Of packet and headers together.
    length: usize,
}

/// Reads a capture from a file or a pipe, in order, once.
#[derive(Debug)]
pub struct CaptureReader<R> {
    window: Window<R>,
    format: Format,
    interfaces: Vec<FileInterface>,
    packets: u64,
    skipped: u64,
    /// Octets of the window that were lent and are done with at the next call.
    lent: usize,
    ended: bool,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl<R: Read> CaptureReader<R> {
    /// Reads as much as tells the format.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let mut window = Window::new(input);
        let at_start = |stop: Stop| stop.into_error(0, 0);
        window.fill(12).map_err(|error| at_start(error.into()))?;
        let mut interfaces = Vec::new();
        let format = match window.data().first_chunk::<4>() {
            Some(magic) if Pcap::recognises(*magic) => {
                let (pcap, interface) = Pcap::open(&mut window).map_err(at_start)?;
                interfaces.push(interface);
                Format::Pcap(pcap)
            }
            Some(first) if Pcapng::recognises(*first) => Format::Pcapng(Pcapng::new()),
            _ => return Err(error::foreign(window.data())),
        };
        Ok(Self {
            window,
            format,
            interfaces,
            packets: 0,
            skipped: 0,
            lent: 0,
            ended: false,
        })
    }

    /// The next packet that can be read, or `None` at the end and after an error.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<FileFrame<'_>>, ReadError> {
        let found = loop {
            match self.advance()? {
                Some((Piece::Packet(found), link)) => break (found, link),
                Some((Piece::Local { .. }, _)) => {}
                None => return Ok(None),
            }
        };
        Ok(Some(self.lend(&found.0, found.1)))
    }

    /// Whether the file begins with a local block of this type and with this mark: it
    /// stands right after the section header. Consumes nothing.
    pub(crate) fn begins_with(
        &mut self,
        block_type: u32,
        mark: [u8; 4],
    ) -> Result<bool, ReadError> {
        match &mut self.format {
            Format::Pcap(_) => Ok(false),
            Format::Pcapng(pcapng) => pcapng
                .begins_with(&mut self.window, block_type, mark)
                .map_err(|stop| stop.into_error(0, self.window.offset())),
        }
    }

    /// The body of a local block.
    pub(crate) fn body(&self, body: Range<usize>) -> &[u8] {
        self.window.data().get(body).unwrap_or_default()
    }

    /// What the interface of a packet is called in a recording.
    pub(crate) fn interface_mark(&self, found: &Found) -> Option<&[u8]> {
        let interface = self.interfaces.get(found.interface as usize)?;
        interface.local.as_deref()
    }

    /// Ends the reading because of what is in the piece at hand.
    pub(crate) fn refuse(&mut self, what: String) -> ReadError {
        self.ended = true;
        Stop::Corrupted(what).into_error(self.packets, self.window.offset())
    }

    /// Ends the reading because the piece at hand is continued nowhere.
    pub(crate) fn cut_off(&mut self) -> ReadError {
        self.ended = true;
        Stop::Truncated.into_error(self.packets, self.window.offset())
    }

    /// The interfaces that were described so far.
    pub fn interfaces(&self) -> &[FileInterface] {
        &self.interfaces
    }

    /// Octets of the input that are done with: a progress bar's position.
    pub fn position(&self) -> u64 {
        self.window.offset() + self.lent as u64
    }

    /// Packets read, those passed over among them.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Packets passed over because their link type can't be read; which, and on which
    /// interface, is told by [`Self::interfaces`].
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Steps to the next piece; a packet's link type is known by then.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<Option<(Piece, LinkType)>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        loop {
            self.window.consume(self.lent);
            self.lent = 0;
            let piece = match &mut self.format {
                Format::Pcap(pcap) => pcap
                    .next(&mut self.window)
                    .map(|found| found.map(Piece::Packet)),
                Format::Pcapng(pcapng) => pcapng.next(&mut self.window, &mut self.interfaces),
            };
            match piece {
                Ok(Some(Piece::Packet(found))) => {
                    self.packets += 1;
                    self.lent = found.length;
                    match self.interfaces.get_mut(found.interface as usize) {
                        Some(FileInterface {
                            link: Some(link), ..
                        }) => return Ok(Some((Piece::Packet(found), *link))),
                        Some(interface) => interface.skipped += 1,
                        None => {}
                    }
                    self.skipped += 1;
                }
                Ok(Some(local @ Piece::Local { length, .. })) => {
                    self.lent = length;
                    return Ok(Some((local, LinkType::Ethernet)));
                }
                Ok(None) => {
                    self.ended = true;
                    return self.end();
                }
                Err(stop) => {
                    self.ended = true;
                    return Err(stop.into_error(self.packets, self.window.offset()));
                }
            }
        }
    }

    /// The end of the file, which is an error if no packet could be read.
    fn end(&self) -> Result<Option<(Piece, LinkType)>, ReadError> {
        if self.skipped == 0 || self.skipped < self.packets {
            return Ok(None);
        }
        let mut links: Vec<LinkCode> = self
            .interfaces
            .iter()
            .filter(|interface| interface.skipped > 0)
            .map(|interface| interface.code)
            .collect();
        links.sort_unstable();
        links.dedup();
        let links: Vec<String> = links.iter().map(ToString::to_string).collect();
        Err(ReadError::NoReadableInterface {
            packets: self.packets,
            links: links.join(", "),
        })
    }

    #[inline]
    pub(crate) fn lend(&self, found: &Found, link: LinkType) -> FileFrame<'_> {
        let bytes = self
            .window
            .data()
            .get(found.bytes.clone())
            .unwrap_or_default();
        let (cooked, ifindex) = link::cooked(link, bytes);
        FileFrame {
            at: found.at,
            interface: found.interface,
            ifindex,
            direction: match found.direction {
                Direction::Unknown => cooked,
                known => known,
            },
            link,
            wire_length: found.wire_length,
            bytes,
        }
    }
}

/// The size of a regular file, for a progress bar; `None` for pipes and devices.
pub fn regular_size(file: &File) -> Option<u64> {
    file.metadata()
        .ok()
        .filter(std::fs::Metadata::is_file)
        .map(|metadata| metadata.len())
}
