//! Lists of objects in JSON, as three of the databases are written. Goes through the text
//! once and keeps no more of it than the object it is in.
//!
//! A text that is no JSON, or that is nested more deeply than any database, is damage; so
//! is an object of the list that is no lease. Members and objects elsewhere that are not
//! known are left out.

use super::hex::decimal;
use super::ledger::Ledger;
use super::log::Fault;
use json_event_parser::{JsonEvent, LowLevelJsonParser, LowLevelJsonParserResult};
use smallvec::SmallVec;
use std::fmt;

/// How deep arrays and objects may be in one another; databases have five levels, and a
/// user's context some more.
const DEEPEST: usize = 32;

/// A name in an object; a long one is no known one.
pub(super) type Name = SmallVec<[u8; 24]>;

/// One of the levels around a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Level {
    Array,
    /// And the member that the value belongs to.
    Object(Name),
}

/// A member's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(&'a str),
    /// An array of numbers up to 255.
    Octets(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Number(_) | Self::Octets(_) => None,
        }
    }

    pub(super) fn octets(self) -> Option<&'a [u8]> {
        match self {
            Self::Octets(octets) => Some(octets),
            Self::Number(_) | Self::Text(_) => None,
        }
    }

    /// Some writers put their numbers in quotes.
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::Text(digits) | Self::Number(digits) => decimal(digits.as_bytes()),
            Self::Octets(_) => None,
        }
    }
}

/// What a database's JSON looks like.
pub(super) trait Shape: Default {
    /// Whether the objects in the array at this place are the leases.
    fn is_list(place: &[Level]) -> bool;

    /// A member of a lease.
    fn member(&mut self, name: &[u8], value: Value<'_>) -> Result<(), &'static str>;

    /// The lease's members are all there; the next lease's follow.
    fn end(&mut self, ledger: &mut Ledger) -> Result<(), &'static str>;

    /// A value that is not of a lease.
    fn aside(&mut self, _place: &[Level], _value: Value<'_>, _ledger: &mut Ledger) {}
}

/// Goes through a text.
pub(super) struct Walk<S> {
    parser: LowLevelJsonParser,
    place: Vec<Level>,
    /// How many levels are around a lease, in one.
    lease: Option<usize>,
    /// The octets of an array that may be a value.
    octets: Option<SmallVec<[u8; 32]>>,
    pub(super) shape: S,
    ended: bool,
}

impl<S: Shape> Default for Walk<S> {
    fn default() -> Self {
        let mut parser = LowLevelJsonParser::new().with_max_stack_size(DEEPEST);
        // It looks for a byte order mark before it reads a text of two octets.
        parser.parse_next(b"   ", false);
        Self {
            parser,
            place: Vec::new(),
            lease: None,
            octets: None,
            shape: S::default(),
            ended: false,
        }
    }
}

impl<S> fmt::Debug for Walk<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk")
            .field("place", &self.place)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl<S: Shape> Walk<S> {
    pub(super) fn take_in(&mut self, text: &[u8], ledger: &mut Ledger) -> Result<usize, Fault> {
        let mut at = 0;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            if self.ended {
                let blank = rest
                    .iter()
                    .take_while(|octet| octet.is_ascii_whitespace())
                    .count();
                return if blank == rest.len() {
                    Ok(text.len())
                } else {
                    let reason = "something after the end of the JSON";
                    Err(Fault {
                        at: at + blank,
                        reason,
                    })
                };
            }
            let LowLevelJsonParserResult {
                consumed_bytes,
                event,
            } = self.parser.parse_next(rest, false);
            let fault = |reason| Fault { at, reason };
            let taken = at + consumed_bytes;
            let Some(event) = event else {
                return Ok(taken);
            };
            let event = event.map_err(|_| fault("no JSON, or too deeply nested"))?;
            self.event(&event, ledger).map_err(fault)?;
            at = taken;
        }
    }

    /// Whether the JSON is whole.
    pub(super) const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether it has begun.
    pub(super) fn is_begun(&self) -> bool {
        self.ended || !self.place.is_empty()
    }

    fn event(&mut self, event: &JsonEvent<'_>, ledger: &mut Ledger) -> Result<(), &'static str> {
        match event {
            JsonEvent::StartArray => {
                self.octets = self.is_member().then(SmallVec::new);
                self.place.push(Level::Array);
            }
            JsonEvent::StartObject => {
                self.octets = None;
                if self.lease.is_none() && S::is_list(&self.place) {
                    self.lease = Some(self.place.len());
                }
                self.place.push(Level::Object(Name::new()));
            }
            JsonEvent::ObjectKey(name) => {
                if let Some(Level::Object(current)) = self.place.last_mut() {
                    current.clear();
                    current.extend_from_slice(name.as_bytes());
                }
            }
            JsonEvent::EndArray => {
                self.place.pop();
                if let Some(octets) = self.octets.take() {
                    self.value(Value::Octets(&octets), ledger)?;
                }
            }
            JsonEvent::EndObject => {
                self.place.pop();
                if self.lease == Some(self.place.len()) {
                    self.lease = None;
                    self.shape.end(ledger)?;
                }
            }
            JsonEvent::Number(digits) if matches!(self.place.last(), Some(Level::Array)) => {
                let octet = decimal(digits.as_bytes()).and_then(|octet| u8::try_from(octet).ok());
                match (&mut self.octets, octet) {
                    (Some(octets), Some(octet)) if octets.len() < 255 => octets.push(octet),
                    _ => self.octets = None,
                }
            }
            JsonEvent::Number(digits) => self.value(Value::Number(digits), ledger)?,
            JsonEvent::String(text) => self.value(Value::Text(text), ledger)?,
            JsonEvent::Boolean(_) | JsonEvent::Null => self.octets = None,
            JsonEvent::Eof => {}
        }
        self.ended = self.place.is_empty();
        Ok(())
    }

    fn is_member(&self) -> bool {
        matches!(self.place.last(), Some(Level::Object(_)))
    }

    fn value(&mut self, value: Value<'_>, ledger: &mut Ledger) -> Result<(), &'static str> {
        let Some(Level::Object(name)) = self.place.last() else {
            self.octets = None;
            return Ok(());
        };
        match self.lease {
            None => self.shape.aside(&self.place, value, ledger),
            Some(depth) if self.place.len() == depth + 1 => {
                self.shape.member(name, value)?;
            }
            // A user's context.
            Some(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
