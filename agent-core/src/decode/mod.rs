//! From payload to message. The only users of dhcproto.

pub mod v4;
