//! The compiler's components and the linker of the eBPF programs.

use super::{Missing, Need, announce};
use crate::process;
use crate::project::Project;
use anyhow::Result;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::Command;

/// From 0.11 on bpf-linker needs a system LLVM of exactly the compiler's version; this
/// one uses the LLVM that comes with the compiler.
const BPF_LINKER: &str = "0.10.3";

/// A component of the pinned toolchain.
struct Component {
    name: &'static str,
    /// A file that is there if the component is, below the compiler's folder.
    witness: &'static str,
    purpose: &'static str,
    need: Need,
}

const COMPONENTS: [Component; 3] = [
    Component {
        name: "rust-src",
        witness: "lib/rustlib/src/rust/library/core/src/lib.rs",
        purpose: "the sources of core, for the eBPF programs",
        need: Need::Build,
    },
    Component {
        name: "rustfmt",
        witness: "bin/rustfmt",
        purpose: "formatting",
        need: Need::Lint,
    },
    Component {
        name: "clippy",
        witness: "bin/cargo-clippy",
        purpose: "lints",
        need: Need::Lint,
    },
];

/// Installs what is absent and returns what still is.
pub(super) fn ensure(project: &Project, needs: &[Need]) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    let sysroot = sysroot(project)?;
    for component in COMPONENTS.iter().filter(|c| needs.contains(&c.need)) {
        let witness = sysroot.join(component.witness);
        if !witness.exists() {
            missing.extend(add_component(project, component, &witness)?);
        }
    }
    if needs.contains(&Need::Build) && !has_bpf_linker(project) {
        missing.extend(install_bpf_linker(project)?);
    }
    Ok(missing)
}

fn sysroot(project: &Project) -> Result<PathBuf> {
    let mut command = Command::new("rustc");
    command
        .args(["--print", "sysroot"])
        .current_dir(&project.root);
    let text = process::capture(&mut command, "asking the compiler where it is")?;
    Ok(PathBuf::from(text.trim()))
}

fn add_component(
    project: &Project,
    component: &Component,
    witness: &std::path::Path,
) -> Result<Option<Missing>> {
    let Component { name, purpose, .. } = component;
    if process::find("rustup").is_some() {
        announce(&format!("Rust component {name} ({purpose})"));
        let mut command = Command::new("rustup");
        command
            .args(["component", "add", name])
            .current_dir(&project.root);
        let result = process::output(&mut command, "adding a Rust component")?;
        if !result.status.success() {
            let text = String::from_utf8_lossy(&result.stderr);
            if let Some(line) = text.lines().find(|line| line.starts_with("error")) {
                eprintln!("setup: rustup: {line}");
            }
        }
    }
    Ok((!witness.exists()).then(|| Missing {
        what: format!("Rust component {name} ({purpose})"),
        remedy: format!("with rustup (https://rustup.rs): rustup component add {name}"),
    }))
}

fn has_bpf_linker(project: &Project) -> bool {
    let mut command = Command::new(project.tools().join("bin/bpf-linker"));
    command.arg("--version");
    process::capture(&mut command, "asking bpf-linker for its version")
        .is_ok_and(|text| text.trim() == format!("bpf-linker {BPF_LINKER}"))
}

fn install_bpf_linker(project: &Project) -> Result<Option<Missing>> {
    announce(&format!(
        "bpf-linker {BPF_LINKER} (links the eBPF programs), about a minute"
    ));
    let tools = project.tools();
    let scratch = tools.join("build");
    let mut command = project.cargo()?;
    command
        .args([
            "install",
            "bpf-linker",
            "--locked",
            "--force",
            "--version",
            BPF_LINKER,
        ])
        .arg("--root")
        .arg(&tools)
        .env("CARGO_TARGET_DIR", &scratch);
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    // cargo reports on stderr itself; what is left to say is that the tool is missing.
    let outcome = process::run(&mut command, "installing bpf-linker");
    if scratch.is_dir() {
        std::fs::remove_dir_all(&scratch)?;
    }
    if let Err(error) = outcome {
        eprintln!("setup: {error:#}");
    }
    Ok((!has_bpf_linker(project)).then(|| Missing {
        what: format!("bpf-linker {BPF_LINKER} (links the eBPF programs)"),
        remedy: format!(
            "cargo install bpf-linker --version {BPF_LINKER} --locked --root {}",
            tools.display()
        ),
    }))
}
