//! Causes that lie in what one server program does: the texts for `explain` and the book.

use super::text::Explanation;

pub(super) const SERVER_ID_OVERRIDE: Explanation = Explanation {
    title: "it names the relay agent as its server and does not come through that relay",
    meaning: "The lease was granted through a relay agent that has its own address put into option 54 (RFC 5107: option 82, \
              sub-option 11; or dnsmasq's dhcp-proxy), so the client takes the relay for its server. dnsmasq knows by that id only \
              what the relay passes on with the override in it; to a message that comes straight to the server, or \
              without the sub-option, it is another server's id.",
    detection: "The last ACK for the lease went through a relay and named an id that is no address of this host; the message \
                names the same id, has an empty 'giaddr' and no override, and the lease is still there.",
    remedy: "Let the client's unicasts reach the relay that is named in option 54, and have that relay hand them on with its \
             option 82; a tool on the server's host must name the server's own id instead.",
    side_effect: Some(
        "Switching the override off changes the server id of every client behind the relay: they then renew past the relay, \
         and need a route to the server.",
    ),
    sources: &[
        "RFC 5107 §4, §5",
        "dnsmasq rfc2131.c dhcp_reply(): OPT_AGENT_ID, SUBOPT_SERVER_OR; option --dhcp-proxy; server_id()",
    ],
};

pub(super) const DECLINE_ON_OTHER_SUBNET: Explanation = Explanation {
    title: "dnsmasq compared the server id of another subnet of the interface",
    meaning: "Where dnsmasq serves several subnets on one interface it has an id on each. For a RELEASE it first looks up the \
              subnet of the address; for a DECLINE it does not, and compares option 54 with the id of one of them only, \
              whichever it linked in last. Every DECLINE for the others is dropped without a log line, and the address, which \
              somebody else uses, stays with the client that declined it.",
    detection: "A DECLINE that names the id which granted the lease, while servers of this host name another id for another \
                subnet of the same interface; the lease is still there afterwards.",
    remedy: "Find the host that uses the address (`arping -D -I IF ADDRESS`) and take it off the network. Until dnsmasq is \
             repaired, let one dnsmasq serve one subnet of the interface, or give the subnets interfaces of their own (VLANs).",
    side_effect: Some(
        "Splitting the subnets over several dnsmasq on one interface makes them share port 67: each needs its own device.",
    ),
    sources: &[
        "dnsmasq rfc2131.c dhcp_reply(), DHCPDECLINE (no narrow_context(), unlike DHCPRELEASE); read in 2.90 and 2.93",
    ],
};

pub(super) const DECLINE_UNSUPPORTED: Explanation = Explanation {
    title: "the server can do nothing with such a DECLINE",
    meaning: "A DECLINE names the address in option 50; without it dnsmasq, ISC dhcpd, Kea and udhcpd drop the message. \
              systemd-networkd only logs any DECLINE, and goes on offering the address.",
    detection: "Option 50 is missing from a DECLINE, or the server is systemd-networkd.",
    remedy: "Make the client put the declined address into option 50. With systemd-networkd, find the host that uses the \
             address and take it off the network, or move the pool away from it (PoolOffset=, PoolSize=).",
    side_effect: None,
    sources: &[
        "RFC 2131 §4.4.1 table 5, §4.3.3",
        "dnsmasq rfc2131.c dhcp_reply(), DHCPDECLINE",
        "systemd sd-dhcp-server.c dhcp_server_handle_message(), DHCP_DECLINE",
    ],
};

pub(super) const UNSUPPORTED_BY_SERVER: Explanation = Explanation {
    title: "the server does nothing with such a message, by design",
    meaning: "Some servers keep no leases of their own: the address belongs to a port or a virtual machine, and is freed when \
              that is deleted. OVN's ovn-controller logs a RELEASE and forgets it; Harvester's vm-dhcp-controller knows \
              neither RELEASE nor DECLINE. Nothing leaks, and nothing that the client sends would change that.",
    detection: "By the server program: the process behind the replies, or what the flag --server-kind says. No alarm is \
                raised.",
    remedy: "Nothing at the client. To free the address, delete or change the object that holds it: the logical switch port \
             (`ovn-nbctl lsp-del`, or the port in Neutron), or Harvester's VirtualMachineNetworkConfig.",
    side_effect: None,
    sources: &[
        "OVN controller/pinctrl.c pinctrl_handle_put_dhcp_opts()",
        "harvester/vm-dhcp-controller pkg/dhcp/dhcp.go dhcpHandler()",
    ],
};

pub(super) const KEPT_BY_POLICY: Explanation = Explanation {
    title: "the lease was released, and its record kept on purpose",
    meaning: "After a RELEASE some servers keep the record of the lease, so that the same client gets the same address again: \
              Kea with lease affinity (a row with a lifetime of 0, or in state 3), ISC dhcpd (a block in state free, or released \
              with failover). The address is leased to nobody. A tool that only looks for the address in the file takes it for a \
              leak.",
    detection: "The record's state or lifetime says that the lease ended, although the record is there. The verdict is \
                honoured; the evidence says that the record was kept.",
    remedy: "Nothing. To have Kea forget released leases at once, set hold-reclaimed-time to 0 in expired-leases-processing.",
    side_effect: Some("Without affinity a client that comes back may get another address."),
    sources: &[
        "Kea dhcp4_srv.cc processRelease(); csv_lease_file4.cc",
        "ISC dhcpd server/mdb.c release_lease()",
    ],
};
