//! Files as busybox udhcpd writes them.

use super::*;

fn record(remaining: u32, last: u8, mac: [u8; 6]) -> Vec<u8> {
    let mut record = remaining.to_be_bytes().to_vec();
    record.extend([10, 0, 0, last]);
    record.extend(mac);
    record.extend(b"host\0garbage behind   \0\0");
    record.truncate(RECORD);
    record.resize(RECORD, 0);
    record
}

const NOW: u64 = 1_795_755_576;

#[test]
fn what_counts_as_leased() {
    let text = [
        NOW.to_be_bytes().to_vec(),
        record(60, 2, [2, 0, 0, 0, 0, 2]),
        record(0, 3, [2, 0, 0, 0, 0, 3]),
        record(3600, 4, [0; 6]),
        record(0, 5, [0; 6]),
    ]
    .concat();
    let expected = Reading {
        leases: vec![Lease {
            address: Ipv4Addr::new(10, 0, 0, 2),
            hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, 2]),
            client_id: None,
            expires: Some(Timestamp::from_secs(NOW + 60)),
        }],
        declined: vec![Ipv4Addr::new(10, 0, 0, 4)],
        written_at: Some(Timestamp::from_secs(NOW)),
        complete: true,
        ..Reading::default()
    };
    assert_eq!(parse(&text), expected);
    for end in 0..text.len() {
        let torn = parse(&text[..end]);
        assert_eq!(torn.damage, None);
        let whole = end == 0 || end % RECORD == HEAD;
        assert_eq!(torn.complete, whole, "{end}");
    }
}

#[test]
fn an_empty_file_is_one_that_was_never_written() {
    let reading = parse(b"");
    assert_eq!((reading.complete, reading.written_at), (true, None));
}

#[test]
fn damage_is_named_with_its_record() {
    let mut nobody = record(60, 0, [2; 6]);
    nobody[4..8].fill(0);
    let text = [
        NOW.to_be_bytes().to_vec(),
        record(60, 2, [2; 6]),
        nobody.clone(),
    ]
    .concat();
    let damage = parse(&text).damage.unwrap();
    assert_eq!(
        (damage.line, &*damage.reason),
        (2, "a record without an address")
    );
    let damage = parse(b"1795755576 02:00:00:00:00:01").damage.unwrap();
    assert_eq!(
        (damage.line, &*damage.reason),
        (1, "the time of writing is none")
    );
}
