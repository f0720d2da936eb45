//! What became of samples, in the kernel and in the reader. All of it only ever grows.

use super::error::LoadError;
use super::load::wrong_map;
use super::statistics::StatisticsError;
use aya::maps::{Map, MapData, PerCpuArray};
use leasehound_common::count::{stat, stat_index};
use leasehound_common::hook;
use leasehound_core::evidence::LossStage;
use leasehound_core::origin::Hook;
use std::sync::atomic::{AtomicU64, Ordering};

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

const HOOKS: usize = hook::COUNT as usize;

/// Counters of one object's samples, and of their reader.
pub struct Tally {
    kernel: PerCpuArray<MapData, u64>,
    hooks: &'static [Hook],
    channel: [AtomicU64; HOOKS],
    decode: [AtomicU64; HOOKS],
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally")
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

impl Tally {
    /// Of an object with programs for `hooks`.
    pub(in crate::capture) fn new(kernel: Map, hooks: &'static [Hook]) -> Result<Self, LoadError> {
        Ok(Self {
            kernel: kernel.try_into().map_err(|error| wrong_map(&error))?,
            hooks,
            channel: Default::default(),
            decode: Default::default(),
        })
    }

    /// Samples per hook.
    pub fn samples(&self) -> Result<Vec<SampleCount>, StatisticsError> {
        let sampled = |hook: &Hook| {
            Ok(SampleCount {
                hook: *hook,
                count: self.kernel_stat(*hook, stat::SAMPLED)?,
            })
        };
        self.hooks.iter().map(sampled).collect()
    }

    /// Losses per hook and stage, zeros too.
    pub fn losses(&self) -> Result<Vec<LossCount>, StatisticsError> {
        let mut losses = Vec::with_capacity(self.hooks.len() * LossStage::ALL.len());
        for &hook in self.hooks {
            for stage in LossStage::ALL {
                let count = match stage {
                    LossStage::Budget => self.kernel_stat(hook, stat::LOST_BUDGET)?,
                    LossStage::Ring => self.kernel_stat(hook, stat::LOST_RING)?,
                    LossStage::Channel => read(&self.channel, hook),
                    LossStage::Decode => {
                        self.kernel_stat(hook, stat::LOST_COPY)? + read(&self.decode, hook)
                    }
                };
                losses.push(LossCount { hook, stage, count });
            }
        }
        Ok(losses)
    }

    /// Samples that were not taken because enough of their like had been, and that are no
    /// loss: drops of frames for other hosts.
    pub fn withheld(&self) -> Result<u64, StatisticsError> {
        self.total(stat::WITHHELD)
    }

    /// One statistic, summed over the hooks.
    pub(in crate::capture) fn total(&self, stat: u8) -> Result<u64, StatisticsError> {
        self.hooks
            .iter()
            .map(|hook| self.kernel_stat(*hook, stat))
            .sum()
    }

    pub(super) fn lost_in_channel(&self, hook: Hook) {
        add_one(&self.channel, hook);
    }

    pub(crate) fn lost_in_decode(&self, hook: Hook) {
        add_one(&self.decode, hook);
    }

    fn kernel_stat(&self, hook: Hook, stat: u8) -> Result<u64, StatisticsError> {
        let values = self.kernel.get(&stat_index(number_of(hook), stat), 0)?;
        Ok(values.iter().sum())
    }
}

fn read(counters: &[AtomicU64], hook: Hook) -> u64 {
    counters
        .get(usize::from(number_of(hook)))
        .map_or(0, |counter| counter.load(Ordering::Relaxed))
}

fn add_one(counters: &[AtomicU64], hook: Hook) {
    if let Some(counter) = counters.get(usize::from(number_of(hook))) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The hook that a sample names.
pub(in crate::capture) const fn hook_of(number: u8) -> Option<Hook> {
    match number {
        hook::TCX => Some(Hook::Tcx),
        hook::CLSACT => Some(Hook::Clsact),
        hook::XDP => Some(Hook::Xdp),
        hook::CGROUP_SKB => Some(Hook::CgroupSkb),
        hook::KFREE_SKB => Some(Hook::KfreeSkb),
        hook::CONSUME_SKB => Some(Hook::ConsumeSkb),
        _ => None,
    }
}

const fn number_of(hook: Hook) -> u8 {
    match hook {
        Hook::Clsact => hook::CLSACT,
        Hook::Xdp => hook::XDP,
        Hook::CgroupSkb => hook::CGROUP_SKB,
        Hook::KfreeSkb => hook::KFREE_SKB,
        Hook::ConsumeSkb => hook::CONSUME_SKB,
        // Samples of no file come here.
        Hook::Tcx | Hook::File => hook::TCX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_has_its_number() {
        for number in 0..hook::COUNT {
            assert_eq!(hook_of(number).map(number_of), Some(number));
        }
        assert_eq!(hook_of(hook::COUNT), None);
    }
}
