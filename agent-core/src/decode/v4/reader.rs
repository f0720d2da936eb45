//! Puts a [`Message4`] together: header, options, overloaded fields, in dnsmasq's
//! order.

use super::options::{FieldEnd, OptionCodes, walk};
use super::{Message4, NotDhcp4, Oddity};
use crate::message::{ClientId, HardwareAddress, MessageType, ServerId, TransactionId};
use dhcproto::v4::borrowed;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The fixed header: dnsmasq and others drop what is shorter (dhcp.c).
const HEADER: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

pub(super) fn read(payload: &[u8], full_length: usize) -> Result<Message4, NotDhcp4> {
    if payload.len() < HEADER {
        return Err(if full_length < HEADER {
            NotDhcp4::TooShort {
                length: payload.len(),
            }
        } else {
            NotDhcp4::CutShort {
                captured: payload.len(),
            }
        });
    }
    let Ok(header) = borrowed::Message::new(payload) else {
        // dhcproto wants the cookie too: lend it one that is not there.
        let mut padded = [0; HEADER + 4];
        for (slot, octet) in padded.iter_mut().zip(payload) {
            *slot = *octet;
        }
        let header = borrowed::Message::new(&padded).map_err(|_| NotDhcp4::TooShort {
            length: payload.len(),
        })?;
        return Ok(read_from(&header, payload, full_length));
    };
    Ok(read_from(&header, payload, full_length))
}

fn read_from(header: &borrowed::Message<'_>, payload: &[u8], full_length: usize) -> Message4 {
    let truncated = payload.len() < full_length;
    let mut options = Options::default();
    let hlen = header.hlen();
    if hlen > 16 {
        options.note(Oddity::HardwareAddressTooLong);
    }
    options.read_all(payload, truncated);
    if truncated {
        options.note(Oddity::Truncated);
    }
    // dhcproto's chaddr() panics on a long 'hlen'.
    let chaddr = payload.get(28..28 + usize::from(hlen.min(16)));
    Message4 {
        op: header.opcode().into(),
        hlen,
        xid: TransactionId(header.xid()),
        secs: header.secs(),
        broadcast: header.flags().broadcast(),
        ciaddr: header.ciaddr(),
        yiaddr: header.yiaddr(),
        siaddr: header.siaddr(),
        giaddr: header.giaddr(),
        hardware_address: HardwareAddress::new(header.htype().into(), chaddr.unwrap_or_default()),
        message_type: options.message_type,
        server_id: options.server_id.map(ServerId),
        requested_address: options.requested_address,
        client_id: options.client_id.data().map(ClientId::new),
        lease_time: options.lease_time,
        renewal_time: options.renewal_time,
        rebinding_time: options.rebinding_time,
        relay_agent_information: options.relay_agent.data().is_some(),
        server_id_override: options.server_id_override(),
        error_text: options.error.data().map(printable),
        options: options.codes,
        oddities: options.oddities,
    }
}

/// What the option fields gave so far.
#[derive(Default)]
struct Options<'a> {
    message_type: Option<MessageType>,
    server_id: Option<Ipv4Addr>,
    requested_address: Option<Ipv4Addr>,
    lease_time: Option<Duration>,
    renewal_time: Option<Duration>,
    rebinding_time: Option<Duration>,
    overload: Option<u8>,
    client_id: Parts<'a>,
    relay_agent: Parts<'a>,
    error: Parts<'a>,
    codes: OptionCodes,
    oddities: SmallVec<[Oddity; 2]>,
}

impl<'a> Options<'a> {
    /// The option field, then 'file', then 'sname' (RFC 2132 §9.3, rfc2131.c
    /// `option_find`).
    fn read_all(&mut self, payload: &'a [u8], truncated: bool) {
        let cookie = payload.get(HEADER..HEADER + 4);
        let cookie_right = cookie == Some(&COOKIE);
        if !cookie_right && (cookie.is_some() || !truncated) {
            self.note(Oddity::WrongCookie);
        }
        let field = payload.get(HEADER + 4..).unwrap_or_default();
        match self.read_field(field) {
            FieldEnd::EndOption => {}
            // It is the capture that ends here, not the message.
            _ if truncated => {}
            FieldEnd::Overrun => self.note(Oddity::OptionOverrun),
            FieldEnd::Field if cookie_right => self.note(Oddity::MissingEnd),
            FieldEnd::Field => {}
        }
        let Some(overload) = self.overload else {
            return;
        };
        self.note(Oddity::Overload);
        for (bit, range) in [(1, 108..HEADER), (2, 44..108)] {
            if overload & bit != 0
                && self.read_field(payload.get(range).unwrap_or_default()) == FieldEnd::Overrun
            {
                self.note(Oddity::OptionOverrun);
            }
        }
    }

    fn read_field(&mut self, field: &'a [u8]) -> FieldEnd {
        let fields_overload = self.overload;
        let end = walk(field, |code, data| self.take(code, data));
        // dnsmasq looks for 52 in the option field only; so once that was read,
        // whatever an overloaded field says of overload changes nothing.
        if fields_overload.is_some() {
            self.overload = fields_overload;
        }
        end
    }

