//! What holds of a lease database in any format.

use leasehound_core::lease::{Changes, Format, Log, Reading, read};
use std::collections::BTreeMap;

/// Panics if the parser does, if leases are not in order, if the pieces of a text say
/// other than the whole, or if the changes that are told do not lead from one state to the
/// next. Returns what the text says.
pub fn check(format: Format, input: &[u8]) -> Reading {
    let reading = read(format, input);
    assert!(
        reading
            .leases
            .is_sorted_by(|one, next| one.address < next.address)
    );
    assert!(reading.leases6.is_sorted_by(|one, next| {
        (one.address, one.prefix_length) < (next.address, next.prefix_length)
    }));
    assert!(reading.declined.is_sorted_by(|one, next| one < next));
    assert!(
        reading
            .leases
            .iter()
            .all(|lease| !reading.declined.contains(&lease.address))
    );
    // Of a text of some length, so that not each octet is read again and again.
    let piece = input.len() / 16 + 1;
    let mut log = Log::new(format);
    let mut table = BTreeMap::new();
    for piece in input.chunks(piece) {
        let Changes { upserted, removed } = log.append(piece);
        for lease in upserted {
            table.insert(lease.address, lease);
        }
        for address in removed {
            assert!(table.remove(&address).is_some());
        }
        assert!(log.damage().is_some() || log.leases().eq(table.values()));
    }
    assert_eq!(log.to_reading(), reading);
    reading
}
