//! The repository's own text files: build output, hidden folders and binaries left out.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;

/// Endings of the files that are read; lock files have no author.
const TEXT: &[&str] = &[
    "c", "json", "md", "rs", "sh", "snap", "toml", "tpl", "txt", "yaml", "yml",
];

/// Hidden folders that are part of the repository.
const HIDDEN: &[&str] = &[".cargo", ".ci", ".config", ".github"];

/// One file.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    /// Its content.
    pub(super) content: String,
}

impl SourceFile {
    /// Whether this is Rust code.
    pub(super) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == "rs")
    }
}

/// All files in a stable order.
pub(super) fn collect(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    descend(root, root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn descend(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        let kind = entry.file_type().context("reading a file's type")?;
        if kind.is_dir() {
            let hidden = name.starts_with('.') && !HIDDEN.contains(&name.as_str());
            if !hidden && name != "target" && !path.join("CACHEDIR.TAG").exists() {
                descend(root, &path, files)?;
            }
        } else if kind.is_file() && name != ".git" && is_text(&path) {
            let content = fs::read_to_string(&path)
                .with_context(|| format!("reading {} as text", path.display()))?;
            let path = crate::project::relative(root, &path)
                .to_string_lossy()
                .into_owned();
            files.push(SourceFile { path, content });
        }
    }
    Ok(())
}

/// By its ending; a file without one (`.ci/run`, `Dockerfile`) counts as text.
fn is_text(path: &Path) -> bool {
    match path.extension() {
        Some(ending) => ending.to_str().is_some_and(|e| TEXT.contains(&e)),
        None => fs::read(path).is_ok_and(|bytes| std::str::from_utf8(&bytes).is_ok()),
    }
}