    fn take(&mut self, code: u8, data: &'a [u8]) {
        self.codes.insert(code);
        match code {
            53 => self.take_message_type(data),
            54 => self.take_address(data, |options| &mut options.server_id),
            50 => self.take_address(data, |options| &mut options.requested_address),
            51 => self.take_time(data, |options| &mut options.lease_time),
            58 => self.take_time(data, |options| &mut options.renewal_time),
            59 => self.take_time(data, |options| &mut options.rebinding_time),
            // A client identifier has two octets at least (RFC 2132 §9.14); dnsmasq
            // takes one.
            61 => self.take_part(data, 2, |options| &mut options.client_id),
            82 => self.take_part(data, 1, |options| &mut options.relay_agent),
            56 => self.take_part(data, 1, |options| &mut options.error),
            52 => {
                if data.len() != 1 {
                    self.note(Oddity::BadOptionLength);
                }
                self.overload = self.overload.or(data.first().copied());
            }
            _ => {}
        }
    }

    fn take_message_type(&mut self, data: &[u8]) {
        if data.len() != 1 {
            self.note(Oddity::BadOptionLength);
        }
        let Some(code) = data.first() else { return };
        if self.message_type.is_some() {
            self.note(Oddity::RepeatedMessageType);
        } else {
            self.message_type = Some(MessageType::from_code(*code));
        }
    }

    fn take_address(&mut self, data: &[u8], slot: fn(&mut Self) -> &mut Option<Ipv4Addr>) {
        if let Some(octets) = self.four_octets(data) {
            slot(self).get_or_insert(Ipv4Addr::from(octets));
        }
    }

    fn take_time(&mut self, data: &[u8], slot: fn(&mut Self) -> &mut Option<Duration>) {
        if let Some(octets) = self.four_octets(data) {
            let seconds = u32::from_be_bytes(octets);
            slot(self).get_or_insert(Duration::from_secs(seconds.into()));
        }
    }

    /// The first four octets, as dnsmasq reads them; fewer are as good as absent.
    fn four_octets(&mut self, data: &[u8]) -> Option<[u8; 4]> {
        if data.len() != 4 {
            self.note(Oddity::BadOptionLength);
        }
        data.first_chunk().copied()
    }

    fn take_part(&mut self, data: &'a [u8], minimum: usize, slot: fn(&mut Self) -> &mut Parts<'a>) {
        let parts = slot(self);
        let repeated = parts.data().is_some();
        parts.add(data);
        if repeated {
            self.note(Oddity::SplitOption);
        } else if data.len() < minimum {
            self.note(Oddity::BadOptionLength);
        }
    }

    /// Sub-option 11 of option 82 (RFC 5107), found as dnsmasq finds it.
    fn server_id_override(&mut self) -> Option<Ipv4Addr> {
        let mut found: Option<Ipv4Addr> = None;
        let mut bad_length = false;
        let end = walk(self.relay_agent.data()?, |code, data| {
            if code == 11 {
                bad_length |= data.len() != 4;
                found = found.or(data
                    .first_chunk::<4>()
                    .map(|octets| Ipv4Addr::from(*octets)));
            }
        });
        if bad_length {
            self.note(Oddity::BadOptionLength);
        }
        if end == FieldEnd::Overrun {
            self.note(Oddity::OptionOverrun);
        }
        found
    }

    fn note(&mut self, oddity: Oddity) {
        if !self.oddities.contains(&oddity) {
            self.oddities.push(oddity);
        }
    }
}

/// An option of variable length, in one or several parts.
// DEVIATION(rfc3396 §7): a part joins the one before only if that is full. dnsmasq
// (2.90, tried) joins none: of an identifier sent as 2 + 2 octets it keeps the first
// two, of one sent as 255 + 2 the first 255.
#[derive(Default)]
struct Parts<'a> {
    data: Option<Cow<'a, [u8]>>,
    /// Whether the last part was full, so that the next one belongs to it.
    open: bool,
}

impl<'a> Parts<'a> {
    /// An empty first part is as good as absent (dnsmasq asks for one octet).
    fn add(&mut self, part: &'a [u8]) {
        match &mut self.data {
            None if part.is_empty() => {}
            None => {
                self.data = Some(Cow::Borrowed(part));
                self.open = part.len() == 255;
            }
            Some(data) if self.open => {
                data.to_mut().extend_from_slice(part);
                self.open = part.len() == 255;
            }
            Some(_) => {}
        }
    }

    fn data(&self) -> Option<&[u8]> {
        self.data.as_deref()
    }
}

/// Text for people: no controls, nothing that turns a line around or hides in it.
fn printable(data: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(data);
    text.trim_end_matches('\0')
        .chars()
        .map(|c| match c {
            '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => char::REPLACEMENT_CHARACTER,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}
