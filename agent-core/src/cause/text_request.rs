//! Causes of a REQUEST that was refused or not answered: the texts for `explain` and the book.

use super::text::Explanation;

pub(super) const REFUSED: Explanation = Explanation {
    title: "the server answered with a DHCPNAK",
    meaning: "The server says that the client may not have the address, and the client has to give it up and start anew. \
              dnsmasq puts the reason into option 56: \"wrong network\", \"wrong address\", \"lease not found\", \"address in \
              use\", \"address reserved\", \"address not available\", \"static lease available\", \"no leases left\", \"wrong \
              server-ID\". The evidence quotes it.",
    detection: "A DHCPNAK of the same transaction and hardware address. A NAK is often broadcast: every client of the segment \
                sees it, and it may come from another server than the one that was asked.",
    remedy: "Go by the text. \"wrong network\": the client moved, and all is well. \"lease not found\": the server has lost \
             its lease database, so bring it back. \"address in use\" and \"address reserved\": find the host that has the \
             address, or the dhcp-host= line.",
    side_effect: Some(
        "Without dhcp-authoritative dnsmasq refuses less, but stays silent for clients that it does not know, and these \
         wait until their lease expires.",
    ),
    sources: &[
        "RFC 2131 §4.3.2",
        "RFC 2132 §9.9 (option 56)",
        "dnsmasq rfc2131.c dhcp_reply(), DHCPREQUEST",
    ],
};

pub(super) const CONFLICTING_SERVERS: Explanation = Explanation {
    title: "one server acknowledged it and another refused it",
    meaning: "Two servers on the segment answered the same REQUEST, one with an ACK and one with a NAK. Which one the client \
              goes by is chance: it may lose its address at each start. Both take themselves for the authority over the \
              subnet and know only their own leases.",
    detection: "An ACK and a NAK for the same 'xid' and hardware address that name different servers in option 54. Copies of \
                one reply on several interfaces are one reply.",
    remedy: "Let one server be the authority: leave dhcp-authoritative out of the other one's configuration, share the lease \
             database between them, or take the other one off the segment.",
    side_effect: Some(
        "A server that is not authoritative says nothing to clients whose lease it does not know: after a loss of the lease \
         database they come back only when their lease expires.",
    ),
    sources: &[
        "RFC 2131 §4.3.2",
        "dnsmasq rfc2131.c dhcp_reply(): dhcp-authoritative",
        "Launchpad 1345947, reverted by 1457900 (several Neutron agents that refuse each other's leases)",
    ],
};

pub(super) const FORBIDDEN_OPTIONS: Explanation = Explanation {
    title: "it extends a lease and yet carries option 50 or 54",
    meaning: "A client that renews or rebinds puts its address into 'ciaddr', and must send neither option 50 (requested \
              address) nor option 54 (server identifier): these tell the other states of a client apart. systemd-networkd \
              takes a REQUEST with option 54 for one that chooses an OFFER, finds 'ciaddr' set, and drops it silently; with \
              option 50, for one of a client that comes back. Kea and udhcpd drop it only where option 54 names another server. \
              dnsmasq and ISC dhcpd do not look at option 54 there.",
    detection: "Option 50 or 54 beside a 'ciaddr' in a REQUEST that got no answer. If the server answers such REQUESTs, it is \
                none: the deviation alone is no cause.",
    remedy: "Make the client leave out both options when it renews or rebinds (RFC 2131 table 5).",
    side_effect: None,
    sources: &[
        "RFC 2131 §4.3.2, §4.3.6 table 4, §4.4.1 table 5",
        "systemd src/libsystemd-network/sd-dhcp-server.c",
        "Kea dhcp4_srv.cc acceptServerId(); busybox networking/udhcp/dhcpd.c",
        "containernetworking/plugins#1092",
    ],
};

pub(super) const ASKED_WRONG_SERVER: Explanation = Explanation {
    title: "the client asked another address than that of the server which granted its lease",
    meaning: "A client renews with the server that option 54 of its ACK named. This one sent its unicast elsewhere: to \
              'siaddr' (the boot server), to the relay, or to an address that it remembers from an earlier lease. Who is \
              there does not know the lease or is no DHCP server.",
    detection: "The IP destination of the unicast is not option 54 of the last ACK for the lease. A relay that overrides the \
                server identifier (RFC 5107) puts its own address into option 54, so a client of it asks the relay by right.",
    remedy: "Repair the client: the address to ask is option 54 of the ACK, not 'siaddr' and not the sender of the ACK.",
    side_effect: Some(
        "Until then its lease survives only if rebinding works: at T2 it asks by broadcast, so do not block those.",
    ),
    sources: &[
        "RFC 2131 §4.1, §4.4.4, §4.4.5",
        "RFC 5107 §4",
        "nispor/mozim#18",
        "siderolabs/talos#7263",
    ],
};

