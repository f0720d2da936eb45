//! Where a udhcpd dumps its leases. It keeps them in memory and writes the file every
//! `auto_time` seconds (two hours unless configured), on SIGUSR1 and at its end (busybox
//! networking/udhcp/dhcpd.c `udhcpd_main()`): no verdict can rest on it.

use super::{Books, seen_from_here};
use crate::evidence::procfs;
use leasehound_core::evidence::DatabaseProblem;
use std::fs;
use std::path::Path;

const DEFAULT_CONFIGURATION: &str = "/etc/udhcpd.conf";
/// Of busybox's `LEASES_FILE`, as Debian and the sources have it.
const DEFAULT_LEASES: &str = "/var/lib/misc/udhcpd.leases";
/// busybox's `DHCP_DEFAULT_AUTO_TIME`, in seconds.
const DEFAULT_AUTO_TIME: u64 = 7200;
/// Options of udhcpd that take a value: `-I ADDR`, `-P PORT`, `-a MSEC`.
const WITH_VALUE: [&str; 3] = ["-I", "-P", "-a"];

pub(super) fn find(pid: u32) -> Books {
    let arguments = procfs::arguments(pid).unwrap_or_default();
    let path = seen_from_here(pid, Path::new(configuration(&arguments)));
    let readable = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
    let text = if readable {
        fs::read_to_string(path).unwrap_or_default()
    } else {
        String::new()
    };
    let (lease_file, auto_time) = told(&text);
    let every = if auto_time == 0 {
        "only when it ends or is sent SIGUSR1".to_owned()
    } else {
        format!("every {auto_time} s only")
    };
    let reason = format!("udhcpd keeps its leases in memory and writes them {every}");
    Books::none(DatabaseProblem::NotLive, Some(lease_file.into()), reason)
}

/// The first argument that is no option, as in `udhcpd -f /etc/udhcpd.conf`.
fn configuration(arguments: &[String]) -> &str {
    let mut arguments = arguments.iter().map(String::as_str);
    let program = arguments.next().unwrap_or_default();
    let mut arguments = arguments.peekable();
    if program.ends_with("busybox") {
        // The name of the applet.
        arguments.next();
    }
    while let Some(argument) = arguments.next() {
        if WITH_VALUE.contains(&argument) {
            arguments.next();
        } else if !argument.is_empty() && !argument.starts_with('-') {
            return argument;
        }
    }
    DEFAULT_CONFIGURATION
}

/// `lease_file` and `auto_time`, the last of each.
fn told(text: &str) -> (&str, u64) {
    let (mut lease_file, mut auto_time) = (DEFAULT_LEASES, DEFAULT_AUTO_TIME);
    for line in text.lines() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or("")
            .split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("lease_file"), Some(value)) => lease_file = value,
            (Some("auto_time"), Some(value)) => auto_time = value.parse().unwrap_or(auto_time),
            _ => {}
        }
    }
    (lease_file, auto_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_among_the_arguments() {
        for (line, path) in [
            ("udhcpd", "/etc/udhcpd.conf"),
            ("udhcpd -f", "/etc/udhcpd.conf"),
            (
                "/usr/sbin/udhcpd -fS -I 10.0.0.1 /run/u.conf",
                "/run/u.conf",
            ),
            ("busybox udhcpd -f /run/u.conf", "/run/u.conf"),
        ] {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(configuration(&arguments), path, "{line}");
        }
    }

    #[test]
    fn what_the_configuration_says() {
        assert_eq!(told(""), (DEFAULT_LEASES, 7200));
        let text = "start 10.0.0.5 # lease_file /no\nlease_file\t/run/u.leases\nauto_time 10\n";
        assert_eq!(told(text), ("/run/u.leases", 10));
    }
}
