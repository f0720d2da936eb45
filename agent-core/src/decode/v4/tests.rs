//! Messages as they should be, as they are met, and damaged ones.

use super::*;

/// A RELEASE's fixed header and cookie, then `options`.
fn message(options: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[..12].copy_from_slice(&[1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 9, 0x80, 0]);
    message[12..16].copy_from_slice(&[10, 9, 0, 50]);
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    message.extend([99, 130, 83, 99]);
    message.extend(options);
    message
}

fn decoded(payload: &[u8]) -> Message4 {
    decode(payload, payload.len()).unwrap()
}

fn oddities(message: &Message4) -> &[Oddity] {
    &message.oddities
}

fn server(last: u8) -> ServerId {
    ServerId(Ipv4Addr::new(10, 9, 0, last))
}

#[test]
fn a_proper_release() {
    let mut options = vec![53, 1, 7, 0, 0, 54, 4, 10, 9, 0, 1, 61, 3, 1, 2, 3];
    options.extend([50, 4, 10, 9, 0, 50, 51, 4, 0, 0, 0, 60, 58, 4, 0, 0, 0, 30]);
    options.extend([59, 4, 0, 0, 0, 45, 82, 9, 1, 1, 0, 11, 4, 10, 9, 0, 2, 255]);
    options.extend([53, 1, 1]);
    let message = decoded(&message(&options));
    assert_eq!(
        message,
        Message4 {
            op: 1,
            hlen: 6,
            xid: TransactionId(0xdead_beef),
            secs: 9,
            broadcast: true,
            ciaddr: Ipv4Addr::new(10, 9, 0, 50),
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]),
            message_type: Some(MessageType::Release),
            server_id: Some(server(1)),
            requested_address: Some(Ipv4Addr::new(10, 9, 0, 50)),
            client_id: Some(ClientId::new(&[1, 2, 3])),
            lease_time: Some(Duration::from_mins(1)),
            renewal_time: Some(Duration::from_secs(30)),
            rebinding_time: Some(Duration::from_secs(45)),
            relay_agent_information: true,
            server_id_override: Some(Ipv4Addr::new(10, 9, 0, 2)),
            error_text: None,
            options: [50, 51, 53, 54, 58, 59, 61, 82].into_iter().collect(),
            oddities: SmallVec::new(),
        }
    );
}

#[test]
fn short_payloads() {
    let whole = message(&[53, 1, 7, 255]);
    assert_eq!(
        decode(&whole[..235], 235),
        Err(NotDhcp4::TooShort { length: 235 })
    );
    assert_eq!(
        decode(&whole[..235], 300),
        Err(NotDhcp4::CutShort { captured: 235 })
    );
    for end in 236..240 {
        let message = decoded(&whole[..end]);
        assert_eq!(message.xid, TransactionId(0xdead_beef));
        assert_eq!(oddities(&message), [Oddity::WrongCookie]);
    }
    let cut = decode(&whole[..238], whole.len()).unwrap();
    assert_eq!(oddities(&cut), [Oddity::Truncated]);
    let cut = decode(&whole[..242], whole.len()).unwrap();
    assert_eq!(oddities(&cut), [Oddity::Truncated]);
}

#[test]
fn wrong_cookie_hides_no_option() {
    let mut payload = message(&[53, 1, 7, 54, 4, 10, 9, 0, 1]);
    payload[239] = 0;
    let message = decoded(&payload);
    assert_eq!(message.message_type, Some(MessageType::Release));
    assert_eq!(message.server_id, Some(server(1)));
    assert_eq!(oddities(&message), [Oddity::WrongCookie]);
}

#[test]
fn long_hlen_keeps_sixteen_octets() {
    let mut payload = message(&[53, 1, 7, 255]);
    payload[2] = 255;
    let message = decoded(&payload);
    assert_eq!(message.hlen, 255);
    assert_eq!(message.hardware_address.as_bytes().len(), 16);
    assert_eq!(oddities(&message), [Oddity::HardwareAddressTooLong]);
}

#[test]
fn the_first_message_type_counts() {
    let message = decoded(&message(&[53, 0, 53, 1, 7, 53, 1, 1, 255]));
    assert_eq!(message.message_type, Some(MessageType::Release));
    assert_eq!(
        oddities(&message),
        [Oddity::BadOptionLength, Oddity::RepeatedMessageType]
    );
}

#[test]
fn too_short_a_server_id_is_none_and_hides_none() {
    let short = decoded(&message(&[53, 1, 7, 54, 2, 10, 9, 255]));
    assert_eq!(short.server_id, None);
    assert_eq!(oddities(&short), [Oddity::BadOptionLength]);
    let second = decoded(&message(&[
        54, 2, 10, 9, 54, 4, 10, 9, 0, 1, 54, 4, 1, 1, 1, 1, 255,
    ]));
    assert_eq!(second.server_id, Some(server(1)));
    let long = decoded(&message(&[54, 5, 10, 9, 0, 1, 0, 255]));
    assert_eq!(long.server_id, Some(server(1)));
    assert_eq!(oddities(&long), [Oddity::BadOptionLength]);
}

