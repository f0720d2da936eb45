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
}

impl Recorder {
    /// Creates the file anew, readable for its owner and group: it holds client
    /// addresses.
    pub(super) fn create(
        path: &Path,
        limit: u64,
        config: serde_json::Value,
    ) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(path);
        let file =
            file.with_context(|| format!("cannot create the recording {}", path.display()))?;
        let writer = RecordingWriter::new(file, &Header::new(config))?;
        Ok(Self {
            writer: Some(writer),
            limit,
        })
    }

    pub(super) fn frame(&mut self, frame: &CapturedFrame) {
        self.write(|writer| writer.frame(frame.at, frame));
    }

    /// What a namespace is called, before the first evidence of it.
    pub(super) fn netns(&mut self, netns: NetnsId, name: &str) {
        if let Some(writer) = &mut self.writer {
            writer.name_netns(netns, name);
        }
    }

    pub(super) fn evidence(&mut self, at: Timestamp, evidence: &Evidence) {
        self.write(|writer| writer.evidence(at, evidence));
    }

    pub(super) fn loss(&mut self, at: Timestamp, loss: Loss) {
        self.write(|writer| writer.loss(at, loss));
    }

    pub(super) fn timeout(&mut self, now: Timestamp) {
        self.write(|writer| writer.timeout(now));
    }

    pub(super) fn finish(&mut self, now: Timestamp) {
        self.write(|writer| writer.finish(now));
    }

    pub(super) fn flush(&mut self) {
        self.write(RecordingWriter::flush);
    }

    fn write(&mut self, write: impl FnOnce(&mut RecordingWriter<File>) -> Result<(), WriteError>) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if let Err(error) = write(writer) {
            tracing::error!("{error}");
            self.writer = None;
        } else if writer.written() >= self.limit {
            // What is in the buffer still belongs to the part that can be replayed.
            let flushed = writer.flush();
            tracing::warn!(
                bytes = self.limit,
                "the recording has reached its greatest size and ends here"
            );
            if let Err(error) = flushed {
                tracing::error!("{error}");
            }
            self.writer = None;
        }
    }
}
