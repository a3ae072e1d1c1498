//! What is served leads to the signed root, to whom it may be shown, with headers that let caches keep it.

use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::api::testing::{Shop, by};
use crate::ledger::entry::{Leaf, leaf_hash};
use crate::ledger::tree::Edge;
use crate::model::EntryHash;

async fn server(public: bool, entries: usize) -> (Shop, LogServer) {
    let shop = Shop::open().await;
    for n in 0..entries {
        let wishes = crate::writer::ops::preferences::SetPreferences {
            target: crate::writer::ops::Target::Device { app: "a".to_owned(), installation: n.to_string() },
            preferences: crate::model::subject::Preferences {
                at_most_per_week: Some(1),
                ..Default::default()
            },
            hint: None,
            actor: "k".to_owned(),
        };
        shop.gateway.writer.call(wishes).await.expect("taken");
    }
    shop.clock.advance(crate::model::Span::seconds(5));
    let size = shop.gateway.books.stored().len();
    while shop.gateway.books.checkpoint().size() < size {
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let keys = KeyTable::load(&shop.gateway.reader).expect("read");
    let clock = shop.gateway.env.clock.clone();
    let server = LogServer { books: shop.gateway.books.clone(), keys, clock, public };
    (shop, server)
}

async fn ask(server: &LogServer, key: Option<&str>, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().uri(format!("/log/main/e1/{path}"));
    if let Some(key) = key {
        let bearer =
            by(key, ()).metadata().get("authorization").expect("set").to_str().expect("ASCII").to_owned();
        request = request.header(header::AUTHORIZATION, bearer);
    }
    let response = server.clone().router().oneshot(request.body(Body::empty()).expect("a request")).await;
    let response = response.expect("infallible");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, headers, body.to_vec())
}

#[tokio::test]
async fn tiles_and_entries_lead_to_the_signed_root() {
    let (shop, server) = server(true, 300).await;
    let (status, headers, note) = ask(&server, None, "checkpoint").await;
    assert_eq!((status, &headers[header::CACHE_CONTROL]), (StatusCode::OK, &NOT_KEPT));
    let keys = [shop.gateway.books.verifier().clone()];
    let note = String::from_utf8(note).expect("text");
    let head = crate::ledger::checkpoint::SignedCheckpoint::verify(&note, &keys).expect("signed");
    let (mut edge, mut leaves) = (Edge::new(), 0);
    while edge.size() < head.size() {
        let number = edge.size() / TILE_WIDTH;
        let width = (head.size() - edge.size()).min(TILE_WIDTH);
        let hashes = Tile { kind: TileKind::Hashes(0), number, width }.to_string();
        let (status, headers, bytes) = ask(&server, None, &hashes).await;
        assert_eq!((status, &headers[header::CACHE_CONTROL]), (StatusCode::OK, &FOR_EVER), "{hashes}");
        let bundle = Tile { kind: TileKind::Entries, number, width }.to_string();
        let (status, headers, mut bundle) = ask(&server, Some("auditor"), &bundle).await;
        assert_eq!((status, &headers[header::CACHE_CONTROL]), (StatusCode::OK, &FOR_EVER_PRIVATE));
        for hash in bytes.chunks(32) {
            let len = usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
            let leaf: Vec<u8> = bundle.drain(..2 + len).skip(2).collect();
            assert!(Leaf::decode(&leaf).is_ok());
            assert_eq!(leaf_hash(&leaf).0, hash);
            edge.push(EntryHash(hash.try_into().expect("32 bytes")), |_| {});
            leaves += 1;
        }
        assert!(bundle.is_empty());
    }
    assert_eq!((edge.root(), leaves), (head.root(), head.size()));
    let (_, _, level_one) = ask(&server, None, "tile/1/000.p/2").await;
    let mut of_tile = Edge::new();
    let (_, _, second) = ask(&server, None, "tile/0/001").await;
    second.chunks(32).for_each(|h| of_tile.push(EntryHash(h.try_into().expect("32 bytes")), |_| {}));
    assert_eq!(level_one[32..], of_tile.root().0);
    shop.close().await;
}

