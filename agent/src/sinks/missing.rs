//! What a person reads of a verdict's `missing`: the same text in the summary, below a
//! verdict, and from `explain`.

use leasehound_core::verdict::Missing;

/// What would have told, as a clause.
pub const fn clause(missing: Missing) -> &'static str {
    match missing {
        Missing::Server => "which server program the message was for is not known",
        Missing::LeaseDatabase => {
            "there is no lease database of the server, or no usable reading of it after the message"
        }
        Missing::DatabaseNotLive => {
            "the lease database is not what the server goes by: written never or seldom, or not this server's"
        }
        Missing::LocalAddresses => "which addresses the host has is not known",
        Missing::LeaseHistory => "nothing shows that the address was leased before the message",
        Missing::ServerId => {
            "which id the server uses now is not known: no OFFER or ACK was seen since it started"
        }
        Missing::Delivery => "the message is right; whether it reached the server was not seen",
        Missing::ServerConfiguration => {
            "it reached the server and breaks no rule that is known; its configuration would tell"
        }
        Missing::UndisturbedLease => {
            "the lease ended by itself, or was granted anew, before it could be seen to leave"
        }
        Missing::Time => "the table of open messages was full, or the agent stopped",
    }
}

/// What brings the evidence, as a sentence.
pub const fn remedy(missing: Missing) -> &'static str {
    match missing {
        Missing::Server => {
            "Run leasehound on the server's host, or tell a replay with --server-kind which program it was. \
             Messages on their way to a server elsewhere stay undetermined here."
        }
        Missing::LeaseDatabase => {
            "Name the database with --lease-db, or give leasehound the rights to read it (CAP_SYS_PTRACE, \
             CAP_DAC_READ_SEARCH)."
        }
        Missing::DatabaseNotLive => {
            "A dnsmasq with leasefile-ro keeps its leases in its memory, udhcpd dumps them every auto_time: have \
             dnsmasq write its lease file, or believe only verdicts that rest on the packet. A file named with \
             --lease-db must be the one that the server of this host writes; without the flag that one is found."
        }
        Missing::LocalAddresses => {
            "A bare capture does not say; run leasehound on the host, or replay one of its recordings."
        }
        Missing::LeaseHistory => {
            "Let leasehound run from before the lease is granted or extended, or give it the lease database."
        }
        Missing::ServerId => {
            "It is learned from the server's next OFFER or ACK on the subnet, at the latest when a client renews."
        }
        Missing::Delivery => {
            "The socket hooks show it: cgroup v2, and the rights that README.md lists. A bare capture never says."
        }
        Missing::ServerConfiguration => {
            "Look at the server's own filters: tags of its ranges, ignored hosts and classes, its log."
        }
        Missing::UndisturbedLease => "Nothing: the client, or time, was faster than the database.",
        Missing::Time => {
            "leasehound_table_evictions_total says whether the table was full; else the agent was stopped early."
        }
    }
}

/// From the stable code.
pub fn from_code(code: &str) -> Option<Missing> {
    Missing::ALL
        .into_iter()
        .find(|missing| missing.as_str() == code)
}
