use std::thread::JoinHandle;

use super::*;
use crate::clock::ManualClock;
use crate::ledger::body::{Body as Fact, Object};
use crate::ledger::entry::Kind;
use crate::ledger::rows::keys;
use crate::ledger::state::State;
use crate::model::cart::Link;
use crate::model::subject::Subject;
use crate::model::{MessageId, Span};
use crate::writer::ops::fixture::{Accept, brand, key, main_brand, opt_out};
use crate::writer::ops::link::CreateLink;
use crate::writer::testing::{MemoryLog, TestWriter};
use crate::writer::{Core, EntrySource, QueueLimits, Recorded, spawn};

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
const TARGET: &str = "https://shop.example/cart/7?utm=sms";

/// Short domains of two brands over a running writer.
struct World {
    redirect: Arc<Redirect>,
    router: Router,
    clock: ManualClock,
    log: MemoryLog,
    kv: SharedKv,
    writer: WriterHandle,
    thread: JoinHandle<Result<Core, String>>,
    news: broadcast::Sender<Arc<[Entry]>>,
    stop: CancellationToken,
    /// A message's link, and one without a person.
    code: String,
    plain: String,
}

impl World {
    fn new() -> World {
        let mut setup = TestWriter::new();
        let mut two = brand("two");
        two.fallback_url = "https://shop.example/sorry".to_owned();
        setup.set_up([Object::Brand(brand("main")), Object::Brand(two)]);
        let accept = Accept { id: MessageId([7; 16]), to: 1, cart: None, pool: None, link: Some(TARGET) };
        let code = setup.run(accept).expect("accepted").link.expect("a link").code.to_string();
        let link = CreateLink {
            brand: main_brand(),
            target: TARGET.to_owned(),
            expires_at: None,
            idempotency: key("CreateLink", "k"),
            actor: "test".to_owned(),
        };
        let plain = setup.run(link).expect("made").link.code.to_string();
        let (clock, log, kv) = (setup.clock.clone(), setup.log.clone(), setup.kv.clone());
        let mut core = setup.into_core();
        let (news, _) = broadcast::channel(64);
        let tell = news.clone();
        core.listen(Box::new(move |entries: &Arc<[Entry]>| {
            let _ = tell.send(entries.clone());
        }));
        let (writer, thread) = spawn(core, QueueLimits::default()).expect("a thread");
        let redirect = Redirect::open(kv.clone(), Arc::new(clock.clone()), writer.clone()).expect("brands");
        let others = Router::new().fallback(|| async { "other" });
        let router = redirect.clone().in_front_of(others);
        let stop = CancellationToken::new();
        World { redirect, router, clock, log, kv, writer, thread, news, stop, code, plain }
    }

    async fn ask(&self, method: Method, host: &str, path: &str) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::USER_AGENT, PHONE)
            .header(header::ACCEPT, "text/html")
            .body(Body::empty())
            .expect("a request");
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, "go.main.example", path).await
    }

    fn link(&self, code: &str) -> Arc<Link> {
        let snapshot = self.kv.snapshot().expect("memory");
        let key = keys::link(&code.parse().expect("a slug"));
        State::over(&*snapshot).get::<Link>(&key).expect("memory").expect("the link")
    }

    fn person(&self) -> Arc<Subject> {
        let id = self.link(&self.code).subject.expect("a person");
        let snapshot = self.kv.snapshot().expect("memory");
        State::over(&*snapshot).get::<Subject>(&keys::subject(&id)).expect("memory").expect("the person")
    }

    fn entries(&self) -> usize {
        EntrySource::size(&self.log) as usize
    }

    /// Ends the writer: everything it was given is carried out.
    fn end(self) {
        self.writer.close();
        self.thread.join().expect("no panic").expect("no failure");
    }
}

