//! The recording of a run: bounded, and given up quietly when the disk is full.

use crate::capture::CapturedFrame;
use crate::recording::{Header, RecordingWriter, WriteError};
use anyhow::Context as _;
use leasehound_core::evidence::{Evidence, Loss};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes the engine's inputs until the file has its greatest size.
pub(super) struct Recorder {
    writer: Option<RecordingWriter<File>>,
    limit: u64,
    /// The engine's time at the latest input.
    last: Timestamp,
}

impl Recorder {
    /// Creates the file, readable for its owner and group: it holds client
    /// addresses.
    pub(super) fn create(
        path: &Path,
        limit: u64,
        config: serde_json::Value,
    ) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            // An earlier recording is evidence: never overwritten.
            .create_new(true)
            .mode(0o640)
            .open(path);
        let file =
            file.with_context(|| {
                let shown = path.display();
                format!("cannot create the recording {shown} (one that exists is not overwritten: name another)")
            })?;
        let writer = RecordingWriter::new(file, &Header::new(config))?;
        Ok(Self {
            writer: Some(writer),
            limit,
            last: Timestamp::ZERO,
        })
    }

    pub(super) fn frame(&mut self, frame: &CapturedFrame) {
        self.input(frame.at, |writer| writer.frame(frame.at, frame));
    }

    /// What a namespace is called, before the first evidence of it.
    pub(super) fn netns(&mut self, netns: NetnsId, name: &str) {
        if let Some(writer) = &mut self.writer {
            writer.name_netns(netns, name);
        }
    }

    pub(super) fn evidence(&mut self, at: Timestamp, evidence: &Evidence) {
        self.input(at, |writer| writer.evidence(at, evidence));
    }

    pub(super) fn loss(&mut self, at: Timestamp, loss: Loss) {
        self.input(at, |writer| writer.loss(at, loss));
    }

    pub(super) fn timeout(&mut self, now: Timestamp) {
        self.input(now, |writer| writer.timeout(now));
    }

    pub(super) fn finish(&mut self, now: Timestamp) {
        self.input(now, |writer| writer.finish(now));
    }

    pub(super) fn flush(&mut self) {
        self.write(RecordingWriter::flush);
    }

    fn input(
        &mut self,
        at: Timestamp,
        write: impl FnOnce(&mut RecordingWriter<File>) -> Result<(), WriteError>,
    ) {
        self.last = self.last.max(at);
        self.write(write);
    }

    fn write(&mut self, write: impl FnOnce(&mut RecordingWriter<File>) -> Result<(), WriteError>) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if let Err(error) = write(writer) {
            tracing::error!("{error}");
            self.writer = None;
        } else if writer.written() >= self.limit {
            // What is in the buffer still belongs to the part that can be replayed, and
            // what is open there ends with it.
            let finished = writer.finish(self.last);
            tracing::warn!(
                bytes = self.limit,
                "the recording has reached its greatest size and ends here"
            );
            if let Err(error) = finished {
                tracing::error!("{error}");
            }
            self.writer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{self, Record, Source};

    #[test]
    fn a_recording_that_is_full_has_an_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.pcapng");
        let mut recorder = Recorder::create(&path, 2_000, serde_json::Value::Null).unwrap();
        for second in 0..100 {
            recorder.timeout(Timestamp::from_nanos(second * 1_000_000_000));
        }
        let Source::Recording(mut reader) = recording::open(File::open(&path).unwrap()).unwrap()
        else {
            panic!("taken for a plain capture");
        };
        let mut records = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            records.push(record.into_owned());
        }
        let [.., Record::Timeout(last), Record::Finish(end)] = records.as_slice() else {
            panic!("{records:?}");
        };
        assert_eq!(last, end);
        assert!(records.len() < 100, "{}", records.len());
    }
}
