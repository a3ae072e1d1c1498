//! The assembled server over real sockets on free ports: keys, roles, deadlines, load, health, draining.

mod alive;

use std::sync::Arc;

use tokio::net::TcpListener;
use tonic::Code;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt;

use super::*;
use crate::api::auth::{self, ApiKey, KeySource, Role};
use crate::clock::SystemClock;
use crate::model::{Instant, SellerId};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::ListDevicesRequest;
use crate::pb::consentry::v1::device_service_client::DeviceServiceClient;
use crate::pb::consentry::v1::device_service_server::{DeviceService, DeviceServiceServer};
use crate::tls::incoming;

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What stands behind the gate: it says that a call came through.
#[derive(Clone, Copy)]
struct Behind;

#[tonic::async_trait]
impl DeviceService for Behind {
    async fn upsert_device(
        &self,
        _: tonic::Request<wire::UpsertDeviceRequest>,
    ) -> Result<tonic::Response<wire::Device>, tonic::Status> {
        Err(tonic::Status::unimplemented("behind the gate"))
    }
    async fn delete_device(
        &self,
        _: tonic::Request<wire::DeleteDeviceRequest>,
    ) -> Result<tonic::Response<()>, tonic::Status> {
        Err(tonic::Status::unimplemented("behind the gate"))
    }
    async fn list_devices(
        &self,
        request: tonic::Request<wire::ListDevicesRequest>,
    ) -> Result<tonic::Response<wire::ListDevicesResponse>, tonic::Status> {
        if request.get_ref().customer_id == alive::NOBODY_ANSWERS {
            std::future::pending::<()>().await;
        }
        Err(tonic::Status::unimplemented("behind the gate"))
    }
}

/// Two keys: `k1` may read devices, `k2` may only administrate.
struct Keys;

impl KeySource for Keys {
    fn key(&self, id: &str) -> Option<(Arc<ApiKey>, SellerId)> {
        let role = match id {
            "k1" => Role::Sender,
            "k2" => Role::Admin,
            _ => return None,
        };
        let key = ApiKey {
            id: id.to_owned(),
            label: "test".to_owned(),
            secret_sha256: vec![auth::hash_of(SECRET)],
            roles: vec![role],
            brands: Vec::new(),
            created_at: Instant::EPOCH,
            expires_at: None,
            revoked_at: None,
        };
        Some((Arc::new(key), "main".parse().expect("a slug")))
    }
}

struct Running {
    port: u16,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<Result<(), ServeError>>,
}

async fn start(settings: Settings) -> Running {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let stop = CancellationToken::new();
    let incoming = incoming(listener, None, 64, stop.clone());
    let gate =
        GateLayer::new(Arc::new(Keys), Arc::new(SystemClock), settings.in_flight_max, settings.deadline_max);
    let device = limited!(DeviceServiceServer::new(Behind), settings);
    let services = Services::new(HealthReporter::new()).expect("descriptors").with(device);
    let stopping = stop.clone();
    let ended = tokio::spawn(async move { serve(services, gate, &settings, incoming, stopping).await });
    Running { port, stop, ended }
}

impl Running {
    async fn channel(&self) -> Channel {
        let uri = format!("http://127.0.0.1:{}", self.port);
        Endpoint::from_shared(uri).expect("a URI").connect().await.expect("a connection")
    }
    async fn ends(self) -> Result<(), ServeError> {
        self.stop.cancel();
        self.ended.await.expect("the server task")
    }
}

fn list(key: &str) -> tonic::Request<ListDevicesRequest> {
    let mut request = tonic::Request::new(ListDevicesRequest::default());
    let bearer = format!("Bearer {}", auth::token(key, SECRET));
    request.metadata_mut().insert("authorization", MetadataValue::try_from(bearer).expect("ASCII"));
    request
}

#[tokio::test]
async fn the_gate_asks_for_a_key_and_its_role() {
    let running = start(Settings::default()).await;
    let mut devices = DeviceServiceClient::new(running.channel().await);
    let none = devices.list_devices(ListDevicesRequest::default()).await.expect_err("no key");
    assert_eq!(none.code(), Code::Unauthenticated);
    assert_eq!(none.get_details_error_info().expect("an ErrorInfo").domain, "consentry");
    let unknown = devices.list_devices(list("k9")).await.expect_err("unknown key");
    assert_eq!((unknown.code(), unknown.message()), (Code::Unauthenticated, none.message()));
    let wrong = devices.list_devices(list("k2")).await.expect_err("wrong role");
    assert_eq!(wrong.code(), Code::PermissionDenied);
    assert!(wrong.message().contains("SENDER"), "{}", wrong.message());
    let through = devices.list_devices(list("k1")).await.expect_err("nobody is there");
    assert_eq!((through.code(), through.message()), (Code::Unimplemented, "behind the gate"));
    running.ends().await.expect("drained");
}

