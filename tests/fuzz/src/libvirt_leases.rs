//! Any octets as a `.status` file of libvirt.

use super::lease_log;
use leasehound_core::lease::Format;

/// Panics if what holds of any lease database does not, or if half of a text looks damaged
/// though the whole is not.
pub fn check(input: &[u8]) {
    let whole = lease_log::check(Format::Libvirt, input);
    let half = lease_log::check(Format::Libvirt, &input[..input.len() / 2]);
    assert!(half.damage.is_none() || half.damage == whole.damage);
}