#[tokio::test]
async fn leaves_need_an_auditor_and_hashes_where_they_are_not_public() {
    let (shop, public) = server(true, 2).await;
    let size = shop.gateway.books.checkpoint().size();
    let edge = Tile { kind: TileKind::Entries, number: 0, width: size }.to_string();
    for (key, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("sender"), StatusCode::FORBIDDEN),
        // The log is of all brands.
        (Some("sideauditor"), StatusCode::FORBIDDEN),
        (Some("auditor"), StatusCode::OK),
    ] {
        assert_eq!(ask(&public, key, &edge).await.0, status);
    }
    let keys = KeyTable::load(&shop.gateway.reader).expect("read");
    let closed = LogServer::new(shop.gateway.books.clone(), keys, shop.gateway.env.clock.clone());
    assert_eq!(ask(&closed, None, "checkpoint").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&closed, Some("auditor"), "checkpoint").await.0, StatusCode::OK);
    for missing in ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1", "nothing", "tile/entries/000"] {
        assert_eq!(ask(&public, Some("auditor"), missing).await.0, StatusCode::NOT_FOUND, "{missing}");
    }
    shop.close().await;
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let (shop, server) = server(true, 2).await;
    let path = "tile/0/000.p/2";
    let (_, headers, _) = ask(&server, None, path).await;
    let request = Request::builder()
        .uri(format!("/log/main/e1/{path}"))
        .header(header::IF_NONE_MATCH, headers[header::ETAG].clone())
        .body(Body::empty())
        .expect("a request");
    let response = server.clone().router().oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    for elsewhere in ["/log/other/e1/checkpoint", "/log/main/e2/checkpoint", "/log/ain/e1/checkpoint"] {
        let request = Request::builder().uri(elsewhere).body(Body::empty()).expect("a request");
        let response = server.clone().router().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{elsewhere}");
    }
    shop.close().await;
}

#[tokio::test]
async fn what_anchors_gave_is_served_beside_the_checkpoint() {
    use crate::ledger::anchor::{Kind, Receipt};
    use crate::ledger::cosignature::testing::Hand;

    let (shop, server) = server(true, 2).await;
    let books = &shop.gateway.books;
    let head = books.checkpoint();
    let witness = Hand::new("witness.example/w1", 1);
    let line = witness.line(&head.checkpoint().text(), 1_790_000_000);
    let keep = |anchor: &str, kind, checkpoint: String, proof: &[u8]| {
        let recorded_at = crate::model::Instant::from_seconds(1_790_000_000);
        let receipt =
            Receipt { anchor: anchor.to_owned(), kind, recorded_at, checkpoint, proof: proof.to_vec() };
        books.anchors().add(&receipt, head.size()).expect("kept");
    };
    assert_eq!(ask(&server, None, "anchors").await.2, b"[]\n");
    keep("w1", Kind::Witness, format!("{}{line}", head.note()), b"");
    keep("tsa", Kind::Timestamp, head.note().to_owned(), b"token");
    keep("counsel", Kind::Command, head.note().to_owned(), b"printed");
    let (_, _, note) = ask(&server, None, "checkpoint").await;
    let note = String::from_utf8(note).expect("text");
    assert!(witness.key().cosigned(&note).expect("sound").is_some(), "{note}");
    let (status, _, listed) = ask(&server, None, "anchors").await;
    let listed: serde_json::Value = serde_json::from_slice(&listed).expect("JSON");
    assert_eq!((status, listed.as_array().map(Vec::len)), (StatusCode::OK, Some(3)));
    assert_eq!(listed[1]["proof"], "anchors/00000001.tst");
    let (_, headers, token) = ask(&server, None, "anchors/00000001.tst").await;
    assert_eq!((token.as_slice(), &headers[header::CONTENT_TYPE]), (b"token".as_slice(), &TOKEN));
    assert_eq!(ask(&server, None, "anchors/00000000.checkpoint").await.2, note.into_bytes());
    for (path, key, status) in [
        ("anchors/00000002.txt", None, StatusCode::UNAUTHORIZED),
        ("anchors/00000002.txt", Some("auditor"), StatusCode::OK),
        ("anchors/00000000.tst", None, StatusCode::NOT_FOUND),
        ("anchors/00000009.checkpoint", None, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(ask(&server, key, path).await.0, status, "{path}");
    }
    shop.close().await;
}
