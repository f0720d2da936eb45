//! Octets and numbers as lease databases write them. A leaf for the parsers beside it.

/// Colon-separated octets of two digits each, as many as fit `into`.
pub(super) fn parse_hex<'a>(field: &[u8], into: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    let mut rest = field;
    while let [high, low, tail @ ..] = rest {
        *into.get_mut(length)? = hex_octet(*high, *low)?;
        length += 1;
        rest = match tail {
            [] => tail,
            [b':', next @ ..] if !next.is_empty() => next,
            _ => return None,
        };
    }
    if rest.is_empty() {
        into.get(..length)
    } else {
        None
    }
}

pub(super) fn hex_octet(high: u8, low: u8) -> Option<u8> {
    Some(hex_digit(high)? << 4 | hex_digit(low)?)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// A number of decimal digits only.
pub(super) fn decimal(field: &[u8]) -> Option<u64> {
    if field.is_empty() {
        return None;
    }
    field.iter().try_fold(0_u64, |number, digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}
