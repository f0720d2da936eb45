//! What can go wrong with a recording, in one line that says what to do.

use crate::capture::file::ReadError;
use std::io;

/// Why a capture or recording could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file itself.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A newer leasehound wrote it.
    #[error(
        "this recording has format {found}, written by leasehound {leasehound}; this one reads \
         formats up to {known}: replay it with leasehound {leasehound} or newer"
    )]
    NewerFormat {
        /// The recording's format.
        found: u32,
        /// The newest format known here.
        known: u32,
        /// The version that wrote it.
        leasehound: String,
    },
}

/// Why the recording of a run ended before the run.
#[derive(Debug, thiserror::Error)]
#[error(
    "the recording ends here, after {written} bytes: {source}; what was written can be replayed, \
     the run goes on without it"
)]
pub struct WriteError {
    /// Octets handed to the file before.
    pub written: u64,
    /// What the system said.
    pub source: io::Error,
}
