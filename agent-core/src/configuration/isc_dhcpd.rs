//! The ranges of ISC dhcpd's configuration (dhcpd.conf(5); confpars.c).
//!
//! Reads only what decides about ranges and lease times; all else is passed over. Which
//! clients a pool admits is not looked at.

use super::{LeaseTime, Pool};
use std::net::Ipv4Addr;
use std::time::Duration;

/// `DEFAULT_DEFAULT_LEASE_TIME` (dhcpd.h)
const DEFAULT: u64 = 43_200;
/// Files that include each other come to an end.
const DEPTH: u32 = 16;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// The ranges, in the order in which they stand there.
    pub pools: Vec<Pool>,
    /// What made no sense, or could not be read.
    pub not_understood: Vec<Box<str>>,
}

/// Reads a configuration. `include` gives the text of a file that it names.
pub fn read(text: &str, include: &mut dyn FnMut(&str) -> Result<String, String>) -> Ranges {
    let mut reader = Reader {
        found: Ranges::default(),
        scopes: vec![Scope::default()],
        include,
    };
    reader.text(text, DEPTH);
    while reader.scopes.len() > 1 {
        reader.note("a brace is never closed".to_owned());
        reader.close();
    }
    reader.close();
    let Ranges {
        pools,
        not_understood,
    } = reader.found;
    let default = Some(LeaseTime::Limited(Duration::from_secs(DEFAULT)));
    Ranges {
        pools: pools
            .into_iter()
            .map(|pool| Pool {
                lease_time: pool.lease_time.or(default),
                ..pool
            })
            .collect(),
        not_understood,
    }
}

/// What holds between two braces.
#[derive(Debug, Default)]
struct Scope {
    lease_time: Option<LeaseTime>,
    /// The first range of it, among all.
    first: usize,
}

struct Reader<'i> {
    found: Ranges,
    scopes: Vec<Scope>,
    include: &'i mut dyn FnMut(&str) -> Result<String, String>,
}

impl Reader<'_> {
    fn text(&mut self, text: &str, depth: u32) {
        let Some(depth) = depth.checked_sub(1) else {
            return self.note("files include each other".to_owned());
        };
        let mut statement: Vec<String> = Vec::new();
        for token in tokens(text) {
            match token.as_str() {
                "{" => {
                    statement.clear();
                    self.scopes.push(Scope {
                        lease_time: None,
                        first: self.found.pools.len(),
                    });
                }
                "}" => {
                    statement.clear();
                    if self.scopes.len() > 1 {
                        self.close();
                    } else {
                        self.note("a brace was never opened".to_owned());
                    }
                }
                ";" => {
                    self.statement(&statement, depth);
                    statement.clear();
                }
                _ => statement.push(token),
            }
        }
    }

    /// A statement holds for its whole scope, also for what stands before it.
    fn close(&mut self) {
        let Some(scope) = self.scopes.pop() else {
            return;
        };
        for pool in self.found.pools.iter_mut().skip(scope.first) {
            pool.lease_time = pool.lease_time.or(scope.lease_time);
        }
    }

    fn statement(&mut self, words: &[String], depth: u32) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match *words.as_slice() {
            ["include", path] => match (self.include)(path) {
                Ok(text) => self.text(&text, depth),
                Err(error) => self.note(format!("{path} can't be read: {error}")),
            },
            ["default-lease-time", seconds] => match lease_time(seconds) {
                Some(time) => {
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.lease_time = Some(time);
                    }
                }
                None => self.note(format!("default-lease-time {seconds}")),
            },
            ["range", "dynamic-bootp", ref ends @ ..] | ["range", ref ends @ ..] => {
                self.range(ends);
            }
            _ => {}
        }
    }

    fn range(&mut self, ends: &[&str]) {
        let ends: Option<Vec<Ipv4Addr>> = ends.iter().map(|word| word.parse().ok()).collect();
        let Some((first, last)) = ends.and_then(|ends| match *ends.as_slice() {
            [one] => Some((one, one)),
            [one, other] => Some((one.min(other), one.max(other))),
            _ => None,
        }) else {
            return self.note("a range that is none of IPv4 addresses".to_owned());
        };
        self.found.pools.push(Pool {
            name: format!("{first}-{last}").into(),
            first,
            last,
            lease_time: None,
        });
    }

    fn note(&mut self, says: String) {
        self.found.not_understood.push(says.into());
    }
}

