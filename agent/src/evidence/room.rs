//! Whether a server had the room to write its leases. dnsmasq empties its file before it
//! writes it anew. On a full file system that leaves an empty file, or the beginning of one,
//! and dnsmasq sleeps upon it: for a minute, then it tries again (`LEASE_RETRY` of its
//! config.h; lease.c `lease_update_file()`).

use super::procfs::Rest;
use super::settle::{ReadError, Source};
use leasehound_core::lease::Format;
use leasehound_core::time::Timestamp;
use nix::sys::statvfs::statvfs;
use std::path::Path;
use std::time::Duration;

/// A file that was left alone for longer than this was written as a whole: who could not
/// would have tried again.
pub(super) const RETRIED: Duration = Duration::from_secs(75);

/// A source, and when what is there was written, if it was found without room then. Room
/// that is made later does not bring back what was not written.
pub(super) struct Roomed<'a, S> {
    pub(super) source: S,
    pub(super) cut_short: &'a mut Option<Timestamp>,
}

impl<S: Source> Source for Roomed<'_, S> {
    fn format(&self) -> Format {
        self.source.format()
    }

    fn read(&mut self) -> Result<(Vec<u8>, Option<Timestamp>), ReadError> {
        self.source.read()
    }

    fn writer(&self) -> Option<Rest> {
        self.source.writer()
    }

    fn had_room(&mut self, octets: u64, modified: Option<Timestamp>) -> bool {
        if modified.is_some() && *self.cut_short == modified {
            return false;
        }
        let had_room = self.source.had_room(octets, modified);
        *self.cut_short = modified.filter(|_| !had_room);
        had_room
    }
}

/// Whether somebody without privileges could write so much where `path` is; also where that
/// can't be said.
pub(super) fn is_free(path: &Path, octets: u64) -> bool {
    let Ok(system) = statvfs(path) else {
        return true;
    };
    // No blocks at all: one without a limit.
    system.blocks() == 0
        || system
            .blocks_available()
            .saturating_mul(system.fragment_size())
            >= octets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only how much room it has.
    struct Room(u64);

    impl Source for Room {
        fn format(&self) -> Format {
            Format::Dnsmasq
        }

        fn read(&mut self) -> Result<(Vec<u8>, Option<Timestamp>), ReadError> {
            Ok((Vec::new(), None))
        }

        fn writer(&self) -> Option<Rest> {
            None
        }

        fn had_room(&mut self, octets: u64, _: Option<Timestamp>) -> bool {
            self.0 >= octets
        }
    }

    #[test]
    fn what_was_cut_short_stays_so_though_room_is_made() {
        let mut cut_short = None;
        let mut had_room = |room, seconds| {
            let source = Room(room);
            let cut_short = &mut cut_short;
            let modified = Some(Timestamp::from_secs(seconds));
            Roomed { source, cut_short }.had_room(100, modified)
        };
        assert!(had_room(100, 1));
        assert!(!had_room(99, 2));
        assert!(!had_room(100, 2), "written before there was room");
        assert!(had_room(100, 3));
    }

    #[test]
    fn how_much_is_free() {
        let here = std::env::temp_dir();
        assert!(is_free(&here, 1) && !is_free(&here, u64::MAX));
        assert!(is_free(Path::new("/not/there"), u64::MAX));
    }
}
