//! Requests over a real socket of the loopback, by a client of a few lines.

use super::*;
use crate::sinks::fixtures::{self, LOOPBACK, ROUTER};
use crate::sinks::hooks::{AttachFailure, HookMode, HookReport, HookState};
use crate::sinks::servers::ServerEntry;
use crate::sinks::status::Reader;
use leasehound_core::evidence::LossStage;
use leasehound_core::message::MessageType;
use leasehound_core::origin::Hook;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start(pages: Pages) -> Self {
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, pages, async {
            stopped.await.unwrap();
        }));
        Self {
            address,
            stop,
            task,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        request(self.address, path).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn request(address: SocketAddr, path: &str) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    ask(stream, &format!("GET {path} HTTP/1.0\r\n\r\n")).await
}

async fn ask(mut stream: TcpStream, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

fn pages() -> Pages {
    let names = fixtures::names();
    Pages {
        metrics: Arc::new(Metrics::new(names.clone())),
        status: Arc::new(Status::new(names)),
        refresh: None,
        leases: None,
    }
}

fn attached(interface: leasehound_core::origin::InterfaceId) -> HookReport {
    HookReport {
        at: fixtures::at(0),
        interface,
        hook: Hook::Tcx,
        mode: HookMode::Ingress,
        state: HookState::Attached,
    }
}

#[tokio::test]
async fn metrics_are_refreshed_before_they_are_rendered() {
    let mut pages = pages();
    let metrics = Arc::clone(&pages.metrics);
    let refresh = move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let metrics = Arc::clone(&metrics);
        Box::pin(async move { metrics.opened(LOOPBACK, MessageType::Release) })
    };
    pages.refresh = Some(Arc::new(refresh));
    let server = Server::start(pages).await;
    for scrape in 1..=2 {
        let answer = server.get("/metrics").await;
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .head
                .contains("content-type: text/plain; version=0.0.4")
        );
        let line = format!(
            "leasehound_releases_total{{netns=\"\",interface=\"lo\",family=\"ipv4\"}} {scrape}\n"
        );
        assert!(answer.body.contains(&line), "{}", answer.body);
    }
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_hangs_does_not_keep_the_page_back() {
    let mut pages = pages();
    let refresh =
        || -> Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(std::future::pending()) };
    pages.refresh = Some(Arc::new(refresh));
    let answer = metrics(State(pages)).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn health_is_told_apart_from_readiness() {
    let pages = pages();
    let status = Arc::clone(&pages.status);
    let server = Server::start(pages).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body.lines().count(), 1, "{}", answer.body);

    status.set_reader(Reader::Runs);
    assert_eq!(server.get("/readyz").await.status, 503);
    status.hook(attached(LOOPBACK));
    let answer = server.get("/readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ready\n"));
    server.stop().await;
}

#[tokio::test]
async fn the_api_speaks_as_the_events_do() {
    let pages = pages();
    let status = Arc::clone(&pages.status);
    status.verdict(Arc::new(fixtures::ignored()));
    status.verdict(Arc::new(fixtures::honoured()));
    status.set_servers(vec![
        ServerEntry {
            netns: "qrouter".to_owned(),
            interface: Some(ROUTER),
            summary: fixtures::ignored().server.unwrap(),
        },
        ServerEntry {
            netns: String::new(),
            interface: None,
            summary: fixtures::declined().server.unwrap(),
        },
    ]);
    status.hook(attached(ROUTER));
    status.set_samples_lost(Hook::Tcx, LossStage::Channel, 3);
    status.set_samples_lost(Hook::Tcx, LossStage::Ring, 0);
    let server = Server::start(pages).await;

    let verdicts = server.get("/api/v1/verdicts").await;
    assert!(verdicts.head.contains("content-type: application/json"));
    let name = fixtures::names().get(LOOPBACK);
    let ignored = fixtures::ignored();
    let event = crate::sinks::events::VerdictEvent::new(&ignored, &name);
    let event = serde_json::to_string(&event).unwrap();
    assert!(verdicts.body.ends_with(&format!(",{event}]}}\n")));
    assert!(verdicts.body.starts_with("{\"schema\":1,\"verdicts\":[{"));

    assert_eq!(
        server.get("/api/v1/servers").await.body,
        "{\"schema\":1,\"servers\":[\
         {\"netns\":\"qrouter\",\"interface\":\"eth3\",\"kind\":\"dnsmasq\",\"pid\":812,\"server_ids\":[\"172.29.101.1\"]},\
         {\"netns\":\"\",\"interface\":null,\"kind\":\"unknown\",\"pid\":null,\"server_ids\":[]}]}\n"
    );
    let hooks = server.get("/api/v1/hooks").await.body;
    let hooks: serde_json::Value = serde_json::from_str(&hooks).unwrap();
    assert_eq!(hooks["hooks"][0]["interface"], "eth3");
    assert_eq!(hooks["hooks"][0]["state"], "attached");
    assert_eq!(
        hooks["losses"],
        serde_json::json!([{"hook": "tcx", "stage": "channel", "count": 3}])
    );
    server.stop().await;
}

