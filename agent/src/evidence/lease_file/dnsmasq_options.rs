//! The few options of a dnsmasq that decide where its leases are.

use super::option;
use crate::evidence::configuration::options_of_dnsmasq;
use crate::evidence::procfs;
use leasehound_core::configuration::ConfigurationLine;
use std::path::PathBuf;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options {
    /// `dhcp-leasefile`
    pub(super) lease_file: Option<PathBuf>,
    /// `leasefile-ro`: leases are told to a script and written nowhere.
    pub(super) read_only: bool,
    /// `dhcp-script`
    pub(super) script: Option<PathBuf>,
    /// Each `interface`.
    pub(super) interfaces: Vec<Box<str>>,
    /// The configuration file that the arguments name.
    pub(super) file: Option<PathBuf>,
}

impl Options {
    /// Of a process.
    pub(super) fn of(pid: u32) -> Self {
        let arguments = procfs::arguments(pid).unwrap_or_default();
        let file = option(&arguments, "--conf-file", "-C").map(PathBuf::from);
        Self {
            file,
            ..Self::from_lines(&options_of_dnsmasq(pid))
        }
    }

    fn from_lines(lines: &[ConfigurationLine]) -> Self {
        let mut options = Self::default();
        for line in lines {
            let (name, value) = line.text.split_once('=').unwrap_or((&line.text, ""));
            match name {
                "leasefile-ro" => options.read_only = true,
                "dhcp-leasefile" if !value.is_empty() => options.lease_file = Some(value.into()),
                "dhcp-script" if !value.is_empty() => options.script = Some(value.into()),
                "interface" if !value.is_empty() => {
                    options.interfaces.extend(value.split(',').map(Into::into));
                }
                _ => {}
            }
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_counts() {
        let lines = [
            "dhcp-leasefile=/run/old",
            "dhcp-leasefile=/run/x.leases",
            "dhcp-leasefile",
            "interface=virbr0",
            "interface=eth1,eth2",
            "dhcp-range=10.0.0.5,10.0.0.9",
            "leasefile-ro",
            "dhcp-script=/usr/lib/libvirt/libvirt_leaseshelper",
        ];
        let line = |text: &str| ConfigurationLine {
            origin: "command line".into(),
            number: 1,
            text: text.into(),
        };
        let options = Options::from_lines(&lines.map(line));
        assert_eq!(options.lease_file, Some("/run/x.leases".into()));
        assert_eq!(
            options.interfaces,
            ["virbr0".into(), "eth1".into(), "eth2".into()]
        );
        assert!(options.read_only && options.script.is_some());
        assert_eq!(Options::from_lines(&[]), Options::default());
    }
}
