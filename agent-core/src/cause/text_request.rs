//! Causes of a REQUEST that was refused or not answered: the texts for `explain` and the book.

use super::Cause;
use super::text::Explanation;

/// The description of one of these causes.
pub(super) const fn of(cause: Cause) -> Explanation {
    match cause {
        Cause::Refused => Explanation {
            title: "a DHCPNAK",
            meaning: "A DHCPNAK.",
            detection: "A DHCPNAK.",
            remedy: "A DHCPNAK.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::ConflictingServers => Explanation {
            title: "one server acknowledged, another refused",
            meaning: "One server acknowledged, another refused.",
            detection: "One server acknowledged, another refused.",
            remedy: "One server acknowledged, another refused.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::ForbiddenOptions => Explanation {
            title: "option 50 or 54 in a REQUEST that extends a lease",
            meaning: "Option 50 or 54 in a REQUEST that extends a lease.",
            detection: "Option 50 or 54 in a REQUEST that extends a lease.",
            remedy: "Option 50 or 54 in a REQUEST that extends a lease.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::AskedWrongServer => Explanation {
            title: "the client asked another address than the one of the server that granted the lease",
            meaning: "The client asked another address than the one of the server that granted the lease.",
            detection: "The client asked another address than the one of the server that granted the lease.",
            remedy: "The client asked another address than the one of the server that granted the lease.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::LeaseOfOtherServer => Explanation {
            title: "the lease is another server's",
            meaning: "The lease is another server's.",
            detection: "The lease is another server's.",
            remedy: "The lease is another server's.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::SilentForUnknownLease => Explanation {
            title: "the server knows no such lease, and says nothing",
            meaning: "The server knows no such lease, and says nothing.",
            detection: "The server knows no such lease, and says nothing.",
            remedy: "The server knows no such lease, and says nothing.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::ReplyFromOtherAddress => Explanation {
            title: "the ACK came from another address than the client asked",
            meaning: "The ACK came from another address than the client asked.",
            detection: "The ACK came from another address than the client asked.",
            remedy: "The ACK came from another address than the client asked.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::ReplyLost => Explanation {
            title: "the ACK did not get out, or did not arrive",
            meaning: "The ACK did not get out, or did not arrive.",
            detection: "The ACK did not get out, or did not arrive.",
            remedy: "The ACK did not get out, or did not arrive.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        // The other causes have their texts in `text`.
        _ => cause.explanation(),
    }
}
