//! Ctrl-C and SIGTERM end a task by an error, so that everything it made is taken down
//! on the way out; a second signal ends it at once.

use crate::clock::Stopwatch;
use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Set once a signal came.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on signals no longer end the process by themselves.
    pub(crate) fn install() -> Result<Self> {
        let seen = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Registered first, so it acts on the second signal only.
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&seen))
                .context("watching for Ctrl-C")?;
            flag::register(signal, Arc::clone(&seen)).context("watching for Ctrl-C")?;
        }
        Ok(Self(seen))
    }

    /// An error once a signal came.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Looks again and again until `probe` yields a value; fails after `limit`, or when a
    /// signal came. `what` completes "no ... within 5 s".
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let watch = Stopwatch::start();
        loop {
            self.check()?;
            if let Some(found) = probe()? {
                return Ok(found);
            }
            if watch.elapsed() > limit {
                bail!("no {what} within {} s", limit.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_value_the_deadline_or_the_signal() {
        let interrupt = Interrupt(Arc::new(AtomicBool::new(false)));
        let mut left = 3;
        let value = interrupt.wait("value", Duration::from_secs(5), || {
            left -= 1;
            Ok((left == 0).then_some(7))
        });
        assert_eq!(value.unwrap(), 7);
        let late = interrupt.wait("value", Duration::ZERO, || Ok(None::<()>));
        assert_eq!(late.unwrap_err().to_string(), "no value within 0 s");
        interrupt.0.store(true, Ordering::Relaxed);
        let stopped = interrupt.wait("value", Duration::from_secs(5), || Ok(Some(1)));
        assert_eq!(stopped.unwrap_err().to_string(), "interrupted");
    }
}
