//! The words of a lease file (common/conflex.c): words, texts in quotes, `;`, braces, and
//! comments from `#` to the end of the line.

use smallvec::SmallVec;

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Anything between white space.
    Word(&'a [u8]),
    /// What stands between two quotes, as it stands there.
    Quoted(&'a [u8]),
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// Goes through a text once.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { text, rest: text }
    }

    /// How far it is.
    pub(super) const fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// The next piece; `None` where the text ends before or within it. A word may go on in
    /// what follows the text, so it needs something behind it.
    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        let (first, rest) = self.rest.split_first()?;
        let single = match first {
            b';' => Some(Token::Semicolon),
            b'{' => Some(Token::Open),
            b'}' => Some(Token::Close),
            b'"' => return self.quoted(rest),
            _ => None,
        };
        if let Some(token) = single {
            self.rest = rest;
            return Some(token);
        }
        let length = self.rest.iter().position(|octet| ends_word(*octet))?;
        // Comments are skipped if they are whole, so this one has no end yet.
        if *first == b'#' {
            return None;
        }
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Token::Word(word))
    }

    /// `after` begins behind the first quote.
    fn quoted(&mut self, after: &'a [u8]) -> Option<Token<'a>> {
        let mut escaped = false;
        for (length, octet) in after.iter().enumerate() {
            match octet {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    let (text, rest) = after.split_at_checked(length)?;
                    self.rest = rest.get(1..).unwrap_or_default();
                    return Some(Token::Quoted(text));
                }
                _ => {}
            }
        }
        None
    }

    /// Skips white space and comments that are whole.
    pub(super) fn skip_blank(&mut self) {
        loop {
            match self.rest {
                [b'#', ..] => {
                    let Some(length) = self.rest.iter().position(|octet| *octet == b'\n') else {
                        return;
                    };
                    self.rest = self.rest.get(length..).unwrap_or_default();
                }
                [octet, rest @ ..] if octet.is_ascii_whitespace() => self.rest = rest,
                _ => return,
            }
        }
    }
}

const fn ends_word(octet: u8) -> bool {
    matches!(
        octet,
        b'\t' | b'\n' | b'\x0c' | b'\r' | b' ' | b'"' | b'#' | b';' | b'{' | b'}'
    )
}

/// The octets that a text in quotes stands for: `\\` before a quote or itself, and three
/// octal digits for what can't be printed (common/print.c `quotify_buf()`).
pub(super) fn unescape(text: &[u8]) -> Option<SmallVec<[u8; 32]>> {
    let mut octets = SmallVec::new();
    let mut rest = text;
    while let Some((octet, tail)) = rest.split_first() {
        rest = tail;
        if *octet != b'\\' {
            octets.push(*octet);
            continue;
        }
        rest = match rest {
            [
                high @ b'0'..=b'3',
                middle @ b'0'..=b'7',
                low @ b'0'..=b'7',
                tail @ ..,
            ] => {
                octets.push(((high - b'0') << 6) | ((middle - b'0') << 3) | (low - b'0'));
                tail
            }
            [plain, tail @ ..] if !plain.is_ascii_digit() => {
                octets.push(*plain);
                tail
            }
            _ => return None,
        };
    }
    Some(octets)
}
