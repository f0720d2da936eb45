//! Names of kernel functions, from `/proc/kallsyms`. Without CAP_SYSLOG the kernel shows
//! all addresses as 0: then nothing is known.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::ops::Range;

const KALLSYMS: &str = "/proc/kallsyms";

/// All functions of the kernel.
pub(super) struct Symbols {
    /// Addresses, in order, and where in `names` the name begins.
    functions: Vec<(u64, u32)>,
    /// Each ends with a line end.
    names: String,
}

impl Symbols {
    /// Takes some 20 ms and 3 MB; `None` if the kernel tells nothing.
    pub(super) fn read() -> Option<Self> {
        let mut symbols = Self {
            functions: Vec::new(),
            names: String::new(),
        };
        each_function(|address, name| symbols.add(address, name)).ok()?;
        symbols.functions.sort_unstable();
        symbols.functions.shrink_to_fit();
        symbols.names.shrink_to_fit();
        (!symbols.functions.is_empty()).then_some(symbols)
    }

    /// The function that a call came from, by the address after the call.
    pub(super) fn caller(&self, location: u64) -> Option<&str> {
        let before = location.checked_sub(1)?;
        let after = self
            .functions
            .partition_point(|(address, _)| *address <= before);
        let (_, name) = self.functions.get(after.checked_sub(1)?)?;
        let rest = self.names.get(usize::try_from(*name).ok()?..)?;
        rest.split('\n').next()
    }

    fn add(&mut self, address: u64, name: &str) {
        if let Ok(start) = u32::try_from(self.names.len()) {
            self.functions.push((address, start));
            self.names.push_str(name);
            self.names.push('\n');
        }
    }
}

/// Where functions begin and end; those that are not to be found are empty.
pub(super) fn ranges<const N: usize>(names: [&str; N]) -> io::Result<[Range<u64>; N]> {
    let mut found = [const { 0..0 }; N];
    // In order of their addresses, for the kernel itself searches them so.
    each_function(|address, name| {
        for (range, wanted) in found.iter_mut().zip(names) {
            if range.start == 0 && name == wanted {
                *range = address..address;
            } else if range.start != 0 && range.is_empty() && address > range.start {
                range.end = address;
            }
        }
    })?;
    Ok(found)
}

/// Leaves out what has no address.
fn each_function(mut take: impl FnMut(u64, &str)) -> io::Result<()> {
    let mut lines = BufReader::with_capacity(1 << 16, File::open(KALLSYMS)?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if let Some((address, name)) = function(&line) {
            take(address, name);
        }
        line.clear();
    }
    Ok(())
}

/// `ffffffff81000000 T _stext`; a module's name may follow.
fn function(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let is_code = matches!(words.next()?, "t" | "T" | "w" | "W");
    let name = words.next()?;
    (is_code && address != 0).then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_kallsyms() {
        let address = 0xffff_ffff_8100_0000;
        assert_eq!(
            function("ffffffff81000000 T _stext\n"),
            Some((address, "_stext"))
        );
        assert_eq!(
            function("ffffffff81000000 t br_flood\t[bridge]\n"),
            Some((address, "br_flood"))
        );
        for line in [
            "ffffffff81000000 d data\n",
            "0000000000000000 T x\n",
            "",
            "x T y",
        ] {
            assert_eq!(function(line), None, "{line}");
        }
    }

    #[test]
    fn a_call_belongs_to_the_function_before_the_address() {
        let mut symbols = Symbols {
            functions: Vec::new(),
            names: String::new(),
        };
        for (address, name) in [(100, "a"), (200, "b")] {
            symbols.add(address, name);
        }
        assert_eq!(symbols.caller(100), None);
        assert_eq!(symbols.caller(101), Some("a"));
        // The call was the last instruction.
        assert_eq!(symbols.caller(200), Some("a"));
        assert_eq!(symbols.caller(201), Some("b"));
        assert_eq!(symbols.caller(0), None);
    }
}
