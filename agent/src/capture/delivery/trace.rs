//! One program at one of the kernel's tracepoints.

use super::error::{TraceError, TraceRefusal};
use crate::capture::ebpf::LoadError;
use crate::capture::ebpf::error::{chain, program_errno};
use crate::capture::ebpf::load::program;
use aya::Ebpf;
use aya::programs::RawTracePoint;
use aya::programs::raw_trace_point::RawTracePointLink;
use leasehound_core::origin::Hook;
use nix::errno::Errno;

/// A program at a tracepoint.
pub(super) struct Tracepoint {
    pub(super) hook: Hook,
    program: &'static str,
    /// Why it was not loaded.
    refusal: Option<TraceRefusal>,
    link: Option<RawTracePointLink>,
}

impl Tracepoint {
    /// Loads the program, unless something else is missing already.
    pub(super) fn load(
        ebpf: &mut Ebpf,
        hook: Hook,
        program: &'static str,
        missing: Option<TraceRefusal>,
    ) -> Self {
        let refusal = missing.or_else(|| load_tracepoint(ebpf, program).err());
        Self {
            hook,
            program,
            refusal,
            link: None,
        }
    }

    pub(super) fn detach(&mut self) {
        self.link = None;
    }

    pub(super) fn is_attached(&self) -> bool {
        self.link.is_some()
    }

    pub(super) fn attach(&mut self, ebpf: &mut Ebpf) -> Result<(), TraceError> {
        if self.link.is_some() {
            return Ok(());
        }
        let link = match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => attach_tracepoint(ebpf, self.program, self.hook),
        };
        self.link = Some(link.map_err(|refusal| TraceError {
            hook: self.hook,
            refusal,
        })?);
        Ok(())
    }
}

fn load_tracepoint(ebpf: &mut Ebpf, name: &'static str) -> Result<(), TraceRefusal> {
    let program: &mut RawTracePoint = program(ebpf, name)?;
    program
        .load()
        .map_err(|error| LoadError::from_program(name, &error).into())
}

fn attach_tracepoint(
    ebpf: &mut Ebpf,
    name: &'static str,
    hook: Hook,
) -> Result<RawTracePointLink, TraceRefusal> {
    let program: &mut RawTracePoint = program(ebpf, name)?;
    program
        .attach(hook.as_str())
        .and_then(|id| program.take_link(id))
        .map_err(|error| match program_errno(&error) {
            Some(Errno::EPERM | Errno::EACCES) => TraceRefusal::NoRights,
            _ => TraceRefusal::Refused {
                reason: chain(&error),
            },
        })
}
