//! When a lease that is missing from a file that another process rewrites in place is
//! believed to be gone, where that process can't be asked.
//!
//! A tear cuts off the end: the file is shorter than it will be a moment later. So a lease
//! is surely gone where what stood last before still stands last. Otherwise, if every
//! reading in [`WINDOW`] lacks it, and either the file was then not written to for
//! [`STILL`], or the readings were of [`VERSIONS`] different texts: a writer that is held up
//! in the middle of writing shows one text only, and for as long as it is held up.

use super::settle::{Content, Known, Settled};
use super::table::Table;
use leasehound_core::time::Timestamp;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long a lease must be missing at least.
pub(super) const WINDOW: Duration = Duration::from_millis(20);
/// How many agreeing readings that takes at least.
const SAMPLES: u32 = 3;
/// A writer is not held up for longer than this in the middle of writing: a processor
/// that is busy gives it its turn sooner.
pub(super) const STILL: Duration = Duration::from_millis(250);
/// Different texts, none of which has the lease.
const VERSIONS: u32 = 4;

/// Agreeing readings in a row, taken together.
pub(super) struct Window {
    from: Timestamp,
    opened_after: Duration,
    samples: u32,
    /// How often the text was another than in the reading before.
    versions: u32,
    last_text: Vec<u8>,
    /// The last line of the text that is known from before.
    last_line: Option<Box<[u8]>>,
    /// Whether the latest text ends as that one does.
    ends_alike: bool,
    /// In any of them; the newest state of each.
    seen: Table,
    /// Known before and in none of them, in order.
    absent: Vec<Ipv4Addr>,
    /// Whether the latest one lacks what is not in `absent`.
    doubtful: bool,
}

impl Window {
    pub(super) fn new(
        from: Timestamp,
        opened_after: Duration,
        known: Option<&Known>,
        first: &Table,
    ) -> Self {
        let text = known.and_then(|known| known.text.as_deref());
        Self {
            from,
            opened_after,
            samples: 0,
            versions: 0,
            last_text: Vec::new(),
            last_line: text.and_then(subject_of_last_line).map(Into::into),
            ends_alike: false,
            seen: Table::default(),
            absent: known.map_or_else(Vec::new, |known| known.table.missing_in(first)),
            doubtful: false,
        }
    }

    pub(super) fn add(&mut self, mut now: Table, text: &[u8]) {
        self.samples += 1;
        self.versions += u32::from(self.last_text != text || self.versions == 0);
        text.clone_into(&mut self.last_text);
        self.ends_alike =
            self.last_line.as_deref() == subject_of_last_line(text) && self.last_line.is_some();
        let length = now.len();
        self.absent.retain(|address| !now.contains(*address));
        now.extend_from(&self.seen, &[]);
        self.doubtful = now.len() != length;
        self.seen = now;
    }

    /// Where nothing known is missing, a tear can do no harm: whatever it cut off
    /// is new, and comes with the next reading. Of a first reading nothing is known: half
    /// of it would make leases appear that were there before.
    pub(super) fn is_sure(&self, compares: bool, waited: Duration, at_rest: Duration) -> bool {
        let looked_on =
            || self.samples >= SAMPLES && waited.saturating_sub(self.opened_after) >= WINDOW;
        let whole = || self.ends_alike || at_rest >= STILL || self.versions >= VERSIONS;
        (compares && self.absent.is_empty()) || (looked_on() && whole())
    }

    /// What would be gone.
    pub(super) fn absent(&self) -> &[Ipv4Addr] {
        &self.absent
    }

    pub(super) fn settled(&mut self, until: Timestamp, text: Vec<u8>) -> Settled {
        Settled {
            from: self.from,
            until,
            content: Content::Read {
                seen: std::mem::take(&mut self.seen),
                gone: std::mem::take(&mut self.absent),
                text: (!self.doubtful).then_some(text),
            },
        }
    }
}

/// What tells the last line's lease apart, whatever changes with its renewal: all but its
/// first field, the expiry.
pub(super) fn subject_of_last_line(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_suffix(b"\n")?;
    let begin = text.iter().rposition(|octet| *octet == b'\n');
    let line = text.get(begin.map_or(0, |begin| begin + 1)..)?;
    let space = line.iter().position(|octet| *octet == b' ')?;
    line.get(space..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_of_the_last_lease_leaves_the_end_alike() {
        let last = subject_of_last_line;
        assert_eq!(last(b"1 a b\n2 c d\n"), Some(&b" c d"[..]));
        assert_eq!(last(b"1 a b\n2 c d\n"), last(b"9 c d\n"));
        assert_eq!(last(b""), None);
        assert_eq!(last(b"1 a b\n2 c"), None);
    }
}
