//! The programs, one by one. Labs: the release and decline matrices.

use super::{
    Books, Ending, Extension, Handled, Holder, IdCheck, Intake, Misplaced, Profile,
    RequestedAddress, ShowsRelease, UnknownLease,
};
use crate::evidence::ServerKind;
use crate::judge::{
    rules_dnsmasq, rules_isc, rules_kea, rules_networkd, rules_udhcpd, rules_unsupported,
};

pub(super) static DNSMASQ: Profile = Profile {
    kind: ServerKind::Dnsmasq,
    known_from: "2.90, read and tried; 2.93, read",
    intake: Intake::Udp,
    release: Ending {
        handled: Handled::Yes,
        server_id: IdCheck::OneId,
        requested_address: RequestedAddress::ClearsClientAddress,
        holder: Holder::ClientIdElseHardware,
        source: "rfc2131.c dhcp_reply(), DHCPRELEASE; lease.c lease_find_by_client()",
    },
    decline: Ending {
        handled: Handled::Yes,
        // Of the subnet that was linked last, whichever the address is in.
        server_id: IdCheck::OneId,
        requested_address: RequestedAddress::Needed,
        holder: Holder::ClientIdElseHardware,
        source: "rfc2131.c dhcp_reply(), DHCPDECLINE",
    },
    extension: Extension {
        server_id: Misplaced::PassedOver,
        requested_address: Misplaced::PassedOver,
        unknown_lease: UnknownLease::SilenceOrNak,
        source: "rfc2131.c dhcp_reply(), DHCPREQUEST",
    },
    books: Books {
        shows_release: ShowsRelease::AtOnce,
        keeps: None,
        records_times: false,
        source: "lease.c lease_update_file()",
    },
    rules: rules_dnsmasq::RULES,
};

pub(super) static ISC_DHCPD: Profile = Profile {
    kind: ServerKind::IscDhcpd,
    known_from: "4.4.3, read and tried",
    // It can be built to read UDP sockets.
    intake: Intake::UdpOrFrames,
    release: Ending {
        handled: Handled::Yes,
        server_id: IdCheck::None,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::Hardware,
        source: "server/dhcp.c dhcprelease()",
    },
    decline: Ending {
        handled: Handled::Yes,
        server_id: IdCheck::None,
        requested_address: RequestedAddress::Needed,
        holder: Holder::Anybody,
        source: "server/dhcp.c dhcpdecline()",
    },
    extension: Extension {
        // With server-id-check it compares option 54, in failover pools only.
        server_id: Misplaced::PassedOver,
        requested_address: Misplaced::PassedOver,
        unknown_lease: UnknownLease::SilenceOrNak,
        source: "server/dhcp.c dhcprequest()",
    },
    books: Books {
        shows_release: ShowsRelease::AtOnce,
        keeps: Some("dhcpd.leases keeps a block of it, free or, with failover, released"),
        records_times: true,
        source: "server/mdb.c release_lease(); server/db.c write_lease()",
    },
    rules: rules_isc::RULES,
};

pub(super) static KEA: Profile = Profile {
    kind: ServerKind::Kea,
    known_from: "2.2, read and tried; 3.3, read",
    // dhcp-socket-type
    intake: Intake::UdpOrFrames,
    release: Ending {
        handled: Handled::Yes,
        server_id: IdCheck::AnyOwnIfPresent,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::ClientIdElseHardware,
        source: "dhcp4_srv.cc acceptServerId(), processRelease(); lease.cc belongsToClient()",
    },
    decline: Ending {
        handled: Handled::Yes,
        server_id: IdCheck::AnyOwnIfPresent,
        requested_address: RequestedAddress::Needed,
        holder: Holder::ClientIdElseHardware,
        source: "dhcp4_srv.cc acceptServerId(), processDecline()",
    },
    extension: Extension {
        server_id: Misplaced::SilencesUnlessOwn,
        requested_address: Misplaced::PassedOver,
        unknown_lease: UnknownLease::SilenceOrNak,
        source: "dhcp4_srv.cc acceptServerId(), assignLease()",
    },
    books: Books {
        shows_release: ShowsRelease::AtOnce,
        keeps: Some(
            "Kea's memfile keeps a row of it, with a lifetime of 0 or in state 3; since 2.3.2 the address may be held \
             for the same client for a while (lease affinity)",
        ),
        records_times: true,
        source: "dhcp4_srv.cc processRelease(); csv_lease_file4.cc append()",
    },
    rules: rules_kea::RULES,
};