#[test]
fn overloaded_fields_come_after_the_options_even_if_damaged() {
    let mut payload = message(&[52, 1, 3, 54, 4, 10, 9, 0, 1, 12, 200]);
    payload[108..115].copy_from_slice(&[53, 1, 7, 61, 2, 1, 2]);
    payload[115] = 255;
    payload[44..53].copy_from_slice(&[53, 1, 1, 54, 4, 9, 9, 9, 9]);
    let both = decoded(&payload);
    assert_eq!(both.message_type, Some(MessageType::Release));
    assert_eq!(both.server_id, Some(server(1)));
    assert_eq!(both.client_id, Some(ClientId::new(&[1, 2])));
    assert_eq!(
        oddities(&both),
        [
            Oddity::OptionOverrun,
            Oddity::Overload,
            Oddity::RepeatedMessageType
        ]
    );
    payload[242] = 2;
    let sname_only = decoded(&payload);
    assert_eq!(sname_only.message_type, Some(MessageType::Discover));
    assert_eq!(sname_only.client_id, None);
}

#[test]
fn long_options_are_put_together() {
    let mut options = vec![61, 255];
    options.extend([7; 255]);
    options.extend([53, 1, 7, 61, 2, 8, 9, 61, 1, 10, 255]);
    let long = decoded(&message(&options));
    let id = long.client_id.as_ref().unwrap().as_bytes();
    assert_eq!((id.len(), &id[255..]), (257, &[8, 9][..]));
    assert_eq!(oddities(&long), [Oddity::SplitOption]);

    // dnsmasq takes the first, whatever RFC 3396 §7 says of short parts.
    let short = decoded(&message(&[61, 2, 1, 2, 61, 2, 3, 4, 255]));
    assert_eq!(short.client_id, Some(ClientId::new(&[1, 2])));
    assert_eq!(oddities(&short), [Oddity::SplitOption]);
}

#[test]
fn empty_client_id_is_none() {
    let message = decoded(&message(&[61, 0, 255]));
    assert_eq!(message.client_id, None);
    assert_eq!(oddities(&message), [Oddity::BadOptionLength]);
}

#[test]
fn missing_end_and_overrun_are_told_apart() {
    assert_eq!(
        oddities(&decoded(&message(&[53, 1, 7, 0]))),
        [Oddity::MissingEnd]
    );
    for damage in [&[12_u8][..], &[12, 9, 1]] {
        let options = [&[53, 1, 7], damage].concat();
        let message = decoded(&message(&options));
        assert_eq!(message.message_type, Some(MessageType::Release));
        assert_eq!(oddities(&message), [Oddity::OptionOverrun]);
    }
}

#[test]
fn override_only_from_a_whole_sub_option() {
    let short = decoded(&message(&[82, 4, 11, 2, 1, 2, 255]));
    assert!(short.relay_agent_information);
    assert_eq!(short.server_id_override, None);
    assert_eq!(oddities(&short), [Oddity::BadOptionLength]);
    let damaged = decoded(&message(&[82, 9, 11, 4, 10, 9, 0, 2, 1, 9, 9, 255]));
    assert_eq!(damaged.server_id_override, Some(Ipv4Addr::new(10, 9, 0, 2)));
    assert_eq!(oddities(&damaged), [Oddity::OptionOverrun]);
}

#[test]
fn error_text_is_safe_to_print() {
    let mut options = vec![56, 12];
    options.extend(b"no\x1b[2J\xe2\x80\xae\xff\0\0\0");
    options.truncate(14);
    options.push(255);
    let message = decoded(&message(&options));
    assert_eq!(
        message.error_text.as_deref(),
        Some("no\u{fffd}[2J\u{fffd}\u{fffd}")
    );
}

/// Each row was sent to dnsmasq 2.90 as a RELEASE: it honoured those that name a
/// server here, and only those.
#[test]
fn what_dnsmasq_was_seen_to_find() {
    let check = |options: &[u8], file: &[u8]| {
        let mut payload = message(options);
        payload[108..108 + file.len()].copy_from_slice(file);
        decoded(&payload).server_id
    };
    let server = Some(server(1));
    let in_file = [53, 1, 7, 54, 4, 10, 9, 0, 1, 255];
    assert_eq!(check(&[52, 1, 1, 12, 200, 1], &in_file), server);
    assert_eq!(
        check(&[53, 1, 7, 54, 2, 10, 9, 54, 4, 10, 9, 0, 1, 255], &[]),
        server
    );
    assert_eq!(check(&[53, 1, 7, 54, 5, 10, 9, 0, 1, 9, 255], &[]), server);
    assert_eq!(
        check(&[53, 1, 7, 53, 1, 3, 54, 4, 10, 9, 0, 1, 255], &[]),
        server
    );
    assert_eq!(check(&[53, 1, 7, 54, 4, 10, 9, 0, 1], &[]), server);
    assert_eq!(
        check(&[53, 1, 7, 54, 2, 10, 9, 54, 2, 0, 1, 255], &[]),
        None
    );
    assert_eq!(check(&[53, 1, 7, 255, 54, 4, 10, 9, 0, 1, 255], &[]), None);
}
