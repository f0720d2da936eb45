//! Where the fields of a memfile's rows are, by the names in its header: from version to
//! version columns were added (csv_lease_file4.cc, csv_lease_file6.cc `initColumns()`).

/// Rows have no more fields than this that matter.
const KEPT: usize = 32;

/// Which protocol's leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What a header says.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) family: Family,
    count: usize,
    address: usize,
    /// The client identifier or DUID.
    client: usize,
    valid_lifetime: usize,
    expire: usize,
    /// Since Kea 1.0; before, all were assigned.
    state: Option<usize>,
    /// DHCPv4 only.
    hardware_address: Option<usize>,
    /// DHCPv6 only: `lease_type`, `iaid`, `prefix_len`.
    association: Option<[usize; 3]>,
}

/// What matters of one row. A field that the file has no column for is empty, but for
/// the state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) address: &'a [u8],
    pub(super) client: &'a [u8],
    pub(super) valid_lifetime: &'a [u8],
    pub(super) expire: &'a [u8],
    pub(super) state: &'a [u8],
    pub(super) hardware_address: &'a [u8],
    pub(super) lease_type: &'a [u8],
    pub(super) iaid: &'a [u8],
    pub(super) prefix_length: &'a [u8],
}

impl Columns {
    pub(super) fn named_in(header: &[u8]) -> Result<Self, &'static str> {
        let count = fields(header).count();
        let place = |name: &str| fields(header).position(|field| field == name.as_bytes());
        let family = if place("duid").is_some() {
            Family::V6
        } else {
            Family::V4
        };
        let needed = |name| {
            place(name)
                .filter(|place| *place < KEPT)
                .ok_or("the header lacks a column of a lease")
        };
        let (client, hardware_address, association) = match family {
            Family::V4 => (needed("client_id")?, Some(needed("hwaddr")?), None),
            Family::V6 => {
                let association = [
                    needed("lease_type")?,
                    needed("iaid")?,
                    needed("prefix_len")?,
                ];
                (needed("duid")?, None, Some(association))
            }
        };
        Ok(Self {
            family,
            count,
            address: needed("address")?,
            client,
            valid_lifetime: needed("valid_lifetime")?,
            expire: needed("expire")?,
            state: place("state"),
            hardware_address,
            association,
        })
    }

    pub(super) fn split<'a>(&self, row: &'a [u8]) -> Result<Fields<'a>, &'static str> {
        let mut kept: [&[u8]; KEPT] = [&[]; KEPT];
        let mut count = 0;
        for field in fields(row) {
            if let Some(slot) = kept.get_mut(count) {
                *slot = field;
            }
            count += 1;
        }
        if count != self.count {
            return Err("not as many fields as the header has");
        }
        let field = |place: usize| kept.get(place).copied().unwrap_or_default();
        let optional = |place: Option<usize>| place.map_or(&[][..], field);
        let [lease_type, iaid, prefix_length] = self
            .association
            .map_or([&[][..]; 3], |places| places.map(field));
        Ok(Fields {
            address: field(self.address),
            client: field(self.client),
            valid_lifetime: field(self.valid_lifetime),
            expire: field(self.expire),
            state: self.state.map_or(b"0", field),
            hardware_address: optional(self.hardware_address),
            lease_type,
            iaid,
            prefix_length,
        })
    }
}

/// Kea writes a comma inside a field as an entity.
fn fields(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    row.split(|octet| *octet == b',')
}