pub(super) static UDHCPD: Profile = Profile {
    kind: ServerKind::Udhcpd,
    known_from: "busybox 1.35, read and tried",
    intake: Intake::Udp,
    release: Ending {
        // A static lease stays, but it is not lost to anybody else.
        handled: Handled::Yes,
        server_id: IdCheck::OneId,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::Hardware,
        source: "networking/udhcp/dhcpd.c udhcpd_main(), DHCPRELEASE",
    },
    decline: Ending {
        handled: Handled::Yes,
        server_id: IdCheck::OneId,
        requested_address: RequestedAddress::Needed,
        holder: Holder::Hardware,
        source: "networking/udhcp/dhcpd.c udhcpd_main(), DHCPDECLINE",
    },
    extension: Extension {
        server_id: Misplaced::SilencesUnlessOwn,
        requested_address: Misplaced::PassedOver,
        unknown_lease: UnknownLease::Silence,
        source: "networking/udhcp/dhcpd.c udhcpd_main(), DHCPREQUEST",
    },
    books: Books {
        shows_release: ShowsRelease::Late,
        keeps: Some("udhcpd's file keeps the entry, with nothing left of its time"),
        records_times: false,
        source: "networking/udhcp/dhcpd.c write_leases(): every auto_time, 7200 s",
    },
    rules: rules_udhcpd::RULES,
};

pub(super) static NETWORKD: Profile = Profile {
    kind: ServerKind::Networkd,
    known_from: "systemd 252, read and tried",
    intake: Intake::Udp,
    release: Ending {
        handled: Handled::Yes,
        server_id: IdCheck::None,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::ClientId,
        source: "libsystemd-network/sd-dhcp-server.c dhcp_server_handle_message(), DHCP_RELEASE",
    },
    decline: Ending {
        handled: Handled::Never,
        server_id: IdCheck::None,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::Unclear,
        source: "libsystemd-network/sd-dhcp-server.c dhcp_server_handle_message(), DHCP_DECLINE: only logged",
    },
    extension: Extension {
        // With option 54 a client is choosing, with option 50 it is coming back; neither
        // may have a 'ciaddr'.
        server_id: Misplaced::Silences,
        requested_address: Misplaced::Silences,
        unknown_lease: UnknownLease::Silence,
        source: "libsystemd-network/sd-dhcp-server.c dhcp_server_handle_message(), DHCP_REQUEST; \
                 server_send_nak_or_ignore()",
    },
    books: Books {
        shows_release: ShowsRelease::Never,
        keeps: None,
        records_times: true,
        source: "libsystemd-network/sd-dhcp-server.c: in memory, seen on D-Bus only",
    },
    rules: rules_networkd::RULES,
};

pub(super) static COREDHCP: Profile = Profile {
    kind: ServerKind::CoreDhcp,
    known_from: "versions before and after 2026, read",
    intake: Intake::Udp,
    release: Ending {
        // "Unhandled message type" at first; later the range plugin frees the address.
        handled: Handled::Unclear,
        server_id: IdCheck::Unclear,
        requested_address: RequestedAddress::Unclear,
        holder: Holder::Unclear,
        source: "server/handle.go HandleMsg4(); plugins/range/plugin.go Handler4()",
    },
    decline: Ending {
        handled: Handled::Unclear,
        server_id: IdCheck::Unclear,
        requested_address: RequestedAddress::Unclear,
        holder: Holder::Unclear,
        source: "server/handle.go HandleMsg4()",
    },
    extension: Extension {
        // plugins/serverid compares 'siaddr', not option 54.
        server_id: Misplaced::PassedOver,
        requested_address: Misplaced::PassedOver,
        unknown_lease: UnknownLease::Granted,
        source: "plugins/range/plugin.go Handler4(); plugins/serverid/plugin.go Handler4()",
    },
    books: Books {
        shows_release: ShowsRelease::Unclear,
        keeps: None,
        records_times: false,
        source: "plugins/range/storage.go",
    },
    rules: rules_unsupported::RULES,
};

