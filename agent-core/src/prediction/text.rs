//! What an operator reads of each prediction: one text for `doctor`, findings and
//! `explain`.

use crate::dnsmasq::Model;
use crate::dnsmasq::range::Range;
use crate::finding::FindingKind;
use std::net::Ipv4Addr;

/// What a range asks for, and where that comes from.
pub fn tags_of(model: &Model, range: &Range) -> String {
    let named: Vec<String> = range
        .filter
        .iter()
        .filter(|test| !test.negated)
        .map(|test| {
            let options = model.tags.options_behind(&test.tag);
            let options: Vec<String> = options.iter().map(u8::to_string).collect();
            match options.as_slice() {
                [] => format!("the tag {}", test.tag),
                [one] => format!("the tag {}, which comes from option {one}", test.tag),
                several => format!(
                    "the tag {}, which comes from options {}",
                    test.tag,
                    several.join(", ")
                ),
            }
        })
        .collect();
    named.join(" and ")
}

/// The way out for addresses that only a tag leads to.
pub fn untagged_beside(range: Option<&Range>) -> String {
    let (network, netmask) = match range.and_then(|range| Some((range, range.netmask?))) {
        Some((range, mask)) => {
            let network = Ipv4Addr::from_bits(range.first.to_bits() & mask.to_bits());
            (network.to_string(), mask.to_string())
        }
        None => ("NETWORK".to_owned(), "NETMASK".to_owned()),
    };
    format!(
        "Add an untagged static range for the subnet, dhcp-range={network},static,{netmask}, and restart dnsmasq: it gives \
         no address to anybody who has none from dhcp-host, and lets a RELEASE without the tag reach the lease."
    )
}

/// What every prediction of a kind says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PredictionText {
    /// What it means, and why it does harm.
    pub meaning: &'static str,
    /// How it is told.
    pub detection: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// What that breaks.
    pub side_effect: Option<&'static str>,
}

/// The text of a kind; of those that are not predicted but found, what to do.
pub const fn of(kind: FindingKind) -> PredictionText {
    match kind {
        FindingKind::ReleaseToolIdMismatch => RELEASE_TOOL_ID_MISMATCH,
        FindingKind::TagOnlyRange => TAG_ONLY_RANGE,
        FindingKind::DatabaseNotLive => DATABASE_NOT_LIVE,
        FindingKind::InfiniteLeaseTime => INFINITE_LEASE_TIME,
        FindingKind::ServerIdChanged => SERVER_ID_CHANGED,
        FindingKind::WildcardSockets
        | FindingKind::WildcardAfterDevice
        | FindingKind::UnicastsToWrongDaemon => ONE_INTERFACE_EACH,
        FindingKind::ReleasesIgnored
        | FindingKind::RenewalsUnanswered
        | FindingKind::PoolExhaustion => OF_THE_CAUSE,
    }
}

const RELEASE_TOOL_ID_MISMATCH: PredictionText = PredictionText {
    meaning: "dnsmasq drops a RELEASE whose option 54 is not the id that it goes by on the subnet, and says nothing. \
              dhcp_release puts in the first address that the interface has in the lease's subnet, LXD and Incus the last one \
              of the bridge. Where dnsmasq goes by another one, as it does when listen-address= has a secondary address and \
              not the primary, all that such a tool sends comes to nothing, and the addresses are lost until the leases end.",
    detection: "dnsmasq's configuration, every line of it understood, and the addresses of its interfaces in the kernel's \
                order: the first one of the arrival interface in a range's subnet becomes the id, unless the interface's \
                primary address is turned down and a listen-address= is what lets it in: then that one.",
    remedy: "Have the sender name the id that dnsmasq goes by.",
    side_effect: Some(
        "An id is one for all: to add the primary address to listen-address= changes the server id offered to every client \
         of the interface (apache/cloudstack#10183 did, broke the Windows password reset, and was reverted by #13194).",
    ),
};

const TAG_ONLY_RANGE: PredictionText = PredictionText {
    meaning: "Before dnsmasq looks for the lease of a RELEASE it looks for a dhcp-range in whose subnet the address is and \
              whose tags the message has. A tag that comes from option 60, 77, 82 or the like is there when the lease is \
              granted; dhcp_release sends none of these, and few clients do when they give a lease back.",
    detection: "dnsmasq's configuration, every line of it understood: some option leads to the range, and without it no \
                range of the same subnet is left.",
    remedy: "Add an untagged static range for the subnet, such as dhcp-range=NETWORK,static,NETMASK, and restart dnsmasq.",
    side_effect: Some(
        "Clients that dhcp-host gives an address of that subnet are then served there whatever their tags; with \
         dhcp-authoritative, clients without the tag that ask for an address are refused rather than left alone.",
    ),
};

