//! One HTTP GET from inside a namespace.

use crate::netns::Namespace;
use anyhow::{Context, Result};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200, 503 …
    pub status: u16,
    /// What follows the headers.
    pub body: String,
}

/// Fetches `path` from `address` as seen in `namespace`.
pub fn get(namespace: &Namespace, address: SocketAddr, path: &str) -> Result<Answer> {
    namespace
        .enter(|| get_here(address, path))?
        .with_context(|| format!("GET http://{address}{path}"))
}

fn get_here(address: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // 1.0: the body ends with the connection, no chunks to decode.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no end of headers")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}
