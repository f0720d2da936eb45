//! Network namespaces: which there are, and working in another than one's own.
//!
//! Never leaves a thread where it does not belong: the way back is a guard's, and
//! where it fails the process ends. Nothing is created, mounted or changed.

mod choice;
mod within;

pub use choice::{Candidate, Choice};
pub use within::Within;

use crate::exit::{Failure, usage};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use std::fs::{File, Metadata};
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

/// Where `ip netns` keeps names.
pub const DIRECTORY: &str = "/run/netns";

/// Which namespace a file leads to. Not used twice while somebody holds it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsInode {
    device: u64,
    inode: u64,
}

impl NetnsInode {
    /// The number in `net:[inode]`.
    pub fn number(self) -> u64 {
        self.inode
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Why a namespace can't be watched. One line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// There is no such name.
    #[error("no network namespace \"{name}\": {}", listed(present))]
    NoSuchName {
        /// As given.
        name: String,
        /// The names there are.
        present: Vec<String>,
    },
    /// The path leads nowhere, or must not be followed.
    #[error("no network namespace at {path}: {source}")]
    NoSuchPath {
        /// As given.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file, but no network namespace.
    #[error("\"{name}\" is no network namespace")]
    NotOne {
        /// As given.
        name: String,
    },
    /// No right to enter it.
    #[error("no right to enter network namespace \"{name}\": it takes CAP_SYS_ADMIN; run as root")]
    NoRights {
        /// As given.
        name: String,
    },
    /// The system refuses for another reason.
    #[error("can't enter network namespace \"{name}\": {source}")]
    Refused {
        /// As given.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

fn listed(present: &[String]) -> String {
    if present.is_empty() {
        format!("{DIRECTORY} has none")
    } else {
        format!("there are {}", present.join(", "))
    }
}

impl From<NetnsError> for Failure {
    fn from(error: NetnsError) -> Self {
        match error {
            NetnsError::NoRights { .. } | NetnsError::Refused { .. } => {
                anyhow::Error::from(error).into()
            }
            _ => usage(error),
        }
    }
}

/// The namespace that this process was started in.
#[derive(Debug)]
pub struct Home {
    file: File,
    inode: NetnsInode,
}

impl Home {
    /// That of the calling thread.
    pub fn open() -> io::Result<Arc<Self>> {
        let file = File::open("/proc/thread-self/ns/net")?;
        let inode = NetnsInode::of(&file.metadata()?);
        Ok(Arc::new(Self { file, inode }))
    }
}

/// A network namespace, kept alive for as long as this value and its clones.
#[derive(Debug, Clone)]
pub struct Netns {
    name: Arc<str>,
    inode: NetnsInode,
    /// `None` for the agent's own: there is nowhere to go.
    foreign: Option<Arc<Foreign>>,
}

#[derive(Debug)]
struct Foreign {
    target: File,
    home: Arc<Home>,
}

impl Netns {
    /// The agent's own.
    pub fn own(home: &Arc<Home>) -> Self {
        Self {
            name: "".into(),
            inode: home.inode,
            foreign: None,
        }
    }

    /// Opens one, and finds out whether it can be entered.
    pub fn open(candidate: &Candidate, home: &Arc<Home>) -> Result<Self, NetnsError> {
        if candidate.inode == home.inode {
            return Ok(Self::own(home));
        }
        let name = || candidate.name.clone();
        let target =
            File::open(&candidate.path).map_err(|source| no_such_path(&candidate.path, source))?;
        let inode = target.metadata().map(|metadata| NetnsInode::of(&metadata));
        let netns = Self {
            name: candidate.name.as_str().into(),
            inode: inode.map_err(|source| no_such_path(&candidate.path, source))?,
            foreign: Some(Arc::new(Foreign {
                target,
                home: Arc::clone(home),
            })),
        };
        match netns.enter() {
            Ok(entered) => drop(entered),
            Err(error) => {
                return Err(match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                    Errno::EPERM => NetnsError::NoRights { name: name() },
                    // A namespace of another kind.
                    Errno::EINVAL => NetnsError::NotOne { name: name() },
                    _ => NetnsError::Refused {
                        name: name(),
                        source: error,
                    },
                });
            }
        }
        Ok(netns)
    }

    /// Its name, for labels and events; empty for the agent's own.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name, for log lines; `None` for the agent's own.
    pub fn label(&self) -> Option<&str> {
        (!self.name.is_empty()).then_some(&*self.name)
    }

    /// Which it is.
    pub fn inode(&self) -> NetnsInode {
        self.inode
    }

    /// Moves the calling thread there until the guard is dropped. Threads started
    /// meanwhile stay there for good: start none. Not to be nested, for the way back
    /// is always the way home.
    pub fn enter(&self) -> io::Result<Entered<'_>> {
        if let Some(foreign) = &self.foreign {
            setns(&foreign.target, CloneFlags::CLONE_NEWNET)?;
        }
        Ok(Entered {
            home: self.foreign.as_ref().map(|foreign| &foreign.home.file),
            this_thread_only: PhantomData,
        })
    }

    /// A future that does its work there: each poll enters and comes back.
    pub fn within<F: Future>(&self, future: F) -> Within<F> {
        Within::new(self.clone(), future)
    }
}

/// The calling thread is in another namespace; dropped, it comes home.
#[derive(Debug)]
pub struct Entered<'a> {
    home: Option<&'a File>,
    this_thread_only: PhantomData<*const ()>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Some(home) = self.home else {
            return;
        };
        if let Err(error) = setns(home, CloneFlags::CLONE_NEWNET) {
            // Whatever this thread did from here on would be done in the wrong place.
            tracing::error!(%error, "there is no way back to the agent's own network namespace");
            std::process::abort();
        }
    }
}

fn no_such_path(path: &Path, source: io::Error) -> NetnsError {
    NetnsError::NoSuchPath {
        path: path.display().to_string(),
        source,
    }
}
