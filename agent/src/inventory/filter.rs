//! Tells a DHCP server's raw socket by its classic BPF filter.
//!
//! The filter is run, not compared, so that a server nobody thought of is found as
//! well. It looks like a server's if it takes a client's DHCPv4 message (UDP from 68
//! to 67, broadcast or to an address that the filter itself names) and refuses the
//! same message when it goes to another port, is TCP, is IPv6, or is a server's reply
//! (67 to 68). A client's filter wants port 68; `udp port 67` of a packet sniffer
//! takes replies, `udp dst port 67` takes IPv6. No filter at all looks like no server.

use std::collections::BTreeSet;

/// `sock_filter` of `linux/filter.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jt: u8,
    pub(super) jf: u8,
    pub(super) k: u32,
}

/// A classic BPF program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter(Vec<Instruction>);

/// What is changed about the client's message that is shown to a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Request,
    OtherPort,
    Reply,
    Tcp,
    Ipv6,
}

const LINK_HEADER: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const BROADCAST: u32 = u32::MAX;
/// Enough for what a filter may name: nobody listens on more addresses at once.
const ADDRESSES: usize = 64;

/// Offsets that mean something else than a place in the packet (`linux/filter.h`).
const SKF_AD_OFF: u32 = (-0x1000_i32).cast_unsigned();
const SKF_NET_OFF: u32 = (-0x10_0000_i32).cast_unsigned();
const SKF_LL_OFF: u32 = (-0x20_0000_i32).cast_unsigned();

impl Filter {
    pub(super) fn new(instructions: Vec<Instruction>) -> Self {
        Self(instructions)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// `cooked`: its packets begin at the IP header.
    pub(super) fn looks_like_a_server(&self, cooked: bool) -> bool {
        let takes = |probe, to| self.takes(&Packet::new(probe, to, cooked));
        let Some(to) = self
            .addresses()
            .into_iter()
            .find(|to| takes(Probe::Request, *to))
        else {
            return false;
        };
        [Probe::OtherPort, Probe::Reply, Probe::Tcp, Probe::Ipv6]
            .into_iter()
            .all(|probe| !takes(probe, to))
    }

    /// Destinations to try: broadcast, and all that the filter compares with.
    fn addresses(&self) -> BTreeSet<u32> {
        let compared = self
            .0
            .iter()
            .filter(|instruction| instruction.code & 0x07 == 0x05 && instruction.k > 0xffff)
            .map(|instruction| instruction.k)
            .take(ADDRESSES);
        compared.chain([BROADCAST]).collect()
    }

    fn takes(&self, packet: &Packet) -> bool {
        run(&self.0, packet).is_some_and(|length| length != 0)
    }
}

/// One packet as a filter sees it.
struct Packet {
    frame: Vec<u8>,
    /// Where the filter's offset 0 is.
    start: usize,
    ethertype: u16,
}

impl Packet {
    fn new(probe: Probe, to: u32, cooked: bool) -> Self {
        let ethertype = match probe {
            Probe::Ipv6 => ETHERTYPE_IPV6,
            _ => ETHERTYPE_IPV4,
        };
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 1]);
        frame.extend(ethertype.to_be_bytes());
        let protocol = match probe {
            Probe::Tcp => IPPROTO_TCP,
            _ => IPPROTO_UDP,
        };
        if ethertype == ETHERTYPE_IPV6 {
            frame.extend([0x60, 0, 0, 0, 1, 52, protocol, 64]);
            frame.extend([0; 32]);
        } else {
            frame.extend([0x45, 0, 1, 72, 0, 0, 0, 0, 64, protocol, 0, 0, 0, 0, 0, 0]);
            frame.extend(to.to_be_bytes());
        }
        let (source, destination): (u16, u16) = match probe {
            Probe::OtherPort => (68, 9),
            Probe::Reply => (67, 68),
            _ => (68, 67),
        };
        frame.extend(source.to_be_bytes());
        frame.extend(destination.to_be_bytes());
        frame.extend([1, 52, 0, 0]);
        // A DISCOVER: op, htype, hlen, then the cookie and option 53.
        let op = if probe == Probe::Reply { 2 } else { 1 };
        let payload = frame.len();
        frame.extend([op, 1, 6, 0]);
        frame.resize(payload + 236, 0);
        frame.extend([99, 130, 83, 99, 53, 1, op, 255]);
        frame.resize(payload + 300, 0);
        Self {
            frame,
            start: if cooked { LINK_HEADER } else { 0 },
            ethertype,
        }
    }

    fn length(&self) -> u32 {
        u32::try_from(self.frame.len() - self.start).unwrap_or(u32::MAX)
    }

    /// A load as the kernel does it; `None` ends the program with 0.
    fn load(&self, offset: u32, width: u16) -> Option<u32> {
        let (from, offset) = if offset >= SKF_AD_OFF {
            // Of all ancillary data only the protocol is told.
            return Some(match offset - SKF_AD_OFF {
                0 => self.ethertype.into(),
                _ => 0,
            });
        } else if offset >= SKF_NET_OFF {
            (LINK_HEADER, offset - SKF_NET_OFF)
        } else if offset >= SKF_LL_OFF {
            (0, offset - SKF_LL_OFF)
        } else {
            (self.start, offset)
        };
        let at = from.checked_add(usize::try_from(offset).ok()?)?;
        let octets = self.frame.get(at..)?;
        match width {
            0x00 => Some(u32::from_be_bytes(*octets.first_chunk()?)),
            0x08 => Some(u16::from_be_bytes(*octets.first_chunk()?).into()),
            0x10 => Some((*octets.first()?).into()),
            _ => None,
        }
    }
}

