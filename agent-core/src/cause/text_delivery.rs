//! Causes that lie between the wire and the server: the texts for `explain` and the book.

use super::text::Explanation;

pub(super) const FIREWALL_DROPPED: Explanation = Explanation {
    title: "a packet filter of the server's host dropped it",
    meaning: "A rule of nftables, iptables or ebtables dropped the message (NETFILTER_DROP) before it reached the server's \
              UDP socket. The client hears nothing of it unless the rule rejects. ISC dhcpd, and Kea in raw mode, read \
              their own copy of the frame before these rules run, and act on it all the same.",
    detection: "The kernel's drop notice for this message gives NETFILTER_DROP as the reason. It counts only if the server \
                takes its messages through UDP; whether the server reads raw frames is looked up first.",
    remedy: "Accept UDP port 67 to the server's address on that interface, ahead of the rule that drops it: `nft -a list \
             ruleset` shows the chains, and `nft monitor trace` the rule that a packet meets.",
    side_effect: Some(
        "The rule opens the DHCP port to everybody on that interface, so name the interface in it; on a bridge with \
         untrusted ports one of them may then send a RELEASE in another's name.",
    ),
    sources: &[
        "Linux net/netfilter/core.c nf_hook_slow(): NETFILTER_DROP",
        "Linux net/ipv4/ip_input.c ip_local_deliver(): NF_INET_LOCAL_IN",
    ],
};

pub(super) const REVERSE_PATH_FILTERED: Explanation = Explanation {
    title: "the reverse path filter dropped it",
    meaning: "With strict reverse path filtering the kernel takes a packet only from the interface through which it would \
              answer. The client's address is routed elsewhere, or nowhere, so the message is dropped (IP_RPFILTER) before \
              any UDP socket. A server that reads raw frames gets it nevertheless.",
    detection: "The kernel's drop notice gives IP_RPFILTER as the reason, and the server takes its messages through UDP.",
    remedy: "Correct the route back to the client, or set net.ipv4.conf.IF.rp_filter=2 (loose) on the interface. The kernel \
             goes by the larger of conf.all and conf.IF, so 0 on the interface changes nothing while all is 1.",
    side_effect: Some(
        "Loose mode takes any source that has a route at all, so a forged source address passes there.",
    ),
    sources: &[
        "RFC 3704 §2.2, §2.4",
        "Linux net/ipv4/fib_frontend.c __fib_validate_source(): IP_RPFILTER",
    ],
};

pub(super) const LISTENER_ON_OTHER_DEVICE: Explanation = Explanation {
    title: "all sockets on the port are bound to other devices than the one it came by",
    meaning: "A UDP socket that is bound to a device takes nothing from others. If the only servers are bound to other \
              interfaces, or to an index that no interface has any more because a tap or a bridge was made anew, the kernel \
              finds nobody (NO_SOCKET). dnsmasq before 2.87 keeps the dead index until it is restarted.",
    detection: "NO_SOCKET, or no offer to any socket, while the survey of sockets shows port 67 held on other devices only. \
                A message that this host sends to itself passes loopback but counts for the device that it was meant for.",
    remedy: "Restart the server that should serve the interface, or tell it of the interface (dnsmasq: interface=IF with \
             bind-dynamic); dnsmasq from 2.87 on binds again by itself when an interface is made anew.",
    side_effect: Some(
        "While it restarts nobody answers, its DNS included; a dnsmasq with leasefile-ro knows after it only the leases \
         that its dhcp-script hands over at the start.",
    ),
    sources: &[
        "Linux net/ipv4/udp.c compute_score(): the bound device must match",
        "dnsmasq dhcp-common.c whichdevice(), bind_dhcp_devices()",
    ],
};

pub(super) const NO_LISTENER: Explanation = Explanation {
    title: "no process listens on that address and port",
    meaning: "The message reached the host, and no UDP socket takes it: the server does not run, or it is bound to other \
              addresses. The kernel answers a unicast with ICMP port unreachable, and drops a broadcast without a word.",
    detection: "The drop reason NO_SOCKET (of a broadcast: NOT_SPECIFIED at __udp4_lib_rcv), an ICMP port unreachable that \
                quotes the message, and a survey of sockets without a taker. A server with raw sockets alone has no UDP \
                socket and serves all the same; one in another network namespace does not count for this one.",
    remedy: "Start the server, or let it listen on the address that the clients use: Kea looks for addresses that came \
             later when its configuration is reloaded, dnsmasq listens on the wildcard address as soon as it runs.",
    side_effect: Some(
        "An address that is added to dnsmasq's listen-address= may become the server id of every client of the interface; \
         what relies on the old id breaks (apache/cloudstack#10183).",
    ),
    sources: &[
        "Linux net/ipv4/udp.c __udp4_lib_rcv(): NO_SOCKET, ICMP_PORT_UNREACH",
        "RFC 1122 §4.1.3.1",
    ],
};

