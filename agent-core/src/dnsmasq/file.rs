//! A line of dnsmasq's configuration files (option.c `read_file()`).

/// An option as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What stands behind `=`.
    pub value: Option<String>,
}

/// A quotation mark has no partner: dnsmasq refuses such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenQuotation;

/// Reads a line; `Ok(None)` if there is nothing in it. A `#` begins a comment at the
/// start of a word only.
pub fn read(line: &str) -> Result<Option<Line>, OpenQuotation> {
    let text = unquoted(line)?;
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return Ok(None);
    }
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.trim_start_matches(' ').to_owned())),
        None => (text, None),
    };
    let name = name.trim_end_matches(' ').to_owned();
    Ok(Some(Line { name, value }))
}

fn unquoted(line: &str) -> Result<String, OpenQuotation> {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    let mut white = true;
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                loop {
                    match characters.next().ok_or(OpenQuotation)? {
                        '"' => break,
                        '\\' => match characters.next().ok_or(OpenQuotation)? {
                            't' => text.push('\t'),
                            'n' => text.push('\n'),
                            itself @ ('"' | '\\') => text.push(itself),
                            other => text.extend(['\\', other]),
                        },
                        inside => text.push(inside),
                    }
                }
                white = false;
            }
            '#' if white => break,
            space if space.is_ascii_whitespace() || space == '\u{b}' => {
                text.push(' ');
                white = true;
            }
            other => {
                text.push(other);
                white = false;
            }
        }
    }
    Ok(text)
}

/// The parts between commas, without the spaces around them (option.c `split()`).
pub fn split(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|part| part.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<(String, Option<String>)> {
        read(text).unwrap().map(|line| (line.name, line.value))
    }

    #[test]
    fn comments_quotations_and_spaces() {
        let range = || {
            Some((
                "dhcp-range".to_owned(),
                Some("10.0.0.2,10.0.0.9".to_owned()),
            ))
        };
        for text in [
            "dhcp-range=10.0.0.2,10.0.0.9",
            "\tdhcp-range = 10.0.0.2,10.0.0.9 # clients",
            "dhcp-range=\"10.0.0.2,10.0.0.9\"\r",
        ] {
            assert_eq!(line(text), range(), "{text}");
        }
        assert_eq!(line("  # dhcp-range=10.0.0.2,10.0.0.9"), None);
        assert_eq!(line(""), None);
        assert_eq!(line("log-dhcp"), Some(("log-dhcp".to_owned(), None)));
        let glued = line("dhcp-vendorclass=set:a,b#c").unwrap().1;
        assert_eq!(glued.as_deref(), Some("set:a,b#c"));
        let quoted = line("dhcp-vendorclass=set:a,\"b \\\"#\\\" c\"").unwrap().1;
        assert_eq!(quoted.as_deref(), Some("set:a,b \"#\" c"));
        assert_eq!(read("dhcp-boot=\"x"), Err(OpenQuotation));
    }
}