/// Runs a program; `None` if it is broken or reads outside the packet. Jumps only
/// lead forward, so it ends.
fn run(program: &[Instruction], packet: &Packet) -> Option<u32> {
    let mut a = 0_u32;
    let mut x = 0_u32;
    let mut memory = [0_u32; 16];
    let mut at = 0_usize;
    loop {
        let Instruction { code, jt, jf, k } = *program.get(at)?;
        at += 1;
        let slot = usize::try_from(k).ok()?;
        match code & 0x07 {
            // LD
            0x00 => {
                a = match code & 0xe0 {
                    0x00 => k,
                    0x20 => packet.load(k, code & 0x18)?,
                    0x40 => packet.load(k.wrapping_add(x), code & 0x18)?,
                    0x60 => *memory.get(slot)?,
                    0x80 => packet.length(),
                    _ => return None,
                }
            }
            // LDX
            0x01 => {
                x = match code & 0xe0 {
                    0x00 => k,
                    0x60 => *memory.get(slot)?,
                    0x80 => packet.length(),
                    0xa0 => (packet.load(k, 0x10)? & 0x0f) * 4,
                    _ => return None,
                }
            }
            // ST, STX
            0x02 => *memory.get_mut(slot)? = a,
            0x03 => *memory.get_mut(slot)? = x,
            // ALU
            0x04 => a = calculate(code, a, if code & 0x08 == 0 { k } else { x })?,
            // JMP
            0x05 => {
                let operand = if code & 0x08 == 0 { k } else { x };
                let holds = match code & 0xf0 {
                    0x00 => {
                        at = at.checked_add(slot)?;
                        continue;
                    }
                    0x10 => a == operand,
                    0x20 => a > operand,
                    0x30 => a >= operand,
                    0x40 => a & operand != 0,
                    _ => return None,
                };
                at += usize::from(if holds { jt } else { jf });
            }
            // RET
            0x06 => return Some(if code & 0x18 == 0 { k } else { a }),
            // MISC
            _ if code & 0x80 == 0 => x = a,
            _ => a = x,
        }
    }
}

