//! Which options there are, and the walk through an option field, with dnsmasq's `option_find1` (rfc2131.c) as
//! the yardstick of what can still be found in a damaged one.

/// A set of option codes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct OptionCodes([u64; 4]);

impl OptionCodes {
    /// Puts a code in.
    pub fn insert(&mut self, code: u8) {
        if let Some(word) = self.0.get_mut(usize::from(code / 64)) {
            *word |= 1 << (code % 64);
        }
    }

    /// Whether a code is in it.
    pub fn contains(self, code: u8) -> bool {
        let word = self.0.get(usize::from(code / 64));
        word.is_some_and(|word| word & (1 << (code % 64)) != 0)
    }
}

impl FromIterator<u8> for OptionCodes {
    fn from_iter<T: IntoIterator<Item = u8>>(codes: T) -> Self {
        let mut set = Self::default();
        for code in codes {
            set.insert(code);
        }
        set
    }
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldEnd {
    /// At an end option (255).
    EndOption,
    /// At the end of the field, without an end option.
    Field,
    /// An option's length runs past the field, or is missing.
    Overrun,
}

/// Calls `visit` with code and data of each option, in order; pad options are left
/// out. Nothing follows an option that runs past the field, nor an end option.
#[inline]
pub(super) fn walk<'a>(mut field: &'a [u8], mut visit: impl FnMut(u8, &'a [u8])) -> FieldEnd {
    loop {
        field = match *field {
            [] => return FieldEnd::Field,
            [0, ref rest @ ..] => rest,
            [255, ..] => return FieldEnd::EndOption,
            [code, length, ref rest @ ..] => match rest.split_at_checked(length.into()) {
                Some((data, rest)) => {
                    visit(code, data);
                    rest
                }
                None => return FieldEnd::Overrun,
            },
            [_] => return FieldEnd::Overrun,
        };
    }
}
