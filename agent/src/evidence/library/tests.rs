//! Databases that are asked for, and that change places.

use super::*;
use crate::evidence::control_socket::ControlSocket;
use crate::evidence::lease_file::NoBooks;
use crate::evidence::lease_log::LeaseLog;
use leasehound_core::evidence::{DatabaseProblem, Liveness};
use leasehound_core::lease::Format;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::time::{Instant, sleep, sleep_until};

/// A library with one server's database, at a place.
fn library_of(place: Place) -> Library {
    let mut library = Library::new(NetnsId(0), &[]);
    library.databases.push(Database::new(
        ServerKind::Kea,
        NetnsId(0),
        Some(ServerRef(1)),
        place,
    ));
    library
}

/// A Kea without leases that takes `takes` for an answer, and how often it was asked.
fn kea(directory: &Path, takes: Duration) -> (Place, Arc<AtomicU32>) {
    let name = directory.join("control");
    let listener = UnixListener::bind(&name).unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = stream.read(&mut [0; 1024]).await.unwrap();
            assert!(length > 0);
            count.fetch_add(1, Ordering::SeqCst);
            sleep(takes).await;
            let none = br#"{ "arguments": { "leases": [ ] }, "result": 3, "text": "none" }"#;
            stream.write_all(none).await.unwrap();
        }
    });
    let pid = std::process::id();
    (Place::Control(ControlSocket { pid, name }), asked)
}

#[tokio::test]
async fn a_flood_of_questions_does_not_press_a_server_that_must_be_asked() {
    let directory = tempfile::tempdir().unwrap();
    let (place, asked) = kea(directory.path(), Duration::from_millis(20));
    let mut library = library_of(place);
    let begin = Instant::now();
    assert_eq!(library.read().await.len(), 1);
    for _ in 0..100 {
        assert_eq!(library.ask(), None);
        // No answer, rather than an old one.
        assert_eq!(library.read().await, []);
        library.ask_what_changed().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // Nobody waits for what must wait itself, but it is known when to go on.
    assert!(!library.any_asked() && !library.any_stale());
    let due = library.due().unwrap();
    assert!(due - begin >= 50 * Duration::from_millis(20));
    sleep_until(due).await;
    assert!(library.any_asked() && library.any_stale());
    assert_eq!(library.read().await.len(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_was_wrong_with_the_place_before_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("dhcpd.leases");
    std::fs::write(&name, "").unwrap();
    let server = ServerRef(1);
    let nowhere = Place::Nowhere(NoBooks {
        problem: DatabaseProblem::NotLive,
        name: Some(name.clone()),
        reason: "it writes none".into(),
    });
    let log = Place::Log(LeaseLog {
        format: Format::IscDhcpd,
        pid: Some(std::process::id()),
        name,
    });
    let mut library = Library::new(NetnsId(0), &[]);
    let mut told = async |place: &Place| {
        library.move_to(vec![(ServerKind::IscDhcpd, server, place.clone())]);
        library.read().await;
        let news = library.news_of_liveness().into_iter();
        news.map(|news| (news.server, news.state))
            .collect::<Vec<_>>()
    };
    let not_live = Liveness::NotLive {
        reason: "it writes none".into(),
    };
    assert_eq!(told(&nowhere).await, [(Some(server), not_live)]);
    assert_eq!(told(&nowhere).await, []);
    assert_eq!(told(&log).await, [(Some(server), Liveness::Live)]);
    assert_eq!(told(&log).await, []);
}