/// Somebody who knows the leases of the fixtures.
fn books(mut pages: Pages) -> Pages {
    let (questions, mut asked) = mpsc::channel::<LeaseQuestion>(1);
    pages.leases = Some(questions);
    tokio::spawn(async move {
        while let Some(question) = asked.recv().await {
            question.send((fixtures::leases(), true)).unwrap();
        }
    });
    let pools = vec![fixtures::pool(), fixtures::pool_not_read()];
    pages.status.set_books(pools, vec![fixtures::leak()]);
    pages
}

#[tokio::test]
async fn findings_and_leases_read_as_published() {
    let pages = books(pages());
    pages.status.finding("qrouter", fixtures::finding());
    let server = Server::start(pages).await;
    let mut listed = server.get("/api/v1/findings").await.body;
    listed.push_str(&server.get("/api/v1/leases").await.body);
    // How long ago depends on when this is read.
    insta::assert_snapshot!(without_ages(&listed));
    server.stop().await;
}

/// The text with each `age_seconds` left out.
fn without_ages(text: &str) -> String {
    let mut parts = text.split("\"age_seconds\":");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        out.push_str("\"age_seconds\":AGE");
        out.push_str(rest);
    }
    out
}

#[tokio::test]
async fn the_page_shows_findings_pools_and_leaks() {
    let pages = books(pages());
    let finding = fixtures::finding();
    let closed = |id, hours| leasehound_core::finding::Finding {
        id,
        state: leasehound_core::finding::FindingState::Closed,
        at: crate::clock::now().saturating_sub(Duration::from_hours(hours)),
        title: format!("over {hours}"),
        ..finding.clone()
    };
    pages.status.finding("qrouter", finding.clone());
    pages.status.finding("", closed(4, 23));
    pages.status.finding("", closed(5, 25));
    let server = Server::start(pages).await;
    let page = server.get("/").await.body;
    let damage = finding.damage.unwrap();
    let side_effect = finding.side_effect.unwrap();
    for part in [
        finding.title.as_str(),
        "network namespace qrouter",
        &damage,
        &finding.remedy,
        &format!("Mind: {side_effect}"),
        "docs/BOOK.md#server_id_other_local_address",
        "over 23",
        "<td>57</td><td>50</td>",
        "3 h 0 min (2 h 0 min to 5 h 0 min)",
        "<td>not known</td>",
        "Leaked addresses (1)",
        "<td>172.29.101.250</td><td>02:02:00:d4:00:4f</td><td>qrouter/eth3</td>",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("over 25"), "since more than a day");
    server.stop().await;
}

#[tokio::test]
async fn open_findings_are_kept_up_to_date() {
    let pages = pages();
    let status = Arc::clone(&pages.status);
    let mut finding = fixtures::finding();
    status.finding("qrouter", finding.clone());
    finding.cases = 15;
    let unknown = leasehound_core::finding::Finding {
        id: 99,
        ..finding.clone()
    };
    status.refresh_findings([&finding, &unknown]);
    assert_eq!(status.findings(), [("qrouter".into(), finding)]);
}

