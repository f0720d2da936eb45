//! The only clock of the tasks: how long a step took, and waiting for a condition
//! with a deadline. Nothing here or elsewhere waits for a fixed time and hopes.

use std::time::{Duration, Instant};

/// Measures from its creation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the tasks' own clock; the agent's is another"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// `7.3 s` below a minute, `2 min 05 s` above.
pub(crate) fn spell(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(spell(Duration::from_millis(7_340)), "7.3 s");
        assert_eq!(spell(Duration::from_secs(125)), "2 min 05 s");
    }
}
