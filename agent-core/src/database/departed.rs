//! Leases that left a database, and which message each of them is credited to.

use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;

/// A lease that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// The lease as it last stood.
    pub lease: Lease,
    /// Start of the last reading that had it.
    pub last_read_with: Timestamp,
    /// End of the first reading that had it not.
    pub first_read_without: Timestamp,
    /// The message that it was credited to.
    pub credited_to: Option<Credit>,
}

/// A message that ended a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Its number.
    pub id: u64,
    /// When it was seen.
    pub seen: Timestamp,
    /// Whether it came from the client that had the lease.
    pub of_its_client: bool,
}

/// A message that may have ended a lease.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// Its number.
    pub id: u64,
    /// When it was seen.
    pub seen: Timestamp,
    /// Its client.
    pub hardware_address: HardwareAddress,
    /// Its client identifier.
    pub client_id: Option<&'a ClientId>,
}

impl Claimant<'_> {
    /// Whether its client had a lease.
    pub fn had(&self, lease: &Lease) -> bool {
        is_leased_to(lease, self.hardware_address, self.client_id)
    }

    /// How much a departure is its own: the greatest counts.
    pub(super) fn rank(&self, departed: &Departed) -> u8 {
        let mine = self.had(&departed.lease);
        match departed.credited_to {
            Some(credit) if credit.id == self.id => 4,
            Some(credit) if mine && !credit.of_its_client => 3,
            None if mine => 3,
            None => 2,
            Some(_) => 1,
        }
    }
}

/// Whether a lease is a client's: by its client identifier, or by its hardware address. An
/// empty hardware address is nobody's.
pub fn is_leased_to(
    lease: &Lease,
    hardware_address: HardwareAddress,
    client_id: Option<&ClientId>,
) -> bool {
    let by_id = client_id.is_some() && lease.client_id.as_ref() == client_id;
    by_id || is_hardware_address_of(lease, hardware_address)
}

/// An empty hardware address finds no lease (lease.c: `hw_len != 0`).
pub(super) fn is_hardware_address_of(lease: &Lease, hardware_address: HardwareAddress) -> bool {
    lease.hardware_address == hardware_address && !hardware_address.as_bytes().is_empty()
}
