//! The ranges of servers other than dnsmasq: which file a process was started with, and
//! what stands there.

use super::kea;
use super::root::Root;
use crate::evidence::procfs;
use leasehound_core::configuration::{Pool, isc_dhcpd, udhcpd};
use leasehound_core::evidence::ServerKind;
use leasehound_core::time::Timestamp;
use std::io;
use std::path::Path;

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
        ServerKind::IscDhcpd => {
            let mut include = |path: &str| {
                let read = root
                    .read(Path::new(path))
                    .map_err(|error| error.to_string())?;
                Ok(read.text)
            };
            let found = isc_dhcpd::read(&read.text, &mut include);
            Ranges {
                pools: found.pools,
                not_understood: found.not_understood,
            }
        }
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
            "it goes by what stood there before"
        };
        let says = format!("{path} was changed after the server had started: {then}");
        ranges.not_understood.push(says.into());
    }
    Some(ranges)
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
}
