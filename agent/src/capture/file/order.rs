//! Byte order of a file, and integers read in it.

/// The order in which the writing machine stored integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    #[inline]
    pub(super) fn u16(self, octets: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(octets),
            Self::Big => u16::from_be_bytes(octets),
        }
    }

    #[inline]
    pub(super) fn u32(self, octets: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(octets),
            Self::Big => u32::from_be_bytes(octets),
        }
    }

    pub(super) fn i64(self, octets: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(octets),
            Self::Big => i64::from_be_bytes(octets),
        }
    }

    /// The next 32-bit integer of `octets`, which moves past it.
    #[inline]
    pub(super) fn take_u32(self, octets: &mut &[u8]) -> Option<u32> {
        let (head, rest) = octets.split_first_chunk::<4>()?;
        *octets = rest;
        Some(self.u32(*head))
    }

    /// The next 16-bit integer of `octets`, which moves past it.
    #[inline]
    pub(super) fn take_u16(self, octets: &mut &[u8]) -> Option<u16> {
        let (head, rest) = octets.split_first_chunk::<2>()?;
        *octets = rest;
        Some(self.u16(*head))
    }
}
