//! Any octets as a capture or a recording.

use leasehound::recording::{Record, Source, open};
use std::io::{self, Read};

/// Panics if the reader does, if it gives more than it was given, if it goes on after
/// its end, or if a slow pipe reads differently from a file.
pub fn check(input: &[u8]) {
    let whole = read(input, input.len());
    let in_drips = read(Drips(input), input.len());
    assert_eq!(whole, in_drips);
}

/// Seven octets a read at most.
struct Drips<'a>(&'a [u8]);

impl Read for Drips<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let few = space.len().min(7);
        match space.get_mut(..few) {
            Some(space) => self.0.read(space),
            None => Ok(0),
        }
    }
}

/// What came out, a line each, and how it ended.
fn read(input: impl Read, size: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let ended = match open(input) {
        Ok(Source::Capture(mut reader)) => loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.bytes.len() <= size);
                    lines.push(format!("{frame:?}"));
                }
                Ok(None) => break None,
                Err(error) => {
                    assert!(reader.next_frame().is_ok_and(|frame| frame.is_none()));
                    break Some(error.to_string());
                }
            }
            assert!(reader.position() <= size as u64);
        },
        Ok(Source::Recording(mut reader)) => loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    if let Record::Frame { frame, .. } = &record {
                        assert!(frame.raw.bytes.len() <= size);
                    }
                    lines.push(format!("{record:?}"));
                }
                Ok(None) => break None,
                Err(error) => {
                    assert!(reader.next_record().is_ok_and(|record| record.is_none()));
                    break Some(error.to_string());
                }
            }
            assert!(reader.capture().position() <= size as u64);
        },
        Err(error) => Some(error.to_string()),
    };
    lines.extend(ended);
    lines
}
