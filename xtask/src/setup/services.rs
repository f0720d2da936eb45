//! Keeps Debian packages from starting the services they come with.
//!
//! A DHCP server that serves this machine's own networks is the last thing that a
//! set-up for tests may leave behind.

use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What invoke-rc.d(8) and deb-systemd-invoke(1p) ask before they start anything.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// "action not allowed"
const DENY: &str = "#!/bin/sh\nexit 101\n";

/// While it lives, no package starts a service; a policy that the machine has of its own
/// stays as it is and counts.
#[derive(Debug)]
pub(super) struct Denied {
    /// Ours, to be removed.
    policy: Option<PathBuf>,
}

impl Denied {
    /// Puts the policy in place.
    pub(super) fn start() -> Result<Self> {
        Self::at(Path::new(POLICY))
    }

    fn at(path: &Path) -> Result<Self> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(path);
        let mut file = match made {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Ok(Self { policy: None });
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        // From here on dropped, it is removed.
        let denied = Self {
            policy: Some(path.to_owned()),
        };
        file.write_all(DENY.as_bytes())
            .with_context(|| path.display().to_string())?;
        Ok(denied)
    }
}

impl Drop for Denied {
    fn drop(&mut self) {
        if let Some(path) = &self.policy
            && let Err(error) = fs::remove_file(path)
        {
            eprintln!(
                "setup: {} has to be removed by hand: {error}",
                path.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn denies_while_it_lives_and_leaves_a_policy_of_the_machine() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy-rc.d");
        let denied = Denied::at(&path).unwrap();
        let status = Command::new(&path).status().unwrap();
        assert_eq!(status.code(), Some(101));
        drop(Denied::at(&path).unwrap());
        assert!(path.exists());
        drop(denied);
        assert!(!path.exists());
    }
}
