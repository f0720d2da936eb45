//! What an operator reads of a prediction beside the text of its kind: what to do, with the
//! names and addresses of the case.

use crate::dnsmasq::Model;
use crate::dnsmasq::range::Range;
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