pub(super) const WRONG_DAEMON: Explanation = Explanation {
    title: "the kernel gave it to another process than the server that granted the lease",
    meaning: "Several processes of the host hold port 67 on the wildcard address. A broadcast reaches each of them, a \
              unicast exactly one: with SO_REUSEPORT a hash of addresses and ports picks it, the same one for a client each \
              time; without, the one that was bound last takes everything; and one that is bound to no device takes \
              everything from one bound to a device before. The process that got it does not serve the client's interface \
              and drops it without a log line. dnsmasq with bind-interfaces and listen-address= but no interface= is such \
              a case (OpenStack nova with VLANs).",
    detection: "The process whose socket sent the ACK for the lease is not the one to whose socket the kernel offered the \
                message. Processes are compared, not sockets: ISC dhcpd and Kea answer from a raw socket and hold a UDP one \
                besides. A server that was restarted under another pid is followed.",
    remedy: "Give each dnsmasq exactly one interface=IF, with bind-interfaces or bind-dynamic: it then binds its socket to \
             that device (its log says \"DHCP, sockets bound exclusively to interface IF\"). Restart all of them, those that \
             bind to no device first.",
    side_effect: Some(
        "With interface= a dnsmasq answers on all addresses of that interface and on loopback, and elsewhere only where \
         listen-address= says so; a second interface=, a wildcard in it, or a dhcp-relay= undoes the binding.",
    ),
    sources: &[
        "Linux net/ipv4/udp.c udp4_lib_lookup2(), net/core/sock_reuseport.c reuseport_select_sock()",
        "dnsmasq dhcp.c make_fd(), dhcp-common.c whichdevice(), CHANGELOG 2.61 and 2.67",
        "systemd/systemd#4822 (the same between sockets of one process)",
    ],
};

pub(super) const DISCARD_SOCKET: Explanation = Explanation {
    title: "it reached only a UDP socket from which its server throws everything away",
    meaning: "ISC dhcpd, and Kea in raw mode, read frames from the interfaces that they serve. Their UDP socket on port 67 \
              is there to keep the kernel from answering with ICMP errors; what arrives in it is discarded. A message that \
              the host sends to itself passes loopback, where they read no frames: dhcp_release on the server's own host \
              has no effect.",
    detection: "The message was offered to a UDP socket of a process that also holds a packet socket, and no read of a raw \
                copy and no change of its lease database followed. Offers to that socket are normal where a raw copy was \
                read.",
    remedy: "Remove the lease through the server: lease4-del (Kea's lease commands) or omshell (ISC dhcpd). Or send the \
             message from another host, so that it arrives on an interface that is served.",
    side_effect: Some(
        "Kea's dhcp-socket-type udp makes local messages work too, but in that mode it cannot answer clients that have no \
         address yet, unless a relay stands between.",
    ),
    sources: &[
        "ISC dhcpd common/lpf.c, common/discover.c (fallback interface)",
        "Kea src/lib/dhcp/pkt_filter.cc openFallbackSocket(), pkt_filter_lpf.cc",
    ],
};

pub(super) const SOCKET_OVERFLOW: Explanation = Explanation {
    title: "the server's receive buffer is full: it does not read its socket, or not fast enough",
    meaning: "The kernel found the right socket and had no room left in its buffer (SOCKET_RCVBUFF). The server hangs, is \
              stopped, waits for its dhcp-script or for a slow disk, or gets more than it can read.",
    detection: "The drop reason SOCKET_RCVBUFF, and octets that wait in the server's socket by the survey. One full socket \
                among several that a broadcast was offered to says nothing about the others.",
    remedy: "Find what keeps the server from reading: the state of its process (stopped, waiting for a disk), a dhcp-script \
             that blocks, a CPU that is not enough, a client that floods.",
    side_effect: Some(
        "A larger buffer (net.core.rmem_default, before the server starts) gives more time but answers late: a client has \
         sent again meanwhile.",
    ),
    sources: &["Linux net/ipv4/udp.c __udp_enqueue_schedule_skb(): SOCKET_RCVBUFF"],
};

pub(super) const FRAGMENTED: Explanation = Explanation {
    title: "it came in fragments, and the server reads raw frames",
    meaning: "The kernel puts fragments together for UDP sockets. A server that reads frames (ISC dhcpd, Kea in raw mode) \
              gets them one by one: its filter lets no later fragment through, and the first one alone is no whole \
              datagram.",
    detection: "The frame is the first of several fragments, and the server's process holds a packet socket. dnsmasq, and \
                Kea in UDP mode, read it whole.",
    remedy: "Make the message fit into one packet: fewer or shorter options from the client or relay, or the same MTU on the \
             whole way.",
    side_effect: Some(
        "An MTU is to be changed on all devices of a segment at once: those that keep the smaller one lose the larger frames.",
    ),
    sources: &[
        "ISC dhcpd common/bpf.c dhcp_bpf_filter[]: no fragments",
        "Linux net/ipv4/ip_input.c ip_local_deliver(): ip_defrag()",
    ],
};

pub(super) const INTERFACE_RELAYED: Explanation = Explanation {
    title: "the interface is relayed to a server elsewhere",
    meaning: "What arrives on that interface is passed on to another server with the relay's address in 'giaddr'. The host's \
              own server does not serve it: in dnsmasq up to 2.90 a dhcp-relay= on an interface takes precedence over its \
              ranges.",
    detection: "The same message left this host again with 'giaddr' set. dnsmasq 2.93 can relay and serve on one interface: \
                there it is no proof that the message was not looked at.",
    remedy: "Look at the server that the relay sends to.",
    side_effect: None,
    sources: &[
        "RFC 1542 §4.1",
        "dnsmasq dhcp.c dhcp_packet(), relay_upstream4()",
    ],
};
