//! Loads the embedded sentry, and attaches its programs one by one.

use super::cgroup::{self, CgroupScope};
use super::error::{CgroupError, TraceError, TraceRefusal};
use super::layout::{Layout, Reasons};
use super::reader::Reader;
use super::symbols;
use super::trace::Tracepoint;
use crate::capture::ebpf::error::{chain, may_load_programs, program_errno};
use crate::capture::ebpf::load::{program, ring_size, take_map, wrong_map};
use crate::capture::ebpf::trial::try_one;
use crate::capture::ebpf::{Budget, LoadError, Tally, Trial, TrialError};
use crate::capture::opening::without_types;
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
    /// Whether to load the empty program too that the benchmark compares with, and at
    /// once those that can be tried.
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
    drops: Tracepoint,
    raw_reads: Tracepoint,
    ebpf: Ebpf,
    reasons: Reasons,
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
    /// Loads what this kernel takes; attaches nothing. A program that is refused takes
    /// nothing from the others: attaching it says why.
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        let layout = Layout::read();
        let code = Code::find();
        let mut ebpf = without_types(|| open_object(options, layout.as_ref().ok(), &code))?;
        let tally = Tally::new(take_map(&mut ebpf, name::STATS)?, HOOKS)?;
        let ring = RingBuf::try_from(take_map(&mut ebpf, name::SAMPLES)?)
            .map_err(|error| wrong_map(&error))?;
        if options.yardsticks {
            for program in [
                sentry::EMPTY_CGROUP,
                sentry::CGROUP_INGRESS,
                sentry::CGROUP_EGRESS,
            ] {
                load_cgroup_program(&mut ebpf, program)?;
            }
        }
        let no_types = layout.as_ref().err().map(|error| TraceRefusal::NoTypes {
            reason: error.to_string(),
        });
        let no_symbols = (code.sock_rfree == 0).then_some(TraceRefusal::NoSymbols);
        let drops = Tracepoint::load(
            &mut ebpf,
            Hook::KfreeSkb,
            sentry::KFREE_SKB,
            no_types.clone(),
        );
        let raw_reads = Tracepoint::load(
            &mut ebpf,
            Hook::ConsumeSkb,
            sentry::CONSUME_SKB,
            no_types.or(no_symbols),
        );
        Ok(Self {
            cgroup: None,
            drops,
            raw_reads,
            ebpf,
            reasons: layout.map(|layout| layout.reasons).unwrap_or_default(),
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
        Some(Reader::new(
            ring,
            Arc::clone(&self.tally),
            self.reasons.clone(),
        ))
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

    /// Sees packets that the kernel drops, in all network namespaces. Linux 5.17; reasons
    /// from there on, the receiving socket from 6.11.
    pub fn attach_drops(&mut self) -> Result<(), TraceError> {
        self.drops.attach(&mut self.ebpf)
    }

    /// Sees packets that are read from packet sockets, in all network namespaces. The
    /// tracepoint is hot: attach it only while there is a server that reads raw frames.
    /// May be attached again after [`Delivery::detach_raw_reads`].
    pub fn attach_raw_reads(&mut self) -> Result<(), TraceError> {
        self.raw_reads.attach(&mut self.ebpf)
    }

    /// Takes the hot tracepoint's program off.
    pub fn detach_raw_reads(&mut self) {
        self.raw_reads.detach();
    }

    /// Sees nothing any longer: no more samples are written from here on.
    pub fn detach_all(&mut self) {
        self.cgroup = None;
        self.drops.detach();
        self.raw_reads.detach();
    }

    /// What is attached.
    pub fn attached(&self) -> impl Iterator<Item = Hook> {
        let cgroup = self.cgroup.as_ref().map(|_| Hook::CgroupSkb);
        let tracepoints = [&self.drops, &self.raw_reads].into_iter();
        let attached = tracepoints.filter_map(|one| one.is_attached().then_some(one.hook));
        cgroup.into_iter().chain(attached)
    }

    /// Runs a cgroup_skb program on an Ethernet frame `repeat` times, attached to nothing.
    /// It samples as if the frame had come over an interface, and answers 1.
    pub fn try_program(
        &self,
        program: &str,
        frame: &[u8],
        repeat: u32,
    ) -> Result<Trial, TrialError> {
        try_one(self.ebpf.program(program), program, frame, repeat)
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

/// Where functions of the kernel are that the programs ask for; 0 is unknown.
struct Code {
    udp_receive: [u64; 2],
    sock_rfree: u64,
}

impl Code {
    fn find() -> Self {
        let [receive, rfree] =
            symbols::ranges(["__udp4_lib_rcv", "sock_rfree"]).unwrap_or_else(|error| {
                tracing::debug!(%error, "the kernel's functions are unknown");
                [0..0, 0..0]
            });
        Self {
            udp_receive: [receive.start, receive.end],
            sock_rfree: rfree.start,
        }
    }
}

fn open_object(options: &Options, layout: Option<&Layout>, code: &Code) -> Result<Ebpf, LoadError> {
    let ring_bytes = ring_size(options.ring_bytes);
    let ring = u64::from(ring_bytes);
    let budget = [options.budget.per_second, options.budget.burst];
    let version = u32::from(ABI_VERSION);
    let number = |reason| layout.and_then(|layout| layout.reasons.number(reason));
    let other_host = number("OTHERHOST").unwrap_or(u32::MAX);
    let not_specified = number("NOT_SPECIFIED").unwrap_or(u32::MAX);
    let sets = layout.map(|layout| {
        let reasons = &layout.reasons;
        (reasons.no_drops(), reasons.of_no_matter_to_clients())
    });
    let (no_drops, client_reasons) = sets.unwrap_or_default();
    let drop_arguments = layout.map_or(0, |layout| layout.drop_arguments);
    let mut loader = EbpfLoader::new();
    loader
        // The programs carry no CO-RE relocations.
        .btf(None)
        .override_global(ABI_SYMBOL, &version, true)
        .override_global(name::BUDGET, &budget, true)
        .override_global(name::RING_BYTES, &ring, true)
        .override_global(sentry::DROP_ARGUMENTS, &drop_arguments, true)
        .override_global(sentry::NO_DROPS, &no_drops, true)
        .override_global(sentry::CLIENT_REASONS, &client_reasons, true)
        .override_global(sentry::OTHER_HOST, &other_host, true)
        .override_global(sentry::NOT_SPECIFIED, &not_specified, true)
        .override_global(sentry::UDP_RECEIVE, &code.udp_receive, true)
        .override_global(sentry::SOCK_RFREE, &code.sock_rfree, true)
        .map_max_entries(name::SAMPLES, ring_bytes);
    for (global, offset) in layout.into_iter().flat_map(|layout| &layout.offsets) {
        loader.override_global(global, offset, true);
    }
    loader
        .load(OBJECT)
        .map_err(|error| LoadError::from_ebpf(&error))
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
