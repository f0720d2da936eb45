//! Follows a lease database that its server appends to, or puts another file in the place
//! of, and tells what is sure.
//!
//! What stands in such a file stays there, and another file takes its place as a whole:
//! a reading that ends with a whole piece is true, whatever the writer does meanwhile.
//! One that ends in the middle of a piece, or that met the replacement, is repeated. Where
//! only more was appended, only that is read.

use super::lease_log::{LeaseLog, Part};
use super::place::SIZE_LIMIT;
use super::procfs::FileId;
use super::settle::{FIRST_DELAY, LONGEST_DELAY, PATIENCE, ReadError};
use crate::clock;
use leasehound_core::evidence::Lease;
use leasehound_core::lease::{Changes, Format, Log, Reading};
use leasehound_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// What is read at once: memory stays at the leases.
const PIECE: usize = 64 * 1024;
/// Of what was read before, so much is compared before more is read: a file that was
/// written anew in place is no longer the same.
const OVERLAP: usize = 64;

/// What was read so far.
#[derive(Debug)]
pub(super) struct Followed {
    log: Log,
    parts: Vec<Part>,
    /// How many octets of the newest file were read.
    offset: u64,
    /// The last of them.
    tail: Vec<u8>,
    /// Changes that were not handed over: a half-written piece followed.
    owed: BTreeMap<Ipv4Addr, Option<Lease>>,
}

impl Followed {
    /// How many addresses are leased.
    pub(super) const fn len(&self) -> usize {
        self.log.len()
    }

    /// All that is leased, in order of address.
    pub(super) fn leases(&self) -> Vec<Lease> {
        self.log.leases().cloned().collect()
    }
}

/// What a reading found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Everything is new.
    All,
    /// These, of what was known.
    Changes(Changes),
    /// No sure reading in [`PATIENCE`].
    Torn,
}

/// When it was read, and what was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Before the reading began.
    pub(super) from: Timestamp,
    /// After it ended.
    pub(super) until: Timestamp,
    pub(super) news: News,
    /// How many octets were read for it.
    pub(super) octets: u64,
}

