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
