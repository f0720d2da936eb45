//! The files of a memfile database (memfile_lease_mgr.cc `loadLeasesFromFiles()`,
//! lfc_controller.cc).
//!
//! Kea appends to the file that the configuration names. When it is time to clean up, it
//! renames that file to `.1`, begins a new one, and starts kea-lfc, which writes what counts
//! of `.2` and `.1` to `.output`. That becomes `.completed` once it is whole; then `.1` and
//! `.2` are removed, and `.completed` becomes `.2`. Whatever happens in between, the database
//! is what [`in_order`] says.

/// A file that may be part of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeaFile {
    /// `.completed`: a clean-up that is done, but not put in its place yet.
    Completed,
    /// `.2`: the last clean-up.
    Previous,
    /// `.1`: what is being cleaned up.
    Input,
    /// The file that the configuration names, and Kea appends to.
    Newest,
}

impl KeaFile {
    /// What follows the configured name in this one's.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Completed => ".completed",
            Self::Previous => ".2",
            Self::Input => ".1",
            Self::Newest => "",
        }
    }
}

/// What kea-lfc keeps beside the database and is never part of it: what it is writing, and
/// its process id.
pub const NEVER_PART: [&str; 2] = [".output", ".pid"];

/// The files that are the database, oldest first; those of them that do not exist count as
/// empty. With a `.completed` the files that it was made from are void.
pub const fn in_order(completed_exists: bool) -> &'static [KeaFile] {
    if completed_exists {
        &[KeaFile::Completed, KeaFile::Newest]
    } else {
        &[KeaFile::Previous, KeaFile::Input, KeaFile::Newest]
    }
}
