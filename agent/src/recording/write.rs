//! Writes a recording.

use super::evidence::EvidenceText;
use super::json::Text;
use super::layout::{BLOCK_TYPE, FrameMark, MAX_TEXT, piece};
use super::{Header, Record, WriteError};
use crate::capture::CapturedFrame;
use crate::capture::file::LinkCode;
use crate::capture::file::pcapng::{
    BYTE_ORDER_MAGIC, ENHANCED_PACKET, EPB_FLAGS, IF_NAME, IF_TSRESOL, INTERFACE_DESCRIPTION,
    LOCAL_OPTION, SECTION_HEADER,
};
use leasehound_core::delivery::SocketCookie;
use leasehound_core::evidence::{Evidence, Loss};
use leasehound_core::origin::{InterfaceId, NetnsId};
use leasehound_core::time::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

/// `shb_userappl`
const SHB_USER_APPLICATION: u16 = 4;
/// `if_description`
const IF_DESCRIPTION: u16 = 3;
/// Nanoseconds, as [`Timestamp`] counts.
const NANOSECONDS: u8 = 9;
/// Snap length, for readers that size a buffer by it: what the hooks capture, and more.
const SNAP_LENGTH: u32 = 65_535;

/// Writes the inputs of an engine in the order it took them.
///
/// It buffers: [`Self::flush`] now and then, or a kill loses what is in the buffer. The
/// first failure is returned once and ends the recording; every call after it does
/// nothing, so a full disk never stops the watching.
#[derive(Debug)]
pub struct RecordingWriter<W: Write> {
    output: Option<BufWriter<W>>,
    written: u64,
    /// Names from evidence, for the descriptions.
    names: BTreeMap<InterfaceId, (NetnsId, Box<str>)>,
    /// What namespaces are called; the agent's own has no name.
    netns_names: BTreeMap<NetnsId, Box<str>>,
    /// Which interface description an interface has, by its link type.
    descriptions: BTreeMap<(InterfaceId, LinkCode), u32>,
    described: u32,
    /// The body of the block at hand.
    body: Vec<u8>,
}

impl<W: Write> RecordingWriter<W> {
    /// Begins a recording.
    pub fn new(output: W, header: &Header) -> Result<Self, WriteError> {
        let mut writer = Self {
            output: Some(BufWriter::with_capacity(64 * 1024, output)),
            written: 0,
            names: BTreeMap::new(),
            netns_names: BTreeMap::new(),
            descriptions: BTreeMap::new(),
            described: 0,
            body: Vec::new(),
        };
        writer.attempt(|writer| writer.put_header(header))?;
        Ok(writer)
    }

    /// Writes down any record.
    pub fn record(&mut self, record: &Record) -> Result<(), WriteError> {
        match record {
            Record::Header(header) => self.attempt(|writer| writer.put_header(header)),
            Record::Frame { now, frame } => self.frame(*now, frame),
            Record::Evidence { at, evidence } => self.evidence(*at, evidence),
            Record::Loss { at, loss } => self.loss(*at, *loss),
            Record::Timeout(now) => self.timeout(*now),
            Record::Finish(now) => self.finish(*now),
        }
    }

    /// A frame that the engine takes at `now`.
    pub fn frame(&mut self, now: Timestamp, frame: &CapturedFrame) -> Result<(), WriteError> {
        self.attempt(|writer| writer.put_frame(now, frame))
    }

    /// Says what a namespace is called: written with the evidence of its interfaces,
    /// and forgotten when there are none any more.
    pub fn name_netns(&mut self, netns: NetnsId, name: &str) {
        if !name.is_empty() {
            self.netns_names.insert(netns, name.into());
        }
    }

    /// Evidence that the engine takes at `at`.
    pub fn evidence(&mut self, at: Timestamp, evidence: &Evidence) -> Result<(), WriteError> {
        self.attempt(|writer| {
            writer.learn_names(evidence);
            let name = match evidence {
                Evidence::Interfaces { netns, interfaces } if interfaces.is_empty() => {
                    writer.netns_names.remove(netns)
                }
                Evidence::Interfaces { netns, .. } => writer.netns_names.get(netns).cloned(),
                _ => None,
            };
            writer.put_text(&Text::Evidence {
                at: at.as_nanos(),
                evidence: EvidenceText::from(evidence).with_netns_name(name.as_deref()),
            })
        })
    }

    /// A loss that the engine is told at `at`.
    pub fn loss(&mut self, at: Timestamp, loss: Loss) -> Result<(), WriteError> {
        self.attempt(|writer| {
            writer.put_text(&Text::Loss {
                at: at.as_nanos(),
                stage: loss.stage.into(),
                count: loss.count,
            })
        })
    }

    /// A call of the engine's `handle_timeout`.
    pub fn timeout(&mut self, now: Timestamp) -> Result<(), WriteError> {
        self.attempt(|writer| {
            writer.put_text(&Text::Timeout {
                now: now.as_nanos(),
            })
        })
    }

    /// A call of the engine's `finish`. Flushes.
    pub fn finish(&mut self, now: Timestamp) -> Result<(), WriteError> {
        self.attempt(|writer| {
            writer.put_text(&Text::Finish {
                now: now.as_nanos(),
            })
        })?;
        self.flush()
    }

