//! Any octets as a lease file of udhcpd.

use super::lease_log;
use leasehound_core::lease::Format;
use leasehound_core::time::Timestamp;

/// Panics if what holds of any lease database does not, if a lease does not survive being
/// written as udhcpd writes it, or if half of a file looks damaged though the whole is not.
pub fn check(input: &[u8]) {
    let whole = lease_log::check(Format::Udhcpd, input);
    let half = lease_log::check(Format::Udhcpd, &input[..input.len() / 2]);
    assert!(half.damage.is_none() || half.damage == whole.damage);

    let Some(written_at) = whole.written_at else {
        return;
    };
    let mut octets = written_at.as_secs().to_be_bytes().to_vec();
    for lease in &whole.leases {
        let end = lease.expires.map_or(0, Timestamp::as_secs);
        let remaining = u32::try_from(end - written_at.as_secs()).unwrap_or(u32::MAX);
        octets.extend(remaining.to_be_bytes());
        octets.extend(lease.address.octets());
        octets.extend(lease.hardware_address.as_bytes());
        octets.extend([0; 22]);
    }
    let again = lease_log::check(Format::Udhcpd, &octets);
    assert_eq!(again.leases, whole.leases);
    assert!(again.complete && again.damage.is_none());
}
