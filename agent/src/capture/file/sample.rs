//! Writes captures for tests, in both byte orders.

/// Builds a file octet by octet.
pub(crate) struct Sample {
    big_endian: bool,
    pub(crate) octets: Vec<u8>,
}

impl Sample {
    pub(crate) fn new(big_endian: bool) -> Self {
        Self {
            big_endian,
            octets: Vec::new(),
        }
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        let octets = value.to_le_bytes();
        self.push(octets)
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        let octets = value.to_le_bytes();
        self.push(octets)
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        let octets = value.to_le_bytes();
        self.push(octets)
    }

    fn push<const N: usize>(&mut self, mut octets: [u8; N]) -> &mut Self {
        if self.big_endian {
            octets.reverse();
        }
        self.bytes(&octets)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.octets.extend_from_slice(bytes);
        self
    }

    /// A pcap file header.
    pub(crate) fn pcap(&mut self, magic: u32, link: u32) -> &mut Self {
        self.u32(magic).u16(2).u16(4).u64(0).u32(65_535).u32(link)
    }

    /// A pcap packet.
    pub(crate) fn packet(&mut self, seconds: u32, fraction: u32, bytes: &[u8]) -> &mut Self {
        let length = u32::try_from(bytes.len()).unwrap();
        self.u32(seconds).u32(fraction).u32(length).u32(length);
        self.bytes(bytes)
    }

    /// A pcapng block; its body is padded.
    pub(crate) fn block(&mut self, kind: u32, body: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::new(self.big_endian);
        body(&mut inner);
        inner.pad();
        let length = u32::try_from(inner.octets.len() + 12).unwrap();
        self.u32(kind).u32(length).bytes(&inner.octets).u32(length)
    }

    pub(crate) fn section(&mut self) -> &mut Self {
        self.block(0x0a0d_0d0a, |body| {
            body.u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX);
        })
    }

    pub(crate) fn interface(&mut self, link: u16, options: &[(u16, &[u8])]) -> &mut Self {
        self.block(1, |body| {
            body.u16(link).u16(0).u32(0).options(options);
        })
    }

    /// An enhanced packet block.
    pub(crate) fn enhanced(
        &mut self,
        interface: u32,
        stamp: u64,
        bytes: &[u8],
        options: &[(u16, &[u8])],
    ) -> &mut Self {
        let length = u32::try_from(bytes.len()).unwrap();
        let high = u32::try_from(stamp >> 32).unwrap();
        let low = u32::try_from(stamp & 0xffff_ffff).unwrap();
        self.block(6, |body| {
            body.u32(interface).u32(high).u32(low).u32(length);
            body.u32(length).bytes(bytes).pad().options(options);
        })
    }

    pub(crate) fn options(&mut self, options: &[(u16, &[u8])]) -> &mut Self {
        for (code, value) in options {
            let length = u16::try_from(value.len()).unwrap();
            self.u16(*code).u16(length).bytes(value).pad();
        }
        if !options.is_empty() {
            self.u32(0);
        }
        self
    }

    fn pad(&mut self) -> &mut Self {
        let length = self.octets.len().next_multiple_of(4);
        self.octets.resize(length, 0);
        self
    }
}
