//! Causes that lie in what a server was told to do: the texts for `explain` and the book.

use super::text::Explanation;

pub(super) const INTERFACE_NOT_SERVED: Explanation = Explanation {
    title: "the server does not serve the interface",
    meaning: "The server got the message and does not serve where it came from. dnsmasq holds the wildcard address and sorts \
              out after reading: what arrives on an interface outside interface=, inside except-interface= or \
              no-dhcp-interface=, or with no address in listen-address=, is dropped without a log line.",
    detection: "dnsmasq's configuration, read from its arguments and files, every line of it understood, and the addresses \
                that the interface has now. The lease has to be one of this host, or the message sent to it: others' clients \
                on an interface that nobody here serves are none of its business.",
    remedy: "Add the interface to the server's configuration (dnsmasq: interface=IF and a dhcp-range for its subnet) and \
             restart it.",
    side_effect: Some(
        "From then on it serves all clients of that interface, also where another server does already; and an address \
         added to listen-address= may change the server id that clients are given (apache/cloudstack#10183).",
    ),
    sources: &["dnsmasq dhcp.c dhcp_packet(), check_listen_addrs(); network.c iface_check()"],
};

pub(super) const PROXY_DHCP_ONLY: Explanation = Explanation {
    title: "the server is a proxy there and gives out no addresses",
    meaning: "A dhcp-range with the mode proxy makes dnsmasq tell PXE clients what to boot, beside another server that gives \
              out the addresses. What else comes in on the interface it drops without a log line, RELEASEs too; one \
              proxy range before all others of the interface is enough.",
    detection: "dnsmasq's configuration, every line of it understood: the first range that the interface's addresses link is \
                a proxy.",
    remedy: "Send the message to the server that granted the lease. If this one is to give out addresses there, take the \
             proxy range away, or put it behind the others, and restart dnsmasq.",
    side_effect: Some(
        "Two servers then give out addresses on the segment, unless the other one stops.",
    ),
    sources: &["dnsmasq rfc2131.c dhcp_reply(): CONTEXT_PROXY; dhcp.c complete_context()"],
};

pub(super) const NO_MATCHING_RANGE: Explanation = Explanation {
    title: "the server has no range for the address",
    meaning: "dnsmasq looks for a dhcp-range that has 'ciaddr' in its subnet, and whose tags the message has, before it looks \
              for a lease. Without one it drops the message silently. A tag that comes from option 60, 77 or 82 is there \
              when the lease is granted and missing when it is given back: dhcp_release sends none of these, clients seldom \
              do, and such leases can't be released.",
    detection: "dnsmasq's configuration, every line of it understood. Where it was not read: no local subnet holds the \
                address, no relay is named, and neither the lease database nor an ACK knows it.",
    remedy: "Check which server owns the address; give dnsmasq a dhcp-range for its subnet if it is this one. For a range that \
             only a tag leads to, add an untagged one of the same subnet, such as dhcp-range=NETWORK,static,NETMASK: it gives \
             addresses to nobody but those that dhcp-host names.",
    side_effect: Some("dnsmasq reads dhcp-range when it starts only: it has to be restarted."),
    sources: &["dnsmasq rfc2131.c dhcp_reply(), dhcp.c narrow_context(), address_available()"],
};
