//! The system programs that labs, demonstration and measurements call.

use super::Need;
use crate::process;

/// A program and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool {
    /// The name it is called by.
    pub(super) program: &'static str,
    /// Debian's package.
    pub(super) package: &'static str,
    /// What it is for, as a clause in parentheses.
    pub(super) purpose: &'static str,
    needs: &'static [Need],
}

const LABS: &[Need] = &[Need::Labs, Need::Bench];
const LABS_AND_DEMO: &[Need] = &[Need::Labs, Need::Demo, Need::Bench];

/// dnsmasq comes from `dnsmasq-base`: the package `dnsmasq` would start a service. For
/// servers that come with their service only, [`super::services`] sees to it.
const TOOLS: &[Tool] = &[
    tool("ip", "iproute2", "network namespaces", LABS_AND_DEMO),
    tool(
        "dnsmasq",
        "dnsmasq-base",
        "the DHCP server of the labs",
        LABS_AND_DEMO,
    ),
    tool(
        "dhcp_release",
        "dnsmasq-utils",
        "releases from the router",
        LABS_AND_DEMO,
    ),
    tool(
        "udhcpc",
        "udhcpc",
        "a DHCP client of the labs",
        LABS_AND_DEMO,
    ),
    tool(
        "dhcpd",
        "isc-dhcp-server",
        "a DHCP server of the labs",
        LABS,
    ),
    tool(
        "kea-dhcp4",
        "kea-dhcp4-server",
        "a DHCP server of the labs",
        LABS,
    ),
    tool(
        "networkctl",
        "systemd",
        "systemd-networkd, a DHCP server of the labs",
        LABS,
    ),
    tool(
        "kea-dhcp6",
        "kea-dhcp6-server",
        "a DHCPv6 server of the labs",
        LABS,
    ),
    tool("udhcpd", "udhcpd", "a DHCP server of the labs", LABS),
    tool(
        "/usr/lib/libvirt/libvirt_leaseshelper",
        "libvirt-daemon",
        "what keeps libvirt's leases in the labs",
        LABS,
    ),
    tool(
        "dhclient",
        "isc-dhcp-client",
        "a DHCP client of the labs",
        LABS,
    ),
    tool("tc", "iproute2", "looking at classic hooks", LABS),
    tool("nft", "nftables", "packets dropped by a firewall", LABS),
    tool(
        "tcpdump",
        "tcpdump",
        "bare captures, and a measure of replay",
        LABS,
    ),
    tool("bpftool", "bpftool", "looking at hooks and programs", LABS),
    tool(
        "ethtool",
        "ethtool",
        "checksum offload of the labs' links",
        LABS,
    ),
    tool(
        "tshark",
        "tshark",
        "a second reader of recordings, and a measure of replay",
        LABS,
    ),
    tool("iperf3", "iperf3", "TCP throughput", &[Need::Bench]),
];

const fn tool(
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
    needs: &'static [Need],
) -> Tool {
    Tool {
        program,
        package,
        purpose,
        needs,
    }
}

/// The programs that `needs` call for and that this machine lacks.
pub(super) fn absent(needs: &[Need]) -> Vec<Tool> {
    TOOLS
        .iter()
        .filter(|tool| tool.needs.iter().any(|need| needs.contains(need)))
        .filter(|tool| process::find(tool.program).is_none())
        .copied()
        .collect()
}

#[cfg(test)]
pub(super) fn named(program: &str) -> Option<Tool> {
    TOOLS.iter().find(|tool| tool.program == program).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn building_needs_no_system_program() {
        assert!(absent(&[Need::Build, Need::Lint]).is_empty());
    }

    #[test]
    fn no_package_that_starts_a_service_where_another_has_the_program() {
        assert!(TOOLS.iter().all(|tool| tool.package != "dnsmasq"));
    }
}
