//! Counts what a test runner reports, while passing its lines on untouched.

use anyhow::{Context as _, Result};
use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

/// Sums over test binaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Whether the runner ended with exit code 0.
    pub(crate) success: bool,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            success: true,
            passed: 0,
            failed: 0,
            ignored: 0,
        }
    }
}

impl Tally {
    /// Adds another group's figures.
    pub(crate) fn add(&mut self, other: &Self) {
        self.success &= other.success;
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// Tests that were run.
    pub(crate) fn ran(&self) -> u64 {
        self.passed + self.failed
    }

    /// Takes in `test result: ok. 12 passed; 0 failed; 1 ignored; …`; other lines count nothing.
    fn read(&mut self, line: &str) {
        let Some((_, figures)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for figure in figures.split("; ") {
            let Some((count, what)) = figure.split_once(' ') else {
                continue;
            };
            let Ok(count) = count.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.ignored > 0 {
            write!(f, ", {} ignored", self.ignored)?;
        }
        Ok(())
    }
}

/// Runs `command`, shows its output as it comes and counts.
pub(super) fn watch(command: &mut Command, what: &str) -> Result<Tally> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{what}: cannot start cargo"))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        let mut screen = std::io::stdout().lock();
        for line in BufReader::new(output).split(b'\n') {
            let line = line.with_context(|| format!("{what}: reading the output"))?;
            let text = String::from_utf8_lossy(&line);
            tally.read(&text);
            writeln!(screen, "{text}").context("writing to the screen")?;
        }
    }
    let status = child.wait().with_context(|| format!("{what}: waiting"))?;
    tally.success = status.success();
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_runner_are_summed() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        ] {
            tally.read(line);
        }
        assert_eq!(tally.to_string(), "14 passed, 1 failed, 1 ignored");
        assert_eq!(tally.ran(), 15);
    }
}
