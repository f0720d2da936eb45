//! Any octets as an answer on Kea's control socket.

use leasehound_core::lease::kea_control::parse;

/// Panics if `parse` does, if leases are not in order, or if half of an answer looks
/// damaged though the whole is not, or has a lease that the whole does not.
pub fn check(input: &[u8]) {
    let whole = parse(input).reading;
    assert!(
        whole
            .leases
            .is_sorted_by(|one, next| one.address < next.address)
    );
    let half = parse(&input[..input.len() / 2]).reading;
    assert!(half.damage.is_none() || half.damage == whole.damage);
    assert!(half.leases.len() <= whole.leases.len() + whole.declined.len());
}