#[tokio::test(start_paused = true)]
async fn leases_that_nobody_knows_are_refused() {
    assert_eq!(
        leases::leases(State(pages())).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let mut pages = pages();
    let (questions, _nobody_answers) = mpsc::channel(1);
    pages.leases = Some(questions);
    assert_eq!(
        leases::leases(State(pages)).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn what_does_not_exist_is_refused_in_one_line() {
    let server = Server::start(pages()).await;
    let answer = server.get("/nothing?here").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.body.lines().count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn the_page_escapes_what_comes_from_the_network() {
    let pages = pages();
    let status = Arc::clone(&pages.status);
    let evil = "<script>alert('x')</script>\"&";
    let escaped = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;";
    status.names().insert(LOOPBACK, evil, evil);
    let mut verdict = fixtures::ignored();
    verdict.remedy = Some(evil.to_owned());
    verdict.evidence[0].says = evil.to_owned();
    status.verdict(Arc::new(verdict));
    status.verdict(Arc::new(fixtures::undetermined()));
    status.set_servers(vec![ServerEntry {
        netns: evil.to_owned(),
        interface: None,
        summary: fixtures::ignored().server.unwrap(),
    }]);
    status.hook(HookReport {
        state: HookState::Failed {
            reason: AttachFailure::Other,
            detail: evil.to_owned(),
        },
        ..attached(LOOPBACK)
    });
    status.set_reader(Reader::Runs);
    let server = Server::start(pages).await;
    let answer = server.get("/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/html"));
    assert!(answer.head.contains("default-src 'none'"));
    assert!(!answer.body.contains("<script"), "{}", answer.body);
    // Names of two verdicts (each twice), a server and a hook (twice); evidence, remedy,
    // the hook's detail, and that again as the reason for not being ready.
    assert_eq!(answer.body.matches(escaped).count(), 4 + 1 + 2 + 2 + 1 + 1);
    assert!(answer.body.contains("172.29.101.250"));
    server.stop().await;
}

#[tokio::test]
async fn a_scrape_under_way_is_answered_although_the_agent_stops() {
    let mut pages = pages();
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, wait) = (Arc::clone(&entered), Arc::clone(&release));
    let refresh = move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (enter, wait) = (Arc::clone(&enter), Arc::clone(&wait));
        Box::pin(async move {
            enter.notify_one();
            wait.notified().await;
        })
    };
    pages.refresh = Some(Arc::new(refresh));
    let server = Server::start(pages).await;
    let scrape = tokio::spawn(request(server.address, "/metrics"));
    entered.notified().await;
    server.stop.send(()).unwrap();
    release.notify_one();
    let answer = scrape.await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("leasehound_build_info"));
    server.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_refused_with_what_to_do() {
    let taken = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).await.unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("--listen 127.0.0.1:0"));

    // TEST-NET-1 (RFC 5737): nobody's.
    let foreign = bind((Ipv4Addr::new(192, 0, 2, 1), 10547).into()).await;
    let error = foreign.unwrap_err();
    assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:10547"));
    assert!(!error.to_string().contains('\n'));
}

#[tokio::test]
async fn on_the_loopback_only_requests_for_it_are_answered() {
    let server = Server::start(pages()).await;
    let get = async |host: &str| {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        ask(stream, &head).await
    };
    assert_eq!(get("localhost").await.status, 200);
    assert_eq!(get(&server.address.to_string()).await.status, 200);
    for foreign in [
        "evil.example",
        "evil.example:10547",
        "localhost\r\nHost: evil.example",
    ] {
        let answer = get(foreign).await;
        assert_eq!(answer.status, 403, "{foreign}");
        assert_eq!(answer.body.lines().count(), 1, "{}", answer.body);
    }
    server.stop().await;
}

#[tokio::test]
async fn elsewhere_any_host_is_answered() {
    let listener = bind((Ipv4Addr::UNSPECIFIED, 0).into()).await.unwrap();
    let address = (Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port());
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve(listener, pages(), async { drop(stopped.await) }));
    let stream = TcpStream::connect(address).await.unwrap();
    let head = "GET /healthz HTTP/1.1\r\nHost: router.example\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(stream, head).await.status, 200);
    drop(stop);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_more_connection_waits_for_a_place() {
    let server = Server::start(pages()).await;
    let mut held = Vec::new();
    for _ in 0..connections::CONNECTIONS_AT_MOST {
        // An answer shows that the connection was taken; it stays open for the next one.
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
        held.push(stream);
    }
    // The kernel takes it, the server does not. Nothing that is held asks anything now,
    // so an answer can only come once a place is free.
    let mut waiting = tokio::spawn(request(server.address, "/healthz"));
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    held.pop();
    assert_eq!((&mut waiting).await.unwrap().status, 200);
    drop(held);
    server.stop().await;
}

/// Time stands still unless all tasks wait: then it leaps to what comes next.
#[tokio::test(start_paused = true)]
async fn who_sends_half_a_request_or_none_is_cut_off() {
    let server = Server::start(pages()).await;
    let begun = tokio::time::Instant::now();
    for sent in ["", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{sent:?}");
    }
    assert!(begun.elapsed() >= connections::HEADERS_AT_MOST);
    assert!(begun.elapsed() <= connections::CONNECTION_AT_MOST);
    server.stop().await;
}
