//! Reads a recording, and tells one from a plain capture.

use super::json::{self, Parsed, Refusal};
use super::layout::{BLOCK_TYPE, FrameMark, MARK, parse_piece};
use super::{Header, Record, RecordedFrame, RecordingError};
use crate::capture::file::{CaptureReader, FileFrame, Found, Piece};
use leasehound_core::frame::{LinkType, RawFrame, VlanStack};
use leasehound_core::origin::{Hook, InterfaceId, NetnsId, Origin};
use std::collections::BTreeMap;
use std::io::Read;

/// Nothing that is recorded gets longer: half a million leases do not.
const MAX_RECORD: usize = 64 * 1024 * 1024;

/// What a file turned out to be.
#[derive(Debug)]
pub enum Source<R> {
    /// Packets and nothing else.
    Capture(CaptureReader<R>),
    /// A run of leasehound.
    Recording(RecordingReader<R>),
}

/// Looks at the beginning of a file or pipe.
pub fn open<R: Read>(input: R) -> Result<Source<R>, RecordingError> {
    let mut capture = CaptureReader::new(input)?;
    if !capture.begins_with(BLOCK_TYPE, MARK)? {
        return Ok(Source::Capture(capture));
    }
    RecordingReader::new(capture).map(Source::Recording)
}

/// Reads a recording in order, once.
#[derive(Debug)]
pub struct RecordingReader<R> {
    capture: CaptureReader<R>,
    header: Header,
    /// The beginning of a text that goes on in the next block.
    text: Vec<u8>,
    header_given: bool,
    netns_names: BTreeMap<NetnsId, Box<str>>,
}

/// A piece that is a record.
enum Step {
    Frame(Found, LinkType),
    Other(Record<RecordedFrame<'static>>),
}

impl<R: Read> RecordingReader<R> {
    fn new(capture: CaptureReader<R>) -> Result<Self, RecordingError> {
        let mut reader = Self {
            capture,
            header: Header::new(serde_json::Value::Null),
            text: Vec::new(),
            header_given: false,
            netns_names: BTreeMap::new(),
        };
        match reader.step()? {
            Some(Step::Other(Record::Header(header))) => reader.header = header,
            Some(_) => return Err(reader.capture.refuse("no header".to_owned()).into()),
            None => return Err(reader.capture.cut_off().into()),
        }
        Ok(reader)
    }

    /// What the recording says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next record, the header first; `None` at the end and after an error.
    pub fn next_record(&mut self) -> Result<Option<Record<RecordedFrame<'_>>>, RecordingError> {
        if !self.header_given {
            self.header_given = true;
            return Ok(Some(Record::Header(self.header.clone())));
        }
        match self.step()? {
            None => Ok(None),
            Some(Step::Other(record)) => Ok(Some(record)),
            Some(Step::Frame(found, link)) => self.frame(&found, link).map(Some),
        }
    }

    /// What the latest evidence of a namespace's interfaces called it; empty for the
    /// agent's own.
    pub fn netns_name(&self, netns: NetnsId) -> &str {
        self.netns_names.get(&netns).map_or("", |name| name)
    }

    /// The file beneath: position, interfaces, counts.
    pub fn capture(&self) -> &CaptureReader<R> {
        &self.capture
    }

    fn step(&mut self) -> Result<Option<Step>, RecordingError> {
        loop {
            let piece = self.capture.advance();
            let body = match piece.inspect_err(|_| self.text.clear())? {
                None if self.text.is_empty() => return Ok(None),
                None => {
                    self.text.clear();
                    return Err(self.capture.cut_off().into());
                }
                Some((Piece::Packet(found), link)) => return Ok(Some(Step::Frame(found, link))),
                Some((
                    Piece::Local {
                        block_type: BLOCK_TYPE,
                        body,
                        ..
                    },
                    _,
                )) => body,
                Some((Piece::Local { .. }, _)) => continue,
            };
            let Some((text, continued)) = parse_piece(self.capture.body(body)) else {
                continue;
            };
            if self.text.len() + text.len() > MAX_RECORD {
                self.text.clear();
                return Err(self
                    .capture
                    .refuse("a record without end".to_owned())
                    .into());
            }
            self.text.extend_from_slice(text);
            if continued {
                continue;
            }
            let record = json::parse(&self.text);
            self.text.clear();
            return match record {
                Ok(Parsed { record, netns_name }) => {
                    self.netns_names.extend(netns_name);
                    Ok(Some(Step::Other(record)))
                }
                Err(Refusal::Newer(error)) => {
                    self.capture.refuse(String::new());
                    Err(error)
                }
                Err(Refusal::Damaged(what)) => Err(self.capture.refuse(what).into()),
            };
        }
    }

    fn frame(
        &mut self,
        found: &Found,
        link: LinkType,
    ) -> Result<Record<RecordedFrame<'_>>, RecordingError> {
        let mark = match found.local.map(FrameMark::decode) {
            None => None,
            Some(Some(mark)) => Some(mark),
            Some(None) => {
                // A text that was to go on must not end the reading once more.
                self.text.clear();
                let what = "a frame with an unknown hook or packet type".to_owned();
                return Err(self.capture.refuse(what).into());
            }
        };
        let id = self
            .capture
            .interface_mark(found)
            .and_then(|octets| octets.first_chunk())
            .map(|octets| u32::from_le_bytes(*octets));
        let FileFrame {
            at,
            interface,
            direction,
            wire_length,
            bytes,
            ..
        } = self.capture.lend(found, link);
        // A packet that another tool put in has no mark.
        let mark = mark.unwrap_or(FrameMark {
            now: at,
            direction,
            hook: Hook::File,
            packet_type: None,
            vlan: VlanStack::default(),
            socket: None,
        });
        Ok(Record::Frame {
            now: mark.now,
            frame: RecordedFrame {
                at,
                origin: Origin {
                    interface: InterfaceId(id.unwrap_or(interface)),
                    direction: mark.direction,
                    hook: mark.hook,
                },
                raw: RawFrame {
                    link,
                    bytes,
                    wire_length,
                    vlan: mark.vlan,
                    packet_type: mark.packet_type,
                    socket: mark.socket,
                },
            },
        })
    }
}
