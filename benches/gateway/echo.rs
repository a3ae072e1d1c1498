//! The same messages over a bare tonic server that does nothing: the limit next to which ours is read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use consentry::pb::consentry::v1 as wire;
use consentry::pb::consentry::v1::message_service_server::{MessageService, MessageServiceServer};
use consentry::tls::incoming;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::load::{WARM_UP, clients, row, streamed, unary};

/// Answers with a message of the size of a real answer.
pub struct Echo;

fn echoed(request: wire::SendMessageRequest) -> wire::SendMessageResponse {
    let body = match request.content {
        Some(wire::send_message_request::Content::Body(body)) => body,
        _ => String::new(),
    };
    let message = wire::Message {
        id: request.idempotency_key,
        body: format!("Fable & Fern: {body} Reply STOP to opt out"),
        segments: 1,
        ..Default::default()
    };
    let verdict = wire::Verdict {
        outcome: wire::verdict::Outcome::Admit as i32,
        engine: Some(wire::Engine { policy_hash: "0".repeat(64), ..Default::default() }),
        policy_version: "2026.11".to_owned(),
        time_zone_version: "2026e".to_owned(),
        zones_considered: vec!["America/New_York".to_owned()],
        jurisdictions_considered: vec!["us/ny".to_owned()],
        ..Default::default()
    };
    wire::SendMessageResponse { message: Some(message), verdict: Some(verdict) }
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the echo only echoes"))
}

#[tonic::async_trait]
impl MessageService for Echo {
    async fn send_message(
        &self,
        request: Request<wire::SendMessageRequest>,
    ) -> Result<Response<wire::SendMessageResponse>, Status> {
        Ok(Response::new(echoed(request.into_inner())))
    }

    type SendMessagesStream = Pin<Box<dyn Stream<Item = Result<wire::SendMessagesResponse, Status>> + Send>>;

    async fn send_messages(
        &self,
        request: Request<Streaming<wire::SendMessageRequest>>,
    ) -> Result<Response<Self::SendMessagesStream>, Status> {
        let answers = request.into_inner().map(|request| {
            let request = request?;
            let idempotency_key = request.idempotency_key.clone();
            let result = Some(wire::send_messages_response::Result::Response(echoed(request)));
            Ok(wire::SendMessagesResponse { idempotency_key, result })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn check_message(
        &self,
        _: Request<wire::CheckMessageRequest>,
    ) -> Result<Response<wire::CheckMessageResponse>, Status> {
        not_here()
    }

    async fn get_message(
        &self,
        _: Request<wire::GetMessageRequest>,
    ) -> Result<Response<wire::Message>, Status> {
        not_here()
    }

    async fn list_messages(
        &self,
        _: Request<wire::ListMessagesRequest>,
    ) -> Result<Response<wire::ListMessagesResponse>, Status> {
        not_here()
    }

    async fn cancel_message(
        &self,
        _: Request<wire::CancelMessageRequest>,
    ) -> Result<Response<wire::Message>, Status> {
        not_here()
    }

    type WatchEventsStream = stream::Empty<Result<wire::Event, Status>>;

    async fn watch_events(
        &self,
        _: Request<wire::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        not_here()
    }

    async fn record_external_send(
        &self,
        _: Request<wire::RecordExternalSendRequest>,
    ) -> Result<Response<wire::RecordExternalSendResponse>, Status> {
        not_here()
    }
}

/// Its two rows.
pub async fn echo(seconds: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let wires = incoming(listener, None, 64, stop.clone());
    let serving = tonic::transport::Server::builder().add_service(MessageServiceServer::new(Echo));
    let stopped = stop.clone();
    let served =
        tokio::spawn(serving.serve_with_incoming_shutdown(wires, async move { stopped.cancelled().await }));
    let clients = clients(address).await;
    let next = Arc::new(AtomicU64::new(0));
    unary(&clients, &next, WARM_UP).await;
    row("echo, unary", &unary(&clients, &next, seconds).await);
    row("echo, stream", &streamed(&clients, &next, seconds).await);
    drop(clients);
    stop.cancel();
    served.await.expect("no panic").expect("served");
}