pub(super) static OVN: Profile = Profile {
    kind: ServerKind::Ovn,
    known_from: "23.03 and later, read",
    intake: Intake::Switch,
    release: Ending {
        handled: Handled::Never,
        server_id: IdCheck::None,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::Unclear,
        source: "controller/pinctrl.c pinctrl_handle_put_dhcp_opts(), OVN_DHCP_MSG_RELEASE: only logged",
    },
    decline: Ending {
        handled: Handled::Never,
        server_id: IdCheck::None,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::Unclear,
        source: "controller/pinctrl.c pinctrl_handle_put_dhcp_opts(): no case of its own",
    },
    extension: Extension {
        server_id: Misplaced::PassedOver,
        requested_address: Misplaced::PassedOver,
        // ACK or NAK, by the address of the port.
        unknown_lease: UnknownLease::Unclear,
        source: "controller/pinctrl.c pinctrl_handle_put_dhcp_opts(), DHCP_MSG_REQUEST",
    },
    books: Books {
        shows_release: ShowsRelease::Never,
        keeps: None,
        records_times: false,
        source: "the address is the port's, in the northbound database",
    },
    rules: rules_unsupported::RULES,
};

pub(super) static HARVESTER: Profile = Profile {
    kind: ServerKind::Harvester,
    known_from: "vm-dhcp-controller of 2024, read",
    intake: Intake::Udp,
    release: Ending {
        handled: Handled::Never,
        server_id: IdCheck::None,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::Unclear,
        source: "pkg/dhcp/dhcp.go dhcpHandler(): \"Unhandled message type\"",
    },
    decline: Ending {
        handled: Handled::Never,
        server_id: IdCheck::None,
        requested_address: RequestedAddress::PassedOver,
        holder: Holder::Unclear,
        source: "pkg/dhcp/dhcp.go dhcpHandler(): \"Unhandled message type\"",
    },
    extension: Extension {
        server_id: Misplaced::PassedOver,
        requested_address: Misplaced::PassedOver,
        unknown_lease: UnknownLease::Silence,
        source: "pkg/dhcp/dhcp.go dhcpHandler(): \"NO LEASE FOUND\"",
    },
    books: Books {
        shows_release: ShowsRelease::Never,
        keeps: None,
        records_times: false,
        source: "pkg/dhcp/dhcp.go; VirtualMachineNetworkConfig objects in Kubernetes",
    },
    rules: rules_unsupported::RULES,
};

pub(super) static UNKNOWN: Profile = Profile {
    kind: ServerKind::Unknown,
    known_from: "nothing: what every server does",
    intake: Intake::Unclear,
    release: Ending {
        handled: Handled::Unclear,
        server_id: IdCheck::Unclear,
        requested_address: RequestedAddress::Unclear,
        holder: Holder::Unclear,
        source: "RFC 2131 §4.3.4",
    },
    decline: Ending {
        handled: Handled::Unclear,
        server_id: IdCheck::Unclear,
        requested_address: RequestedAddress::Unclear,
        holder: Holder::Unclear,
        source: "RFC 2131 §4.3.3",
    },
    extension: Extension {
        server_id: Misplaced::Unclear,
        requested_address: Misplaced::Unclear,
        unknown_lease: UnknownLease::Unclear,
        source: "RFC 2131 §4.3.2",
    },
    books: Books {
        shows_release: ShowsRelease::Unclear,
        keeps: None,
        records_times: false,
        source: "none",
    },
    rules: &[],
};
