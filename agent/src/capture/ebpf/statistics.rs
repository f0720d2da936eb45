//! What the programs and the reader counted. All of it only ever grows, but for the
//! messages of interfaces that are forgotten.

use super::error::LoadError;
use super::load::wrong_map;
use super::tally::{LossCount, SampleCount, Tally, hook_of};
use aya::maps::{Map, MapData, MapError, PerCpuHashMap};
use leasehound_common::count::{CounterKey, stat};
use leasehound_common::{direction, family};
use leasehound_core::origin::{Direction, Hook};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zerocopy::FromBytes as _;

/// DHCPv4 or DHCPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// DHCPv4, and BOOTP.
    V4,
    /// DHCPv6.
    V6,
}

impl Family {
    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

/// Messages of one kind, counted exactly in the kernel, sampled or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageCount {
    /// The interface's index.
    pub ifindex: u32,
    /// Which way.
    pub direction: Direction,
    /// The hook that counted.
    pub hook: Hook,
    /// DHCPv4 or DHCPv6.
    pub family: Family,
    /// The protocol's number; 0 without one, 255 for all that no RFC gives.
    pub message_type: u8,
    /// How many.
    pub count: u64,
}

/// The counters could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the kernel's counters cannot be read: {0}")]
pub struct StatisticsError(#[from] MapError);

/// Counters of the kernel and of the reader.
pub struct Statistics {
    messages: Mutex<PerCpuHashMap<MapData, [u8; 8], u64>>,
    tally: Arc<Tally>,
}

/// The hooks of live capture.
const HOOKS: &[Hook] = &[Hook::Tcx, Hook::Clsact, Hook::Xdp];

impl std::fmt::Debug for Statistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statistics")
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

impl Statistics {
    pub(super) fn new(messages: Map, kernel: Map) -> Result<Self, LoadError> {
        Ok(Self {
            messages: Mutex::new(messages.try_into().map_err(|error| wrong_map(&error))?),
            tally: Arc::new(Tally::new(kernel, HOOKS)?),
        })
    }

    /// Every message counter, summed over the CPUs, in a fixed order.
    pub fn messages(&self) -> Result<Vec<MessageCount>, StatisticsError> {
        let mut counts = Vec::new();
        for entry in &*self.messages_map() {
            let (key, values) = entry?;
            // Only the programs of this version write here; any other key is left out.
            if let Some(count) = message_count(&key, values.iter().sum()) {
                counts.push(count);
            }
        }
        counts.sort_unstable();
        Ok(counts)
    }

    /// Deletes the message counters of an index that nothing is attached to any more:
    /// their places are few, and the index may come back as another interface.
    pub fn forget(&self, ifindex: u32) -> Result<(), StatisticsError> {
        let mut map = self.messages_map();
        let keys: Vec<[u8; 8]> = map.keys().collect::<Result<_, _>>()?;
        for key in keys {
            let of = CounterKey::read_from_bytes(&key).map(|key| key.ifindex);
            if of.is_ok_and(|of| of == ifindex) {
                match map.remove(&key) {
                    Ok(()) | Err(MapError::KeyNotFound) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Samples per hook.
    pub fn samples(&self) -> Result<Vec<SampleCount>, StatisticsError> {
        self.tally.samples()
    }

    /// Losses per hook and stage, zeros too.
    pub fn losses(&self) -> Result<Vec<LossCount>, StatisticsError> {
        self.tally.losses()
    }

    /// Messages that are in no counter because their map was full.
    pub fn uncounted(&self) -> Result<u64, StatisticsError> {
        self.tally.total(stat::UNCOUNTED)
    }

    /// IPv6 packets with extension headers, which were not looked into.
    pub fn extension_headers(&self) -> Result<u64, StatisticsError> {
        self.tally.total(stat::EXTENSION_HEADERS)
    }

    /// What became of the samples.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    fn messages_map(&self) -> MutexGuard<'_, PerCpuHashMap<MapData, [u8; 8], u64>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn direction_of(number: u8) -> Option<Direction> {
    match number {
        direction::INGRESS => Some(Direction::Ingress),
        direction::EGRESS => Some(Direction::Egress),
        _ => None,
    }
}

fn message_count(key: &[u8], count: u64) -> Option<MessageCount> {
    let key = CounterKey::read_from_bytes(key).ok()?;
    Some(MessageCount {
        ifindex: key.ifindex,
        direction: direction_of(key.direction)?,
        hook: hook_of(key.hook)?,
        family: match key.family {
            family::V4 => Family::V4,
            family::V6 => Family::V6,
            _ => return None,
        },
        message_type: key.message_type,
        count,
    })
}
