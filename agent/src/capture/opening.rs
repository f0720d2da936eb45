//! Opening an object without having the kernel's types parsed.
//!
//! aya's loader reads and parses all type information of the kernel when it is made, used
//! or not: 12 ms and some 20 MiB for each object (`EbpfLoader::new()`, 0.14), most of which
//! the allocator then keeps, for what is allocated meanwhile lies above it. These programs
//! carry no CO-RE relocations. So objects are opened by a thread that may not read the file
//! (Landlock, Linux 5.13): the loader then does without. Where there is no Landlock it costs
//! what it costs.

use landlock::{
    AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
};
use std::thread;

/// What the loader does read: how many processors there are, and about its own descriptors.
const READ: [&str; 2] = ["/proc", "/sys/devices"];

/// Runs `open` on a thread of its own that can't read the kernel's types.
pub(super) fn without_types<T: Send>(open: impl FnOnce() -> T + Send) -> T {
    let restricted = || {
        if let Err(error) = restrict() {
            tracing::debug!(%error, "the kernel's types are parsed in vain");
        }
        open()
    };
    match thread::scope(|scope| scope.spawn(restricted).join()) {
        Ok(opened) => opened,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Of the calling thread alone, and for good.
fn restrict() -> Result<(), RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::ReadFile)?
        .create()?;
    for path in READ {
        if let Ok(directory) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(directory, AccessFs::ReadFile))?;
        }
    }
    ruleset.restrict_self()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn only_what_the_loader_needs_is_read_and_only_there() {
        let own = std::env::current_exe().unwrap();
        let (types, processors) = without_types(|| {
            (
                File::open(&own),
                std::fs::read_to_string("/sys/devices/system/cpu/possible"),
            )
        });
        assert_eq!(
            types.unwrap_err().kind(),
            std::io::ErrorKind::PermissionDenied
        );
        assert!(processors.unwrap().starts_with('0'));
        File::open(&own).unwrap();
    }
}