fn calculate(code: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match code & 0xf0 {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x30 => a.checked_div(operand)?,
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a.checked_shl(operand)?,
        0x70 => a.checked_shr(operand)?,
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(operand)?,
        0xa0 => a ^ operand,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ss -0b` prints a filter.
    fn filter(text: &str) -> Filter {
        let number = |word: &str| match word.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
            None => word.parse().unwrap(),
        };
        let instruction = |line: &str| {
            let words: Vec<u32> = line.split_whitespace().map(number).collect();
            Instruction {
                code: words[0].try_into().unwrap(),
                jt: words[1].try_into().unwrap(),
                jf: words[2].try_into().unwrap(),
                k: words[3],
            }
        };
        let lines = text.split(',').filter(|line| !line.trim().is_empty());
        Filter::new(lines.map(instruction).collect())
    }

    /// ISC dhcpd 4.4.3-P1 (Debian 12), `dhcpd -4 d0`.
    const DHCPD: &str = "0x28 0 0 12, 0x15 0 8 2048, 0x30 0 0 23, 0x15 0 6 17, 0x28 0 0 20, \
        0x45 4 0 8191, 0xb1 0 0 14, 0x48 0 0 16, 0x15 0 1 67, 0x06 0 0 4294967295, 0x06 0 0 0,";
    /// Kea 2.2.0 (Debian 12) on 10.9.0.1.
    const KEA: &str = "0x28 0 0 12, 0x15 0 11 2048, 0x30 0 0 23, 0x15 0 9 17, 0x28 0 0 20, \
        0x45 7 0 8191, 0x20 0 0 30, 0x15 1 0 4294967295, 0x15 0 4 168361985, 0xb1 0 0 14, \
        0x48 0 0 16, 0x15 0 1 67, 0x06 0 0 4294967295, 0x06 0 0 0,";
    /// tcpdump 4.99.3, `-i d0 udp port 67`.
    const TCPDUMP: &str = "0x28 0 0 12, 0x15 0 6 34525, 0x30 0 0 20, 0x15 0 15 17, 0x28 0 0 54, \
        0x15 12 0 67, 0x28 0 0 56, 0x15 10 11 67, 0x15 0 10 2048, 0x30 0 0 23, 0x15 0 8 17, \
        0x28 0 0 20, 0x45 6 0 8191, 0xb1 0 0 14, 0x48 0 0 14, 0x15 2 0 67, 0x48 0 0 16, \
        0x15 0 1 67, 0x06 0 0 262144, 0x06 0 0 0,";
    /// tcpdump 4.99.3, `-i any udp dst port 67`: a cooked socket.
    const TCPDUMP_ANY: &str = "0x28 0 0 4294963200, 0x15 0 4 34525, 0x30 0 0 6, 0x15 0 11 17, \
        0x28 0 0 42, 0x15 8 9 67, 0x15 0 8 2048, 0x30 0 0 9, 0x15 0 6 17, 0x28 0 0 6, \
        0x45 4 0 8191, 0xb1 0 0 0, 0x48 0 0 2, 0x15 0 1 67, 0x06 0 0 262144, 0x06 0 0 0,";

    #[test]
    fn servers_of_the_field() {
        assert!(filter(DHCPD).looks_like_a_server(false));
        assert!(filter(KEA).looks_like_a_server(false));
    }

    #[test]
    fn an_address_without_broadcast_will_do() {
        let unicast_only = KEA.replace("0x15 1 0 4294967295", "0x15 1 0 4026531841");
        assert!(filter(&unicast_only).looks_like_a_server(false));
    }

    #[test]
    fn a_cooked_socket_counts_from_the_ip_header() {
        let cooked = "0x30 0 0 9, 0x15 0 4 17, 0xb1 0 0 0, 0x48 0 0 2, 0x15 0 1 67, \
            0x06 0 0 65535, 0x06 0 0 0,";
        assert!(!filter(cooked).looks_like_a_server(false));
        // It does not look at the protocol, but such a socket is bound to one, and of
        // an IPv6 header this offset is an address.
        assert!(filter(cooked).looks_like_a_server(true));
    }

    #[test]
    fn sniffers_and_clients_are_no_servers() {
        assert!(!filter(TCPDUMP).looks_like_a_server(false));
        assert!(!filter(TCPDUMP_ANY).looks_like_a_server(true));
        let client = DHCPD.replace(" 67,", " 68,");
        assert!(!filter(&client).looks_like_a_server(false));
        assert!(!filter("0x06 0 0 262144,").looks_like_a_server(false));
        assert!(!filter("").looks_like_a_server(false));
    }

    #[test]
    fn broken_programs_take_nothing() {
        for broken in [
            "0x15 0 1 67",
            "0x28 0 0 99999, 0x06 0 0 1",
            "0x34 0 0 0, 0x06 0 0 1",
            "0x05 0 0 4294967295",
            "0x60 0 0 16, 0x06 0 0 1",
            "0xff 255 255 4294967295",
        ] {
            let packet = Packet::new(Probe::Request, BROADCAST, false);
            assert!(!filter(broken).takes(&packet), "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_program_panics(words in proptest::collection::vec(
            (0_u16..256, 0_u8..8, 0_u8..8, proptest::num::u32::ANY), 0..64
        )) {
            let program = words
                .into_iter()
                .map(|(code, jt, jf, k)| Instruction { code, jt, jf, k })
                .collect();
            let _ = Filter::new(program).looks_like_a_server(false);
        }
    }
}
