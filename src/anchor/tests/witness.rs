//! The client's side of `add-checkpoint`, against a witness that is told what to answer.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;

use super::*;
use crate::anchor::witness::Witness;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::cosignature::testing::Hand;
use crate::ledger::tree::{ConsistencyProof, Root};

/// What it was sent, taken apart by the specification's rules.
#[derive(Debug, Clone)]
struct Sent {
    old: u64,
    proof: Vec<[u8; 32]>,
    checkpoint: Checkpoint,
}

fn parse(body: &str) -> Sent {
    use base64::Engine as _;
    let (head, note) = body.split_once("\n\n").expect("an empty line");
    let mut lines = head.split('\n');
    let old = lines.next().and_then(|line| line.strip_prefix("old ")).expect("the old size");
    assert_eq!(old.parse::<u64>().expect("a number").to_string(), old, "no leading zeros");
    let hash = |line: &str| {
        base64::prelude::BASE64_STANDARD.decode(line).expect("base64").try_into().expect("32 bytes")
    };
    Sent {
        old: old.parse().expect("a number"),
        proof: lines.map(hash).collect(),
        checkpoint: Checkpoint::of_note(note).expect("a checkpoint"),
    }
}

type Answer = Box<dyn Fn(&Sent) -> Response + Send + Sync>;

#[derive(Clone)]
struct Peer {
    heard: Arc<Mutex<Vec<Sent>>>,
    answer: Arc<Answer>,
}

async fn take(State(peer): State<Peer>, body: String) -> Response {
    let sent = parse(&body);
    let answer = (peer.answer)(&sent);
    peer.heard.lock().expect("no panic").push(sent);
    answer
}

async fn told(answer: Answer) -> (Witness, Arc<Mutex<Vec<Sent>>>, impl Drop) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let peer = Peer { heard: heard.clone(), answer: Arc::new(answer) };
    let (url, guard) = serve(Router::new().route("/x/add-checkpoint", post(take)).with_state(peer)).await;
    let key = Hand::new("witness.example/w1", 1).key();
    (Witness::new(client(), url, key, DEADLINE), heard, guard)
}

fn size_line(size: u64) -> Response {
    (StatusCode::CONFLICT, [(CONTENT_TYPE, "text/x.tlog.size")], format!("{size}\n")).into_response()
}

/// A witness that does its duty.
fn dutiful() -> Answer {
    let seen: Mutex<(u64, Root)> = Mutex::new((0, Root::EMPTY));
    Box::new(move |sent| {
        let mut seen = seen.lock().expect("no panic");
        if sent.old != seen.0 {
            return size_line(seen.0);
        }
        let proof =
            ConsistencyProof { old_size: sent.old, size: sent.checkpoint.size, hashes: sent.proof.clone() };
        let extends = match sent.old == sent.checkpoint.size {
            true => sent.proof.is_empty() && seen.1 == sent.checkpoint.root,
            false => proof.check(seen.1, sent.checkpoint.root).is_ok(),
        };
        if !extends {
            return StatusCode::UNPROCESSABLE_ENTITY.into_response();
        }
        *seen = (sent.checkpoint.size, sent.checkpoint.root);
        Hand::new("witness.example/w1", 1).line(&sent.checkpoint.text(), 1_790_000_000).into_response()
    })
}

#[tokio::test]
async fn a_growing_log_is_cosigned_with_proofs() {
    let mut world = world();
    let (witness, heard, _guard) = told(dutiful()).await;
    let first = world.books.checkpoint();
    let taken = witness.submit(&first, world.books.tree()).await.expect("cosigned");
    let key = Hand::new("witness.example/w1", 1).key();
    assert!(key.cosigned(&taken.checkpoint).expect("sound").is_some());
    assert!(taken.checkpoint.starts_with(first.note()), "below the log's own signature");
    grow(&mut world, 7);
    let second = world.books.checkpoint();
    witness.submit(&second, world.books.tree()).await.expect("cosigned");
    witness.submit(&second, world.books.tree()).await.expect("the same once more");
    // One that starts anew, as after a restart, learns where the witness stands.
    let (_, _, _unused) = (&witness, &heard, ());
    let sizes: Vec<(u64, u64, bool)> = heard
        .lock()
        .expect("no panic")
        .iter()
        .map(|s| (s.old, s.checkpoint.size, s.proof.is_empty()))
        .collect();
    assert_eq!(
        sizes,
        [(0, first.size(), true), (first.size(), second.size(), false), (second.size(), second.size(), true)]
    );
}

