//! Questions to a control socket, and answers of all sorts.

use super::*;
use leasehound_core::lease::kea_control;
use std::net::Ipv4Addr;
use tokio::net::UnixListener;

const TWO: &str = r#"{ "arguments": { "leases": [
    { "client-id": "", "cltt": 1795755576, "fqdn-fwd": false, "fqdn-rev": false, "hostname": "",
      "hw-address": "02:00:00:00:00:01", "ip-address": "10.0.0.1", "state": 0, "subnet-id": 1, "valid-lft": 3600 },
    { "cltt": 1795755576, "fqdn-fwd": false, "fqdn-rev": false, "hostname": "",
      "hw-address": "02:00:00:00:00:02", "ip-address": "10.0.0.2", "state": 0, "subnet-id": 1, "valid-lft": 3600 }
  ] }, "result": 0, "text": "2 IPv4 lease(s) found." }"#;
const NONE: &str =
    r#"{ "arguments": { "leases": [ ] }, "result": 3, "text": "0 IPv4 lease(s) found." }"#;
const HALF: &str = r#"{ "arguments": { "leases": [ { "ip-address": "10.0.0.1", "#;
const NO_COUNTER: &str = r#"{ "arguments": { }, "result": 0 }"#;
const NO_HOOK: &str = r#"{ "result": 2, "text": "'lease4-get-all' command not supported." }"#;

/// Answers each connection with the next text, once it has read a command.
fn stub(directory: &Path, replies: &'static [&'static str]) -> ControlSocket {
    let name = directory.join("control");
    let listener = UnixListener::bind(&name).unwrap();
    tokio::spawn(async move {
        for reply in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut command = vec![0; 1024];
            let length = stream.read(&mut command).await.unwrap();
            let command: serde_json::Value = serde_json::from_slice(&command[..length]).unwrap();
            let named = command["command"].as_str().unwrap();
            assert!(
                ["lease4-get-all", "statistic-get"].contains(&named),
                "{named}"
            );
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
        // Takes connections, and never answers.
        std::future::pending::<()>().await;
    });
    ControlSocket {
        pid: std::process::id(),
        name,
    }
}

fn seen(settled: Settled) -> (Vec<u8>, Vec<Ipv4Addr>) {
    let Content::Read { seen, gone, .. } = settled.content else {
        panic!("{settled:?}");
    };
    let last = |lease: &leasehound_core::evidence::Lease| lease.address.octets()[3];
    (seen.as_slice().iter().map(last).collect(), gone)
}

#[tokio::test]
async fn what_kea_tells_is_what_is_leased() {
    let directory = tempfile::tempdir().unwrap();
    let socket = stub(directory.path(), &[TWO, NONE]);
    let (first, gone) = seen(socket.read(None).await.unwrap());
    assert_eq!((first.as_slice(), gone.as_slice()), (&[1, 2][..], &[][..]));
    let known = Known {
        table: leases_of(kea_control::parse(TWO.as_bytes())).unwrap(),
        text: None,
    };
    let (second, gone) = seen(socket.read(Some(&known)).await.unwrap());
    assert!(second.is_empty());
    assert_eq!(
        gone,
        [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]
    );
}

#[tokio::test]
async fn a_refusal_or_half_an_answer_is_no_reading() {
    let directory = tempfile::tempdir().unwrap();
    let socket = stub(directory.path(), &[NO_HOOK, HALF, ""]);
    for says in ["command not supported", "breaks off", "breaks off"] {
        let error = socket.read(None).await.unwrap_err();
        assert_eq!(error.problem(), DatabaseProblem::Unreadable);
        assert!(error.to_string().contains(says), "{error}");
    }
    let nobody = ControlSocket {
        name: directory.path().join("none"),
        ..socket
    };
    let error = nobody.read(None).await.unwrap_err().to_string();
    assert_eq!(error, "Kea's control socket is not there");
}

#[tokio::test(start_paused = true)]
async fn one_that_never_answers_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let socket = stub(directory.path(), &[]);
    let error = socket.read(None).await.unwrap_err().to_string();
    assert!(error.contains("did not answer"), "{error}");
}

#[tokio::test]
async fn the_newest_of_each_counter() {
    let directory = tempfile::tempdir().unwrap();
    let acks = r#"{ "arguments": { "pkt4-ack-sent": [ [ 7, "2026-11-27 08:00:01.5" ], [ 6, "2026-11-27 08:00:00.5" ] ] }, "result": 0 }"#;
    assert_eq!(counter_of(acks.as_bytes(), "pkt4-ack-sent"), Some(7));
    let socket = stub(
        directory.path(),
        &[
            r#"{ "arguments": { "pkt4-ack-sent": [ [ 7, "x" ] ] }, "result": 0 }"#,
            NO_COUNTER,
            NO_COUNTER,
        ],
    );
    assert_eq!(socket.counted().await, Some([7, 0, 0]));
}
