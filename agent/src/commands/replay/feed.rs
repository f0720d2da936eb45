//! Feeds a file into the engine: a bare capture frame by frame in its own time, a
//! recording input by input.

use crate::capture::file::{CaptureReader, FileFrame, ReadError};
use crate::engine_config;
use crate::recording::{Record, RecordingError, RecordingReader};
use crate::sinks::names::InterfaceNames;
use leasehound_core::engine::{Config, Engine, Output};
use leasehound_core::evidence::{Evidence, LeaseUpdate};
use leasehound_core::frame::{RawFrame, VlanStack};
use leasehound_core::origin::{Hook, InterfaceId, Origin};
use leasehound_core::time::Timestamp;
use std::collections::BTreeMap;
use std::io::Read;

/// Between two calls of the progress function, in packets.
const PROGRESS_EVERY: u32 = 16_384;

/// What is done with what comes out; an error ends the replay.
pub(super) type OnOutput<'a, E> = dyn FnMut(Output) -> Result<(), E> + 'a;

/// Called now and then with the octets that are done with.
pub(super) type OnProgress<'a> = dyn FnMut(u64) + 'a;

/// Why a replay stopped before its end.
#[derive(Debug)]
pub(super) enum Stopped<E> {
    /// The file; what could be read has been judged.
    Read(RecordingError),
    /// The output.
    Output(E),
}

/// Feeds a bare capture. A snapshot of the lease database speaks at its own time.
pub(super) fn capture<R: Read, E>(
    reader: &mut CaptureReader<R>,
    engine: &mut Engine,
    snapshot: Option<LeaseUpdate>,
    names: &InterfaceNames,
    on_output: &mut OnOutput<'_, E>,
    on_progress: &mut OnProgress<'_>,
) -> Result<(), Stopped<E>> {
    let mut ids = FileInterfaces(BTreeMap::new());
    let mut snapshot = snapshot;
    let mut last = Timestamp::ZERO;
    let mut since_progress = 0;
    let ended = loop {
        let frame = match reader.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        last = last.max(frame.at);
        if let Some(update) = snapshot.take_if(|update| update.read_until < frame.at) {
            engine.handle_evidence(update.read_until, Evidence::Leases(update));
        }
        let key = (frame.interface, frame.ifindex);
        let (id, new) = ids.id(key);
        hand_in(engine, &frame, id);
        if new {
            names.insert(id, "", &name(reader, key));
        }
        drain(engine, on_output)?;
        since_progress += 1;
        if since_progress == PROGRESS_EVERY {
            since_progress = 0;
            on_progress(reader.position());
        }
    };
    if let Some(update) = snapshot.take() {
        engine.handle_evidence(update.read_until, Evidence::Leases(update));
    }
    engine.finish(last);
    drain(engine, on_output)?;
    on_progress(reader.position());
    ended.map_err(|error: ReadError| Stopped::Read(error.into()))
}

/// Feeds a recording: the engine's inputs, in their order.
pub(super) fn recording<R: Read, E>(
    reader: &mut RecordingReader<R>,
    emit_messages: bool,
    names: &InterfaceNames,
    on_output: &mut OnOutput<'_, E>,
    on_progress: &mut OnProgress<'_>,
) -> Result<Engine, Stopped<E>> {
    let mut engine = Engine::new(Config::default());
    let mut last = Timestamp::ZERO;
    let mut since_progress = 0;
    let ended = loop {
        let record = match reader.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        last = last.max(engine_time(&record));
        match record {
            Record::Header(header) => {
                let config = engine_config::from_json(&header.engine_config).map_err(|error| {
                    Stopped::Read(RecordingError::Read(ReadError::Corrupted {
                        packets_read: 0,
                        offset: 0,
                        what: format!("the engine's configuration: {error}"),
                    }))
                })?;
                // Of the recording before, if they were put one after the other.
                engine.finish(last);
                drain(&mut engine, on_output)?;
                last = Timestamp::ZERO;
                engine = Engine::new(Config {
                    emit_messages,
                    ..config
                });
            }
            Record::Frame { frame, .. } => engine.handle_frame(frame.at, frame.origin, &frame.raw),
            Record::Evidence { at, evidence } => {
                if let Evidence::Interfaces { netns, interfaces } = &evidence {
                    let netns = reader.netns_name(*netns);
                    for interface in interfaces {
                        names.insert(interface.id, netns, &interface.name);
                    }
                }
                engine.handle_evidence(at, evidence);
            }
            Record::Loss { at, loss } => engine.handle_loss(at, loss),
            Record::Timeout(now) => engine.handle_timeout(now),
            Record::Finish(now) => engine.finish(now),
        }
        drain(&mut engine, on_output)?;
        since_progress += 1;
        if since_progress == PROGRESS_EVERY {
            since_progress = 0;
            on_progress(reader.capture().position());
        }
    };
    // A run that was killed wrote no end: what is open gets its verdict all the same.
    engine.finish(last);
    drain(&mut engine, on_output)?;
    ended.map(|()| engine).map_err(Stopped::Read)
}