pub(super) const LEASE_OF_OTHER_SERVER: Explanation = Explanation {
    title: "the lease is another server's, and that one has to answer",
    meaning: "The client asks all servers by broadcast, and its lease was granted by one that is not on this host. The server \
              here is right to stay silent. If nobody answers, the fault lies with that other server or on the way to it.",
    detection: "The last ACK seen for the address came in from outside and names a server that is not of this host. No alarm \
                is raised.",
    remedy: "Nothing here; if the client loses its address, look at the server that is named.",
    side_effect: None,
    sources: &["RFC 2131 §4.3.2 (REBINDING), §4.4.5"],
};

pub(super) const SILENT_FOR_UNKNOWN_LEASE: Explanation = Explanation {
    title: "the server knows no such lease and says nothing",
    meaning: "The server has no record of the client's lease, and so must not say yes or no: the lease may be another \
              server's. udhcpd, ISC dhcpd and systemd-networkd stay silent; dnsmasq without dhcp-authoritative is silent to a \
              broadcast and refuses a unicast. The client keeps its address until the lease expires, then starts anew.",
    detection: "The server got the message, did not answer, and its lease database has no lease of the client for the \
                address. If the lease is there, this is not the cause. udhcpd and systemd-networkd show no database: that they had the \
                message, which breaks no other rule, and were silent tells (inferred).",
    remedy: "If the lease database was lost, bring it back and restart the server; else wait until the client's lease ends. \
             dhcp-authoritative (dnsmasq) or authoritative (ISC dhcpd) makes the server answer at once.",
    side_effect: Some(
        "An authoritative server refuses also those clients that another server of the segment gave their lease; set it on \
         the only server of a segment.",
    ),
    sources: &[
        "RFC 2131 §4.3.2 (INIT-REBOOT: must remain silent)",
        "dnsmasq rfc2131.c dhcp_reply(), DHCPREQUEST",
        "busybox networking/udhcp/dhcpd.c",
    ],
};

pub(super) const REPLY_FROM_OTHER_ADDRESS: Explanation = Explanation {
    title: "the ACK came from another address than the one that the client asked",
    meaning: "A server with several addresses may answer from any of them, and dnsmasq leaves the choice to the kernel, which \
              takes the interface's primary one. A client that renews through a connected UDP socket takes replies only from \
              the address that it asked: its kernel throws the ACK away and answers with ICMP port unreachable, while the \
              server logs a success. Virtual addresses of failover pairs are the usual case.",
    detection: "The source address of the ACK is not the destination of the REQUEST, and the client sent an ICMP port \
                unreachable that quotes the ACK, or asked again after it. The other source alone is allowed and no cause.",
    remedy: "Make the address that clients are given as the server id the preferred source on that interface: let it be the \
             primary address of its subnet, or repair the client so that it does not connect its socket.",
    side_effect: Some(
        "A new primary address changes what else the host sends from there, and with dnsmasq it may become the server id: \
         releases of leases granted before then name the old one and are ignored.",
    ),
    sources: &[
        "RFC 2131 §4.1 (a server may answer from any of its addresses)",
        "dnsmasq dhcp.c dhcp_packet(): the kernel chooses the source",
        "apache/cloudstack#10182",
    ],
};

pub(super) const REPLY_LOST: Explanation = Explanation {
    title: "the server answered, and the answer did not get to the client",
    meaning: "An ACK or NAK was sent and did not leave the host, or left it for where the client is not: a packet filter \
              dropped it on its way out, it was routed to another interface or VRF, or its hardware address is not the one \
              that the client can be reached by.",
    detection: "The server's reply was sent through its socket and dropped by the kernel, or seen to leave by another \
                interface, or the client asked again after a reply that went out. A reply that was sent is no proof that it \
                arrived; a client that asks again may also have been too early, so one repetition is not enough.",
    remedy: "Follow the reply: accept UDP from port 67 to port 68 in the output chain, look at the route and the neighbour \
             entry of the client's address, and have UDP checksums filled in where a virtual link does not \
             (`iptables -t mangle -A POSTROUTING -p udp --sport 67 -j CHECKSUM --checksum-fill`).",
    side_effect: Some(
        "A rule for the output chain that names only the port also lets replies out on interfaces that this host should not \
         serve: name the interface.",
    ),
    sources: &[
        "RFC 2131 §4.1 (where replies are sent)",
        "Linux net/netfilter/core.c nf_hook_slow(): NETFILTER_DROP",
        "projectcalico/felix#40",
    ],
};
