//! ISC dhcpd's lease file (dhcpd.leases(5); server/db.c `write_lease()`, common/parse.c).
//!
//! A log of blocks, `lease ADDRESS { … }`, of which the last of an address counts. It is
//! leased while its `binding state` is `active`; all other states (free, released,
//! expired, abandoned, backup, reset) mean that no client has it. dhcpd appends to the
//! file and from time to time puts a new one in its place, with one block for each
//! address.
//!
//! A lease that ran out stays active until dhcpd comes round to it; whether it has run
//! out is for those to say who know the time.

use super::hex::parse_hex;
use super::{Damage, Reading};
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use lexer::{Lexer, Token};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

mod lexer;
mod time;

/// Statements have a handful of words; of longer ones the rest is left out.
const KEPT: usize = 8;

/// Reads a lease file's text. Statements that say nothing of a lease's client or state
/// are left out, those that don't exist yet included.
pub fn parse(text: &[u8]) -> Reading {
    let mut lexer = Lexer::new(text);
    let mut leases = BTreeMap::new();
    let mut damage = None;
    let complete = loop {
        let line = lexer.line();
        match declaration(&mut lexer, &mut leases) {
            Ok(End::Whole) => {}
            Ok(End::Nothing) => break text.last().is_none_or(|last| *last == b'\n'),
            Ok(End::Torn) => break false,
            Err(reason) => {
                damage = Some(Damage {
                    line,
                    reason: reason.into(),
                });
                break true;
            }
        }
    };
    Reading {
        leases: leases.into_values().collect(),
        complete,
        damage,
    }
}

/// How a piece of the text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As it should.
    Whole,
    /// In the middle.
    Torn,
    /// There was none.
    Nothing,
}

/// One declaration of the file: of a lease, or any other.
fn declaration(
    lexer: &mut Lexer<'_>,
    leases: &mut BTreeMap<Ipv4Addr, Lease>,
) -> Result<End, &'static str> {
    let Some((statement, opens)) = statement(lexer)? else {
        return match (lexer.at_end(), lexer.inside()) {
            (false, _) => Err("a brace too many"),
            (true, true) => Ok(End::Torn),
            (true, false) => Ok(End::Nothing),
        };
    };
    match (statement.words(), opens) {
        ([b"lease", address], Opens::Block) => {
            let address = str::from_utf8(address)
                .ok()
                .and_then(|address| address.parse().ok())
                .ok_or("the address cannot be read")?;
            let Some(block) = Block::read(lexer)? else {
                return Ok(End::Torn);
            };
            match block.lease(address) {
                Some(lease) => leases.insert(address, lease),
                None => leases.remove(&address),
            };
            Ok(End::Whole)
        }
        ([], _) => Err("not a declaration"),
        ([word, ..], _) if !is_keyword(word) => Err("not a declaration"),
        (_, Opens::Block) => Ok(skip_block(lexer)),
        (_, Opens::Nothing) => Ok(End::Whole),
    }
}

/// A word that may begin a statement that is not known here.
fn is_keyword(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_alphabetic)
        && word
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
}

/// Whether a statement goes on with a block in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    Block,
    Nothing,
}

/// The words of one statement, up to `;` or `{`.
#[derive(Debug, Default)]
struct Statement<'a> {
    words: [&'a [u8]; KEPT],
    count: usize,
    /// The first text in quotes, without them.
    quoted: Option<&'a [u8]>,
}

impl<'a> Statement<'a> {
    fn words(&self) -> &[&'a [u8]] {
        self.words.get(..self.count).unwrap_or(&self.words)
    }
}