fn lease_time(seconds: &str) -> Option<LeaseTime> {
    match seconds.parse::<i64>().ok()? {
        -1 | 4_294_967_295 => Some(LeaseTime::Infinite),
        seconds => Some(LeaseTime::Limited(Duration::from_secs(
            seconds.try_into().ok()?,
        ))),
    }
}

/// Words, the contents of quotations, and `{`, `}`, `;` each by itself.
fn tokens(text: &str) -> Vec<String> {
    let (mut found, mut word) = (Vec::new(), String::new());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '#' => {
                characters.by_ref().find(|end| *end == '\n');
            }
            '"' => {
                while let Some(inside) = characters.next() {
                    match inside {
                        '"' => break,
                        '\\' => word.extend(characters.next()),
                        _ => word.push(inside),
                    }
                }
                found.push(std::mem::take(&mut word));
                continue;
            }
            '{' | '}' | ';' | ',' | '=' => {
                let whole = std::mem::take(&mut word);
                found.extend((!whole.is_empty()).then_some(whole));
                found.push(character.to_string());
                continue;
            }
            space if space.is_whitespace() => {}
            other => {
                word.push(other);
                continue;
            }
        }
        let whole = std::mem::take(&mut word);
        found.extend((!whole.is_empty()).then_some(whole));
    }
    found.extend((!word.is_empty()).then_some(word));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ranges: &Ranges) -> Vec<(String, LeaseTime)> {
        let pools = ranges.pools.iter();
        pools
            .map(|pool| (pool.name.to_string(), pool.lease_time.unwrap()))
            .collect()
    }

    fn limited(seconds: u64) -> LeaseTime {
        LeaseTime::Limited(Duration::from_secs(seconds))
    }

    #[test]
    fn ranges_in_subnets_pools_and_included_files() {
        let text = r#"
            # range 10.0.0.1 10.0.0.2;
            option domain-name "a; range 10.0.0.3 10.0.0.4; }";
            subnet 10.9.0.0 netmask 255.255.255.0 {
              range 10.9.0.50 10.9.0.60;
              pool { default-lease-time -1; range dynamic-bootp 10.9.0.70 10.9.0.80; }
              default-lease-time 3600;
            }
            shared-network x { include "more.conf"; }
            default-lease-time 600;
            subnet 10.7.0.0 netmask 255.255.255.0 { range 10.7.0.9; if known { default-lease-time 7; } }
        "#;
        let mut include = |path: &str| match path {
            "more.conf" => {
                Ok("subnet 10.8.0.0 netmask 255.255.255.0 { range 10.8.0.5 10.8.0.9; }".to_owned())
            }
            _ => Err("not there".to_owned()),
        };
        let found = read(text, &mut include);
        assert_eq!(
            shown(&found),
            [
                ("10.9.0.50-10.9.0.60".to_owned(), limited(3600)),
                ("10.9.0.70-10.9.0.80".to_owned(), LeaseTime::Infinite),
                ("10.8.0.5-10.8.0.9".to_owned(), limited(600)),
                ("10.7.0.9-10.7.0.9".to_owned(), limited(600)),
            ]
        );
        assert!(
            found.not_understood.is_empty(),
            "{:?}",
            found.not_understood
        );
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let mut include = |_: &str| Err("no".to_owned());
        let found = read("include \"x\"; range 10.0.0.1 y; } subnet {", &mut include);
        assert_eq!(found.not_understood.len(), 4, "{:?}", found.not_understood);
        let mut itself = |_: &str| Ok("include \"x\";".to_owned());
        assert_eq!(read("include \"x\";", &mut itself).not_understood.len(), 1);
        assert_eq!(
            shown(&read("range 10.0.0.1;", &mut include))[0].1,
            limited(43_200)
        );
    }
}
