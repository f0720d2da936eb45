//! A capture to measure with, octet by octet: no DHCP library, so that the
//! task runner stays quick to build.

use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Messages in the capture.
const MESSAGES: u32 = 500_000;
/// DISCOVER, OFFER, REQUEST, ACK, RELEASE
pub(super) const PER_CLIENT: u32 = 5;

const SERVER: [u8; 4] = [10, 255, 255, 1];
const SERVER_MAC: [u8; 6] = [2, 0, 0, 255, 255, 1];
const BROADCAST_MAC: [u8; 6] = [255; 6];
const UDP: u8 = 17;

/// Writes a capture of many short-lived clients, a message each millisecond, and
/// returns how many messages it has.
pub(super) fn write(path: &Path) -> Result<u32> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    // pcap 2.4, microseconds, Ethernet.
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 1_u32] {
        out.write_all(&word.to_le_bytes())?;
    }
    for number in 0..MESSAGES {
        let frame = message(number / PER_CLIENT, number % PER_CLIENT);
        let length = u32::try_from(frame.len()).context("a frame's length")?;
        let seconds = 1_700_000_000 + number / 1000;
        for word in [seconds, number % 1000 * 1000, length, length] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame)?;
    }
    out.flush()?;
    Ok(MESSAGES)
}

/// The `step`th message of a client's life.
fn message(client: u32, step: u32) -> Vec<u8> {
    let [_, a, b, c] = (client + 256).to_be_bytes();
    let (mac, address) = ([2, 0, 0, a, b, c], [10, a, b, c]);
    let kind = match step {
        0 => 1,
        1 => 2,
        2 => 3,
        3 => 5,
        _ => 7,
    };
    let from_server = matches!(kind, 2 | 5);
    let release = kind == 7;

    let mut dhcp = vec![if from_server { 2 } else { 1 }, 1, 6, 0];
    dhcp.extend(client.wrapping_mul(0x9e37_79b1).to_be_bytes());
    dhcp.extend([0; 4]);
    dhcp.extend(if release { address } else { [0; 4] });
    dhcp.extend(if from_server { address } else { [0; 4] });
    dhcp.extend([0; 8]);
    dhcp.extend(mac);
    dhcp.extend([0; 10 + 64 + 128]);
    dhcp.extend([99, 130, 83, 99, 53, 1, kind]);
    if from_server {
        dhcp.extend([54, 4]);
        dhcp.extend(SERVER);
        dhcp.extend([51, 4, 0, 0, 14, 16, 1, 4, 255, 0, 0, 0, 3, 4]);
        dhcp.extend(SERVER);
        dhcp.extend([6, 4]);
        dhcp.extend(SERVER);
    } else {
        dhcp.extend([61, 7, 1]);
        dhcp.extend(mac);
        if kind == 3 {
            dhcp.extend([50, 4]);
            dhcp.extend(address);
        }
        if kind != 1 {
            dhcp.extend([54, 4]);
            dhcp.extend(SERVER);
        }
        if !release {
            dhcp.extend([12, 5, b'g', b'u', b'e', b's', b't', 55, 4, 1, 3, 6, 15]);
        }
    }
    dhcp.push(255);
    dhcp.resize(dhcp.len().max(300), 0);

    let (source, destination, ports) = match (from_server, release) {
        (true, _) => (SERVER, address, (67, 68)),
        (_, true) => (address, SERVER, (68, 67)),
        _ => ([0; 4], [255; 4], (68, 67)),
    };
    let macs = match (from_server, release) {
        (true, _) => (mac, SERVER_MAC),
        (_, true) => (SERVER_MAC, mac),
        _ => (BROADCAST_MAC, mac),
    };
    let datagram = udp(source, destination, ports, &dhcp);
    frame(macs.0, macs.1, source, destination, &datagram)
}

fn udp(from: [u8; 4], to: [u8; 4], ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = length_of(8 + payload.len());
    let mut datagram = Vec::with_capacity(8 + payload.len());
    datagram.extend(ports.0.to_be_bytes());
    datagram.extend(ports.1.to_be_bytes());
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let mut pseudo = vec![0, UDP];
    pseudo.extend(length.to_be_bytes());
    pseudo.extend(from);
    pseudo.extend(to);
    let sum = match checksum(&[&pseudo, &datagram]) {
        0 => u16::MAX,
        sum => sum,
    };
    if let Some(field) = datagram.get_mut(6..8) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    datagram
}

fn frame(
    to_mac: [u8; 6],
    from_mac: [u8; 6],
    from: [u8; 4],
    to: [u8; 4],
    payload: &[u8],
) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(length_of(20 + payload.len()).to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    header.extend(from);
    header.extend(to);
    let sum = checksum(&[&header]);
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let mut frame = Vec::with_capacity(34 + payload.len());
    frame.extend(to_mac);
    frame.extend(from_mac);
    frame.extend([8, 0]);
    frame.extend(header);
    frame.extend(payload);
    frame
}

fn length_of(octets: usize) -> u16 {
    u16::try_from(octets).unwrap_or(u16::MAX)
}

/// RFC 1071, over parts of an even number of octets each but the last.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            let (high, low) = (pair.first(), pair.get(1));
            sum +=
                u32::from(high.copied().unwrap_or(0)) << 8 | u32::from(low.copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_verify_themselves() {
        for frame in [message(70_000, 0), message(70_000, 3), message(3, 4)] {
            assert_eq!(checksum(&[&frame[14..34]]), 0);
            let length = length_of(frame.len() - 34).to_be_bytes();
            let pseudo = [&[0, UDP], &length[..], &frame[26..34]].concat();
            assert_eq!(checksum(&[&pseudo, &frame[34..]]), 0);
        }
    }

    #[test]
    fn a_release_names_its_address_and_server() {
        let frame = message(0, 4);
        assert_eq!(frame[26..34], [10, 0, 1, 0, 10, 255, 255, 1]);
        assert_eq!(frame[42 + 12..42 + 16], [10, 0, 1, 0]);
        assert_eq!(frame[42 + 236..42 + 243], [99, 130, 83, 99, 53, 1, 7]);
        assert!(frame.windows(6).any(|w| w == [54, 4, 10, 255, 255, 1]));
    }
}