/// The engine's time when it took the record.
fn engine_time<F>(record: &Record<F>) -> Timestamp {
    match record {
        Record::Header(_) => Timestamp::ZERO,
        Record::Frame { now: at, .. }
        | Record::Evidence { at, .. }
        | Record::Loss { at, .. }
        | Record::Timeout(at)
        | Record::Finish(at) => *at,
    }
}

/// Handles for the interfaces of a capture: one for each that the file describes, and
/// for each kernel index in a capture of "any".
struct FileInterfaces(BTreeMap<(u32, Option<u32>), InterfaceId>);

impl FileInterfaces {
    fn id(&mut self, key: (u32, Option<u32>)) -> (InterfaceId, bool) {
        if let Some(id) = self.0.get(&key) {
            return (*id, false);
        }
        let id = InterfaceId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.insert(key, id);
        (id, true)
    }
}

fn name<R: Read>(reader: &CaptureReader<R>, (interface, ifindex): (u32, Option<u32>)) -> String {
    let described = usize::try_from(interface)
        .ok()
        .and_then(|index| reader.interfaces().get(index));
    match (
        described.and_then(|interface| interface.name.as_deref()),
        ifindex,
    ) {
        // "any" is no interface; its packets tell theirs by number.
        (_, Some(ifindex)) => format!("if{ifindex}"),
        (Some(name), None) => name.to_owned(),
        (None, None) => "capture".to_owned(),
    }
}

fn hand_in(engine: &mut Engine, frame: &FileFrame<'_>, interface: InterfaceId) {
    let origin = Origin {
        interface,
        direction: frame.direction,
        hook: Hook::File,
    };
    let raw = RawFrame {
        link: frame.link,
        bytes: frame.bytes,
        wire_length: frame.wire_length,
        vlan: VlanStack::default(),
        packet_type: None,
        socket: None,
    };
    engine.handle_frame(frame.at, origin, &raw);
}

fn drain<E>(engine: &mut Engine, on_output: &mut OnOutput<'_, E>) -> Result<(), Stopped<E>> {
    while let Some(output) = engine.poll_output() {
        on_output(output).map_err(Stopped::Output)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::CapturedFrame;
    use crate::recording::{self, Header, RecordingWriter, Source};
    use leasehound_core::frame::LinkType;
    use leasehound_core::origin::Direction;

    const SEEN: Timestamp = Timestamp::from_nanos(1_795_171_520_000_000_000);

    /// 10.9.0.50 gives its address back to 10.9.0.1.
    fn release() -> CapturedFrame {
        let (client, server) = ([10, 9, 0, 50], [10, 9, 0, 1]);
        let mut message = vec![0; 236];
        message[..4].copy_from_slice(&[1, 1, 6, 0]);
        message[12..16].copy_from_slice(&client);
        message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        message.extend([99, 130, 83, 99, 53, 1, 7, 54, 4, 10, 9, 0, 1, 255]);
        let length = |headers: usize| u16::try_from(message.len() + headers).unwrap();
        let mut bytes = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0];
        bytes.extend([0x45, 0]);
        bytes.extend(length(28).to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        bytes.extend(client.into_iter().chain(server));
        bytes.extend([0, 68, 0, 67]);
        bytes.extend(length(8).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(message);
        CapturedFrame {
            at: SEEN,
            origin: Origin {
                interface: InterfaceId(1),
                direction: Direction::Ingress,
                hook: Hook::Tcx,
            },
            link: LinkType::Ethernet,
            wire_length: u32::try_from(bytes.len()).unwrap(),
            vlan: VlanStack::default(),
            packet_type: None,
            socket: None,
            bytes: bytes.into(),
        }
    }

    /// A run that was killed after it saw a RELEASE.
    fn killed() -> Vec<u8> {
        let header = Header::new(engine_config::to_json(&Config::default()));
        let mut writer = RecordingWriter::new(Vec::new(), &header).unwrap();
        writer.frame(SEEN, &release()).unwrap();
        writer.into_inner().unwrap().unwrap()
    }

    /// When each RELEASE of a recording was seen and judged.
    fn judged(octets: &[u8]) -> Vec<(Timestamp, Timestamp)> {
        let Source::Recording(mut reader) = recording::open(octets).unwrap() else {
            panic!("taken for a plain capture");
        };
        let mut judged = Vec::new();
        let mut on_output = |output| -> Result<(), ()> {
            if let Output::Verdict(verdict) = output {
                judged.push((verdict.seen, verdict.at));
            }
            Ok(())
        };
        let names = InterfaceNames::new();
        recording(&mut reader, false, &names, &mut on_output, &mut |_| ()).unwrap();
        judged
    }

    #[test]
    fn a_recording_without_an_end_leaves_no_release_without_a_verdict() {
        assert_eq!(judged(&killed()), [(SEEN, SEEN)]);
    }

    #[test]
    fn nor_does_one_that_another_follows() {
        let two = [killed(), killed()].concat();
        assert_eq!(judged(&two), [(SEEN, SEEN), (SEEN, SEEN)]);
    }
}
