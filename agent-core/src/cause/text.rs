//! What an operator reads of each cause: one text for `explain` and for the book.

use super::{Cause, text_configuration, text_delivery, text_request, text_server};

/// The description of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// One clause that completes "ignored because …", "unanswered because …" or
    /// "refused because …".
    pub title: &'static str,
    /// What happened, and why the server acts so.
    pub meaning: &'static str,
    /// How leasehound finds it, and what would mislead.
    pub detection: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// What the remedy breaks, or where it does not help.
    pub side_effect: Option<&'static str>,
    /// The texts and sources that the rule rests on.
    pub sources: &'static [&'static str],
}

impl Cause {
    /// One clause that completes "ignored because …", "unanswered because …" or
    /// "refused because …".
    pub const fn title(self) -> &'static str {
        self.explanation().title
    }

    /// The whole description.
    #[expect(
        clippy::too_many_lines,
        reason = "one entry per cause; splitting it would scatter the book"
    )]
    pub const fn explanation(self) -> Explanation {
        match self {
            Self::FirewallDropped => text_delivery::FIREWALL_DROPPED,
            Self::ReversePathFiltered => text_delivery::REVERSE_PATH_FILTERED,
            Self::ListenerOnOtherDevice => text_delivery::LISTENER_ON_OTHER_DEVICE,
            Self::NoListener => text_delivery::NO_LISTENER,
            Self::WrongDaemon => text_delivery::WRONG_DAEMON,
            Self::DiscardSocket => text_delivery::DISCARD_SOCKET,
            Self::SocketOverflow => text_delivery::SOCKET_OVERFLOW,
            Self::Fragmented => text_delivery::FRAGMENTED,
            Self::InterfaceRelayed => text_delivery::INTERFACE_RELAYED,
            Self::InterfaceNotServed => text_configuration::INTERFACE_NOT_SERVED,
            Self::ProxyDhcpOnly => text_configuration::PROXY_DHCP_ONLY,
            Self::NoMatchingRange => text_configuration::NO_MATCHING_RANGE,
            Self::ServerIdOverride => text_server::SERVER_ID_OVERRIDE,
            Self::DeclineOnOtherSubnet => text_server::DECLINE_ON_OTHER_SUBNET,
            Self::DeclineUnsupported => text_server::DECLINE_UNSUPPORTED,
            Self::UnsupportedByServer => text_server::UNSUPPORTED_BY_SERVER,
            Self::KeptByPolicy => text_server::KEPT_BY_POLICY,
            Self::Refused => text_request::REFUSED,
            Self::ConflictingServers => text_request::CONFLICTING_SERVERS,
            Self::ForbiddenOptions => text_request::FORBIDDEN_OPTIONS,
            Self::AskedWrongServer => text_request::ASKED_WRONG_SERVER,
            Self::LeaseOfOtherServer => text_request::LEASE_OF_OTHER_SERVER,
            Self::SilentForUnknownLease => text_request::SILENT_FOR_UNKNOWN_LEASE,
            Self::ReplyFromOtherAddress => text_request::REPLY_FROM_OTHER_ADDRESS,
            Self::ReplyLost => text_request::REPLY_LOST,
            Self::FrameForOtherHost => Explanation {
                title: "the frame is addressed to another machine's MAC",
                meaning: "The IP destination is this host, the Ethernet destination is not. The kernel drops such a \
                          frame (OTHERHOST) before any socket sees it. Usually the client's ARP entry is stale: the \
                          address moved here and the client still sends to the machine that had it before.",
                detection: "The destination MAC is neither a group address nor that of any interface of the host, while \
                            the IP destination is local. A frame for another host's IP address (a mirror port, flooding) \
                            is not counted.",
                remedy: "Send a gratuitous ARP for the address after a failover (keepalived: vrrp_garp_master_delay, \
                         vrrp_garp_master_refresh; or `arping -U -I IF ADDRESS`).",
                side_effect: None,
                sources: &["Linux net/ipv4/ip_input.c ip_rcv_core(): PACKET_OTHERHOST"],
            },
            Self::SourceUnspecified => Explanation {
                title: "its IP source is 0.0.0.0 and its destination is unicast",
                meaning: "Linux takes 0.0.0.0 as a source only with a broadcast destination; to a unicast address it is a \
                          martian and is dropped (IP_INVALID_SOURCE) before any UDP socket. dnsmasq never sees it. A \
                          server that reads raw frames (ISC dhcpd, Kea in raw mode) does.",
                detection: "Source 0.0.0.0 and a destination that is no broadcast address.",
                remedy: "Make the client send its RELEASE from the address that it gives back. CNI plugins: use a version \
                         with the unicast mode for RELEASE (containernetworking/plugins#1279).",
                side_effect: None,
                sources: &[
                    "RFC 1122 §3.2.1.3 (a)",
                    "Linux net/ipv4/route.c ip_route_input_slow(): martian source",
                ],
            },
            Self::DestinationNotLocal => Explanation {
                title: "its IP destination is no address of this host",
                meaning: "The client sent to an address that the server's host does not have, or has no longer: a virtual \
                          address that moved to another node, or a server id from an older configuration.",
                detection: "The destination is unicast and not among the host's addresses, while the lease is one that a \
                            server of this host granted or still holds. Messages on their way to another server are not \
                            counted.",
                remedy: "Move the address and the DHCP role together, so that the address in option 54 is where the \
                         leases are.",
                side_effect: Some(
                    "Until the clients renew they keep using the old address, so keep it reachable for one lease time.",
                ),
                sources: &[
                    "RFC 2131 §4.4.4",
                    "Linux net/ipv4/route.c ip_route_input_slow(): IP_INADDRERRORS",
                    "Kea pkt_filter_lpf.cc: raw sockets compare the destination; ISC dhcpd does not",
                ],
            },
            Self::BadUdpChecksum => Explanation {
                title: "its UDP checksum is wrong",
                meaning: "The kernel drops the datagram when the server reads it (UDP_CSUM); ISC dhcpd, which reads raw \
                          frames, checks the sum itself, Kea's raw sockets do not. Often a virtual link passed \
                          on a packet whose checksum was left for a device to fill in, and a bridge or tunnel then did not.",
                detection: "The checksum is neither zero (none computed), nor right, nor the bare pseudo-header sum that a \
                            local sender leaves for the device.",
                remedy: "Fill checksums on the way (`iptables -t mangle -A POSTROUTING -p udp --dport 67 -j CHECKSUM \
                         --checksum-fill`) or switch off transmit checksum offload on the sender (`ethtool -K IF tx off`).",
                side_effect: Some(
                    "Without offload the sender computes checksums itself, which costs it some CPU time.",
                ),
                sources: &[
                    "RFC 768",
                    "Linux net/ipv4/udp.c udp_recvmsg()",
                    "ISC dhcpd common/packet.c decode_udp_ip_header()",
                ],
            },
            Self::Malformed => Explanation {
                title: "it is malformed",
                meaning: "dnsmasq silently drops what is no BOOTREQUEST, has 'hlen' above 16 or 'htype' 0 with an address, \
                          carries option 53 without the magic cookie, or is shorter than the fixed header. ISC dhcpd and \
                          Kea drop what has 'hlen' above 16 or a wrong cookie.",
                detection: "The fields themselves.",
                remedy: "Repair the client; the evidence names the field.",
                side_effect: None,
                sources: &[
                    "RFC 2131 §2 and §3",
                    "dnsmasq dhcp.c dhcp_packet(), rfc2131.c dhcp_reply()",
                ],
            },
            Self::RequestedAddressInRelease => Explanation {
                title: "it carries option 50 (requested address)",
                meaning: "RFC 2131 forbids option 50 in a RELEASE. dnsmasq takes its presence as the sign of a client that \
                          has no address, clears 'ciaddr', finds no range for 0.0.0.0 and drops the message silently. ISC \
                          dhcpd and Kea accept it.",
                detection: "Option 50 in a RELEASE to dnsmasq.",
                remedy: "Make the client leave option 50 out of its RELEASE and put the address into 'ciaddr' \
                         (RFC 2131 table 5).",
                side_effect: None,
                sources: &[
                    "RFC 2131 §4.4.1 table 5",
                    "dnsmasq rfc2131.c dhcp_reply(): option 50 clears ciaddr",
                ],
            },
            Self::ClientAddressMissing => Explanation {
                title: "its 'ciaddr' is 0.0.0.0",
                meaning: "A RELEASE names the address in 'ciaddr'. With 0.0.0.0 there the server cannot tell what is \
                          given back; dnsmasq finds no range for it and drops the message silently, ISC dhcpd and Kea find \
                          no lease.",
                detection: "'ciaddr' is empty.",
                remedy: "Make the client fill 'ciaddr' with the address that it gives back.",
                side_effect: None,
                sources: &[
                    "RFC 2131 §4.4.1 table 5, §4.4.6",
                    "dnsmasq rfc2131.c dhcp_reply(), DHCPRELEASE",
                ],
            },
            Self::ServerIdMissing => Explanation {
                title: "it has no option 54 (server identifier)",
                meaning: "RFC 2131 demands the server identifier in RELEASE and DECLINE. dnsmasq and udhcpd drop the \
                          message silently without it; Kea, ISC dhcpd and systemd-networkd don't mind.",
                detection: "Option 54 is missing, also from 'file' and 'sname', or shorter than four octets.",
                remedy: "Make the client copy option 54 of its ACK into the message.",
                side_effect: None,
                sources: &[
                    "RFC 2131 §4.4.1 table 5",
                    "dnsmasq rfc2131.c dhcp_reply(), DHCPRELEASE and DHCPDECLINE",
                ],
            },
            Self::ServerIdOtherLocalAddress => Explanation {
                title: "option 54 names another address of the server's host than the server identifies as",
                meaning: "dnsmasq answers to one identifier on each subnet: the first address of the interface that passes \
                          its interface= and listen-address= filters. A RELEASE or DECLINE that names another address of \
                          the same router is dropped silently, while renewals keep working, so nobody notices. \
                          dhcp_release always names the interface's first address in the subnet, and fails wherever \
                          dnsmasq listens on a secondary one (a virtual address).",
                detection: "Option 54 differs from the id in the server's OFFERs and ACKs for the lease (or, after a \
                            restart, for the subnet), and is another address of the host.",
                remedy: "Make the sender name the id that the server uses (a tool that lets you set option 54), or have the \
                         lease removed by the program that started dnsmasq: stop it, edit the lease file, start it.",
                side_effect: Some(
                    "Adding the primary address to listen-address= also makes dhcp_release work, but it changes the server \
                     id that is offered to every client of that interface to the primary address; whatever relies on the \
                     old id breaks (apache/cloudstack#10183 did this, broke Windows password reset in #11877 and was \
                     reverted by #13194), and releases of leases given before name the old id until they renew.",
                ),
                sources: &[
                    "RFC 2131 §4.1 (a multi-homed server should accept any of its addresses: dnsmasq is stricter)",
                    "dnsmasq rfc2131.c server_id(), DHCPRELEASE; dhcp.c complete_context()",
                    "apache/cloudstack#10182",
                ],
            },
            Self::ServerIdForeign => Explanation {
                title: "option 54 names another server",
                meaning: "The message names a server identifier that is no address of this host, so the server leaves it \
                          to the server that is named. If the lease is here all the same, it stays.",
                detection: "Option 54 is neither the server's id nor a local address, and the lease is held here. A message \
                            about another server's lease is not counted.",
                remedy: "Find out why the client names that server: a second DHCP server on the segment, an address that \
                         moved away, or a tool with a fixed server address.",
                side_effect: None,
                sources: &[
                    "RFC 2131 §4.3.4, §4.4.4",
                    "dnsmasq rfc2131.c dhcp_reply(), DHCPRELEASE",
                    "Kea dhcp4_srv.cc acceptServerId(); ISC dhcpd never compares option 54",
                ],
            },
            Self::ClientMismatch => Explanation {
                title: "the lease belongs to another client",
                meaning: "dnsmasq finds a lease by client identifier, or by hardware address where the lease or the message \
                          has no client identifier. If that lease is not the one for 'ciaddr', it logs \"unknown lease\" \
                          and changes nothing. Kea finds the lease by 'ciaddr' and compares the same two; ISC dhcpd compares \
                          the hardware address alone.",
                detection: "Client identifier and hardware address of the message against those of the lease in the \
                            server's database.",
                remedy: "Send what the server's database has for the address; for dnsmasq, the client identifier in the last \
                         column of its lease file (`dhcp_release IF ADDRESS MAC CLIENT-ID`), or the hardware address where that column is `*` \
                         (`dhcp_release IF ADDRESS MAC`). If the address is another client's, leave it to that one.",
                side_effect: None,
                sources: &[
                    "RFC 2131 §4.4.1 table 5, §4.2",
                    "dnsmasq lease.c lease_find_by_client()",
                    "ISC dhcpd server/dhcp.c dhcprelease()",
                    "Kea lease.cc belongsToClient()",
                ],
            },
            Self::LeaseAbsent => Explanation {
                title: "there is no such lease",
                meaning: "The server has no lease for the address: it was released before (a retransmission), it expired, \
                          or the database was lost. Nothing leaks; no alarm is raised.",
                detection: "The address was in the server's database neither before the message nor after.",
                remedy: "Nothing, unless the database was lost.",
                side_effect: None,
                sources: &["dnsmasq rfc2131.c dhcp_reply(), \"unknown lease\""],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_explained_and_sourced() {
        for cause in Cause::ALL {
            let text = cause.explanation();
            assert!(!text.sources.is_empty(), "{}", cause.code());
            for part in [text.meaning, text.detection, text.remedy] {
                let says_more = !part.to_lowercase().contains(&text.title.to_lowercase());
                assert!(says_more, "{}: {part:?}", cause.code());
            }
            for part in [text.title, text.meaning, text.detection, text.remedy] {
                assert!(
                    !part.is_empty() && !part.contains("  "),
                    "{}: {part:?}",
                    cause.code()
                );
            }
            assert!(
                !text.title.ends_with('.') && text.remedy.ends_with('.'),
                "{}",
                cause.code()
            );
        }
    }

    #[test]
    fn codes_are_unique_snake_case() {
        let codes: std::collections::BTreeSet<_> =
            Cause::ALL.iter().map(|cause| cause.code()).collect();
        assert_eq!(codes.len(), Cause::ALL.len());
        assert!(codes.iter().all(|code| {
            code.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        }));
    }
}