#[tokio::test]
async fn no_room_is_said_with_a_time_to_come_back() {
    let running = start(Settings { in_flight_max: 0, ..Settings::default() }).await;
    let mut devices = DeviceServiceClient::new(running.channel().await);
    let busy = devices.list_devices(list("k1")).await.expect_err("no room");
    assert_eq!(busy.code(), Code::ResourceExhausted);
    assert!(busy.get_details_retry_info().is_some());
    running.ends().await.expect("drained");
}

#[tokio::test]
async fn oversized_requests_are_refused_before_they_are_read() {
    let running = start(Settings { request_bytes_max: 64, ..Settings::default() }).await;
    let mut devices = DeviceServiceClient::new(running.channel().await);
    let mut request = list("k1");
    request.get_mut().customer_id = "x".repeat(65);
    let refused = devices.list_devices(request).await.expect_err("too large");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("64 bytes"), "{}", refused.message());
    running.ends().await.expect("drained");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let running = start(Settings::default()).await;
    let mut client = tonic::client::Grpc::new(running.channel().await);
    client.ready().await.expect("ready");
    let request = list("k1").map(|_| ListDevicesRequest::default());
    let path = "/consentry.v1.DeviceService/ListDevices".parse().expect("a path");
    // Field 1 as a number, where a text is due.
    let codec = Raw(b"\x08\x01");
    let refused = client.unary(request, path, codec).await.map(|_| ()).expect_err("no message");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    running.ends().await.expect("drained");
}

/// Sends bytes as they are, whatever the request was.
struct Raw(&'static [u8]);

impl tonic::codec::Codec for Raw {
    type Encode = ListDevicesRequest;
    type Decode = ();
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw {
        Raw(self.0)
    }
    fn decoder(&mut self) -> Raw {
        Raw(self.0)
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = ListDevicesRequest;
    type Error = tonic::Status;
    fn encode(
        &mut self,
        _: ListDevicesRequest,
        out: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), tonic::Status> {
        bytes::BufMut::put_slice(out, self.0);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = ();
    type Error = tonic::Status;
    fn decode(&mut self, _: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<()>, tonic::Status> {
        Ok(Some(()))
    }
}

#[tokio::test]
async fn health_and_reflection_need_no_key() {
    let running = start(Settings::default()).await;
    let channel = running.channel().await;
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "consentry.v1.DeviceService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.expect("health").into_inner();
        assert_eq!(answer.status, ServingStatus::Serving as i32, "{service:?}");
    }
    let ask = ServerReflectionRequest {
        message_request: Some(MessageRequest::FileContainingSymbol("consentry.v1.MessageService".to_owned())),
        ..Default::default()
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(ask))
        .await
        .expect("reflection")
        .into_inner();
    let answer = answers.message().await.expect("an answer").expect("one");
    assert!(format!("{answer:?}").contains("FileDescriptorResponse"), "{answer:?}");
    running.ends().await.expect("drained");
}

#[tokio::test]
async fn a_watcher_learns_that_the_server_drains() {
    let running = start(Settings::default()).await;
    let mut health = HealthClient::new(running.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.expect("a watch").into_inner();
    let first = watch.message().await.expect("alive").expect("a status");
    assert_eq!(first.status, ServingStatus::Serving as i32);
    running.stop.cancel();
    let second = watch.message().await.expect("alive").expect("a status");
    assert_eq!(second.status, ServingStatus::NotServing as i32);
    drop((watch, health));
    running.ends().await.expect("drained");
}

#[tokio::test]
async fn draining_ends_even_when_a_stream_does_not() {
    let running = start(Settings { drain_max: Duration::from_millis(1), ..Settings::default() }).await;
    let mut health = HealthClient::new(running.channel().await);
    let _watch = health.watch(HealthCheckRequest::default()).await.expect("a watch");
    assert!(matches!(running.ends().await, Err(ServeError::NotDrained(_))));
}
