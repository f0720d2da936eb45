//! Loads the embedded sentry, and attaches its programs one by one.

use super::cgroup::{self, CgroupScope};
use super::error::CgroupError;
use super::reader::Reader;
use crate::capture::ebpf::error::{chain, may_load_programs, program_errno};
use crate::capture::ebpf::load::{program, ring_size, take_map, wrong_map};
use crate::capture::ebpf::{Budget, LoadError, Tally};
use aya::maps::{MapData, RingBuf};
use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, ProgramError};
use aya::{Ebpf, EbpfLoader};
use leasehound_common::sentry::name as sentry;
use leasehound_common::{ABI_SYMBOL, ABI_VERSION, name};
use leasehound_core::origin::Hook;
use nix::errno::Errno;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/leasehound-sentry"));

/// The sentry's hooks.
const HOOKS: &[Hook] = &[Hook::CgroupSkb, Hook::KfreeSkb, Hook::ConsumeSkb];

/// How to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Size of the ring buffer in octets; made a power of two and at least a page.
    pub ring_bytes: u32,
    /// Samples per second and at once, for offered, sent, dropped and read packets each.
    pub budget: Budget,
    /// Whether to load the empty program too that the benchmark compares with.
    pub yardsticks: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // 800 samples of an ordinary size.
            ring_bytes: 1 << 19,
            budget: Budget::DEFAULT,
            yardsticks: false,
        }
    }
}

/// The sentry and its links. Dropping it detaches all.
pub struct Delivery {
    // Links go before the programs that they are links of.
    cgroup: Option<(CgroupScope, [FdLink; 2])>,
    pub(super) ebpf: Ebpf,
    tally: Arc<Tally>,
    ring: Option<RingBuf<MapData>>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("attached", &self.attached().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// Opens the object and makes its maps; attaches nothing. Each program is loaded when
    /// it is first attached, so that one which is refused takes nothing from the others.
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        let ring_bytes = ring_size(options.ring_bytes);
        let budget = [options.budget.per_second, options.budget.burst];
        let ring = u64::from(ring_bytes);
        let version = u32::from(ABI_VERSION);
        let mut ebpf = EbpfLoader::new()
            .btf(None)
            .override_global(ABI_SYMBOL, &version, true)
            .override_global(name::BUDGET, &budget, true)
            .override_global(name::RING_BYTES, &ring, true)
            .map_max_entries(name::SAMPLES, ring_bytes)
            .load(OBJECT)
            .map_err(|error| LoadError::from_ebpf(&error))?;
        let tally = Tally::new(take_map(&mut ebpf, name::STATS)?, HOOKS)?;
        let ring = RingBuf::try_from(take_map(&mut ebpf, name::SAMPLES)?)
            .map_err(|error| wrong_map(&error))?;
        if options.yardsticks {
            load_cgroup_program(&mut ebpf, sentry::EMPTY_CGROUP)?;
        }
        Ok(Self {
            cgroup: None,
            ebpf,
            tally: Arc::new(tally),
            ring: Some(ring),
        })
    }

    /// What became of the samples. Readable after this value is gone.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// The reader of the ring buffer: there is one, so the second call gives nothing.
    pub fn take_reader(&mut self) -> Option<Reader> {
        let ring = self.ring.take()?;
        Some(Reader::new(ring, Arc::clone(&self.tally)))
    }

    /// Sees packets at UDP sockets, whatever network namespace and cgroup they are in.
    /// Linux 5.7.
    pub fn attach_cgroup(&mut self) -> Result<CgroupScope, CgroupError> {
        if let Some((scope, _)) = &self.cgroup {
            return Ok(*scope);
        }
        let (path, scope) = cgroup::root()
            .map_err(|error| refused(&error))?
            .ok_or(CgroupError::NoHierarchy)?;
        let directory = File::open(&path).map_err(|error| refused(&error))?;
        let ingress = CgroupSkbAttachType::Ingress;
        let egress = CgroupSkbAttachType::Egress;
        let links = [
            self.cgroup_link(sentry::CGROUP_INGRESS, ingress, &directory, &path)?,
            self.cgroup_link(sentry::CGROUP_EGRESS, egress, &directory, &path)?,
        ];
        self.cgroup = Some((scope, links));
        Ok(scope)
    }

    /// Sees nothing any longer: no more samples are written from here on.
    pub fn detach_all(&mut self) {
        self.cgroup = None;
    }

    /// What is attached.
    pub fn attached(&self) -> impl Iterator<Item = Hook> {
        let cgroup = self.cgroup.as_ref().map(|_| Hook::CgroupSkb);
        cgroup.into_iter()
    }

    fn cgroup_link(
        &mut self,
        name: &'static str,
        attach_type: CgroupSkbAttachType,
        directory: &File,
        path: &Path,
    ) -> Result<FdLink, CgroupError> {
        load_cgroup_program(&mut self.ebpf, name)?;
        let program: &mut CgroupSkb = program(&mut self.ebpf, name)?;
        // For a link this means that others may be attached beside it.
        let link = program
            .attach(directory, attach_type, CgroupAttachMode::Single)
            .and_then(|id| program.take_link(id))
            .map_err(|error| match program_errno(&error) {
                Some(Errno::EPERM) if may_load_programs() => CgroupError::Occupied {
                    path: path.to_owned(),
                },
                Some(Errno::EPERM | Errno::EACCES) => CgroupError::NoRights,
                _ => refused(&error),
            })?;
        // Before 5.7 there are no links, and what aya attaches then may stay.
        FdLink::try_from(link).map_err(|_| CgroupError::Refused {
            reason: "this kernel has no cgroup links, Linux 5.7 has".to_owned(),
        })
    }
}

fn refused(error: &dyn std::error::Error) -> CgroupError {
    CgroupError::Refused {
        reason: chain(error),
    }
}

fn load_cgroup_program(ebpf: &mut Ebpf, name: &'static str) -> Result<(), LoadError> {
    let program: &mut CgroupSkb = program(ebpf, name)?;
    match program.load() {
        Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
        Err(error) => Err(LoadError::from_program(name, &error)),
    }
}
