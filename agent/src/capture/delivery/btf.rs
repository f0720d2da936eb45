//! Reads type information (BTF): where a structure keeps a field, which numbers an
//! enumeration gives its names, which arguments a tracepoint has.
//!
//! Source: Linux, Documentation/bpf/btf.rst. Bad input is nothing found, or an error, and
//! never a panic.

/// Types of one kernel, by their place in its BTF.
pub(super) struct Types<'a> {
    descriptions: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins; the first one has the id 1.
    starts: Vec<u32>,
}

/// A type's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeId(u32);

/// Not BTF, or none that is known here.
#[derive(Debug, thiserror::Error)]
#[error("unknown type information at octet {0}")]
pub(super) struct Malformed(usize);

/// `BTF_KIND_*`
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const POINTER: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FORWARD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNCTION: u32 = 12;
    pub(super) const PROTOTYPE: u32 = 13;
    pub(super) const VARIABLE: u32 = 14;
    pub(super) const SECTION: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECLARATION_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

const MAGIC: u16 = 0xeb9f;
const TYPE_OCTETS: usize = 12;

/// How deep structures may lie in each other, and names stand for names.
const DEEPEST: u32 = 16;

struct Type<'a> {
    kind: u32,
    /// Whether offsets of members are in bits, with the size above them.
    has_bitfields: bool,
    name: u32,
    /// Of what it points to, or stands for.
    target: u32,
    /// Members, parameters, or values.
    parts: &'a [u8],
}

impl<'a> Types<'a> {
    pub(super) fn parse(btf: &'a [u8]) -> Result<Self, Malformed> {
        let at = |offset| word(btf, offset).ok_or(Malformed(offset));
        if btf.get(..2) != Some(&MAGIC.to_ne_bytes()) {
            return Err(Malformed(0));
        }
        let header = at(4)?;
        let section = |offset: usize| {
            let start = word(btf, offset)?.checked_add(header)?;
            let end = start.checked_add(word(btf, offset + 4)?)?;
            btf.get(index(start)?..index(end)?)
        };
        let types = section(8).ok_or(Malformed(8))?;
        let strings = section(16).ok_or(Malformed(16))?;
        let mut starts = Vec::new();
        let mut start = 0;
        while start < types.len() {
            starts.push(u32::try_from(start).map_err(|_| Malformed(start))?);
            let length = word(types, start + 4).and_then(octets);
            start += length.ok_or(Malformed(start))?;
        }
        Ok(Self {
            descriptions: types,
            strings,
            starts,
        })
    }

    /// Where `path` (a field, or a field of a field) lies in the structure `name`, in
    /// bits. Unnamed structures and unions on the way count as their fields.
    pub(super) fn offset_bits(&self, name: &str, path: &[&str]) -> Option<u32> {
        self.named(kind::STRUCT, name)
            .find_map(|id| self.path_in(id, path))
    }

    /// Names and numbers of an enumeration.
    pub(super) fn values(&self, name: &str) -> Option<Vec<(&'a str, u32)>> {
        let id = self.named(kind::ENUM, name).next()?;
        let parts = self.get(id)?.parts;
        parts
            .chunks_exact(8)
            .map(|value| Some((self.string(word(value, 0)?)?, word(value, 4)?)))
            .collect()
    }

    /// The arguments of a tracepoint, without the first one, which is not passed on.
    pub(super) fn tracepoint_arguments(&self, name: &str) -> Option<Vec<TypeId>> {
        let name = format!("btf_trace_{name}");
        let typedef = self.named(kind::TYPEDEF, &name).next()?;
        let pointer = self.get(self.resolve(typedef)?)?;
        let prototype = self.get(self.resolve(TypeId(pointer.target))?)?;
        if pointer.kind != kind::POINTER || prototype.kind != kind::PROTOTYPE {
            return None;
        }
        let parameters = prototype.parts.chunks_exact(8).skip(1);
        parameters
            .map(|parameter| word(parameter, 4).map(TypeId))
            .collect()
    }

    /// Whether a type is the enumeration `name`.
    pub(super) fn is_enum(&self, id: TypeId, name: &str) -> bool {
        self.is(id, kind::ENUM, name)
    }