/// The next statement; `None` at the end of the text, also if that is in its middle, and
/// at the end of the block that it would be in.
fn statement<'a>(lexer: &mut Lexer<'a>) -> Result<Option<(Statement<'a>, Opens)>, &'static str> {
    let mut statement = Statement::default();
    let mut begun = false;
    while let Some(token) = lexer.next() {
        match token {
            Token::Word(word) => {
                if let Some(slot) = statement.words.get_mut(statement.count) {
                    *slot = word;
                    statement.count += 1;
                }
            }
            Token::Quoted(text) => {
                statement.quoted.get_or_insert(text);
            }
            Token::Semicolon => return Ok(Some((statement, Opens::Nothing))),
            Token::Open => return Ok(Some((statement, Opens::Block))),
            Token::Close if begun => return Err("a statement is not finished"),
            Token::Close => return Ok(None),
        }
        begun = true;
    }
    lexer.end(begun);
    Ok(None)
}

/// Skips to the end of a block, whatever is in it.
fn skip_block(lexer: &mut Lexer<'_>) -> End {
    let mut depth = 1_usize;
    while let Some(token) = lexer.next() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            Token::Word(_) | Token::Quoted(_) | Token::Semicolon => {}
        }
        if depth == 0 {
            return End::Whole;
        }
    }
    End::Torn
}

/// What a lease's block says.
#[derive(Debug, Default)]
struct Block {
    /// `binding state`; files from before failover have none.
    active: Option<bool>,
    /// The old word for the state.
    abandoned: bool,
    hardware_address: Option<HardwareAddress>,
    client_id: Option<ClientId>,
    ends: Option<Timestamp>,
}

impl Block {
    /// `None` if the text ends before the block does.
    fn read(lexer: &mut Lexer<'_>) -> Result<Option<Self>, &'static str> {
        let mut block = Self::default();
        loop {
            let Some((statement, opens)) = statement(lexer)? else {
                return Ok((!lexer.at_end()).then_some(block));
            };
            if opens == Opens::Block {
                // `on expiry { … }` and its like.
                if skip_block(lexer) == End::Torn {
                    return Ok(None);
                }
                continue;
            }
            block.take_in(&statement)?;
        }
    }

    fn take_in(&mut self, statement: &Statement<'_>) -> Result<(), &'static str> {
        match statement.words() {
            [b"binding", b"state", state] => self.active = Some(*state == b"active"),
            [b"abandoned"] => self.abandoned = true,
            [b"ends", when @ ..] => {
                self.ends = time::parse(when).ok_or("the end of a lease cannot be read")?;
            }
            [b"hardware", kind, address] => {
                self.hardware_address = Some(
                    hardware_address(kind, address).ok_or("the hardware address cannot be read")?,
                );
            }
            [b"uid", rest @ ..] => {
                let id = match (statement.quoted, rest) {
                    (Some(text), []) => lexer::unescape(text),
                    (None, [octets]) => parse_hex(octets, &mut [0; 255]).map(<[u8]>::to_vec),
                    _ => None,
                };
                let id = id.ok_or("the client identifier cannot be read")?;
                self.client_id = (!id.is_empty()).then(|| ClientId::new(&id));
            }
            _ => {}
        }
        Ok(())
    }

    fn lease(self, address: Ipv4Addr) -> Option<Lease> {
        let active = self.active.unwrap_or(!self.abandoned);
        active.then(|| Lease {
            address,
            hardware_address: self
                .hardware_address
                .unwrap_or_else(|| HardwareAddress::new(0, &[])),
            client_id: self.client_id,
            expires: self.ends,
        })
    }
}

/// `hardware ethernet 02:…`; the numbers are ARP hardware types (RFC 1700), which dhcpd
/// writes as `unknown-N` where it has no word for one.
fn hardware_address(kind: &[u8], address: &[u8]) -> Option<HardwareAddress> {
    let kind = match kind {
        b"ethernet" => 1,
        b"token-ring" => 6,
        b"fddi" => 8,
        b"infiniband" => 32,
        other => {
            let number = other.strip_prefix(b"unknown-")?;
            str::from_utf8(number).ok()?.parse().ok()?
        }
    };
    let mut octets = [0; 16];
    Some(HardwareAddress::new(kind, parse_hex(address, &mut octets)?))
}

#[cfg(test)]
mod tests;
