//! What an operator reads of each prediction: one text for `doctor`, findings and
//! `explain`.

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
