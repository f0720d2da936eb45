//! Servers that are told to the engine, where no process shows which they are.

use crate::evidence::ServerKind;

/// A server program that is told, not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedServer {
    /// The interface's name, or the beginning of one and `*`; `None` for all.
    pub interface: Option<Box<str>>,
    /// The program.
    pub kind: ServerKind,
}

impl AssumedServer {
    /// Whether it is the one behind an interface of this name.
    pub(super) fn is_behind(&self, name: &str) -> bool {
        self.interface
            .as_deref()
            .is_none_or(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == pattern,
            })
    }
}
