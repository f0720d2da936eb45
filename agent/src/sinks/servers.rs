//! The DHCP servers that the status page and the metrics show.

use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::ServerSummary;

/// A server as seen on one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOnInterface {
    /// Where its OFFERs and ACKs are seen.
    pub interface: InterfaceId,
    /// What is known of it.
    pub summary: ServerSummary,
}
