//! Loads the embedded object and holds what it consists of.

use super::attach::Attachment;
use super::claim::Claim;
use super::error::LoadError;
use super::reader::Reader;
use super::statistics::Statistics;
use crate::capture::opening::without_types;
use aya::maps::{Map, MapData, RingBuf};
use aya::programs::{ProgramError, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use leasehound_common::count::Budget;
use leasehound_common::{ABI_SYMBOL, ABI_VERSION, name};
use std::sync::Arc;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/leasehound-probe"));

/// aya-log's own names.
const LOG_RING: &str = "AYA_LOGS";
const LOG_LEVEL_OFF: u8 = 0;
const LOG_LEVEL_DEBUG: u8 = 4;
const LOG_RING_BYTES: u32 = 128 << 10;

/// How to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Size of the ring buffer in octets; made a power of two and at least a page. The
    /// process maps it twice, and all of it counts as resident.
    pub ring_bytes: u32,
    /// Samples per second and at once.
    pub budget: Budget,
    /// Whether the programs write debug lines: see [`Capture::forward_debug_lines`].
    pub debug: bool,
    /// Whether to load the empty programs too that the benchmark compares with.
    pub yardsticks: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // 1,700 samples of an ordinary size: 30 ms of a storm at the full budget.
            ring_bytes: 1 << 20,
            budget: Budget::DEFAULT,
            debug: false,
            yardsticks: false,
        }
    }
}

/// The loaded programs, and the hooks they are attached to. Dropping it detaches all.
pub struct Capture {
    // Links go before the programs that they are links of.
    pub(super) attachments: Vec<Attachment>,
    /// While there are clsact filters among them.
    pub(super) claim: Option<Claim>,
    /// Whether the log knows of another leasehound's claim.
    pub(super) warned_of_another: bool,
    pub(super) ebpf: Ebpf,
    pub(super) xdp_refused: Option<String>,
    statistics: Arc<Statistics>,
    ring: Option<RingBuf<MapData>>,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture")
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}

impl Capture {
    /// Loads the programs; attaches nothing.
    ///
    /// A kernel that takes the classifiers but not the XDP program is good enough: who
    /// asks for XDP there gets [`super::AttachError::NoXdp`].
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        let ring_bytes = ring_size(options.ring_bytes);
        let mut ebpf = without_types(|| open_object(options, ring_bytes))?;
        for program in [
            name::TCX_INGRESS,
            name::TCX_EGRESS,
            name::CLSACT_INGRESS,
            name::CLSACT_EGRESS,
        ] {
            load_classifier(&mut ebpf, program)?;
        }
        let xdp_refused = match load_xdp(&mut ebpf, name::XDP) {
            Ok(()) => None,
            Err(LoadError::Refused { reason, .. }) => Some(reason),
            Err(error) => return Err(error),
        };
        if options.yardsticks {
            load_classifier(&mut ebpf, name::EMPTY_CLASSIFIER)?;
            load_xdp(&mut ebpf, name::EMPTY_XDP)?;
        }
        let statistics = Statistics::new(
            take_map(&mut ebpf, name::COUNTERS)?,
            take_map(&mut ebpf, name::STATS)?,
        )?;
        let ring = RingBuf::try_from(take_map(&mut ebpf, name::SAMPLES)?)
            .map_err(|error| wrong_map(&error))?;
        Ok(Self {
            attachments: Vec::new(),
            claim: None,
            warned_of_another: false,
            ebpf,
            xdp_refused,
            statistics: Arc::new(statistics),
            ring: Some(ring),
        })
    }

    /// The counters. They stay readable after this value is gone.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.statistics)
    }

    /// The reader of the ring buffer: there is one, so the second call gives nothing.
    pub fn take_reader(&mut self) -> Option<Reader> {
        let ring = self.ring.take()?;
        Some(Reader::new(ring, Arc::clone(&self.statistics)))
    }
}

fn open_object(options: &Options, ring_bytes: u32) -> Result<Ebpf, LoadError> {
    let budget = [options.budget.per_second, options.budget.burst];
    let (log_level, log_bytes) = if options.debug {
        (LOG_LEVEL_DEBUG, LOG_RING_BYTES)
    } else {
        (LOG_LEVEL_OFF, 1)
    };
    let ring = u64::from(ring_bytes);
    let version = u32::from(ABI_VERSION);
    EbpfLoader::new()
        // The programs carry no CO-RE relocations: the kernel's types are not needed.
        .btf(None)
        .override_global(ABI_SYMBOL, &version, true)
        .override_global(name::BUDGET, &budget, true)
        .override_global(name::RING_BYTES, &ring, true)
        .override_global("AYA_LOG_LEVEL", &log_level, true)
        .map_max_entries(name::SAMPLES, ring_bytes)
        .map_max_entries(LOG_RING, log_bytes)
        .load(OBJECT)
        .map_err(|error| LoadError::from_ebpf(&error))
}

pub(in crate::capture) fn ring_size(wanted: u32) -> u32 {
    const PAGE: u32 = 4096;
    const LARGEST: u32 = 1 << 30;
    wanted
        .clamp(PAGE, LARGEST)
        .checked_next_power_of_two()
        .unwrap_or(LARGEST)
}

fn load_classifier(ebpf: &mut Ebpf, name: &'static str) -> Result<(), LoadError> {
    let program: &mut SchedClassifier = program(ebpf, name)?;
    program
        .load()
        .map_err(|error| LoadError::from_program(name, &error))
}

fn load_xdp(ebpf: &mut Ebpf, name: &'static str) -> Result<(), LoadError> {
    let program: &mut Xdp = program(ebpf, name)?;
    program
        .load()
        .map_err(|error| LoadError::from_program(name, &error))
}

pub(in crate::capture) fn program<'a, P>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut P, LoadError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    ebpf.program_mut(name)
        .ok_or(LoadError::Missing { name })?
        .try_into()
        .map_err(|error| LoadError::from_program(name, &error))
}

pub(in crate::capture) fn take_map(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, LoadError> {
    ebpf.take_map(name).ok_or(LoadError::Missing { name })
}

pub(in crate::capture) fn wrong_map(error: &aya::maps::MapError) -> LoadError {
    LoadError::Object {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_what_the_kernel_takes() {
        assert_eq!(ring_size(0), 4096);
        assert_eq!(ring_size(4097), 8192);
        assert_eq!(ring_size(1 << 20), 1 << 20);
        assert_eq!(ring_size(u32::MAX), 1 << 30);
    }
}
