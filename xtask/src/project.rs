//! Where the project's files are and how cargo is called for it.

use anyhow::{Context as _, Result, ensure};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository and its build directory.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The folder of the workspace's Cargo.toml.
    pub(crate) root: PathBuf,
    /// Build directory, absolute: `CARGO_TARGET_DIR` if set, else `target`.
    pub(crate) target: PathBuf,
}

/// How the agent is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build; what the tests use.
    Dev,
    /// What users get.
    Release,
}

impl Project {
    /// Finds the repository that `cargo xtask` was called in.
    pub(crate) fn locate() -> Result<Self> {
        // `cargo run` sets the variable; the compiled-in value serves a binary called by hand.
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("the xtask package has no parent folder")?
            .to_path_buf();
        ensure!(
            root.join("agent-core/Cargo.toml").is_file(),
            "{} is not the leasehound repository: call this as `cargo xtask` inside it",
            root.display()
        );
        let target = match env::var_os("CARGO_TARGET_DIR")
            .or_else(|| env::var_os("CARGO_BUILD_TARGET_DIR"))
        {
            Some(set) => env::current_dir()
                .context("reading the current folder")?
                .join(set),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The folder of the tools that set-up installs, `bin` below it.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// `PATH` with the project's own tools first.
    pub(crate) fn search_path(&self) -> Result<OsString> {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.tools().join("bin")).chain(env::split_paths(&inherited));
        env::join_paths(all).context("composing PATH")
    }

    /// The `cargo` that runs this task, in the repository's root, with no input.
    pub(crate) fn cargo(&self) -> Result<Command> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("PATH", self.search_path()?)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Where the agent's binary of `profile` ends up.
    pub(crate) fn agent_binary(&self, profile: Profile) -> PathBuf {
        let folder = match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        };
        self.target.join(folder).join("leasehound")
    }

    /// Builds the agent with its eBPF programs and returns the binary's path.
    pub(crate) fn build_agent(&self, profile: Profile) -> Result<PathBuf> {
        let mut command = self.cargo()?;
        command.args(["build", "--package", "leasehound", "--bin", "leasehound"]);
        if profile == Profile::Release {
            command.arg("--release");
        }
        crate::process::run(&mut command, "building leasehound")?;
        let binary = self.agent_binary(profile);
        ensure!(
            binary.is_file(),
            "cargo built leasehound, but not as {}: unset build.target in cargo's configuration",
            binary.display()
        );
        Ok(binary)
    }

    /// A workspace of its own beside the main one, if it exists.
    pub(crate) fn inner_workspace(&self, folder: &str) -> Option<PathBuf> {
        let manifest = self.root.join(folder).join("Cargo.toml");
        manifest.is_file().then_some(manifest)
    }
}

/// `path` relative to the repository, for messages.
pub(crate) fn relative<'p>(root: &Path, path: &'p Path) -> &'p Path {
    path.strip_prefix(root).unwrap_or(path)
}
