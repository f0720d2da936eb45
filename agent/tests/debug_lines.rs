//! Debug lines of the programs reach the log. Alone in its process: the log is global.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used, reason = "a test: the panic is the report")]

mod net;

use leasehound::capture::ebpf::{Capture, IngressMode, Options};
use net::{Pair, RELEASE, message};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_debug_line_per_message_and_none_unless_asked() {
    let lines = Lines::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(lines.clone())
        .init();
    Pair::with(move |pair| {
        let written = || String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        for debug in [false, true] {
            let mut capture = Capture::load(&Options {
                debug,
                ..Options::default()
            })
            .unwrap();
            capture
                .attach("server0", pair.server_ifindex, IngressMode::Auto)
                .unwrap();
            let forward = capture.forward_debug_lines().unwrap();
            assert!(capture.forward_debug_lines().is_none());
            pair.send(67, &message(RELEASE, 1));
            net::block_on(async {
                let logged = async {
                    while !written().contains("type 7") {
                        tokio::task::yield_now().await;
                    }
                };
                // Without debug lines there is nothing to wait for but that none comes.
                let patience = Duration::from_millis(if debug { 10_000 } else { 200 });
                tokio::select! {
                    result = forward => result.unwrap(),
                    () = logged => {}
                    () = tokio::time::sleep(patience) => {}
                }
            });
            assert_eq!(written().contains("family 4 type 7"), debug);
        }
    });
}