    /// Hands everything to the file.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.attempt(|writer| writer.output.as_mut().map_or(Ok(()), Write::flush))
    }

    /// Octets written so far, those still in the buffer among them.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether a failure ended the recording.
    pub fn has_failed(&self) -> bool {
        self.output.is_none()
    }

    /// Ends the recording and gives the output back, if no failure ended it before.
    pub fn into_inner(mut self) -> Result<Option<W>, WriteError> {
        self.flush()?;
        Ok(self.output.take().map(|output| output.into_parts().0))
    }

    fn attempt(&mut self, put: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), WriteError> {
        if self.output.is_none() {
            return Ok(());
        }
        put(self).map_err(|source| {
            // Taken apart, the buffer is not tried again when it is dropped.
            self.output.take().map(BufWriter::into_parts);
            WriteError {
                written: self.written,
                source,
            }
        })
    }

    fn put_header(&mut self, header: &Header) -> io::Result<()> {
        self.body.clear();
        self.body.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
        self.body.extend_from_slice(&1_u16.to_le_bytes());
        self.body.extend_from_slice(&0_u16.to_le_bytes());
        // The section's length is not known.
        self.body.extend_from_slice(&u64::MAX.to_le_bytes());
        let program = format!("leasehound {}", header.leasehound);
        self.option(SHB_USER_APPLICATION, program.as_bytes());
        self.end_of_options();
        self.block(SECTION_HEADER)?;
        self.descriptions.clear();
        self.described = 0;
        self.put_text(&Text::Header {
            format: header.format,
            leasehound: header.leasehound.clone(),
            engine_config: header.engine_config.clone(),
        })
    }

    fn put_frame(&mut self, now: Timestamp, frame: &CapturedFrame) -> io::Result<()> {
        let interface = self.description(frame)?;
        let mark = FrameMark {
            now,
            direction: frame.origin.direction,
            hook: frame.origin.hook,
            packet_type: frame.packet_type,
            vlan: frame.vlan,
            socket: frame.socket.map(SocketCookie),
        };
        let captured = u32::try_from(frame.bytes.len()).map_err(io::Error::other)?;
        let nanos = frame.at.as_nanos();
        self.body.clear();
        // High half first, each in the section's byte order.
        let high = nanos >> 32;
        let low = nanos & u64::from(u32::MAX);
        for value in [
            u64::from(interface),
            high,
            low,
            captured.into(),
            frame.wire_length.into(),
        ] {
            let [a, b, c, d, ..] = value.to_le_bytes();
            self.body.extend_from_slice(&[a, b, c, d]);
        }
        self.body.extend_from_slice(&frame.bytes);
        self.pad();
        self.option(EPB_FLAGS, &mark.epb_flags().to_le_bytes());
        self.option(LOCAL_OPTION, &mark.encode());
        self.end_of_options();
        self.block(ENHANCED_PACKET)
    }

    /// The index of the interface's description, which is written at its first frame.
    fn description(&mut self, frame: &CapturedFrame) -> io::Result<u32> {
        let id = frame.origin.interface;
        let code = LinkCode::from(frame.link);
        if let Some(index) = self.descriptions.get(&(id, code)) {
            return Ok(*index);
        }
        let [low, high, ..] = code.0.to_le_bytes();
        self.body.clear();
        self.body.extend_from_slice(&[low, high, 0, 0]);
        self.body.extend_from_slice(&SNAP_LENGTH.to_le_bytes());
        let (netns, name) = self
            .names
            .get(&id)
            .cloned()
            .unwrap_or_else(|| (NetnsId::default(), format!("interface {}", id.0).into()));
        self.option(IF_NAME, name.as_bytes());
        if netns != NetnsId::default() {
            let description = match self.netns_names.get(&netns) {
                Some(called) => format!("network namespace {called}"),
                None => format!("network namespace {}", netns.0),
            };
            self.option(IF_DESCRIPTION, description.as_bytes());
        }
        self.option(IF_TSRESOL, &[NANOSECONDS]);
        self.option(LOCAL_OPTION, &id.0.to_le_bytes());
        self.end_of_options();
        self.block(INTERFACE_DESCRIPTION)?;
        let index = self.described;
        self.described += 1;
        self.descriptions.insert((id, code), index);
        Ok(index)
    }

    /// An interface that is renamed is described anew at its next frame.
    fn learn_names(&mut self, evidence: &Evidence) {
        let Evidence::Interfaces { netns, interfaces } = evidence else {
            return;
        };
        let before = self.names.clone();
        self.names.retain(|_, (of, _)| of != netns);
        for interface in interfaces {
            self.names
                .insert(interface.id, (*netns, interface.name.clone()));
        }
        self.descriptions
            .retain(|(id, _), _| before.get(id) == self.names.get(id));
    }

    fn put_text(&mut self, text: &Text) -> io::Result<()> {
        let text = serde_json::to_vec(text)?;
        let mut pieces = text.chunks(MAX_TEXT).peekable();
        while let Some(chunk) = pieces.next() {
            self.body.clear();
            piece(&mut self.body, chunk, pieces.peek().is_some());
            self.pad();
            self.block(BLOCK_TYPE)?;
        }
        Ok(())
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.body.extend_from_slice(&code.to_le_bytes());
        self.body.extend_from_slice(&length.to_le_bytes());
        self.body
            .extend_from_slice(value.get(..usize::from(length)).unwrap_or(value));
        self.pad();
    }

    fn end_of_options(&mut self) {
        self.body.extend_from_slice(&[0; 4]);
    }

    fn pad(&mut self) {
        let length = self.body.len().next_multiple_of(4);
        self.body.resize(length, 0);
    }

    /// Writes the body as a block.
    fn block(&mut self, block_type: u32) -> io::Result<()> {
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let length = u32::try_from(self.body.len() + 12).map_err(io::Error::other)?;
        output.write_all(&block_type.to_le_bytes())?;
        output.write_all(&length.to_le_bytes())?;
        output.write_all(&self.body)?;
        output.write_all(&length.to_le_bytes())?;
        self.written += u64::from(length);
        Ok(())
    }
}
