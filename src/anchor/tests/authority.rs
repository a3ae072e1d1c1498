//! Time stamps over HTTP, made by OpenSSL's server behind a small HTTP server.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::anchor::timestamp::Authority;
use crate::entropy::{SeededEntropy, SharedEntropy};
use crate::ledger::timestamp::Token;
use crate::ledger::timestamp::testing::{Authority as OpenSsl, Make};

fn roots(peer: &OpenSsl) -> TsaRoots {
    TsaRoots::from_pem(&peer.root(), "the throwaway root").expect("PEM")
}

fn reply(bytes: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/timestamp-reply")], bytes).into_response()
}

/// A server that answers `change`d replies of `peer`.
async fn over_http(
    peer: Arc<OpenSsl>,
    change: impl Fn(&OpenSsl, &[u8]) -> Response + Clone + Send + Sync + 'static,
) -> (Uri, impl Drop) {
    let answer = move |headers: HeaderMap, body: Bytes| async move {
        assert_eq!(headers[CONTENT_TYPE], "application/timestamp-query");
        tokio::task::spawn_blocking(move || change(&peer, &body)).await.expect("no panic")
    };
    serve(Router::new().route("/x", post(answer))).await
}

fn authority(url: Uri, roots: TsaRoots) -> Authority {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(11));
    Authority::new(client(), url, roots, entropy, DEADLINE)
}

#[tokio::test]
async fn a_checkpoint_is_stamped_by_openssl_and_verified_by_both() {
    let Some(peer) = OpenSsl::new(Make::EC) else { return };
    let (peer, world) = (Arc::new(peer), world());
    let (url, _guard) = over_http(peer.clone(), |peer, query| reply(peer.reply(query))).await;
    let head = world.books.checkpoint();
    let taken = authority(url, roots(&peer)).submit(&head, world.books.tree()).await.expect("stamped");
    assert_eq!(taken.checkpoint, head.note());
    Token::read(&taken.proof, head.note().as_bytes())
        .expect("sound")
        .check_chain(&roots(&peer))
        .expect("vouched for");
    assert!(peer.accepts(&taken.proof, head.note().as_bytes(), None), "OpenSSL takes what is kept");
}

#[tokio::test]
async fn stamps_that_prove_nothing_are_not_kept() {
    let (Some(peer), Some(stranger)) = (OpenSsl::new(Make::EC), OpenSsl::new(Make::EC)) else { return };
    let (peer, world) = (Arc::new(peer), world());
    let head = world.books.checkpoint();
    // A token over the same checkpoint, made for an earlier request.
    let (query, _) = crate::ledger::timestamp::request(head.note().as_bytes(), [7; 8]);
    let earlier = peer.reply(&query);
    let (elsewhere, _) = crate::ledger::timestamp::request(b"another checkpoint", [7; 8]);
    let elsewhere = peer.reply(&elsewhere);
    type Change = Box<dyn Fn(&OpenSsl, &[u8]) -> Response + Send + Sync>;
    let cases: Vec<(&str, Change, &str)> = vec![
        ("replayed", Box::new(move |_, _| reply(earlier.clone())), "nonce"),
        ("another imprint", Box::new(move |_, _| reply(elsewhere.clone())), "message imprint"),
        ("another type", Box::new(|peer, query| peer.reply(query).into_response()), "not a time stamp"),
        (
            "an error page",
            Box::new(|_, _| (StatusCode::BAD_GATEWAY, "sorry").into_response()),
            "not a time stamp",
        ),
        ("garbage", Box::new(|_, _| reply(b"garbage".to_vec())), "no RFC 3161 answer"),
    ];
    for (what, change, why) in cases {
        let change = Arc::new(change);
        let (url, _guard) = over_http(peer.clone(), move |peer, query| change(peer, query)).await;
        let error = authority(url, roots(&peer)).submit(&head, world.books.tree()).await.expect_err(what);
        assert!(error.to_string().contains(why), "{what}: {error}");
    }
    let (url, _guard) = over_http(peer.clone(), |peer, query| reply(peer.reply(query))).await;
    let error =
        authority(url, roots(&stranger)).submit(&head, world.books.tree()).await.expect_err("another root");
    assert!(error.to_string().contains("no root that was given vouches"), "{error}");
}
