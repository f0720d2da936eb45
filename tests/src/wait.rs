//! Waiting on a condition with a deadline: the only place of the labs that looks at a
//! clock or pauses.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long anything healthy may take in a lab on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(5);

/// A moment after which waiting is given up.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment `patience` from now.
    #[expect(
        clippy::disallowed_methods,
        reason = "labs have real servers, so they wait in real time"
    )]
    pub fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// Whether it has gone by.
    #[expect(
        clippy::disallowed_methods,
        reason = "labs have real servers, so they wait in real time"
    )]
    pub fn passed(self) -> bool {
        Instant::now() >= self.0
    }
}

/// Asks `probe` until it has an answer; `what` names it in the error after `patience`.
pub fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Deadline::after(patience);
    loop {
        // The deadline is read before the probe, so the probe gets a last chance
        // after any pause, however long this machine made it.
        let last = deadline.passed();
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if last {
            bail!("waited {patience:?} in vain for {what}");
        }
        std::thread::sleep(POLL);
    }
}

/// A fixed rate at which something is sent.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    next: Instant,
    step: Duration,
}

impl Pace {
    /// So many times a second, from now on.
    #[expect(
        clippy::disallowed_methods,
        reason = "labs have real servers, so they send in real time"
    )]
    pub fn of(per_second: u32) -> Self {
        Self {
            next: Instant::now(),
            step: Duration::from_secs(1) / per_second.max(1),
        }
    }

    /// Waits until it is time for the next; not at all if that has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "labs have real servers, so they send in real time"
    )]
    pub fn wait(&mut self) {
        std::thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next += self.step;
    }
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// From now on.
    #[expect(
        clippy::disallowed_methods,
        reason = "labs have real servers, so they wait in real time"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since then.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
