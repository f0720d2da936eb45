//! Debug lines of the programs reach the log. Alone in its process: the log is global.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used, reason = "a test: the panic is the report")]

mod net;

use leasehound::capture::ebpf::{Capture, IngressMode, Options};
use net::{DISCOVER, Pair, RELEASE, message};
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
        let written = |message_type: u8| {
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            let line = format!("family 4 type {message_type}");
            text.matches(&line).count()
        };
        let [(_silent, none), (_talking, forwarded)] = [false, true].map(|debug| {
            let mut capture = Capture::load(&Options {
                debug,
                ..Options::default()
            })
            .unwrap();
            capture
                .attach("server0", pair.server_ifindex, IngressMode::Auto)
                .unwrap();
            let forwarding = capture.forward_debug_lines().unwrap();
            assert!(capture.forward_debug_lines().is_none());
            (capture, forwarding)
        });
        // Both see each message. A line of the silent one for the first is ready to be
        // read before the second is sent, and is read by when that is logged.
        let logged = async {
            for message_type in [RELEASE, DISCOVER] {
                pair.send(67, &message(message_type, 1));
                while written(message_type) == 0 {
                    tokio::task::yield_now().await;
                }
            }
        };
        net::block_on(async {
            tokio::select! {
                result = none => result.unwrap(),
                result = forwarded => result.unwrap(),
                () = logged => {}
                () = tokio::time::sleep(Duration::from_secs(10)) => {}
            }
        });
        assert_eq!([written(RELEASE), written(DISCOVER)], [1, 1]);
    });
}
