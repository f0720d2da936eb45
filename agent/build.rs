//! Builds the eBPF objects that the `ebpf` feature embeds.
//!
//! `bpfel-unknown-none` has no `core` of its own, so the inner build compiles it from
//! rust-src with `-Z build-std`; on a stable toolchain that takes `RUSTC_BOOTSTRAP=1`.
//! This script starts itself again with that variable and the linker's path set, so
//! that neither reaches any other crate.

fn main() {
    #[cfg(feature = "ebpf")]
    if let Err(error) = ebpf::build() {
        // One line, and no backtrace of the build script around it.
        println!("cargo::error={error}");
    }
}

#[cfg(feature = "ebpf")]
mod ebpf {
    use anyhow::{Context as _, Result, bail};
    use std::env;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    const INNER: &str = "LEASEHOUND_INNER_EBPF_BUILD";
    const PACKAGE: &str = "leasehound-ebpf";
    const OBJECTS: [&str; 2] = ["leasehound-probe", "leasehound-sentry"];
    const SETUP: &str = "run `cargo xtask setup`, or build with `--no-default-features` to replay \
                         captures only";

    pub(super) fn build() -> Result<()> {
        let agent = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("not run by cargo")?);
        let root = agent.parent().context("the package has no parent folder")?;
        let source = root.join("agent-ebpf");
        if env::var_os(INNER).is_some() {
            return inner(&source);
        }
        for path in ["src", "Cargo.toml", "Cargo.lock"] {
            println!("cargo::rerun-if-changed={}", source.join(path).display());
        }
        for path in ["src", "Cargo.toml"] {
            let path = root.join("agent-common").join(path);
            println!("cargo::rerun-if-changed={}", path.display());
        }
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::rerun-if-env-changed=PATH");
        require_rust_src()?;
        let path = path_with_linker(root)?;

        let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("not run by cargo")?);
        let shared = shared_folder(&out_dir);
        std::fs::create_dir_all(&shared).context("cannot make a folder for the inner build")?;
        let status = Command::new(env::current_exe().context("cannot find this build script")?)
            .env(INNER, "1")
            .env("OUT_DIR", &shared)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("PATH", path)
            // aya-build turns every line into a warning, progress too.
            .env("CARGO_TERM_QUIET", "true")
            // The package is a workspace of its own.
            .current_dir(&source)
            .status()
            .context("cannot start the build of the eBPF programs")?;
        if !status.success() {
            bail!("the eBPF programs were not built ({status}): the compiler's output is above");
        }
        for object in OBJECTS {
            std::fs::copy(shared.join(object), out_dir.join(object))
                .with_context(|| format!("the inner build left no {object}"))?;
        }
        Ok(())
    }

    /// One folder for all profiles and feature sets of the agent: the objects are the
    /// same for all of them, and compiling `core` takes most of a minute.
    fn shared_folder(out_dir: &Path) -> PathBuf {
        out_dir
            .ancestors()
            .find(|folder| folder.file_name().is_some_and(|name| name == "build"))
            .and_then(|build| build.parent()?.parent())
            .map_or_else(|| out_dir.to_owned(), |target| target.join("ebpf"))
    }

    fn inner(source: &Path) -> Result<()> {
        let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".to_owned());
        let root_dir = source.join("src");
        aya_build::build_ebpf(
            [aya_build::Package {
                name: PACKAGE,
                root_dir: root_dir.to_str().context("the path is not UTF-8")?,
                ..Default::default()
            }],
            aya_build::Toolchain::Custom(&toolchain),
        )
    }

    fn require_rust_src() -> Result<()> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args(["--print", "sysroot"])
            .output()
            .context("cannot run rustc")?;
        let sysroot = String::from_utf8(output.stdout).context("the sysroot is not UTF-8")?;
        let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
        if !core.exists() {
            bail!("the toolchain has no rust-src, which eBPF programs are built from: {SETUP}");
        }
        Ok(())
    }

    /// PATH with the folder first that `cargo xtask setup` puts the linker into.
    fn path_with_linker(root: &Path) -> Result<std::ffi::OsString> {
        let tools = root.join("target/tools/bin");
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::iter::once(tools)
            .chain(env::split_paths(&path))
            .collect();
        if !folders
            .iter()
            .any(|folder| folder.join("bpf-linker").exists())
        {
            bail!("bpf-linker is not installed: {SETUP}");
        }
        env::join_paths(folders).context("PATH cannot be extended")
    }
}
