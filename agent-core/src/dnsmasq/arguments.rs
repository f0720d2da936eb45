//! dnsmasq's command line, taken apart as getopt_long(3) does.

use super::options::{Known, Takes, by_beginning, by_letter};

/// One option of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument<'a> {
    /// The place of the argument that it is in, from 1 (0 is the program).
    pub place: u32,
    /// Which option.
    pub option: Known,
    /// Its argument.
    pub value: Option<&'a str>,
}

/// What could not be made sense of: the place and the argument.
pub type Strange<'a> = (u32, &'a str);

/// Takes apart a command line, the program's name included.
pub fn read<'a>(arguments: &[&'a str]) -> (Vec<Argument<'a>>, Vec<Strange<'a>>) {
    let (mut found, mut strange) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter().copied().zip(0_u32..).skip(1);
    while let Some((argument, place)) = rest.next() {
        if argument == "--" {
            strange.extend(
                rest.filter(|(left, _)| !left.trim().is_empty())
                    .map(|(a, p)| (p, a)),
            );
            break;
        }
        if let Some(long) = argument.strip_prefix("--") {
            let (name, mut value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let Some(option) = by_beginning(name) else {
                // Its argument, if it takes one, can't be told from an option.
                strange.push((place, argument));
                continue;
            };
            if value.is_none() && option.takes == Takes::Argument {
                value = rest.next().map(|(value, _)| value);
            }
            found.push(Argument {
                place,
                option,
                value,
            });
        } else if let Some(letters) = argument.strip_prefix('-').filter(|it| !it.is_empty()) {
            for (at, letter) in letters.char_indices() {
                let Some((option, takes)) = by_letter(letter) else {
                    strange.push((place, argument));
                    break;
                };
                let mut value = None;
                if takes {
                    let glued = argument.get(1 + at + letter.len_utf8()..);
                    let glued = glued.filter(|glued| !glued.is_empty());
                    value = glued.or_else(|| rest.next().map(|(value, _)| value));
                }
                found.push(Argument {
                    place,
                    option,
                    value,
                });
                if takes {
                    break;
                }
            }
        } else if !argument.trim().is_empty() {
            strange.push((place, argument));
        }
    }
    (found, strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> (Vec<String>, Vec<u32>) {
        let arguments: Vec<&str> = line.split(' ').collect();
        let (found, strange) = read(&arguments);
        let shown = found.iter().map(|argument| {
            let Argument {
                place,
                option,
                value,
            } = argument;
            format!("{place} {}={}", option.name, value.unwrap_or("-"))
        });
        (
            shown.collect(),
            strange.iter().map(|(place, _)| *place).collect(),
        )
    }

    #[test]
    fn every_way_to_write_an_option() {
        let line = "dnsmasq -kF 10.9.0.50,10.9.0.60 -ieth3 --listen-addr 10.9.0.1 --bind-dynamic \
                    --conf-file= -C/etc/x --dhcp-range=10.8.0.2,10.8.0.9";
        let (found, strange) = read_line(line);
        assert_eq!(
            found,
            [
                "1 keep-in-foreground=-",
                "1 dhcp-range=10.9.0.50,10.9.0.60",
                "3 interface=eth3",
                "4 listen-address=10.9.0.1",
                "6 bind-dynamic=-",
                "7 conf-file=",
                "8 conf-file=/etc/x",
                "9 dhcp-range=10.8.0.2,10.8.0.9",
            ]
        );
        assert!(strange.is_empty());
    }

    #[test]
    fn what_is_no_option_is_told() {
        assert_eq!(read_line("dnsmasq --of-the-future=1 -k ").1, [1]);
        assert_eq!(read_line("dnsmasq -~ -- x").1, [1, 3]);
        assert_eq!(read_line("dnsmasq").1, [0; 0]);
    }
}
