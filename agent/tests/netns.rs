//! Working in another namespace, and coming back whatever happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "for tests: the panic is the report"
)]

use leasehound::evidence::interfaces::InterfaceRegistry;
use leasehound::netns::{Choice, Home, Netns};
use leasehound_core::origin::NetnsId;
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;

/// Runs `job` with the path of a namespace that a thread keeps for as long.
fn with_another(job: impl FnOnce(&str)) {
    let (path_in, path) = mpsc::channel();
    let (done, waits) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests of namespaces need root");
            let thread = nix::unistd::gettid();
            path_in
                .send(format!("/proc/self/task/{thread}/ns/net"))
                .unwrap();
            // Ends with the other side.
            let _ = waits.recv();
        });
        job(&path.recv().unwrap());
        drop(done);
    });
}

fn here() -> PathBuf {
    fs::read_link("/proc/thread-self/ns/net").unwrap()
}

fn open(path: &str) -> Netns {
    let home = Home::open().unwrap();
    let (found, missing) = Choice::new(&[path]).find(&home);
    assert!(missing.is_empty(), "{missing:?}");
    Netns::open(&found[0], &home).unwrap()
}

#[test]
fn the_guard_brings_the_thread_home() {
    with_another(|path| {
        let (home, netns) = (here(), open(path));
        assert_eq!(here(), home, "opening it comes back too");
        let inside = netns.enter().unwrap();
        assert_ne!(here(), home);
        let found = InterfaceRegistry::default().scan(NetnsId(1)).unwrap();
        assert_eq!(found.len(), 1, "a new namespace has lo only");
        drop(inside);
        assert_eq!(here(), home);
    });
}

#[test]
fn a_panic_inside_brings_it_home_too() {
    with_another(|path| {
        let (home, netns) = (here(), open(path));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _inside = netns.enter().unwrap();
            assert_eq!(here(), home, "this fails, inside");
        }));
        assert!(outcome.is_err());
        assert_eq!(here(), home);
    });
}

#[test]
fn a_future_is_polled_inside_and_nobody_else_is() {
    with_another(|path| {
        let (home, netns) = (here(), open(path));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let foreign = netns.within(async {
                let mut seen = vec![here()];
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                    seen.push(here());
                }
                seen
            });
            let own = async {
                let mut seen = vec![here()];
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                    seen.push(here());
                }
                seen
            };
            let (foreign, own) = tokio::join!(foreign, own);
            let foreign = foreign.unwrap();
            assert!(foreign.iter().all(|seen| *seen != home), "{foreign:?}");
            assert!(own.iter().all(|seen| *seen == home), "{own:?}");
        });
        assert_eq!(here(), home);
    });
}
