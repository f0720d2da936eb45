//! The words of a JSON text (RFC 8259 §2). What is in quotes may be of any encoding: a host
//! name that is not UTF-8 spoils no lease.

use std::borrow::Cow;

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    OpenArray,
    CloseArray,
    OpenObject,
    CloseObject,
    Colon,
    Comma,
    /// What stands between two quotes, escapes resolved.
    Text(Cow<'a, [u8]>),
    /// As it stands there.
    Number(&'a [u8]),
    /// `true`, `false`, `null`
    Literal,
}

/// The text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoJson;

/// The first token of `text`, which begins with one, and its length; `None` if the token may
/// go on in what follows.
pub(super) fn first(text: &[u8]) -> Result<Option<(Token<'_>, usize)>, NoJson> {
    let Some((octet, rest)) = text.split_first() else {
        return Ok(None);
    };
    let single = match octet {
        b'[' => Token::OpenArray,
        b']' => Token::CloseArray,
        b'{' => Token::OpenObject,
        b'}' => Token::CloseObject,
        b':' => Token::Colon,
        b',' => Token::Comma,
        b'"' => return quoted(rest),
        b'-' | b'0'..=b'9' => return number(text),
        b't' => return literal(text, b"true"),
        b'f' => return literal(text, b"false"),
        b'n' => return literal(text, b"null"),
        _ => return Err(NoJson),
    };
    Ok(Some((single, 1)))
}

/// `rest` begins behind the first quote.
fn quoted(rest: &[u8]) -> Result<Option<(Token<'_>, usize)>, NoJson> {
    let special = |octet: &u8| *octet < 0x20 || matches!(*octet, b'"' | b'\\');
    let Some(length) = rest.iter().position(special) else {
        return Ok(None);
    };
    let (plain, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    match tail.first() {
        Some(b'"') => Ok(Some((Token::Text(plain.into()), length + 2))),
        Some(b'\\') => escaped(rest, length),
        _ => Err(NoJson),
    }
}

/// The same of a text whose first escape stands at `plain`.
fn escaped(rest: &[u8], plain: usize) -> Result<Option<(Token<'_>, usize)>, NoJson> {
    let mut text = rest.get(..plain).unwrap_or_default().to_vec();
    let mut at = plain;
    while let Some(octet) = rest.get(at) {
        at += 1;
        match octet {
            b'"' => return Ok(Some((Token::Text(text.into()), at + 1))),
            b'\\' => {}
            0..0x20 => return Err(NoJson),
            _ => {
                text.push(*octet);
                continue;
            }
        }
        let Some(kind) = rest.get(at) else {
            return Ok(None);
        };
        at += 1;
        text.push(match kind {
            b'"' | b'\\' | b'/' => *kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let Some((character, length)) = unicode(rest.get(at..).unwrap_or_default())? else {
                    return Ok(None);
                };
                at += length;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return Err(NoJson),
        });
    }
    Ok(None)
}

/// What stands behind `\u`: four digits, or twelve octets of a pair of surrogates.
fn unicode(rest: &[u8]) -> Result<Option<(char, usize)>, NoJson> {
    let Some(high) = four_digits(rest)? else {
        return Ok(None);
    };
    if let Some(character) = char::from_u32(high) {
        return Ok(Some((character, 4)));
    }
    let Some(second) = rest.get(4..6) else {
        return Ok(None);
    };
    let Some(low) = four_digits(rest.get(6..).unwrap_or_default())? else {
        return Ok(None);
    };
    let pair = second == b"\\u" && high < 0xdc00 && (0xdc00..0xe000).contains(&low);
    let code = 0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
    let character = char::from_u32(code).filter(|_| pair).ok_or(NoJson)?;
    Ok(Some((character, 10)))
}

fn four_digits(rest: &[u8]) -> Result<Option<u32>, NoJson> {
    let Some(digits) = rest.get(..4) else {
        return Ok(None);
    };
    let mut number = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(16).ok_or(NoJson)?;
        number = number << 4 | digit;
    }
    Ok(Some(number))
}

/// Its end has to be seen.
fn number(text: &[u8]) -> Result<Option<(Token<'_>, usize)>, NoJson> {
    let within = |octet: &u8| matches!(octet, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let Some(length) = text.iter().position(|octet| !within(octet)) else {
        return Ok(None);
    };
    let number = text.get(..length).unwrap_or(text);
    if is_number(number) {
        Ok(Some((Token::Number(number), length)))
    } else {
        Err(NoJson)
    }
}

/// RFC 8259 §6
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| {
        text.iter()
            .take_while(|octet| octet.is_ascii_digit())
            .count()
    };
    let whole = text.strip_prefix(b"-").unwrap_or(text);
    let length = digits(whole);
    if length == 0 || (length > 1 && whole.first() == Some(&b'0')) {
        return false;
    }
    let mut rest = whole.get(length..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = fraction.get(length..).unwrap_or_default();
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', exponent @ ..] | exponent => exponent,
        };
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

fn literal<'a>(text: &'a [u8], word: &[u8]) -> Result<Option<(Token<'a>, usize)>, NoJson> {
    if text.starts_with(word) {
        Ok(Some((Token::Literal, word.len())))
    } else if word.starts_with(text) {
        Ok(None)
    } else {
        Err(NoJson)
    }
}
