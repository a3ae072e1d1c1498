//! No stream outlives the key it was opened with.

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::messages::send;
use crate::api::auth::ApiKey;
use crate::api::testing::{Shop, by, key, noon};
use crate::ledger::body::Object;
use crate::model::Span;
use crate::model::registry::Role;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;

type Client = MessageServiceClient<tonic::transport::Channel>;

/// A stream of sends that stays open, and the way into it.
async fn sends(
    client: &mut Client,
    key: &str,
) -> (mpsc::Sender<wire::SendMessageRequest>, Streaming<wire::SendMessagesResponse>) {
    let (into, items) = mpsc::channel(4);
    let answers = client.send_messages(by(key, ReceiverStream::new(items))).await.expect("a stream");
    (into, answers.into_inner())
}

async fn events(client: &mut Client, key: &str) -> Streaming<wire::Event> {
    let all = wire::WatchEventsRequest { from_beginning: true, ..Default::default() };
    client.watch_events(by(key, all)).await.expect("a stream").into_inner()
}

/// Asks until the key is refused: what is durable is known to the gate a moment later.
async fn refused(client: &mut Client, key: &str) {
    let asked = || wire::GetMessageRequest { idempotency_key: "k1".into(), ..Default::default() };
    while client.get_message(by(key, asked())).await.err().map(|e| e.code()) != Some(Code::Unauthenticated) {
        tokio::task::yield_now().await;
    }
}

/// The first error of a stream that should end with one.
async fn ends<T>(stream: &mut Streaming<T>) -> Code {
    loop {
        match stream.next().await {
            Some(Ok(_)) => {}
            Some(Err(status)) => return status.code(),
            None => return Code::Ok,
        }
    }
}

/// A caller was asked for its key when a stream began, and never again: a revoked key went on sending for days.
#[tokio::test]
async fn a_revoked_key_ends_the_streams_it_opened() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let (into, mut answers) = sends(&mut client, "sender").await;
    into.send(send("k1")).await.expect("open");
    answers.next().await.expect("an answer").expect("no error");
    let mut watched = events(&mut client, "sender").await;
    watched.next().await.expect("an event").expect("no error");

    let gone = ApiKey { revoked_at: Some(noon()), ..key("sender", &[Role::Sender], &[]) };
    shop.set_up(vec![Object::ApiKey(gone)]).await;
    refused(&mut client, "sender").await;
    let before = shop.gateway.books.stored().len();
    into.send(send("k2")).await.expect("open");
    assert_eq!(ends(&mut answers).await, Code::Unauthenticated);
    assert_eq!(shop.gateway.books.stored().len(), before, "nothing was done for it");
    // Something happens, and it is not told.
    let put = send("k4");
    let other = key("other", &[Role::Sender], &[]);
    shop.set_up(vec![Object::ApiKey(other)]).await;
    while client.send_message(by("other", put.clone())).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ends(&mut watched).await, Code::Unauthenticated);
    drop((into, answers, watched, client));
    shop.close().await;
}

#[tokio::test]
async fn a_key_that_expires_or_reaches_less_ends_its_streams_too() {
    let shop = Shop::open().await;
    let until = ApiKey { expires_at: Some(noon() + Span::hours(1)), ..key("brief", &[Role::Sender], &[]) };
    shop.set_up(vec![Object::ApiKey(until), Object::ApiKey(key("wide", &[Role::Sender], &[]))]).await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    for name in ["brief", "wide"] {
        let put = wire::SendMessageRequest { idempotency_key: format!("of-{name}"), ..send("k") };
        while client.send_message(by(name, put.clone())).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
    let (brief, mut of_brief) = sends(&mut client, "brief").await;
    let (wide, mut of_wide) = sends(&mut client, "wide").await;
    for (into, answers) in [(&brief, &mut of_brief), (&wide, &mut of_wide)] {
        into.send(send("k1")).await.expect("open");
        answers.next().await.expect("an answer").expect("no error");
    }
    shop.clock.advance(Span::hours(1));
    brief.send(send("k2")).await.expect("open");
    assert_eq!(ends(&mut of_brief).await, Code::Unauthenticated);
    // Narrowed to one brand: whoever opens it anew has what is left.
    shop.set_up(vec![Object::ApiKey(key("wide", &[Role::Sender], &["side"]))]).await;
    let narrowed = || wire::SendMessageRequest { idempotency_key: "n".into(), ..send("n") };
    while client.send_message(by("wide", narrowed())).await.err().map(|e| e.code()) != Some(Code::NotFound) {
        tokio::task::yield_now().await;
    }
    wide.send(send("k3")).await.expect("open");
    assert_eq!(ends(&mut of_wide).await, Code::Unauthenticated);
    drop((brief, of_brief, wide, of_wide, client));
    shop.close().await;
}
