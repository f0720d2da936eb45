//! What the responder has given out, and its lease file.

use crate::message::{Mac, Message, kind, option};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

const FIRST: u8 = 10;
const LAST: u8 = 249;
const LEASE_TIME: u32 = 3600;

/// All leases, by the last octet of their address.
#[derive(Debug)]
pub(super) struct Grants {
    server: Ipv4Addr,
    holders: BTreeMap<u8, Mac>,
    lease_file: PathBuf,
}

impl Grants {
    /// None yet; `server` is the id.
    pub(super) fn new(server: Ipv4Addr, lease_file: &Path) -> Result<Self> {
        let grants = Self {
            server,
            holders: BTreeMap::new(),
            lease_file: lease_file.to_owned(),
        };
        grants.write()?;
        Ok(grants)
    }

    /// Acts on a message; the reply, if it deserves one (RFC 2131 §4.3).
    pub(super) fn answer(&mut self, message: &Message) -> Result<Option<Message>> {
        let named = message.address(option::SERVER_ID);
        if named.is_some_and(|named| named != self.server) {
            return Ok(None);
        }
        let client = hardware_address(message);
        match message.kind() {
            Some(kind::DISCOVER) => {
                let Some(address) = self.held_by(client).or_else(|| self.free()) else {
                    return Ok(None);
                };
                Ok(Some(self.reply(message, kind::OFFER, address)))
            }
            Some(kind::REQUEST) => {
                let wanted = message
                    .address(option::REQUESTED_ADDRESS)
                    .unwrap_or(message.ciaddr);
                if self.held_by(client) == Some(wanted) {
                    return Ok(Some(self.reply(message, kind::ACK, wanted)));
                }
                if named.is_none() || !self.grant(wanted, client) {
                    return Ok(None);
                }
                self.write()?;
                Ok(Some(self.reply(message, kind::ACK, wanted)))
            }
            Some(kind::RELEASE) if named.is_some() => {
                if self.held_by(client) == Some(message.ciaddr) {
                    self.holders.retain(|_, holder| *holder != client);
                    self.write()?;
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn held_by(&self, client: Mac) -> Option<Ipv4Addr> {
        let mut held = self.holders.iter();
        let (host, _) = held.find(|(_, holder)| **holder == client)?;
        Some(self.address(*host))
    }

    fn free(&self) -> Option<Ipv4Addr> {
        let host = (FIRST..=LAST).find(|host| !self.holders.contains_key(host))?;
        Some(self.address(host))
    }

    /// Whether `address` is given to `client` now: it was free, and in the range.
    fn grant(&mut self, address: Ipv4Addr, client: Mac) -> bool {
        let [.., host] = address.octets();
        if address != self.address(host)
            || !(FIRST..=LAST).contains(&host)
            || self.holders.contains_key(&host)
        {
            return false;
        }
        self.holders.insert(host, client);
        true
    }

    fn address(&self, host: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.server.octets();
        Ipv4Addr::new(a, b, c, host)
    }

    fn reply(&self, request: &Message, kind: u8, address: Ipv4Addr) -> Message {
        let mut reply = Message {
            op: 2,
            yiaddr: address,
            options: Vec::new(),
            ..request.clone()
        };
        reply.set(option::MESSAGE_TYPE, &[kind]);
        reply.set(option::SERVER_ID, &self.server.octets());
        reply.set(option::LEASE_TIME, &LEASE_TIME.to_be_bytes());
        reply.set(option::SUBNET_MASK, &[255, 255, 255, 0]);
        reply
    }

    /// Renamed into place: whoever reads it sees it whole. Leases never expire there.
    fn write(&self) -> Result<()> {
        let mut text = String::new();
        for (host, holder) in &self.holders {
            writeln!(text, "0 {holder} {} * *", self.address(*host))?;
        }
        let written = self.lease_file.with_extension("new");
        std::fs::write(&written, text)?;
        std::fs::rename(&written, &self.lease_file).context("lease file")
    }
}

fn hardware_address(message: &Message) -> Mac {
    let mut mac = Mac([0; 6]);
    for (to, from) in mac.0.iter_mut().zip(message.chaddr) {
        *to = from;
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

    fn request(kind: u8, client: u8) -> Message {
        Message::request(kind, 7, Mac::client(client))
    }

    #[test]
    fn grants_renews_and_forgets() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("leases");
        let mut grants = Grants::new(SERVER, &file).unwrap();
        let offer = grants.answer(&request(kind::DISCOVER, 1)).unwrap().unwrap();
        assert_eq!(offer.kind(), Some(kind::OFFER));
        let mut select = request(kind::REQUEST, 1);
        select.set(option::REQUESTED_ADDRESS, &offer.yiaddr.octets());
        select.set(option::SERVER_ID, &SERVER.octets());
        let ack = grants.answer(&select).unwrap().unwrap();
        assert_eq!((ack.kind(), ack.yiaddr), (Some(kind::ACK), offer.yiaddr));
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "0 02:02:00:d4:01:01 10.0.1.10 * *\n"
        );

        let mut renew = request(kind::REQUEST, 1);
        renew.ciaddr = ack.yiaddr;
        assert!(grants.answer(&renew).unwrap().is_some());
        renew.set_client(Mac::client(2));
        assert!(grants.answer(&renew).unwrap().is_none());

        let mut release = request(kind::RELEASE, 1);
        release.ciaddr = ack.yiaddr;
        release.set(option::SERVER_ID, &[10, 0, 2, 1]);
        assert!(grants.answer(&release).unwrap().is_none());
        assert!(grants.held_by(Mac::client(1)).is_some());
        release.set(option::SERVER_ID, &SERVER.octets());
        assert!(grants.answer(&release).unwrap().is_none());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    }
}
