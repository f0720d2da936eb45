//! The words of a lease file (common/conflex.c): words, texts in quotes, `;`, braces, and
//! comments from `#` to the end of the line.

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
    rest: &'a [u8],
    line: usize,
    at_end: bool,
    inside: bool,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            line: 1,
            at_end: false,
            inside: false,
        }
    }

    /// The line of the next token, from 1.
    pub(super) fn line(&mut self) -> usize {
        self.skip_blank();
        self.line
    }

    /// Whether the text ended while something was being read.
    pub(super) const fn at_end(&self) -> bool {
        self.at_end
    }

    /// Whether it ended in the middle of a statement.
    pub(super) const fn inside(&self) -> bool {
        self.inside
    }

    /// Notes that the text has ended; `inside` a statement, or between two.
    pub(super) const fn end(&mut self, inside: bool) {
        self.at_end = true;
        self.inside = inside || self.inside;
    }

    /// The next token; `None` at the end of the text.
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
        let ends = |octet: &u8| octet.is_ascii_whitespace() || b";{}\"#".contains(octet);
        let length = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(length.max(1))?;
        self.rest = rest;
        Some(Token::Word(word))
    }

    /// `after` begins behind the first quote. A text without an end is none.
    fn quoted(&mut self, after: &'a [u8]) -> Option<Token<'a>> {
        let mut escaped = false;
        for (length, octet) in after.iter().enumerate() {
            match octet {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    let (text, rest) = after.split_at_checked(length)?;
                    self.line += newlines(text);
                    self.rest = rest.get(1..).unwrap_or_default();
                    return Some(Token::Quoted(text));
                }
                _ => {}
            }
        }
        self.rest = &[];
        self.inside = true;
        None
    }

    fn skip_blank(&mut self) {
        loop {
            match self.rest {
                [b'#', ..] => {
                    let length = self.rest.iter().position(|octet| *octet == b'\n');
                    self.rest = length
                        .and_then(|length| self.rest.get(length..))
                        .unwrap_or_default();
                }
                [octet, rest @ ..] if octet.is_ascii_whitespace() => {
                    self.line += usize::from(*octet == b'\n');
                    self.rest = rest;
                }
                _ => return,
            }
        }
    }
}

fn newlines(text: &[u8]) -> usize {
    text.split(|octet| *octet == b'\n')
        .count()
        .saturating_sub(1)
}

/// The octets that a text in quotes stands for: `\\` before a quote or itself, and three
/// octal digits for what can't be printed (common/print.c `quotify_buf()`).
pub(super) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
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
