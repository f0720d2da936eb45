//! Runs a loaded program on a made-up frame (`BPF_PROG_TEST_RUN`), attached to nothing:
//! for the benchmark, and to see that each way out passes the packet.

use super::error::chain;
use super::load::Capture;
use aya::programs::{Program, TestRun as _, TestRunOptions};
use std::time::Duration;

/// What a trial gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// What the program answered; -1 is `TCX_NEXT` and `TC_ACT_UNSPEC`, 2 `XDP_PASS`, 1 for
    /// a cgroup_skb program to let it pass.
    pub answer: i32,
    /// The mean over all repetitions, in whole nanoseconds.
    pub mean: Duration,
}

/// Why there was no trial.
#[derive(Debug, thiserror::Error)]
#[error("{program} cannot be tried: {reason}")]
pub struct TrialError {
    program: String,
    reason: String,
}

impl Capture {
    /// Runs `program` (see [`super::name`]) on `frame` `repeat` times. It counts and
    /// samples as if the frame had come over an interface.
    pub fn try_program(
        &self,
        program: &str,
        frame: &[u8],
        repeat: u32,
    ) -> Result<Trial, TrialError> {
        try_one(self.ebpf.program(program), program, frame, repeat)
    }
}

pub(in crate::capture) fn try_one(
    program: Option<&Program>,
    name: &str,
    frame: &[u8],
    repeat: u32,
) -> Result<Trial, TrialError> {
    let failed = |reason: String| TrialError {
        program: name.to_owned(),
        reason,
    };
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat,
        ..TestRunOptions::new()
    };
    let result = match program {
        Some(Program::SchedClassifier(classifier)) => classifier.test_run(options),
        Some(Program::Xdp(xdp)) => xdp.test_run(options),
        Some(Program::CgroupSkb(cgroup)) => cgroup.test_run(options),
        _ => return Err(failed("no such program in the object".to_owned())),
    };
    let result = result.map_err(|error| failed(chain(&error)))?;
    Ok(Trial {
        answer: result.return_value.cast_signed(),
        mean: result.duration,
    })
}
