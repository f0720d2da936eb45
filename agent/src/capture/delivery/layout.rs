//! What the tracepoint programs have to know of the running kernel, from its BTF.

use super::btf::Types;
use leasehound_common::sentry::argument;
use leasehound_common::sentry::name::offset;

/// World-readable, where the kernel was built with it.
pub(super) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// A global of the object, and the field whose offset in octets it holds.
const FIELDS: &[(&str, &str, &[&str])] = &[
    (offset::SKB_DEV, "sk_buff", &["dev"]),
    (offset::SKB_SK, "sk_buff", &["sk"]),
    (offset::SKB_DST, "sk_buff", &["_skb_refdst"]),
    (offset::SKB_DESTRUCTOR, "sk_buff", &["destructor"]),
    (offset::SKB_DATA_LEN, "sk_buff", &["data_len"]),
    (offset::SKB_PKT_TYPE, "sk_buff", &["pkt_type"]),
    (offset::SKB_IIF, "sk_buff", &["skb_iif"]),
    (offset::SKB_PROTOCOL, "sk_buff", &["protocol"]),
    (offset::SKB_NETWORK_HEADER, "sk_buff", &["network_header"]),
    (offset::SKB_TAIL, "sk_buff", &["tail"]),
    (offset::SKB_HEAD, "sk_buff", &["head"]),
    (offset::SOCK_FAMILY, "sock", &["__sk_common", "skc_family"]),
    (offset::SOCK_NET, "sock", &["__sk_common", "skc_net", "net"]),
    (offset::SOCK_COOKIE, "sock", &["__sk_common", "skc_cookie"]),
    (offset::DEV_IFINDEX, "net_device", &["ifindex"]),
    (offset::DEV_NET, "net_device", &["nd_net", "net"]),
    (offset::DST_DEV, "dst_entry", &["dev"]),
    (offset::NET_INODE, "net", &["ns", "inum"]),
    (offset::NET_LOOPBACK, "net", &["loopback_dev"]),
];

const REASONS: &str = "skb_drop_reason";
const REASON_PREFIX: &str = "SKB_DROP_REASON_";

/// Numbers that are no drop: used up, or not (yet) dropped.
const NO_DROPS: &[&str] = &["SKB_CONSUMED", "SKB_NOT_DROPPED_YET"];

/// What a client's host drops a reply for, which the client reads from a raw socket:
/// nobody on port 68, an address that it has not got yet, a frame for its neighbour.
const CLIENT_REASONS: &[&str] = &[
    "NO_SOCKET",
    "SOCKET_FILTER",
    "OTHERHOST",
    "UNICAST_IN_L2_MULTICAST",
    "IP_RPFILTER",
    "IP_INADDRERRORS",
    "IP_INNOROUTES",
    "IP_LOCAL_SOURCE",
    "IP_INVALID_SOURCE",
    "IP_INVALID_DEST",
];

/// Of one kernel.
pub(super) struct Layout {
    /// Globals of the object, and their values.
    pub(super) offsets: Vec<(&'static str, u32)>,
    /// A set of [`argument`].
    pub(super) drop_arguments: u32,
    pub(super) reasons: Reasons,
}

/// The type information is not that of a kernel which the programs understand.
#[derive(Debug, thiserror::Error)]
pub(super) enum LayoutError {
    #[error("{VMLINUX} cannot be used: {0}")]
    Unreadable(String),
    #[error("{VMLINUX} knows no {0}")]
    Lacks(String),
}

impl Layout {
    pub(super) fn read() -> Result<Self, LayoutError> {
        let unreadable = |error: &dyn std::error::Error| LayoutError::Unreadable(error.to_string());
        let btf = std::fs::read(VMLINUX).map_err(|error| unreadable(&error))?;
        let types = Types::parse(&btf).map_err(|error| unreadable(&error))?;
        let offsets = FIELDS
            .iter()
            .map(|(global, structure, path)| {
                let bits = types.offset_bits(structure, path);
                // A bit field has to begin its octet.
                let octets = bits.filter(|bits| bits % 8 == 0).map(|bits| bits / 8);
                let field = || LayoutError::Lacks(format!("{structure}.{}", path.join(".")));
                Ok((*global, octets.ok_or_else(field)?))
            })
            .collect::<Result<_, _>>()?;
        let arguments = types
            .tracepoint_arguments("kfree_skb")
            .ok_or_else(|| LayoutError::Lacks("tracepoint kfree_skb".to_owned()))?;
        let argument = |number: usize| arguments.get(number).copied();
        let has_reason = argument(2).is_some_and(|id| types.is_enum(id, REASONS));
        let has_socket = argument(3).is_some_and(|id| types.is_pointer_to(id, "sock"));
        Ok(Self {
            offsets,
            drop_arguments: (u32::from(has_reason) * argument::REASON)
                | (u32::from(has_socket) * argument::SOCKET),
            reasons: Reasons::new(types.values(REASONS).unwrap_or_default()),
        })
    }
}

/// Names of the kernel's drop reasons. Their numbers differ between kernels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reasons {
    names: Vec<(u32, Box<str>)>,
}

impl Reasons {
    fn new(values: Vec<(&str, u32)>) -> Self {
        let stripped = |(name, number): (&str, u32)| {
            (
                number,
                name.strip_prefix(REASON_PREFIX).unwrap_or(name).into(),
            )
        };
        Self {
            names: values.into_iter().map(stripped).collect(),
        }
    }

    pub(super) fn name(&self, number: u32) -> Option<&str> {
        let found = self.names.iter().find(|(of, _)| *of == number)?;
        Some(&found.1)
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        let found = self.names.iter().find(|(_, of)| **of == *name)?;
        Some(found.0)
    }

    /// As the object's global of that name.
    pub(super) fn no_drops(&self) -> [u64; 2] {
        self.set(NO_DROPS)
    }

    /// As the object's global of that name.
    pub(super) fn of_no_matter_to_clients(&self) -> [u64; 2] {
        self.set(CLIENT_REASONS)
    }

    /// Bit `n` for the reason `n`; those that the kernel has not got are left out.
    fn set(&self, names: &[&str]) -> [u64; 2] {
        let numbers = names.iter().filter_map(|name| self.number(name));
        numbers.fold([0; 2], |[low, high], number| match number {
            0..64 => [low | 1 << number, high],
            64..128 => [low, high | 1 << (number - 64)],
            _ => [low, high],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_by_number_and_name() {
        let reasons = Reasons::new(vec![
            ("SKB_NOT_DROPPED_YET", 0),
            ("SKB_CONSUMED", 1),
            ("SKB_DROP_REASON_NO_SOCKET", 3),
            ("SKB_DROP_REASON_IP_INADDRERRORS", 87),
            ("SKB_DROP_REASON_SUBSYS_MASK", 0xffff_0000),
        ]);
        assert_eq!(reasons.name(3), Some("NO_SOCKET"));
        assert_eq!(reasons.name(4), None);
        assert_eq!(reasons.number("IP_INADDRERRORS"), Some(87));
        assert_eq!(reasons.no_drops(), [0b11, 0]);
        assert_eq!(reasons.of_no_matter_to_clients(), [0b1000, 1 << (87 - 64)]);
    }
}