const DATABASE_NOT_LIVE: PredictionText = PredictionText {
    meaning: "What the file shows is not what the server goes by: it writes none (leasefile-ro), writes it seldom (udhcpd), or \
              another file was put in its place while it runs. Programs that read or edit the file work on a picture.",
    detection: "The server's configuration and its open files: the file behind its descriptor against the one at the path.",
    remedy: "A file that was replaced: restart the server, which then reads what stands there. leasefile-ro: let \
             dhcp-script= keep the leases, as libvirt does, or do without the option.",
    side_effect: Some(
        "A restart makes dnsmasq go by the file's leases: what it granted since the file was replaced is forgotten, and may \
         be given to somebody else.",
    ),
};

const INFINITE_LEASE_TIME: PredictionText = PredictionText {
    meaning: "A lease that is not released stays, and its address with it: no leak heals by itself, and the pool only \
              shrinks.",
    detection: "The lease time of the range, in the server's configuration.",
    remedy: "Give the range a lease time (dnsmasq: the last part of dhcp-range, such as 24h), and restart the server.",
    side_effect: Some(
        "Leases that stand remain infinite until their clients renew them, and clients of an infinite lease never do: they \
         have to be taken back by hand once.",
    ),
};

const SERVER_ID_CHANGED: PredictionText = PredictionText {
    meaning: "Clients name in their RELEASE the id of their last ACK. The server was started anew with another \
              configuration, or addresses came and went: it goes by another id now, and drops what names the old one, \
              until the client renews. Renewals go on working, so nobody notices.",
    detection: "The ACKs that were seen, against dnsmasq's configuration and the addresses that there are now.",
    remedy: "Wait until the leases are renewed, half of the lease time at the most, before their clients are taken away; or \
             have the release name the id that the server goes by now.",
    side_effect: Some(
        "To bring the old id back does the same to the leases that were granted since the change.",
    ),
};

const ONE_INTERFACE_EACH: PredictionText = PredictionText {
    meaning: "Several servers of one namespace hold the DHCP port with no device: the kernel gives each unicast to one of \
              them, whichever it was for.",
    detection: "The sockets on port 67, in the order in which they were bound.",
    remedy: "Give each dnsmasq exactly one interface= (with bind-interfaces or bind-dynamic), not listen-address= alone: \
             then its socket is bound to that device, and the kernel gives it the unicasts that arrive there.",
    side_effect: Some("An interface that no dnsmasq names is then served by none."),
};

const OF_THE_CAUSE: PredictionText = PredictionText {
    meaning: "See the cause that is named.",
    detection: "See the cause that is named.",
    remedy: "See the cause that is named.",
    side_effect: None,
};

/// What to do where tools name `wrong` and the server goes by `id`. `lengths`: the wrong
/// address's prefix has the range in it.
pub fn name_the_right_id(interface: &str, id: Ipv4Addr, wrong: Ipv4Addr, lengths: bool) -> String {
    let lengths = if lengths {
        format!(
            " Or give {wrong} the prefix length 32, so that only the subnet of {id} has the range: dhcp_release then takes {id}."
        )
    } else {
        String::new()
    };
    format!(
        "Have the sender name {id} in option 54 (a tool that can be told to), or have the lease removed by the program that \
         started dnsmasq. Or make {id} the first address that {interface} has in the subnet: take the others away and add \
         them again behind it.{lengths} Or add {wrong} to listen-address= and restart dnsmasq, if every client may be given \
         another server id."
    )
}

/// What the last of those does.
pub fn id_for_all(interface: &str, id: Ipv4Addr, wrong: Ipv4Addr) -> String {
    format!(
        "With {wrong} in listen-address= dnsmasq offers {wrong} instead of {id} as server id to every client on {interface}: \
         what they look for at the server's address has to be there too (apache/cloudstack#10183 broke the Windows password \
         reset so, and was reverted by #13194), and releases of leases granted before fail until these are renewed. A change \
         of the order of addresses takes them away for a moment."
    )
}
