//! Lists of objects in JSON (RFC 8259), as three of the databases are written. Goes through
//! the text once and keeps no more of it than the object it is in: a tree of 100,000 leases
//! would take ten times the memory of the leases.
//!
//! A text that is no JSON, or that is nested more deeply than any database, is damage; so
//! is an object of the list that is no lease. Members and objects elsewhere that are not
//! known are left out.

use super::hex::decimal;
use super::ledger::Ledger;
use super::log::Fault;
use lexer::{NoJson, Token};
use smallvec::SmallVec;

mod lexer;

/// How deep arrays and objects may be in one another; databases have five levels, and a
/// user's context some more.
const DEEPEST: usize = 32;
/// No client identifier is longer.
const LONGEST_OCTETS: usize = 255;

/// A name in an object.
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
    Text(&'a [u8]),
    Number(&'a [u8]),
    /// An array of numbers up to 255.
    Octets(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) const fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Octets(_) => None,
        }
    }

    pub(super) const fn octets(self) -> Option<&'a [u8]> {
        match self {
            Self::Octets(octets) => Some(octets),
            Self::Number(_) | Self::Text(_) => None,
        }
    }

    /// Some writers put their numbers in quotes.
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::Text(digits) | Self::Number(digits) => decimal(digits),
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
#[derive(Debug, Default)]
pub(super) struct Walk<S> {
    place: Vec<Level>,
    expected: Expected,
    /// How many levels are around a lease, in one.
    lease: Option<usize>,
    /// The octets of an array that may be a value.
    octets: Option<SmallVec<[u8; 32]>>,
    pub(super) shape: S,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Expected {
    #[default]
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

const NO_JSON: &str = "no JSON, or too deeply nested";

impl From<NoJson> for &'static str {
    fn from(_: NoJson) -> Self {
        NO_JSON
    }
}

impl<S: Shape> Walk<S> {
    pub(super) fn take_in(&mut self, text: &[u8], ledger: &mut Ledger) -> Result<usize, Fault> {
        let mut at = 0;
        let mut rest = text;
        loop {
            let blank = blank(rest);
            at += blank;
            rest = rest.get(blank..).unwrap_or_default();
            let fault = |reason| Fault { at, reason };
            if rest.is_empty() {
                return Ok(at);
            }
            if self.is_ended() {
                return Err(fault("something after the end of the JSON"));
            }
            let Some((token, length)) = lexer::first(rest).map_err(|error| fault(error.into()))?
            else {
                return Ok(at);
            };
            self.token(&token, ledger).map_err(fault)?;
            at += length;
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    /// Whether the JSON is whole.
    pub(super) fn is_ended(&self) -> bool {
        self.expected == Expected::Nothing
    }

    /// Whether it has begun.
    pub(super) fn is_begun(&self) -> bool {
        self.is_ended() || !self.place.is_empty()
    }

    fn token(&mut self, token: &Token<'_>, ledger: &mut Ledger) -> Result<(), &'static str> {
        use Expected::{Colon, CommaOrEnd, Name, NameOrEnd, Value, ValueOrEnd};
        match (self.expected, token) {
            (Value | ValueOrEnd, token) if begins_value(token) => self.value(token, ledger),
            (Name | NameOrEnd, Token::Text(name)) => {
                if let Some(Level::Object(current)) = self.place.last_mut() {
                    current.clear();
                    current.extend_from_slice(name);
                }
                self.expected = Colon;
                Ok(())
            }
            (Colon, Token::Colon) => {
                self.expected = Value;
                Ok(())
            }
            (CommaOrEnd, Token::Comma) => {
                self.expected = match self.place.last() {
                    Some(Level::Object(_)) => Name,
                    _ => Value,
                };
                Ok(())
            }
            (CommaOrEnd | ValueOrEnd, Token::CloseArray)
                if self.place.pop_if(|level| *level == Level::Array).is_some() =>
            {
                self.end_value();
                match self.octets.take() {
                    Some(octets) => self.scalar(self::Value::Octets(&octets), ledger),
                    None => Ok(()),
                }
            }
            (CommaOrEnd | NameOrEnd, Token::CloseObject)
                if self.place.pop_if(|level| *level != Level::Array).is_some() =>
            {
                self.end_value();
                if self.lease == Some(self.place.len()) {
                    self.lease = None;
                    return self.shape.end(ledger);
                }
                Ok(())
            }
            _ => Err(NO_JSON),
        }
    }

    /// The beginning of an array or object, or any other value.
    fn value(&mut self, token: &Token<'_>, ledger: &mut Ledger) -> Result<(), &'static str> {
        let in_array = self.place.last() == Some(&Level::Array);
        match token {
            Token::OpenArray | Token::OpenObject if self.place.len() >= DEEPEST => Err(NO_JSON),
            Token::OpenArray => {
                let is_member = !in_array && !self.place.is_empty();
                self.octets = is_member.then(SmallVec::new);
                self.place.push(Level::Array);
                self.expected = Expected::ValueOrEnd;
                Ok(())
            }
            Token::OpenObject => {
                self.octets = None;
                if self.lease.is_none() && S::is_list(&self.place) {
                    self.lease = Some(self.place.len());
                }
                self.place.push(Level::Object(Name::new()));
                self.expected = Expected::NameOrEnd;
                Ok(())
            }
            Token::Number(digits) if in_array => {
                self.end_value();
                let octet = decimal(digits).and_then(|octet| u8::try_from(octet).ok());
                match (&mut self.octets, octet) {
                    (Some(octets), Some(octet)) if octets.len() < LONGEST_OCTETS => {
                        octets.push(octet);
                    }
                    _ => self.octets = None,
                }
                Ok(())
            }
            _ if in_array => {
                self.end_value();
                self.octets = None;
                Ok(())
            }
            Token::Number(digits) => {
                self.end_value();
                self.scalar(Value::Number(digits), ledger)
            }
            Token::Text(text) => {
                self.end_value();
                self.scalar(Value::Text(text), ledger)
            }
            _ => {
                self.end_value();
                Ok(())
            }
        }
    }

    fn end_value(&mut self) {
        self.expected = if self.place.is_empty() {
            Expected::Nothing
        } else {
            Expected::CommaOrEnd
        };
    }

    /// A member's value.
    fn scalar(&mut self, value: Value<'_>, ledger: &mut Ledger) -> Result<(), &'static str> {
        let Some(Level::Object(name)) = self.place.last() else {
            return Ok(());
        };
        match self.lease {
            None => self.shape.aside(&self.place, value, ledger),
            Some(depth) if self.place.len() == depth + 1 => self.shape.member(name, value)?,
            // A user's context.
            Some(_) => {}
        }
        Ok(())
    }
}

const fn begins_value(token: &Token<'_>) -> bool {
    matches!(
        token,
        Token::OpenArray | Token::OpenObject | Token::Text(_) | Token::Number(_) | Token::Literal
    )
}

/// How many octets of white space `text` begins with.
fn blank(text: &[u8]) -> usize {
    text.iter()
        .take_while(|octet| matches!(octet, b' ' | b'\t' | b'\n' | b'\r'))
        .count()
}

#[cfg(test)]
mod tests;
