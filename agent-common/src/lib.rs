//! The ABI between the eBPF programs and the agent, and nothing else.
//!
//! Both sides are built from this crate, but a stale object must not be read as a new
//! one: the object carries a symbol with [`ABI_VERSION`] in its name ([`ABI_SYMBOL`]),
//! without which the agent refuses it, and each sample repeats the number.
//!
//! Only fixed-width integers and byte arrays, no implicit padding: an enum or a bool
//! that the other side wrote wrongly would be undefined behaviour, an unknown number
//! is merely unknown. All numbers are in the host's byte order.
#![no_std]

pub mod count;
pub mod sample;
pub mod sentry;

/// Changes whenever a layout or the meaning of a number in this crate changes.
pub const ABI_VERSION: u16 = 2;

/// A global of the object; [`ABI_VERSION`] is part of the name.
pub const ABI_SYMBOL: &str = "LEASEHOUND_ABI_2";

/// Names of programs, maps and globals in the object.
///
/// A program's name is also what `bpftool net` and `tc filter show` print, and how the
/// agent knows its own clsact filters again after it was killed. BPF names end at 15
/// characters.
pub mod name {
    /// tcx ingress.
    pub const TCX_INGRESS: &str = "leasehound_tcxi";
    /// tcx egress.
    pub const TCX_EGRESS: &str = "leasehound_tcxo";
    /// clsact ingress.
    pub const CLSACT_INGRESS: &str = "leasehound_in";
    /// clsact egress.
    pub const CLSACT_EGRESS: &str = "leasehound_out";
    /// XDP, native and generic.
    pub const XDP: &str = "leasehound_xdp";
    /// An empty classifier: the yardstick of the benchmark.
    pub const EMPTY_CLASSIFIER: &str = "leasehound_nop";
    /// An empty XDP program: the yardstick of the benchmark.
    pub const EMPTY_XDP: &str = "leasehound_nopx";

    /// Exact message counters, per CPU, by [`crate::count::CounterKey`].
    pub const COUNTERS: &str = "COUNTERS";
    /// What became of samples, per CPU, by [`crate::count::stat_index`].
    pub const STATS: &str = "STATS";
    /// The ring buffer that carries samples.
    pub const SAMPLES: &str = "SAMPLES";
    /// The global that holds [`crate::count::Budget`].
    pub const BUDGET: &str = "BUDGET";
    /// The global that holds the size of [`SAMPLES`] in octets, a `u64`.
    pub const RING_BYTES: &str = "RING_BYTES";
}

/// [`sample::SampleHeader::hook`], [`sentry::SentryHeader::hook`], and the first part of a
/// statistic's index.
pub mod hook {
    /// A tcx link.
    pub const TCX: u8 = 0;
    /// A filter on the clsact qdisc.
    pub const CLSACT: u8 = 1;
    /// XDP, native or generic.
    pub const XDP: u8 = 2;
    /// cgroup_skb on the root of the cgroup v2 hierarchy.
    pub const CGROUP_SKB: u8 = 3;
    /// The tracepoint `kfree_skb`.
    pub const KFREE_SKB: u8 = 4;
    /// The tracepoint `consume_skb`.
    pub const CONSUME_SKB: u8 = 5;
    /// How many there are.
    pub const COUNT: u8 = 6;
}

/// [`sample::SampleHeader::direction`] and [`count::CounterKey::direction`].
pub mod direction {
    /// Towards this host.
    pub const INGRESS: u8 = 0;
    /// Away from this host.
    pub const EGRESS: u8 = 1;
}

/// [`sample::SampleHeader::family`] and [`count::CounterKey::family`].
pub mod family {
    /// DHCPv4 (and BOOTP).
    pub const V4: u8 = 4;
    /// DHCPv6.
    pub const V6: u8 = 6;
}

/// Message types as they are counted: the protocol's own number, or one of these.
pub mod message_type {
    /// No DHCP message type was found: BOOTP, a first fragment that ends before it, or
    /// a message in which option 53 comes after the 64th option or in 'file'/'sname'.
    pub const NONE: u8 = 0;
    /// A number that no RFC gives: all of them count as one, so that a sender cannot
    /// fill the counter map.
    pub const UNASSIGNED: u8 = 255;
    /// The highest DHCPv4 number that is counted on its own (RFC 6926, RFC 7724).
    pub const HIGHEST_V4: u8 = 18;
    /// The highest DHCPv6 number that is counted on its own (RFC 7341, RFC 8156).
    pub const HIGHEST_V6: u8 = 36;
}