#[tokio::test]
async fn a_conflict_is_answered_with_the_size_the_witness_knows() {
    let mut world = world();
    let early = world.books.checkpoint();
    grow(&mut world, 7);
    let late = world.books.checkpoint();
    let known = early.size();
    let answer: Answer = Box::new(move |sent| match sent.old == known {
        true => Hand::new("witness.example/w1", 1).line(&sent.checkpoint.text(), 5).into_response(),
        false => size_line(known),
    });
    let (witness, heard, _guard) = told(answer).await;
    witness.submit(&late, world.books.tree()).await.expect("cosigned at the second try");
    let heard = heard.lock().expect("no panic");
    assert_eq!(heard.iter().map(|sent| sent.old).collect::<Vec<_>>(), [0, known]);
    let proof = ConsistencyProof { old_size: known, size: late.size(), hashes: heard[1].proof.clone() };
    proof.check(early.root(), late.root()).expect("the proof it was sent");
}

#[tokio::test]
async fn answers_that_prove_nothing_are_not_kept() {
    let world = world();
    let head = world.books.checkpoint();
    let size = head.size();
    let other = || Hand::new("witness.example/w1", 1).line("another\n1\ntext\n", 5);
    let cases: Vec<(&str, Answer, &str)> = vec![
        ("nothing", Box::new(|_| "".into_response()), "no cosignature"),
        ("garbage", Box::new(|_| "<html>".into_response()), "no cosignature"),
        (
            "another witness",
            Box::new(|s| Hand::new("w2", 2).line(&s.checkpoint.text(), 5).into_response()),
            "no cosignature",
        ),
        (
            "another key under its name",
            Box::new(|s| Hand::new("witness.example/w1", 9).line(&s.checkpoint.text(), 5).into_response()),
            "no cosignature",
        ),
        ("a replayed cosignature", Box::new(move |_| other().into_response()), "is wrong"),
        (
            "no time",
            Box::new(|s| Hand::new("witness.example/w1", 1).line(&s.checkpoint.text(), 0).into_response()),
            "is wrong",
        ),
        (
            "a conflict without a type",
            Box::new(|_| (StatusCode::CONFLICT, "3\n").into_response()),
            "names no size",
        ),
        (
            "a conflict without a number",
            Box::new(|_| {
                (StatusCode::CONFLICT, [(CONTENT_TYPE, "text/x.tlog.size")], "03\n").into_response()
            }),
            "names no size",
        ),
        ("a larger log", Box::new(move |_| size_line(size + 1)), "ALARM: the witness has cosigned"),
        ("ever another size", Box::new(move |s| size_line((s.old + 1) % size)), "another size each time"),
        (
            "another history",
            Box::new(|_| StatusCode::UNPROCESSABLE_ENTITY.into_response()),
            "ALARM: the witness says",
        ),
        ("an unknown log", Box::new(|_| StatusCode::NOT_FOUND.into_response()), "does not know the log"),
        ("an unknown key", Box::new(|_| StatusCode::FORBIDDEN.into_response()), "under another key"),
        ("trouble", Box::new(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()), "answered 503"),
    ];
    for (what, answer, why) in cases {
        let (witness, _, _guard) = told(answer).await;
        let error = witness.submit(&head, world.books.tree()).await.expect_err(what);
        assert!(error.to_string().contains(why), "{what}: {error}");
    }
}
