//! The statements of a lease file: words up to `;`, or up to a block in braces.

use super::super::hex::parse_hex;
use super::lexer::{Lexer, Token, unescape};
use smallvec::SmallVec;

/// Statements that matter have at most four words; of longer ones the rest is left out.
const KEPT: usize = 5;

/// Why a piece of the text can't be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It may go on in what follows.
    TextEnds,
    /// It makes no sense, whatever follows.
    Damage(&'static str),
}

/// Whether a statement goes on with a block in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    Block,
    Nothing,
}

/// The words of one statement, up to `;` or `{`.
#[derive(Debug, Default)]
pub(super) struct Statement<'a> {
    words: [&'a [u8]; KEPT],
    count: usize,
    /// The first text in quotes, without them.
    pub(super) quoted: Option<&'a [u8]>,
}

impl<'a> Statement<'a> {
    pub(super) fn words(&self) -> &[&'a [u8]] {
        self.words.get(..self.count).unwrap_or(&self.words)
    }

    /// What stands behind the first word, as dhcpd writes octets: in quotes, or in
    /// hexadecimal digits with colons.
    pub(super) fn octets(&self) -> Option<SmallVec<[u8; 32]>> {
        match (self.quoted, self.words()) {
            (Some(text), [_]) => unescape(text),
            (None, [_, octets]) => parse_hex(octets, &mut [0; 255]).map(SmallVec::from_slice),
            _ => None,
        }
    }
}

/// The next statement; `None` at the end of the block that it would be in.
pub(super) fn statement<'a>(lexer: &mut Lexer<'a>) -> Result<Option<(Statement<'a>, Opens)>, Stop> {
    let mut statement = Statement::default();
    let mut begun = false;
    loop {
        match lexer.next().ok_or(Stop::TextEnds)? {
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
            Token::Close if begun => return Err(Stop::Damage("a statement is not finished")),
            Token::Close => return Ok(None),
        }
        begun = true;
    }
}

/// Skips to the end of a block, whatever is in it.
pub(super) fn skip_block(lexer: &mut Lexer<'_>) -> Result<(), Stop> {
    let mut depth = 1_usize;
    while depth > 0 {
        match lexer.next().ok_or(Stop::TextEnds)? {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            Token::Word(_) | Token::Quoted(_) | Token::Semicolon => {}
        }
    }
    Ok(())
}
