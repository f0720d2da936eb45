//! A sliding window over an input: what the parsers see without copying it out.

use std::io::{self, ErrorKind, Read};

/// Big enough that a read costs little per packet, small enough to stay in the cache.
const INITIAL: usize = 256 * 1024;

/// The octets that were read and not yet consumed. Grows to the largest piece that
/// was asked for and never further.
#[derive(Debug)]
pub(super) struct Window<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where `start` is in the input.
    offset: u64,
}

impl<R: Read> Window<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; INITIAL],
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// What is there, from the first octet not consumed.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Where [`Self::data`] begins in the input.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads until `wanted` octets are there; `false` if the input ends before.
    #[inline]
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        if self.end - self.start >= wanted {
            return Ok(true);
        }
        self.read_more(wanted)
    }

    /// Steps over octets that [`Self::fill`] brought.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    #[cold]
    fn read_more(&mut self, wanted: usize) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.end < wanted {
            let Some(space) = self.buffer.get_mut(self.end..) else {
                return Ok(false);
            };
            match self.input.read(space) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One octet a read, as a slow pipe gives them.
    struct Drip(u8);

    impl Read for Drip {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            if self.0 == 200 {
                return Ok(0);
            }
            space[0] = self.0;
            self.0 += 1;
            Ok(1)
        }
    }

    #[test]
    fn pieces_of_any_size_come_whole() {
        let mut window = Window::new(Drip(0));
        assert!(window.fill(3).unwrap());
        assert_eq!(window.data(), [0, 1, 2]);
        window.consume(2);
        assert_eq!(window.offset(), 2);
        assert!(window.fill(150).unwrap());
        assert_eq!(window.data()[0], 2);
        assert!(!window.fill(199).unwrap());
        assert_eq!(window.data().len(), 198);
    }

    #[test]
    fn the_buffer_grows_to_what_is_asked_for() {
        let octets = vec![7; INITIAL * 2];
        let mut window = Window::new(octets.as_slice());
        assert!(window.fill(INITIAL + 1).unwrap());
        assert_eq!(window.buffer.len(), INITIAL + 1);
        window.consume(INITIAL);
        assert!(window.fill(INITIAL).unwrap());
        assert_eq!(window.buffer.len(), INITIAL + 1);
    }
}
