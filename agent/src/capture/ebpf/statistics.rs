//! What the programs and the reader counted. All of it only ever grows, but for the
//! messages of interfaces that are forgotten.

use super::error::LoadError;
use super::load::wrong_map;
use aya::maps::{Map, MapData, MapError, PerCpuArray, PerCpuHashMap};
use leasehound_common::count::{CounterKey, stat, stat_index};
use leasehound_common::{direction, family, hook};
use leasehound_core::evidence::LossStage;
use leasehound_core::origin::{Direction, Hook};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// Samples that one hook delivered to the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleCount {
    /// The hook.
    pub hook: Hook,
    /// How many.
    pub count: u64,
}

/// Samples that were lost on the way from one hook, at one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LossCount {
    /// The hook.
    pub hook: Hook,
    /// Where.
    pub stage: LossStage,
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
    kernel: PerCpuArray<MapData, u64>,
    channel: [AtomicU64; hook::COUNT as usize],
    decode: [AtomicU64; hook::COUNT as usize],
}

/// The hooks of live capture.
const HOOKS: [Hook; hook::COUNT as usize] = [Hook::Tcx, Hook::Clsact, Hook::Xdp];

impl std::fmt::Debug for Statistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statistics")
            .field("channel", &self.channel)
            .field("decode", &self.decode)
            .finish_non_exhaustive()
    }
}

impl Statistics {
    pub(super) fn new(messages: Map, kernel: Map) -> Result<Self, LoadError> {
        Ok(Self {
            messages: Mutex::new(messages.try_into().map_err(|error| wrong_map(&error))?),
            kernel: kernel.try_into().map_err(|error| wrong_map(&error))?,
            channel: Default::default(),
            decode: Default::default(),
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
        let sampled = |hook| {
            Ok(SampleCount {
                hook,
                count: self.kernel_stat(hook, stat::SAMPLED)?,
            })
        };
        HOOKS.into_iter().map(sampled).collect()
    }

    /// Losses per hook and stage, zeros too.
    pub fn losses(&self) -> Result<Vec<LossCount>, StatisticsError> {
        let mut losses = Vec::with_capacity(HOOKS.len() * LossStage::ALL.len());
        for hook in HOOKS {
            for stage in LossStage::ALL {
                let count = match stage {
                    LossStage::Budget => self.kernel_stat(hook, stat::LOST_BUDGET)?,
                    LossStage::Ring => self.kernel_stat(hook, stat::LOST_RING)?,
                    LossStage::Channel => self.channel(hook).load(Ordering::Relaxed),
                    LossStage::Decode => {
                        self.kernel_stat(hook, stat::LOST_COPY)?
                            + self.decode(hook).load(Ordering::Relaxed)
                    }
                };
                losses.push(LossCount { hook, stage, count });
            }
        }
        Ok(losses)
    }

    /// Messages that are in no counter because their map was full.
    pub fn uncounted(&self) -> Result<u64, StatisticsError> {
        self.total(stat::UNCOUNTED)
    }

    /// IPv6 packets with extension headers, which were not looked into.
    pub fn extension_headers(&self) -> Result<u64, StatisticsError> {
        self.total(stat::EXTENSION_HEADERS)
    }

    pub(super) fn lost_in_channel(&self, hook: Hook) {
        self.channel(hook).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost_in_decode(&self, hook: Hook) {
        self.decode(hook).fetch_add(1, Ordering::Relaxed);
    }

    fn messages_map(&self) -> MutexGuard<'_, PerCpuHashMap<MapData, [u8; 8], u64>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn total(&self, stat: u8) -> Result<u64, StatisticsError> {
        HOOKS
            .into_iter()
            .map(|hook| self.kernel_stat(hook, stat))
            .sum()
    }

    fn kernel_stat(&self, hook: Hook, stat: u8) -> Result<u64, StatisticsError> {
        let values = self.kernel.get(&stat_index(number_of(hook), stat), 0)?;
        Ok(values.iter().sum())
    }

    fn channel(&self, hook: Hook) -> &AtomicU64 {
        by_hook(&self.channel, hook)
    }

    fn decode(&self, hook: Hook) -> &AtomicU64 {
        by_hook(&self.decode, hook)
    }
}

fn by_hook(counters: &[AtomicU64; 3], hook: Hook) -> &AtomicU64 {
    let [tcx, clsact, xdp] = counters;
    match hook {
        Hook::Clsact => clsact,
        Hook::Xdp => xdp,
        Hook::Tcx | Hook::File => tcx,
    }
}

pub(super) fn hook_of(number: u8) -> Option<Hook> {
    match number {
        hook::TCX => Some(Hook::Tcx),
        hook::CLSACT => Some(Hook::Clsact),
        hook::XDP => Some(Hook::Xdp),
        _ => None,
    }
}

fn number_of(hook: Hook) -> u8 {
    match hook {
        Hook::Clsact => hook::CLSACT,
        Hook::Xdp => hook::XDP,
        Hook::Tcx | Hook::File => hook::TCX,
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