/// Reads until it is sure what the log holds, or patience ends.
pub(super) async fn follow(
    source: &LeaseLog,
    followed: &mut Option<Followed>,
) -> Result<Found, ReadError> {
    let start = clock::now();
    let mut waited = Duration::ZERO;
    let mut delay = FIRST_DELAY;
    let mut octets = 0;
    loop {
        let from = clock::now();
        let whole = match take(source, followed, &mut octets) {
            Ok(whole) => whole,
            Err(ReadError::Moving) => None,
            Err(error) => return Err(error),
        };
        if let Some(news) = whole {
            return Ok(Found {
                from,
                until: clock::now(),
                news,
                octets,
            });
        }
        if waited >= PATIENCE {
            return Ok(Found {
                from: start,
                until: clock::now(),
                news: News::Torn,
                octets,
            });
        }
        tokio::time::sleep(delay).await;
        waited += delay;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

/// Reads what is new; `None` if it ends in the middle of a piece.
fn take(
    source: &LeaseLog,
    followed: &mut Option<Followed>,
    octets: &mut u64,
) -> Result<Option<News>, ReadError> {
    let parts = source.parts()?;
    if let Some(known) = followed.as_mut().filter(|known| known.parts == parts)
        && source.format.is_log()
        && known.append(octets)?
    {
        if source.parts()? != parts {
            return Err(ReadError::Moving);
        }
        check(source.format, &known.log)?;
        return Ok(known
            .log
            .is_complete()
            .then(|| News::Changes(known.settle_up())));
    }
    let now = read_all(source, parts, octets)?;
    check(source.format, &now.log)?;
    if !now.log.is_complete() {
        return Ok(None);
    }
    let news = match followed {
        Some(before) => News::Changes(before.changes_to(&now)),
        None => News::All,
    };
    *followed = Some(now);
    Ok(Some(news))
}

/// All of it, once; torn if it is.
pub(super) fn read_once(source: &LeaseLog) -> Result<Reading, ReadError> {
    let all = read_all(source, source.parts()?, &mut 0)?;
    Ok(all.log.into_reading())
}

fn check(format: Format, log: &Log) -> Result<(), ReadError> {
    match log.damage() {
        Some(damage) => Err(ReadError::NotALease {
            format,
            damage: damage.clone(),
        }),
        None => Ok(()),
    }
}

fn read_all(source: &LeaseLog, parts: Vec<Part>, octets: &mut u64) -> Result<Followed, ReadError> {
    let mut followed = Followed {
        log: Log::new(source.format),
        parts,
        offset: 0,
        tail: Vec::new(),
        owed: BTreeMap::new(),
    };
    let mut first = true;
    for part in &followed.parts {
        let Some(expected) = part.file else { continue };
        if !std::mem::take(&mut first) {
            followed.log.next_file();
        }
        followed.offset = 0;
        followed.tail.clear();
        let mut file = open(&part.path, expected)?;
        let log = &mut followed.log;
        let read = read_on(&mut file, &mut followed.tail, |piece| log.load(piece))?;
        followed.offset = read;
        *octets += read;
        if log.octets() > SIZE_LIMIT {
            return Err(ReadError::TooLarge { limit: SIZE_LIMIT });
        }
    }
    if source.parts()? != followed.parts {
        return Err(ReadError::Moving);
    }
    Ok(followed)
}

impl Followed {
    /// Takes in what was appended; `false` if that is not all that happened to the file.
    fn append(&mut self, octets: &mut u64) -> Result<bool, ReadError> {
        let newest = self.parts.last();
        let Some((path, expected)) =
            newest.and_then(|part| Some((part.path.as_path(), part.file?)))
        else {
            return Ok(false);
        };
        let mut file = open(path, expected)?;
        if file.metadata()?.len() < self.offset || self.log.damage().is_some() {
            return Ok(false);
        }
        let overlap = u64::try_from(self.tail.len()).unwrap_or(0);
        file.seek(SeekFrom::Start(self.offset - overlap))?;
        let mut before = vec![0; self.tail.len()];
        file.read_exact(&mut before)?;
        if before != self.tail {
            return Ok(false);
        }
        let (log, owed) = (&mut self.log, &mut self.owed);
        let read = read_on(&mut file, &mut self.tail, |piece| {
            let Changes { upserted, removed } = log.append(piece);
            owed.extend(removed.into_iter().map(|address| (address, None)));
            let upserted = upserted.into_iter();
            owed.extend(upserted.map(|lease| (lease.address, Some(lease))));
        })?;
        self.offset += read;
        *octets += read + overlap;
        if self.offset > SIZE_LIMIT {
            return Err(ReadError::TooLarge { limit: SIZE_LIMIT });
        }
        Ok(true)
    }

    /// What was not handed over yet.
    fn settle_up(&mut self) -> Changes {
        let mut changes = Changes::default();
        for (address, lease) in std::mem::take(&mut self.owed) {
            match lease {
                Some(lease) => changes.upserted.push(lease),
                None => changes.removed.push(address),
            }
        }
        changes
    }

    /// What leads from what was handed over to a reading of the whole.
    fn changes_to(&self, now: &Self) -> Changes {
        let owed = |address| self.owed.contains_key(&address);
        let upserted = now
            .log
            .leases()
            .filter(|lease| owed(lease.address) || self.log.lease(lease.address) != Some(*lease));
        let mut removed: Vec<Ipv4Addr> = self
            .log
            .leases()
            .map(|lease| lease.address)
            .chain(self.owed.keys().copied())
            .filter(|address| now.log.lease(*address).is_none())
            .collect();
        removed.sort_unstable();
        removed.dedup();
        Changes {
            upserted: upserted.cloned().collect(),
            removed,
        }
    }
}

fn open(path: &Path, expected: FileId) -> Result<File, ReadError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ReadError::Moving),
        Err(error) => return Err(error.into()),
    };
    if FileId::of(&file.metadata()?) == expected {
        Ok(file)
    } else {
        Err(ReadError::Moving)
    }
}

/// From where the file is to its end, [`SIZE_LIMIT`] octets at most and one piece.
fn read_on(
    file: &mut File,
    tail: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]),
) -> Result<u64, ReadError> {
    let mut buffer = vec![0; PIECE];
    let mut all = 0;
    loop {
        let length = match file.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let piece = buffer.get(..length).unwrap_or_default();
        if piece.is_empty() || all > SIZE_LIMIT {
            return Ok(all);
        }
        take(piece);
        all += u64::try_from(length).unwrap_or(0);
        let last = piece.len().saturating_sub(OVERLAP);
        tail.extend_from_slice(piece.get(last..).unwrap_or_default());
        let surplus = tail.len().saturating_sub(OVERLAP);
        tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests;
