//! Causes that lie between the wire and the server: the texts for `explain` and the book.

use super::Cause;
use super::text::Explanation;

/// The description of one of these causes.
pub(super) const fn of(cause: Cause) -> Explanation {
    match cause {
        Cause::FirewallDropped => Explanation {
            title: "a packet filter dropped it",
            meaning: "A packet filter dropped it.",
            detection: "A packet filter dropped it.",
            remedy: "A packet filter dropped it.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::ReversePathFiltered => Explanation {
            title: "the reverse path filter dropped it",
            meaning: "The reverse path filter dropped it.",
            detection: "The reverse path filter dropped it.",
            remedy: "The reverse path filter dropped it.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::ListenerOnOtherDevice => Explanation {
            title: "the only listeners are bound to other devices",
            meaning: "The only listeners are bound to other devices.",
            detection: "The only listeners are bound to other devices.",
            remedy: "The only listeners are bound to other devices.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::NoListener => Explanation {
            title: "nobody listens on that address and port",
            meaning: "Nobody listens on that address and port.",
            detection: "Nobody listens on that address and port.",
            remedy: "Nobody listens on that address and port.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::WrongDaemon => Explanation {
            title: "the kernel gave the message to another process than the one that granted the lease",
            meaning: "The kernel gave the message to another process than the one that granted the lease.",
            detection: "The kernel gave the message to another process than the one that granted the lease.",
            remedy: "The kernel gave the message to another process than the one that granted the lease.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::DiscardSocket => Explanation {
            title: "it reached only a socket from which its server throws everything away",
            meaning: "It reached only a socket from which its server throws everything away.",
            detection: "It reached only a socket from which its server throws everything away.",
            remedy: "It reached only a socket from which its server throws everything away.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::SocketOverflow => Explanation {
            title: "the server does not read its socket, or not fast enough",
            meaning: "The server does not read its socket, or not fast enough.",
            detection: "The server does not read its socket, or not fast enough.",
            remedy: "The server does not read its socket, or not fast enough.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::Fragmented => Explanation {
            title: "it came in fragments, and the server reads raw frames",
            meaning: "It came in fragments, and the server reads raw frames.",
            detection: "It came in fragments, and the server reads raw frames.",
            remedy: "It came in fragments, and the server reads raw frames.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::InterfaceRelayed => Explanation {
            title: "the interface is relayed to a server elsewhere",
            meaning: "The interface is relayed to a server elsewhere.",
            detection: "The interface is relayed to a server elsewhere.",
            remedy: "The interface is relayed to a server elsewhere.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        Cause::InterfaceNotServed => Explanation {
            title: "the server does not serve the interface",
            meaning: "The server does not serve the interface.",
            detection: "The server does not serve the interface.",
            remedy: "The server does not serve the interface.",
            side_effect: None,
            sources: &["RFC 2131"],
        },
        // The other causes have their texts in `text`.
        _ => cause.explanation(),
    }
}
