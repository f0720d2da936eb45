//! The ranges of servers other than dnsmasq: which file a process was started with, and
//! what stands there.

use super::kea;
use super::root::Root;
use crate::evidence::procfs;
use leasehound_core::configuration::{Pool, SINCE_STARTED, isc_dhcpd, udhcpd};
use leasehound_core::evidence::ServerKind;
use leasehound_core::time::Timestamp;
use std::io;
use std::path::Path;

const BEFORE: &str = "it goes by what stood there before";

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    pub(super) pools: Vec<Pool>,
    pub(super) not_understood: Vec<Box<str>>,
}

impl Ranges {
    pub(super) fn strange(says: impl Into<Box<str>>) -> Self {
        Self {
            pools: Vec::new(),
            not_understood: vec![says.into()],
        }
    }
}

/// Reads the ranges of process `pid`, which started then; `None` for programs that have
/// none in a file.
pub(super) fn read(kind: ServerKind, pid: u32, started: Timestamp) -> Option<Ranges> {
    let arguments = procfs::arguments(pid).unwrap_or_default();
    let path = match kind {
        ServerKind::IscDhcpd => after(&arguments, &["-cf"]).unwrap_or("/etc/dhcp/dhcpd.conf"),
        ServerKind::Kea => after(&arguments, &["-c", "--config"])?,
        ServerKind::Udhcpd => operand(&arguments).unwrap_or("/etc/udhcpd.conf"),
        _ => return None,
    };
    let root = match Root::of(pid, started) {
        Ok(root) => root,
        Err(error) => return Some(Ranges::strange(unread(path, &error))),
    };
    let read = match root.read(Path::new(path)) {
        Ok(read) => read,
        Err(error) => return Some(Ranges::strange(unread(path, &error))),
    };
    let mut ranges = match kind {
        ServerKind::IscDhcpd => of_dhcpd(&root, &read.text),
        ServerKind::Kea => kea::ranges(&read.text),
        _ => match udhcpd::read(&read.text) {
            Ok(pool) => Ranges {
                pools: vec![pool],
                not_understood: Vec::new(),
            },
            Err(line) => Ranges::strange(format!("{path}: {line}")),
        },
    };
    if read.changed {
        let then = if kind == ServerKind::Kea {
            "whether it was told to read it anew is not known"
        } else {
            BEFORE
        };
        ranges.not_understood.push(changed(path, then));
    }
    Some(ranges)
}

fn of_dhcpd(root: &Root, text: &str) -> Ranges {
    let mut too_new: Vec<Box<str>> = Vec::new();
    let mut include = |path: &str| {
        let read = root
            .read(Path::new(path))
            .map_err(|error| error.to_string())?;
        if read.changed {
            too_new.push(changed(path, BEFORE));
        }
        Ok(read.text)
    };
    let found = isc_dhcpd::read(text, &mut include);
    let mut not_understood = found.not_understood;
    not_understood.append(&mut too_new);
    Ranges {
        pools: found.pools,
        not_understood,
    }
}

fn changed(path: &str, then: &str) -> Box<str> {
    format!("{path} was changed {SINCE_STARTED}: {then}").into()
}

fn unread(path: &str, error: &io::Error) -> String {
    format!("{path} can't be read: {error}")
}

/// The argument behind one of some options, the last one there is.
fn after<'a>(arguments: &'a [String], options: &[&str]) -> Option<&'a str> {
    let place = arguments
        .iter()
        .rposition(|it| options.contains(&it.as_str()))?;
    arguments.get(place + 1).map(String::as_str)
}

/// The last argument that is no option: udhcpd's options with arguments are -I, -P and -a.
fn operand(arguments: &[String]) -> Option<&str> {
    let mut arguments = arguments.iter().map(String::as_str).skip(1).peekable();
    let mut operand = None;
    while let Some(argument) = arguments.next() {
        match argument {
            "-I" | "-P" | "-a" => drop(arguments.next()),
            "" | "udhcpd" => {}
            word if word.starts_with('-') => {}
            word => operand = Some(word),
        }
    }
    operand
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn which_file_a_process_was_started_with() {
        let dhcpd = arguments("dhcpd -4 -cf /x/dhcpd.conf -lf /y eth3");
        assert_eq!(after(&dhcpd, &["-cf"]), Some("/x/dhcpd.conf"));
        assert_eq!(after(&arguments("dhcpd -cf"), &["-cf"]), None);
        assert_eq!(
            operand(&arguments("udhcpd -f -I 10.0.0.1 /x/udhcpd.conf")),
            Some("/x/udhcpd.conf")
        );
        assert_eq!(operand(&arguments("busybox udhcpd -f")), None);
    }
    #[test]
    fn an_included_file_that_was_changed_since_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("subnets.conf");
        std::fs::write(
            &path,
            "subnet 10.9.0.0 netmask 255.255.255.0 { range 10.9.0.50 10.9.0.60; }\n",
        )
        .unwrap();
        let text = format!("include \"{}\";", path.display());
        let of = |started| {
            let root = Root::of(std::process::id(), started).unwrap();
            of_dhcpd(&root, &text)
        };
        let read = of(Timestamp::MAX);
        assert_eq!((read.pools.len(), read.not_understood.len()), (1, 0));
        let read = of(Timestamp::from_secs(1));
        assert_eq!(read.pools.len(), 1);
        let says = format!("{} was changed {SINCE_STARTED}", path.display());
        assert!(
            read.not_understood[0].starts_with(&says),
            "{:?}",
            read.not_understood
        );
    }
}
