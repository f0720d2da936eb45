//! Any octets as a lease file of systemd-networkd.

use super::lease_log;
use leasehound_core::lease::Format;

/// Panics if what holds of any lease database does not, or if half of a text looks damaged
/// though the whole is not.
pub fn check(input: &[u8]) {
    let whole = lease_log::check(Format::Networkd, input);
    let half = lease_log::check(Format::Networkd, &input[..input.len() / 2]);
    assert!(half.damage.is_none() || half.damage == whole.damage);
}
