//! How a command ends: 0 done, 1 failed, 2 usage or configuration, 3 findings.

use std::fmt;
use std::io;

/// Why a command did not end well. Its text is one line for the operator.
#[derive(Debug)]
pub enum Failure {
    /// It failed: exit code 1.
    Failed(anyhow::Error),
    /// It was asked for something impossible: exit code 2.
    Usage(String),
    /// It worked, and found what it was to look for: exit code 3.
    Findings,
    /// Whoever read its output went away: nothing to complain about.
    ReaderGone,
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Findings => 3,
        }
    }

    /// Whether there is anything to say.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Findings | Self::ReaderGone)
    }
}

/// A usage error.
pub fn usage(message: impl fmt::Display) -> Failure {
    Failure::Usage(joined(&message.to_string()))
}

/// An error and its sources, without those that it quotes itself.
fn on_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for part in error.chain() {
        let part = joined(&part.to_string());
        if line.is_empty() {
            line = part;
        } else if !line.contains(&part) {
            line.push_str(": ");
            line.push_str(&part);
        }
    }
    line
}

/// Lines as one.
fn joined(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => f.write_str(&on_one_line(error)),
            Self::Usage(message) => f.write_str(message),
            Self::Findings | Self::ReaderGone => Ok(()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let closed = error
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
        if closed {
            Self::ReaderGone
        } else {
            Self::Failed(error)
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::from(anyhow::Error::from(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn what_is_said_once_is_enough() {
        #[derive(Debug, thiserror::Error)]
        #[error("reading failed: {0}")]
        struct Quoting(#[source] io::Error);
        let refused = || io::Error::other("no\nluck");
        let quoted = anyhow::Error::from(Quoting(refused())).context("file");
        assert_eq!(
            Failure::Failed(quoted).to_string(),
            "file: reading failed: no luck"
        );
        let plain = Err::<(), _>(refused()).context("file").unwrap_err();
        assert_eq!(Failure::Failed(plain).to_string(), "file: no luck");
        assert_eq!(usage("a\n  b").to_string(), "a b");
    }
}
