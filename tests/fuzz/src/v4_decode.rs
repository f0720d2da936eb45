//! Any octets as a DHCPv4 payload, held against a second, slow reading of dnsmasq's
//! rule for finding an option.

use leasehound_core::decode::v4::{Message4, NotDhcp4, Oddity, decode};
use leasehound_core::message::{ClientId, MessageType};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Panics if `decode` does, or if it finds something else than dnsmasq would.
pub fn check(input: &[u8]) {
    let Ok(message) = decode(input, input.len()) else {
        assert!(input.len() < 236);
        return;
    };
    assert!(input.len() >= 236);
    compare(&message, input);
    assert!(!message.oddities.contains(&Oddity::Truncated));

    // The same octets as the captured part of a longer message give the same facts.
    let cut = decode(input, input.len() + 1);
    let cut = cut.unwrap_or_else(|error| panic!("{error}"));
    compare(&cut, input);
    assert!(cut.oddities.contains(&Oddity::Truncated));
    assert!(matches!(
        decode(&input[..200], input.len()),
        Err(NotDhcp4::CutShort { captured: 200 })
    ));
}

fn compare(message: &Message4, input: &[u8]) {
    let address = |code| {
        let data = dnsmasq_finds(input, code, 4)?;
        Some(Ipv4Addr::new(data[0], data[1], data[2], data[3]))
    };
    let time = |code| Some(Duration::from_secs(u32::from(address(code)?).into()));
    assert_eq!(
        message.message_type,
        dnsmasq_finds(input, 53, 1).map(|data| MessageType::from_code(data[0]))
    );
    assert_eq!(message.server_id.map(|id| id.0), address(54));
    assert_eq!(message.requested_address, address(50));
    assert_eq!(message.lease_time, time(51));
    assert_eq!(message.renewal_time, time(58));
    assert_eq!(message.rebinding_time, time(59));

    let client_id = message.client_id.as_ref().map(ClientId::as_bytes);
    same_beginning(client_id, dnsmasq_finds(input, 61, 1));
    let relay = dnsmasq_finds(input, 82, 1);
    assert_eq!(message.relay_agent_information, relay.is_some());
    if let Some(data) = relay.filter(|data| data.len() < 255) {
        let sub_option = find_in(data, 11, 4);
        assert_eq!(
            message
                .server_id_override
                .map(|address| address.octets().to_vec()),
            sub_option.map(|data| data[..4].to_vec())
        );
    }
    let text = message.error_text.as_deref();
    assert_eq!(text.is_some(), dnsmasq_finds(input, 56, 1).is_some());
    assert!(!text.unwrap_or_default().contains(char::is_control));
    let hardware_address = message.hardware_address.as_bytes();
    assert_eq!(hardware_address.len(), usize::from(input[2].min(16)));
    for (index, oddity) in message.oddities.iter().enumerate() {
        assert!(!message.oddities[..index].contains(oddity));
    }
}

/// A full first part may have been joined with more; else both are equal.
fn same_beginning(ours: Option<&[u8]>, theirs: Option<&[u8]>) {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs.len() == 255 => assert!(ours.starts_with(theirs)),
        _ => assert_eq!(ours, theirs),
    }
}

/// The option that dnsmasq would take: options, then 'file', then 'sname', the latter
/// two only if option 52 says so.
fn dnsmasq_finds(message: &[u8], code: u8, minimum: usize) -> Option<&[u8]> {
    let options = message.get(240..).unwrap_or_default();
    find_in(options, code, minimum).or_else(|| {
        let overload = find_in(options, 52, 1)?[0];
        let file = (overload & 1 != 0).then_some(&message[108..236]);
        let sname = (overload & 2 != 0).then_some(&message[44..108]);
        [file, sname]
            .into_iter()
            .flatten()
            .find_map(|field| find_in(field, code, minimum))
    })
}

fn find_in(field: &[u8], wanted: u8, minimum: usize) -> Option<&[u8]> {
    let mut at = 0;
    while at < field.len() && field[at] != 255 {
        if field[at] == 0 {
            at += 1;
            continue;
        }
        let length = usize::from(*field.get(at + 1)?);
        let data = field.get(at + 2..at + 2 + length)?;
        if field[at] == wanted && length >= minimum {
            return Some(data);
        }
        at += 2 + length;
    }
    None
}
