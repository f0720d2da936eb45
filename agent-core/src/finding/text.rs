//! What an operator reads of each kind of finding: one text for findings, `explain` and the
//! book.

use super::FindingKind;
use crate::cause::Explanation;

const ONE_INTERFACE_EACH: &str = "Give each dnsmasq exactly one interface= (with bind-interfaces or bind-dynamic), not \
     listen-address= alone: then its socket is bound to that device, and the kernel gives it the unicasts that arrive there.";

const UNNAMED_UNSERVED: &str = "An interface that no dnsmasq names is then served by none.";

impl FindingKind {
    /// The whole description. Its title stands for itself; a finding has one of its own, with
    /// names and numbers.
    pub const fn explanation(self) -> Explanation {
        match self {
            Self::WildcardSockets => WILDCARD_SOCKETS,
            Self::WildcardAfterDevice => WILDCARD_AFTER_DEVICE,
            Self::UnicastsToWrongDaemon => UNICASTS_TO_WRONG_DAEMON,
            Self::ReleasesIgnored => RELEASES_IGNORED,
            Self::RenewalsUnanswered => RENEWALS_UNANSWERED,
            Self::PoolExhaustion => POOL_EXHAUSTION,
            Self::ReleaseToolIdMismatch => RELEASE_TOOL_ID_MISMATCH,
            Self::TagOnlyRange => TAG_ONLY_RANGE,
            Self::DatabaseNotLive => DATABASE_NOT_LIVE,
            Self::InfiniteLeaseTime => INFINITE_LEASE_TIME,
            Self::ServerIdChanged => SERVER_ID_CHANGED,
        }
    }
}

const WILDCARD_SOCKETS: Explanation = Explanation {
    title: "several processes hold the wildcard address of port 67 and no device",
    meaning: "With SO_REUSEPORT, which dnsmasq sets for bind-interfaces and bind-dynamic, several servers can hold 0.0.0.0:67 \
              at once. The kernel then gives each unicast to one of them, picked by a hash of the addresses: for a client it \
              is always the same one, right or wrong. Broadcasts reach all, so leases are granted, and renewals and \
              releases are lost.",
    detection: "The sockets of port 67 in a network namespace, looked at when they change. They have to stand in each other's \
                way for a second: a restart opens no finding.",
    remedy: ONE_INTERFACE_EACH,
    side_effect: Some(UNNAMED_UNSERVED),
    sources: &[
        "Linux net/ipv4/udp.c udp4_lib_lookup2()",
        "dnsmasq dhcp.c make_fd(), dhcp-common.c bind_dhcp_devices()",
    ],
};

const WILDCARD_AFTER_DEVICE: Explanation = Explanation {
    title: "a server bound to a device was followed by one that is bound to none",
    meaning: "Looking for the socket of a unicast, the kernel goes through them from the newest on and stops at the first one \
              that fits and reuses the port. A server that was started later on the wildcard address, with SO_REUSEPORT, so \
              takes the unicasts of one that is bound to a device.",
    detection: "The sockets of port 67 in a network namespace, in the order in which they were bound.",
    remedy: ONE_INTERFACE_EACH,
    side_effect: Some(UNNAMED_UNSERVED),
    sources: &["Linux net/ipv4/udp.c udp4_lib_lookup2(), compute_score()"],
};

const UNICASTS_TO_WRONG_DAEMON: Explanation = Explanation {
    title: "the kernel gives unicasts for one server to another",
    meaning: "RELEASEs and renewals are unicast to the server that granted the lease. Here they reach another process, which \
              drops them without a word.",
    detection: "For each message, the socket that the kernel gave it to, and its process; compared with the process that \
                granted the lease. The first one opens the finding; it is over when no two sockets are in each other's way.",
    remedy: ONE_INTERFACE_EACH,
    side_effect: Some(UNNAMED_UNSERVED),
    sources: &["Linux net/ipv4/udp.c udp4_lib_lookup2()"],
};

const RELEASES_IGNORED: Explanation = Explanation {
    title: "releases or declines are ignored, again and again for one cause",
    meaning: "The server keeps the lease of a client that gave it back. With a long lease time the address is lost until \
              somebody removes the lease; when all are, nobody gets one.",
    detection: "The verdicts on RELEASEs and DECLINEs of one interface with one cause, for a wrong server id also with one id. \
                One message opens a finding if its address leaked, that is if its lease was seen in the server's database \
                afterwards; else it takes three within an hour. It is over when no case came for ten times the usual wait \
                (10 s to a day, an hour after a single one), and either no leaked address is left or three messages of the \
                same kind, or of the same clients, were honoured since.",
    remedy: "Follow the remedy of the cause that the finding names. What has leaked until then stays leaked until its \
             lease ends: release it again once releases are honoured, or stop the server, take the lines out of its lease \
             file, and start it.",
    side_effect: Some(
        "While the server is stopped nobody gets or renews a lease; clients ask again by themselves.",
    ),
    sources: &["RFC 2131 §4.3.4"],
};

