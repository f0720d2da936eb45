//! The value of `run --server-kind`: which server program is behind an interface, where no
//! process tells.

use leasehound_core::engine::AssumedServer;
use leasehound_core::evidence::ServerKind;
use std::str::FromStr;

/// `ovn`, or `tap0=ovn`, or `tap*=ovn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedKind(pub AssumedServer);

/// Why a value of `--server-kind` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssumedKindError {
    /// Nothing before the `=`.
    #[error("\"{text}\" names no interface before the '='")]
    NoInterface {
        /// As given.
        text: String,
    },
    /// A program that is not known.
    #[error(
        "the server \"{kind}\" is not known: known are {}",
        ServerKind::KNOWN.map(ServerKind::as_str).join(", ")
    )]
    UnknownKind {
        /// As given.
        kind: String,
    },
}

impl FromStr for AssumedKind {
    type Err = AssumedKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (interface, word) = match text.rsplit_once('=') {
            Some(("", _)) => {
                return Err(AssumedKindError::NoInterface {
                    text: text.to_owned(),
                });
            }
            Some((interface, word)) => (Some(interface.into()), word),
            None => (None, text),
        };
        let kind = ServerKind::from_word(word).ok_or_else(|| AssumedKindError::UnknownKind {
            kind: word.to_owned(),
        })?;
        Ok(Self(AssumedServer { interface, kind }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_with_and_without_an_interface() {
        let kind = |text: &str| text.parse::<AssumedKind>().map(|assumed| assumed.0);
        let ovn = |interface: Option<&str>| AssumedServer {
            interface: interface.map(Into::into),
            kind: ServerKind::Ovn,
        };
        assert_eq!(kind("ovn"), Ok(ovn(None)));
        assert_eq!(kind("tap*=ovn"), Ok(ovn(Some("tap*"))));
        assert!(matches!(
            kind("=ovn"),
            Err(AssumedKindError::NoInterface { .. })
        ));
        let error = kind("tap0=dhcpd").unwrap_err().to_string();
        assert!(error.contains("isc_dhcpd"), "{error}");
    }
}
