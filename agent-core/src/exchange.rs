//! Messages of one transaction: what a REQUEST said that its ACK does not repeat.

use crate::binding::KnownClientId;
use crate::message::{ClientId, HardwareAddress, TransactionId};
use crate::origin::NetnsId;
use crate::tables::{Table, TableUsage};

/// A transaction is known by 'xid' and 'chaddr' (RFC 2131 §4.1): xids of two clients
/// may collide, and tools send 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeKey {
    /// Where: what comes in at a client's namespace left the server's before, and
    /// both may be watched.
    pub netns: NetnsId,
    /// 'xid'
    pub xid: TransactionId,
    /// 'chaddr'
    pub hardware_address: HardwareAddress,
}

/// What is remembered of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Option 61 of the client's latest message; an ACK need not echo it.
    pub client_id: KnownClientId,
    /// A reply of this transaction came in from outside: an egress copy of it is
    /// only being forwarded, and no server of this host sent it.
    pub reply_came_in: bool,
}

/// The open transactions.
#[derive(Debug)]
pub struct Exchanges(Table<ExchangeKey, Exchange>);

impl Exchanges {
    /// Room for `capacity` transactions; the least recently seen goes first.
    pub fn new(capacity: usize) -> Self {
        Self(Table::new("exchanges", capacity))
    }

    /// Notes a client's DISCOVER or REQUEST.
    pub fn client_message(&mut self, key: ExchangeKey, client_id: Option<&ClientId>) {
        let client_id = KnownClientId::Seen(client_id.cloned());
        self.0.put(
            key,
            Exchange {
                client_id,
                reply_came_in: false,
            },
        );
    }

    /// Notes that a server's reply came in from outside.
    pub fn reply_came_in(&mut self, key: ExchangeKey) {
        if let Some(exchange) = self.0.get_mut(&key) {
            exchange.reply_came_in = true;
            return;
        }
        // The client's message was not seen: its reply still tells whose it is.
        let unseen = Exchange {
            client_id: KnownClientId::NotSeen,
            reply_came_in: true,
        };
        self.0.put(key, unseen);
    }

    /// What is known of a transaction.
    pub fn get(&self, key: ExchangeKey) -> Option<&Exchange> {
        self.0.peek(&key)
    }

    /// How full the table is.
    pub fn usage(&self) -> TableUsage {
        self.0.usage()
    }
}
