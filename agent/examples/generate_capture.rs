//! Writes a pcap file to measure `leasehound replay` with: the same octets each time.
//!
//! `generate_capture COUNT PATH`: COUNT messages of 10,000 clients that come in groups
//! of a hundred; each gets a lease, renews it twice and gives it back, again and again.
//! One RELEASE in four names a server id that dnsmasq refuses.

use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{BufWriter, Write};

const CLIENTS: u32 = 10_000;
const GROUP: u32 = 100;
const SERVER: [u8; 4] = [10, 255, 0, 1];
const OTHER_ID: [u8; 4] = [10, 255, 0, 245];
const SERVER_MAC: [u8; 6] = [2, 0xff, 0, 0, 0, 1];
/// DISCOVER, OFFER, REQUEST, ACK, two renewals, RELEASE.
const LIFE: [u8; 9] = [1, 2, 3, 5, 3, 5, 3, 5, 7];
const STEPS: u32 = 9;
const REQUEST_OF_LEASE: u32 = 2;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: generate_capture COUNT PATH";
    let count: u32 = arguments.next().context(usage)?.parse().context(usage)?;
    let path = arguments.next().context(usage)?;
    let file = File::create(&path).with_context(|| format!("creating {path}"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    // pcap 2.4, microseconds, Ethernet.
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 1_u32] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut frame = Vec::new();
    for number in 0..count {
        let life = number / (GROUP * STEPS);
        let step = number / GROUP % STEPS;
        let client = (life * GROUP + number % GROUP) % CLIENTS;
        write_frame(&mut frame, client, life, step)?;
        let length = u32::try_from(frame.len())?;
        let seconds = 1_700_000_000 + number / 1000;
        for word in [seconds, number % 1000 * 1000, length, length] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame)?;
    }
    out.flush()?;
    Ok(())
}

fn write_frame(frame: &mut Vec<u8>, client: u32, life: u32, step: u32) -> Result<()> {
    let kind = LIFE.get(step as usize).copied().unwrap_or(1);
    let [_, _, high, low] = client.to_be_bytes();
    let (mac, address) = ([2, 0, 0, 0, high, low], [10, 1, high, low]);
    let from_server = matches!(kind, 2 | 5);
    let has_address = step > 3;
    let server_id = if kind == 7 && client.is_multiple_of(4) {
        OTHER_ID
    } else {
        SERVER
    };
    let payload = if client.is_multiple_of(2) { 300 } else { 548 };
    let options = payload - 240;

    let (source, destination) = match (from_server, has_address) {
        (true, _) => (SERVER, address),
        (false, true) => (address, SERVER),
        (false, false) => ([0; 4], [255; 4]),
    };
    let (to_mac, from_mac) = match (from_server, has_address) {
        (true, _) => (mac, SERVER_MAC),
        (false, true) => (SERVER_MAC, mac),
        (false, false) => ([255; 6], mac),
    };
    let ports: [u8; 4] = if from_server {
        [0, 67, 0, 68]
    } else {
        [0, 68, 0, 67]
    };

    frame.clear();
    frame.extend(to_mac);
    frame.extend(from_mac);
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(u16::try_from(28 + payload)?.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    frame.extend(source);
    frame.extend(destination);
    frame.extend(ports);
    frame.extend(u16::try_from(8 + payload)?.to_be_bytes());
    frame.extend([0, 0]);

    frame.extend([if from_server { 2 } else { 1 }, 1, 6, 0]);
    let transaction = if kind == 7 { step } else { step / 2 };
    frame.extend((client ^ life << 16 ^ transaction << 28).to_be_bytes());
    frame.extend([0; 4]);
    let ciaddr = if has_address { address } else { [0; 4] };
    frame.extend(ciaddr);
    frame.extend(if from_server { address } else { [0; 4] });
    frame.extend([0; 8]);
    frame.extend(mac);
    frame.extend([0; 202]);
    frame.extend([99, 130, 83, 99, 53, 1, kind]);
    let end = frame.len() - 3 + options;
    if from_server || kind == 7 || step == REQUEST_OF_LEASE {
        frame.extend([54, 4]);
        frame.extend(server_id);
    }
    if from_server {
        frame.extend([51, 4, 0, 0, 14, 16, 58, 4, 0, 0, 7, 8, 59, 4, 0, 0, 12, 78]);
        frame.extend([1, 4, 255, 0, 0, 0, 28, 4, 10, 255, 255, 255, 3, 4]);
        frame.extend(SERVER);
        frame.extend([6, 4]);
        frame.extend(SERVER);
        frame.extend([15, 13]);
        frame.extend(b"guest.example");
    } else {
        frame.extend([61, 7, 1]);
        frame.extend(mac);
    }
    if step == REQUEST_OF_LEASE {
        frame.extend([50, 4]);
        frame.extend(address);
    }
    if matches!(kind, 1 | 3) {
        frame.extend([57, 2, 5, 220, 12, 5]);
        frame.extend(b"guest");
        frame.extend([55, 7, 1, 3, 6, 12, 15, 28, 42]);
    }
    frame.push(255);
    frame.resize(end.max(frame.len()), 0);
    Ok(())
}
