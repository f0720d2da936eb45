//! What can be wrong with a capture file, in one line that says what to do.

use std::io;

/// Why a capture could not be read, or not to its end. Whatever could be read before
/// has been delivered by then.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not one octet.
    #[error(
        "the capture is empty (0 bytes): let the capture tool run until it has written, or flush \
         each packet (tcpdump -U)"
    )]
    Empty,
    /// A compressed file.
    #[error(
        "this is {format} data, not a capture: decompress it first: {tool} FILE | leasehound replay -"
    )]
    Compressed {
        /// `gzip`
        format: &'static str,
        /// `zcat`
        tool: &'static str,
    },
    /// No capture format that is read here.
    #[error(
        "this is neither pcap nor pcapng: it begins with {first_bytes}; \
         capture with tcpdump -w, or convert with editcap -F pcapng FILE NEW"
    )]
    Foreign {
        /// Hexadecimal, and as text where it is printable.
        first_bytes: String,
    },
    /// No interface of the capture has a link type that can be read.
    #[error(
        "none of the {packets} packets can be read: their link type is {links}; capture Ethernet, \
         Linux cooked (tcpdump -i any) or raw IP"
    )]
    NoReadableInterface {
        /// Packets that were passed over.
        packets: u64,
        /// The link types, each once.
        links: String,
    },
    /// The file ends in the middle of a packet or block: the capture tool was killed, or
    /// still writes, or the disk was full.
    #[error(
        "the capture is cut off at byte {offset}: {packets_read} packets were read before; \
         the rest is not in the file, capture again if it matters"
    )]
    Truncated {
        /// Packets before it.
        packets_read: u64,
        /// Where the incomplete packet or block begins.
        offset: u64,
    },
    /// A packet or block that contradicts itself: nothing after it can be found.
    #[error(
        "the capture is damaged at byte {offset} ({what}): {packets_read} packets were read \
         before; copy the file again from where it came"
    )]
    Corrupted {
        /// Packets before it.
        packets_read: u64,
        /// Where the damaged packet or block begins.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The input could not be read.
    #[error("reading failed at byte {offset}, after {packets_read} packets: {source}")]
    Io {
        /// Packets before it.
        packets_read: u64,
        /// Where the packet or block begins that could not be read.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// What stopped a parser; [`ReadError`] once position and count are known.
#[derive(Debug)]
pub(super) enum Stop {
    Truncated,
    Corrupted(String),
    Io(io::Error),
}

impl Stop {
    pub(super) fn into_error(self, packets_read: u64, offset: u64) -> ReadError {
        match self {
            Self::Truncated => ReadError::Truncated {
                packets_read,
                offset,
            },
            Self::Corrupted(what) => ReadError::Corrupted {
                packets_read,
                offset,
                what,
            },
            Self::Io(source) => ReadError::Io {
                packets_read,
                offset,
                source,
            },
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a file is that begins neither as pcap nor as pcapng.
pub(super) fn foreign(first: &[u8]) -> ReadError {
    let compressed = |format, tool| ReadError::Compressed { format, tool };
    match first {
        [] => ReadError::Empty,
        [0x1f, 0x8b, ..] => compressed("gzip", "zcat"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => compressed("zstd", "zstdcat"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => compressed("xz", "xzcat"),
        [b'B', b'Z', b'h', ..] => compressed("bzip2", "bzcat"),
        [0x04, 0x22, 0x4d, 0x18, ..] => compressed("lz4", "lz4cat"),
        other => ReadError::Foreign {
            first_bytes: describe(other.get(..8).unwrap_or(other)),
        },
    }
}

fn describe(first: &[u8]) -> String {
    let hex: Vec<String> = first.iter().map(|octet| format!("{octet:02x}")).collect();
    let text: String = first
        .iter()
        .map(|octet| match octet {
            0x20..=0x7e => char::from(*octet),
            _ => '.',
        })
        .collect();
    format!("{} (\"{text}\")", hex.join(" "))
}
