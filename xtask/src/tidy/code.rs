//! Rust source without its comments and literals, line by line: what is left is code,
//! and a word found in it is a use of that word.

/// Replaces comments, string and character literals by nothing; line ends stay, so that
/// line numbers hold.
pub(super) fn bare(source: &str) -> String {
    let mut bare = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let taken = literal_length(rest, bare.chars().next_back()).or_else(|| comment_length(rest));
        if let Some(length) = taken {
            let (gone, after) = rest.split_at(length);
            bare.extend(gone.chars().filter(|c| *c == '\n'));
            rest = after;
        } else {
            bare.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    bare
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|s| s.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn comment_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let mut bytes = rest.as_bytes().windows(2).enumerate();
    while let Some((at, pair)) = bytes.next() {
        if pair == b"/*" {
            depth += 1;
            bytes.next();
        } else if pair == b"*/" {
            depth = depth.saturating_sub(1);
            bytes.next();
            if depth == 0 {
                return Some(at + 2);
            }
        }
    }
    Some(rest.len())
}

fn literal_length(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with('"') {
        return Some(quoted(rest, 1));
    }
    if rest.starts_with('r') && !before.is_some_and(|c| is_word(c) && c != 'b' && c != 'c') {
        let hashes = rest.bytes().skip(1).take_while(|b| *b == b'#').count();
        if rest.get(1 + hashes..)?.starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = rest.get(2 + hashes..)?;
            let length = body.find(&end).map_or(body.len(), |at| at + end.len());
            return Some(2 + hashes + length);
        }
    }
    if rest.starts_with('\'') {
        let mut inner = rest.chars().skip(1);
        let first = inner.next()?;
        // 'a is a lifetime, 'a' and '\n' are literals.
        if first == '\\' {
            // From the character after the backslash, so that '\'' ends where it does.
            let skipped = 2 + rest.chars().nth(2)?.len_utf8();
            let close = rest.get(skipped..)?.find('\'')?;
            return Some(skipped + close + 1);
        }
        if inner.next()? == '\'' {
            return Some(2 + first.len_utf8());
        }
    }
    None
}

/// Length of a string literal that opens `rest`, its quotes included.
fn quoted(rest: &str, start: usize) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_and_lines_stay() {
        let source = "let a = \"un\\\"safe\"; // unsafe\n/* x /* y */ unsafe\n*/ let b = r#\"uns\"afe\"#;\nlet c: &'static str = f('\"', '\\'', b'\\\\', \"\");\nunsafe_code";
        assert_eq!(
            bare(source),
            "let a = ; \n\n let b = ;\nlet c: &'static str = f(, , b, );\nunsafe_code"
        );
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("x: Instant,", "Instant"));
        assert!(!has_word("Instants unsafe_code", "Instant"));
        assert!(!has_word("unsafe_code", "unsafe"));
    }
}