const RENEWALS_UNANSWERED: Explanation = Explanation {
    title: "requests to extend a lease are not answered, again and again for one cause",
    meaning: "Clients that can't renew ask again until their lease ends, and then lose their address, and their connections.",
    detection: "The verdicts on REQUESTs of clients that renew or rebind, on one interface and with one cause: three within \
                an hour open a finding. It is over when no case came for ten times the usual wait (10 s to a day).",
    remedy: "Follow the remedy of the cause that the finding names.",
    side_effect: None,
    sources: &["RFC 2131 §4.4.5"],
};

const POOL_EXHAUSTION: Explanation = Explanation {
    title: "a pool runs out of addresses",
    meaning: "The server has no free address in a range, or will have none soon at the present speed: new clients get none \
              then, while those that have one keep it.",
    detection: "The leases in the server's database that lie in the range its configuration names, and how they became more: \
                the pace of the leaks where the use of the pool grows with them, or of new highs of use once a whole day \
                was watched. The median of the recent speeds gives the expected time, their spread the interval. A finding \
                is opened when the end is less than a day away, and is over when it is more than two.",
    remedy: "Stop the leaks first, if there are any, and free what has leaked. A larger range, or a shorter lease time, gives \
             time.",
    side_effect: Some(
        "A shorter lease time counts for leases granted or renewed from then on, and makes clients renew more often.",
    ),
    sources: &["dnsmasq(8) --dhcp-range"],
};

const RELEASE_TOOL_ID_MISMATCH: Explanation = Explanation {
    title: "release tools of this host name an id that is not the server's",
    meaning: "dhcp_release and programs like it put the interface's first address in the subnet into option 54. The server \
              goes by another one, so all that they send will be ignored, without a word.",
    detection: "The server's configuration and the addresses of its interfaces tell which id it will use, before any packet.",
    remedy: crate::cause::Cause::ServerIdOtherLocalAddress
        .explanation()
        .remedy,
    side_effect: crate::cause::Cause::ServerIdOtherLocalAddress
        .explanation()
        .side_effect,
    sources: &[
        "dnsmasq rfc2131.c server_id(), contrib/lease-tools/dhcp_release.c",
        "apache/cloudstack#10182",
    ],
};

const TAG_ONLY_RANGE: Explanation = Explanation {
    title: "a range is reached only through a tag that a RELEASE can't carry",
    meaning: "dnsmasq chooses a range by tags that it sets from options of the message, such as the vendor class. A RELEASE \
              carries none of them, matches no range and is dropped.",
    detection: "The tags of the ranges in dnsmasq's configuration, and the options that set them.",
    remedy: "Add a range without a tag for the same subnet (dhcp-range=SUBNET,static is enough): then a RELEASE finds it.",
    side_effect: Some("With static, it gives no address to clients without a dhcp-host= line."),
    sources: &["dnsmasq rfc2131.c narrow_context(), dhcp-common.c match_netid()"],
};

const DATABASE_NOT_LIVE: Explanation = Explanation {
    title: "a server's lease database is not what the server goes by",
    meaning: "The file is written never or seldom (leasefile-ro, udhcpd), or another one was put in its place under the \
              running server. What stands there says nothing of what is leased, and an edit of it changes nothing.",
    detection: "The server's arguments and configuration, and the file that it has open compared with the one that has the \
                name.",
    remedy: "Start the server again after its lease file was replaced. With leasefile-ro, look where its dhcp-script keeps \
             the leases.",
    side_effect: Some("A server that is started anew forgets what it had not written."),
    sources: &["dnsmasq lease.c lease_init(), lease_update_file()"],
};

const INFINITE_LEASE_TIME: Explanation = Explanation {
    title: "leases of a range never end by themselves",
    meaning: "A lease that is not given back, or whose release is ignored, is lost for good: nothing but an edit of the lease \
              file brings its address back.",
    detection: "The lease time of the range in the server's configuration.",
    remedy: "Give the range a lease time, such as 12h, unless each address is managed from outside.",
    side_effect: Some(
        "It counts for leases granted from then on. Clients then renew, and lose their address if the server is away for \
         that long.",
    ),
    sources: &["dnsmasq(8) --dhcp-range", "RFC 2131 §3.3"],
};

const SERVER_ID_CHANGED: Explanation = Explanation {
    title: "the server goes by another id than when it granted leases that still stand",
    meaning: "Its configuration or the addresses of its interface changed. Clients name the old id in their RELEASE until they \
              renew, and these releases are ignored.",
    detection: "Option 54 of the last ACK of each lease that still stands, compared with the id that the server uses now.",
    remedy: "Keep the old id for one lease time, or wait until all clients have renewed.",
    side_effect: Some(
        "Leases without an end are never renewed by some clients: these have to be removed by hand.",
    ),
    sources: &["dnsmasq rfc2131.c server_id()", "RFC 2131 §4.4.1 table 5"],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_explained_and_its_code_is_its_own() {
        let mut codes: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
        for kind in FindingKind::ALL {
            assert!(codes.insert(kind.code()), "{}", kind.code());
            assert_eq!(FindingKind::from_code(kind.code()), Some(kind));
            let text = kind.explanation();
            assert!(!text.sources.is_empty() && !text.title.ends_with('.'));
            for part in [text.meaning, text.detection, text.remedy] {
                assert!(part.ends_with('.') && !part.contains("  "), "{part:?}");
            }
        }
    }
}
