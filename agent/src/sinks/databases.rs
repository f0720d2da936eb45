//! Lease databases as people see them: on the status page, and in the readiness text.

use crate::evidence::status::DatabaseStatus;

/// One lease database, and the name of the namespace that its leases belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseEntry {
    /// Empty for the agent's own.
    pub netns: String,
    /// As the evidence task knows it.
    pub status: DatabaseStatus,
}

impl DatabaseEntry {
    /// What is wrong with it, in one line: it is of no use, or its path shows another state
    /// than the server has.
    pub fn problem(&self) -> Option<String> {
        let status = &self.status;
        let name = match &status.path {
            Some(path) => format!("{} {}", status.kind.as_str(), path.display()),
            None => status.kind.as_str().to_owned(),
        };
        let unread = status.reason.as_deref().filter(|_| !status.up);
        match (unread, status.liveness.reason()) {
            (Some(reason), _) => Some(format!(
                "the lease database of {name} is of no use: {reason}"
            )),
            (None, Some(reason)) => Some(format!("the lease database of {name}: {reason}")),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehound_core::evidence::{Liveness, ServerKind};
    use leasehound_core::origin::NetnsId;

    #[test]
    fn what_is_wrong_in_one_line() {
        let problem = |up, reason: Option<&str>, liveness| {
            let status = DatabaseStatus {
                kind: ServerKind::Dnsmasq,
                netns: NetnsId(0),
                server: None,
                path: Some("/run/x.leases".into()),
                up,
                entries: 0,
                reason: reason.map(Into::into),
                liveness,
            };
            let netns = String::new();
            DatabaseEntry { netns, status }.problem()
        };
        let reason = || "somebody deleted it".into();
        assert_eq!(problem(true, None, Liveness::Live), None);
        assert_eq!(
            problem(true, None, Liveness::Replaced { reason: reason() }).as_deref(),
            Some("the lease database of dnsmasq /run/x.leases: somebody deleted it")
        );
        let not_live = Liveness::NotLive { reason: reason() };
        assert_eq!(
            problem(false, Some("never written"), not_live).as_deref(),
            Some("the lease database of dnsmasq /run/x.leases is of no use: never written")
        );
    }
}
