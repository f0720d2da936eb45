//! Refuses requests that a foreign web page makes through somebody's browser.
//!
//! A page may point its own name at 127.0.0.1 once it is loaded (DNS rebinding) and then
//! read what is served there. The browser still sends the page's name as `Host`.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;

const REFUSED: &str = "not for this host: ask localhost, 127.0.0.1 or [::1]\n";

/// Lets requests through that name the loopback, or no host at all (HTTP/1.0).
pub(super) async fn only_loopback(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST);
    if hosts.iter().all(is_loopback) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, REFUSED).into_response()
    }
}

fn is_loopback(host: &HeaderValue) -> bool {
    host.to_str().is_ok_and(names_loopback)
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2).
fn names_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address = match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or_default(),
        None => name,
    };
    address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_can_point_elsewhere_are_the_loopback() {
        for host in [
            "localhost",
            "LocalHost:10547",
            "127.0.0.1",
            "127.0.0.1:10547",
            "127.1.2.3:80",
            "[::1]",
            "[::1]:10547",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(names_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "evil.example:10547",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:80:evil",
            "192.0.2.1:10547",
            "[2001:db8::1]",
            "[::1",
            "localhost@evil.example",
        ] {
            assert!(!names_loopback(host), "{host}");
        }
    }
}