fn location(response: &Response) -> &str {
    response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a page");
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn codes_lead_to_their_targets_and_nothing_else_is_there() {
    let world = World::new();
    let code = format!("/{}", world.code);
    let long = format!("/{}", "x".repeat(5_000));
    for (method, host, path, status, leads) in [
        (Method::GET, "go.main.example", code.as_str(), 302, TARGET),
        (Method::GET, "GO.main.example:8080", &code, 302, TARGET),
        (Method::HEAD, "go.main.example", &code, 302, TARGET),
        (Method::POST, "go.main.example", &code, 405, ""),
        (Method::GET, "go.two.example", &code, 302, "https://shop.example/sorry"),
        (Method::GET, "go.main.example", "/nosuchcode1", 404, ""),
        (Method::GET, "go.two.example", "/nosuchcode1", 302, "https://shop.example/sorry"),
        (Method::GET, "go.main.example", "/", 404, ""),
        (Method::GET, "go.main.example", "/robots.txt", 404, ""),
        (Method::GET, "go.main.example", "/console/", 404, ""),
        (Method::GET, "go.main.example", "/webhooks/a/b", 404, ""),
        (Method::GET, "go.main.example", "/%00%0d%0a", 404, ""),
        (Method::GET, "go.main.example", &long, 404, ""),
        (Method::GET, "gateway.example", &code, 200, ""),
    ] {
        let shown = format!("{method} {host}{path:.40}");
        let response = world.ask(method, host, path).await;
        assert_eq!(response.status().as_u16(), status, "{shown}");
        assert_eq!(location(&response), leads, "{shown}");
        if host != "gateway.example" {
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "{shown}");
            assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer", "{shown}");
        }
    }
    world.end();
}

#[tokio::test]
async fn an_expired_link_falls_back_to_the_instant() {
    let world = World::new();
    let end = world.link(&world.code).expires_at;
    for (at, status) in [(end - Span::micros(1), 302), (end, 404), (end + Span::days(1), 404)] {
        world.clock.set(at);
        assert_eq!(world.get(&format!("/{}", world.code)).await.status().as_u16(), status, "{at}");
    }
    world.end();
}

#[tokio::test]
async fn clicks_are_told_apart_and_all_are_written_before_the_end() {
    let world = World::new();
    let running = tokio::spawn(world.redirect.clone().run(world.news.subscribe(), world.stop.clone()));
    let path = format!("/{}", world.code);
    for method in [Method::GET, Method::HEAD, Method::GET] {
        world.ask(method, "go.main.example", &path).await;
    }
    let before = world.entries();
    assert_eq!(world.link(&world.code).raw_clicks, 0, "a redirect waits for no write");
    world.stop.cancel();
    running.await.expect("no panic");
    let link = world.link(&world.code);
    assert_eq!((link.raw_clicks, link.human_clicks), (3, 2));
    assert_eq!(world.entries(), before + 1, "one entry for all of them");
    world.end();
}

#[tokio::test]
async fn a_click_becomes_durable_without_anybody_asking() {
    let world = World::new();
    let mut news = world.news.subscribe();
    let running = tokio::spawn(world.redirect.clone().run(world.news.subscribe(), world.stop.clone()));
    world.get(&format!("/{}", world.plain)).await;
    let heard = tokio::time::timeout(std::time::Duration::from_secs(30), news.recv()).await;
    let entries = heard.expect("in time").expect("news");
    assert_eq!(entries[0].leaf.kind, Kind::Click);
    world.stop.cancel();
    running.await.expect("no panic");
    world.end();
}