    /// Whether a type is a pointer to the structure `name`.
    pub(super) fn is_pointer_to(&self, id: TypeId, name: &str) -> bool {
        let resolved = self.resolve(id).and_then(|id| self.get(id));
        resolved.is_some_and(|pointer| {
            pointer.kind == kind::POINTER && self.is(TypeId(pointer.target), kind::STRUCT, name)
        })
    }

    fn is(&self, id: TypeId, kind: u32, name: &str) -> bool {
        let resolved = self.resolve(id).and_then(|id| self.get(id));
        resolved.is_some_and(|found| found.kind == kind && self.string(found.name) == Some(name))
    }

    fn named(&self, kind: u32, name: &str) -> impl Iterator<Item = TypeId> {
        (1..).map(TypeId).take(self.starts.len()).filter(move |id| {
            self.get(*id)
                .is_some_and(|found| found.kind == kind && self.string(found.name) == Some(name))
        })
    }

    fn path_in(&self, id: TypeId, path: &[&str]) -> Option<u32> {
        let (first, rest) = path.split_first()?;
        let (offset, member) = self.member(id, first, DEEPEST)?;
        if rest.is_empty() {
            return Some(offset);
        }
        offset.checked_add(self.path_in(member, rest)?)
    }

    fn member(&self, id: TypeId, name: &str, depth: u32) -> Option<(u32, TypeId)> {
        let depth = depth.checked_sub(1)?;
        let structure = self.get(self.resolve(id)?)?;
        if !matches!(structure.kind, kind::STRUCT | kind::UNION) {
            return None;
        }
        structure
            .parts
            .chunks_exact(TYPE_OCTETS)
            .find_map(|member| {
                let target = TypeId(word(member, 4)?);
                let offset = word(member, 8)?;
                let offset = if structure.has_bitfields {
                    offset & 0x00ff_ffff
                } else {
                    offset
                };
                match self.string(word(member, 0)?)? {
                    "" => {
                        let (inner, target) = self.member(target, name, depth)?;
                        Some((offset.checked_add(inner)?, target))
                    }
                    found => (found == name).then_some((offset, target)),
                }
            })
    }

    /// What a type is without qualifiers and other names.
    fn resolve(&self, id: TypeId) -> Option<TypeId> {
        let mut id = id;
        for _ in 0..DEEPEST {
            let found = self.get(id)?;
            match found.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = TypeId(found.target);
                }
                _ => return Some(id),
            }
        }
        None
    }

    fn get(&self, id: TypeId) -> Option<Type<'a>> {
        let start = index(*self.starts.get(index(id.0.checked_sub(1)?)?)?)?;
        let info = word(self.descriptions, start + 4)?;
        Some(Type {
            kind: kind_of(info),
            has_bitfields: info >> 31 != 0,
            name: word(self.descriptions, start)?,
            target: word(self.descriptions, start + 8)?,
            parts: self
                .descriptions
                .get(start + TYPE_OCTETS..start.checked_add(octets(info)?)?)?,
        })
    }

    fn string(&self, offset: u32) -> Option<&'a str> {
        let rest = self.strings.get(index(offset)?..)?;
        let end = rest.iter().position(|octet| *octet == 0)?;
        std::str::from_utf8(rest.get(..end)?).ok()
    }
}

const fn kind_of(info: u32) -> u32 {
    info >> 24 & 0x1f
}

/// How long the description of a type is.
fn octets(info: u32) -> Option<usize> {
    let parts = index(info & 0xffff)?;
    let tail = match kind_of(info) {
        kind::POINTER
        | kind::FORWARD
        | kind::TYPEDEF
        | kind::VOLATILE
        | kind::CONST
        | kind::RESTRICT
        | kind::FUNCTION
        | kind::FLOAT
        | kind::TYPE_TAG => 0,
        kind::INT | kind::VARIABLE | kind::DECLARATION_TAG => 4,
        kind::ARRAY => 12,
        kind::ENUM | kind::PROTOTYPE => 8 * parts,
        kind::STRUCT | kind::UNION | kind::SECTION | kind::ENUM64 => 12 * parts,
        _ => return None,
    };
    Some(TYPE_OCTETS + tail)
}

fn word(octets: &[u8], offset: usize) -> Option<u32> {
    let octets = octets.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*octets))
}

fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct net { int x; union { struct { char y:3; }; possible_t z; }; }` and company.
    fn made_up() -> Vec<u8> {
        let strings = b"\0net\0x\0y\0z\0possible_t\0reason\0A\0B\0btf_trace_t\0int\0";
        let name = |text: &str| {
            let wanted = format!("\0{text}\0");
            let at = strings
                .windows(wanted.len())
                .position(|window| window == wanted.as_bytes());
            u32::try_from(at.unwrap() + 1).unwrap()
        };
        let info = |kind: u32, parts: u32, bits: bool| kind << 24 | parts | u32::from(bits) << 31;
        let types: Vec<u32> = [
            vec![name("int"), info(kind::INT, 0, false), 4, 32],
            // 2: the outer one
            vec![name("net"), info(kind::STRUCT, 2, false), 16],
            vec![name("x"), 1, 0, 0, 3, 64],
            // 3, 4: the unnamed ones
            vec![0, info(kind::UNION, 2, false), 8],
            vec![0, 4, 0, name("z"), 5, 32],
            vec![0, info(kind::STRUCT, 1, true), 4],
            vec![name("y"), 1, 3 << 24 | 5],
            // 5, 6: another name for a structure with a field
            vec![name("possible_t"), info(kind::TYPEDEF, 0, false), 6],
            vec![0, info(kind::STRUCT, 1, false), 8],
            vec![name("x"), 1, 16],
            // 7: an enumeration
            vec![name("reason"), info(kind::ENUM, 2, false), 4],
            vec![name("A"), 0, name("B"), 9],
            // 8, 9, 10, 11: a tracepoint
            vec![name("btf_trace_t"), info(kind::TYPEDEF, 0, false), 9],
            vec![0, info(kind::POINTER, 0, false), 10],
            vec![0, info(kind::PROTOTYPE, 3, false), 0],
            vec![0, 1, 0, 7, 0, 11],
            vec![0, info(kind::POINTER, 0, false), 2],
        ]
        .concat();
        let length = |octets: usize| u32::try_from(octets).unwrap();
        let mut btf = vec![0x9f, 0xeb, 1, 0];
        for number in [24, 0, length(types.len() * 4)] {
            btf.extend(u32::to_ne_bytes(number));
        }
        for number in [length(types.len() * 4), length(strings.len())] {
            btf.extend(number.to_ne_bytes());
        }
        btf.extend(types.iter().flat_map(|number| number.to_ne_bytes()));
        btf.extend(strings);
        btf
    }

    #[test]
    fn fields_wherever_they_are() {
        let btf = made_up();
        let types = Types::parse(&btf).unwrap();
        let bits = |path: &[&str]| types.offset_bits("net", path);
        assert_eq!(bits(&["x"]), Some(0));
        assert_eq!(bits(&["y"]), Some(64 + 5));
        assert_eq!(bits(&["z"]), Some(64 + 32));
        assert_eq!(bits(&["z", "x"]), Some(64 + 32 + 16));
        assert_eq!(bits(&["z", "y"]), None);
        assert_eq!(bits(&["a"]), None);
        assert_eq!(bits(&[]), None);
        assert_eq!(types.offset_bits("reason", &["x"]), None);
    }

    #[test]
    fn numbers_and_arguments() {
        let btf = made_up();
        let types = Types::parse(&btf).unwrap();
        assert_eq!(types.values("reason"), Some(vec![("A", 0), ("B", 9)]));
        assert_eq!(types.values("net"), None);
        let arguments = types.tracepoint_arguments("t").unwrap();
        let [reason, net] = arguments[..] else {
            panic!("{arguments:?}");
        };
        assert!(types.is_enum(reason, "reason") && !types.is_enum(net, "reason"));
        assert!(types.is_pointer_to(net, "net") && !types.is_pointer_to(reason, "net"));
        assert_eq!(types.tracepoint_arguments("u"), None);
    }

    #[test]
    fn damage_is_no_panic() {
        let whole = made_up();
        assert!(Types::parse(b"\x7fELF").is_err());
        for end in 0..whole.len() {
            assert!(Types::parse(&whole[..end]).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut btf = whole.clone();
                btf[at] = value;
                if let Ok(types) = Types::parse(&btf) {
                    types.offset_bits("net", &["z", "x"]);
                    types.values("reason");
                    types.tracepoint_arguments("t");
                }
            }
        }
    }
}