#[tokio::test]
async fn looking_at_the_opt_out_page_changes_nothing_and_its_button_stops_everything() {
    let world = World::new();
    let path = format!("/opt-out/{}", world.code);
    let entries = world.entries();
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let response = world.ask(method, "go.main.example", &path).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(
            response.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .expect("ASCII")
                .contains("form-action 'self'")
        );
    }
    let page = text(world.get(&path).await).await;
    assert!(page.contains("<form method=\"post\">") && page.contains("Shop"), "{page}");
    assert_eq!(world.entries(), entries);
    assert!(world.person().opt_outs.is_empty());

    // A wish to stop has no end, though the link has.
    world.clock.set(world.link(&world.code).expires_at + Span::days(1));
    let done = text(world.ask(Method::POST, "go.main.example", &path).await).await;
    assert!(done.contains("Done") && !done.contains("<form"), "{done}");
    let opt_outs = world.person().opt_outs.clone();
    assert_eq!((opt_outs.len(), &opt_outs[0].scope), (1, &OptOutScope::All));
    assert_eq!(opt_outs[0].source, OptOutSource::Web);
    let entries = world.entries();
    for method in [Method::POST, Method::GET] {
        assert!(text(world.ask(method, "go.main.example", &path).await).await.contains("Done"));
    }
    assert_eq!(world.entries(), entries, "a second press writes nothing");
    world.end();
}

/// Found by the simulation: the button said "Done" and wrote nothing, because a STOP by text stood already; a START then
/// undid that STOP, and with it what the person had said on the page.
#[tokio::test]
async fn a_press_after_a_stop_by_text_is_kept_and_outlasts_a_start() {
    let world = World::new();
    let path = format!("/opt-out/{}", world.code);
    let stop = opt_out(1, OptOutScope::All, OptOutSource::SmsReply, "by text");
    world.writer.call(stop).await.expect("recorded");
    assert!(text(world.get(&path).await).await.contains("Done"), "nothing to ask");
    for _ in 0..2 {
        let done = text(world.ask(Method::POST, "go.main.example", &path).await).await;
        assert!(done.contains("Done"), "{done}");
    }
    let sources: Vec<OptOutSource> = world.person().opt_outs.iter().map(|o| o.source).collect();
    assert_eq!(sources, [OptOutSource::SmsReply, OptOutSource::Web], "each once");
    world.end();
}

#[tokio::test]
async fn a_token_that_is_nobodys_stops_nobody() {
    let world = World::new();
    let entries = world.entries();
    let plain = format!("/opt-out/{}", world.plain);
    let code = format!("/opt-out/{}", world.code);
    for (host, path) in [
        ("go.main.example", plain.as_str()),
        ("go.main.example", "/opt-out/nosuchcode1"),
        ("go.main.example", "/opt-out/"),
        ("go.two.example", &code),
    ] {
        for method in [Method::GET, Method::POST] {
            let response = world.ask(method, host, path).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{host}{path}");
        }
    }
    assert_eq!(
        world.ask(Method::DELETE, "go.main.example", &code).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(world.entries(), entries);
    world.end();
}

#[tokio::test]
async fn an_opt_out_that_cannot_be_recorded_says_so() {
    let world = World::new();
    world.writer.close();
    let path = format!("/opt-out/{}", world.code);
    let response = world.ask(Method::POST, "go.main.example", &path).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(response).await.contains("<form"), "the button is there to try again");
    let redirected = world.get(&format!("/{}", world.code)).await;
    assert_eq!(location(&redirected), TARGET, "redirects go on without the writer");
    world.end();
}

#[tokio::test]
async fn news_about_a_brand_moves_its_domain() {
    let world = World::new();
    let mut moved = brand("main");
    moved.short_domain = "s.main.example".to_owned();
    let op = crate::writer::ops::registry::PutObject::update(Object::Brand(moved), "moved", "test");
    world.writer.call(op).await.expect("changed");
    let newest = world.log.read(world.entries() as u64 - 1, 1).expect("memory").pop();
    let Some(Recorded::Open(entry)) = newest else { panic!("an entry") };
    assert!(matches!(&entry.body, Fact::Registry(_)));
    assert!(!world.redirect.serves("s.main.example"));
    world.redirect.directory.learn(&[entry]).expect("read");
    assert!(world.redirect.serves("s.main.example") && !world.redirect.serves("go.main.example"));
    world.end();
}
