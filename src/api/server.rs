//! Puts the gRPC server together: services, gate, limits, health, reflection; serves until told to stop, then drains.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::Stream;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Service;

use super::admin::Admins;
use super::audit::Audits;
use super::cart::Carts;
use super::consent::Consents;
use super::coupon::Coupons;
use super::device::Devices;
use super::gate::GateLayer;
use super::link::Links;
use super::message::Messages;
use super::service::Hands;
use crate::pb::FILE_DESCRIPTOR_SET;
use crate::pb::consentry::v1::admin_service_server::AdminServiceServer;
use crate::pb::consentry::v1::audit_service_server::AuditServiceServer;
use crate::pb::consentry::v1::cart_service_server::CartServiceServer;
use crate::pb::consentry::v1::consent_service_server::ConsentServiceServer;
use crate::pb::consentry::v1::coupon_service_server::CouponServiceServer;
use crate::pb::consentry::v1::device_service_server::DeviceServiceServer;
use crate::pb::consentry::v1::link_service_server::LinkServiceServer;
use crate::pb::consentry::v1::message_service_server::MessageServiceServer;

/// How much the server takes, and how long it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Largest request message, in bytes. Default 4 MiB.
    pub request_bytes_max: usize,
    /// Largest answer message, in bytes. Default 16 MiB.
    pub answer_bytes_max: usize,
    /// Calls being answered at a time; more are told to come back. Default 4,096.
    pub in_flight_max: usize,
    /// Streams of one connection at a time. Default 1,024.
    pub streams_per_connection: u32,
    /// Longest wait for an answer to begin, whatever the caller asks for. Default 60 s.
    pub deadline_max: Duration,
    /// Silence after which a connection is asked whether it lives. Default 30 s.
    pub keep_alive_every: Duration,
    /// How long it may take to say so. Default 10 s.
    pub keep_alive_wait: Duration,
    /// How long open calls may take to end once the server stops. Default 20 s.
    pub drain_max: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            request_bytes_max: 4 << 20,
            answer_bytes_max: 16 << 20,
            in_flight_max: 4_096,
            streams_per_connection: 1_024,
            deadline_max: Duration::from_secs(60),
            keep_alive_every: Duration::from_secs(30),
            keep_alive_wait: Duration::from_secs(10),
            drain_max: Duration::from_secs(20),
        }
    }
}

/// Largest header block taken from a caller, in bytes.
const HEADERS_MAX: u32 = 16 << 10;

/// Gives a generated service the message limits and gzip both ways.
macro_rules! limited {
    ($service:expr, $settings:expr) => {
        $service
            .max_decoding_message_size($settings.request_bytes_max)
            .max_encoding_message_size($settings.answer_bytes_max)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
            .send_compressed(tonic::codec::CompressionEncoding::Gzip)
    };
}

/// Why the server ended other than by draining.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The compiled descriptors cannot be read back.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport gave up.
    #[error("gRPC server: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// Calls were still open when the time to drain was over; they are cut off.
    #[error("gRPC server: calls were still open after {} s of draining", .0.as_secs())]
    NotDrained(Duration),
}

/// The services of the server, each told to the health reporter.
pub struct Services {
    routes: Routes,
    names: Vec<&'static str>,
    health: HealthReporter,
}

impl Services {
    /// Health and reflection; the others are added. The reporter is the caller's, to say when the store is away.
    pub fn new(health: HealthReporter) -> Result<Services, ServeError> {
        let service = HealthServer::new(HealthService::from_health_reporter(health.clone()));
        let routes = Routes::new(service)
            .add_service(
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                    .build_v1()?,
            )
            .add_service(
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                    .build_v1alpha()?,
            );
        Ok(Services { routes, names: Vec::new(), health })
    }

    /// One more service.
    pub fn with<S>(mut self, service: S) -> Services
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Every service of the contract over these hands.
    pub fn all(hands: &Hands, settings: &Settings, health: HealthReporter) -> Result<Services, ServeError> {
        let admin = limited!(AdminServiceServer::new(Admins::new(hands.clone())), settings);
        let audit = limited!(AuditServiceServer::new(Audits::new(hands.clone())), settings);
        let cart = limited!(CartServiceServer::new(Carts::new(hands.clone())), settings);
        let consent = limited!(ConsentServiceServer::new(Consents::new(hands.clone())), settings);
        let coupon = limited!(CouponServiceServer::new(Coupons::new(hands.clone())), settings);
        let device = limited!(DeviceServiceServer::new(Devices::new(hands.clone())), settings);
        let link = limited!(LinkServiceServer::new(Links::new(hands.clone())), settings);
        let message = limited!(MessageServiceServer::new(Messages::new(hands.clone())), settings);
        let services = Services::new(health)?;
        Ok(services
            .with(admin)
            .with(audit)
            .with(cart)
            .with(consent)
            .with(coupon)
            .with(device)
            .with(link)
            .with(message))
    }

    /// Says to health checks whether calls are welcome.
    pub async fn report(&self, serving: bool) {
        report(&self.health, &self.names, serving).await;
    }
}

async fn report(health: &HealthReporter, names: &[&'static str], serving: bool) {
    let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in std::iter::once("").chain(names.iter().copied()) {
        health.set_service_status(name, status).await;
    }
}

/// Serves until `stop`, then lets open calls end. Streams that never end by themselves must watch `stop`, too.
/// The listener and the wish to stop are the caller's, so that tests use any port, or none.
pub async fn serve<IO, E>(
    services: Services,
    gate: GateLayer,
    settings: &Settings,
    incoming: impl Stream<Item = Result<IO, E>>,
    stop: CancellationToken,
) -> Result<(), ServeError>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    services.report(true).await;
    let Services { routes, names, health } = services;
    let draining = {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            // Before the port closes, so that a balancer that looks now goes elsewhere.
            report(&health, &names, false).await;
        }
    };
    let serving = Server::builder()
        .http2_keepalive_interval(Some(settings.keep_alive_every))
        .http2_keepalive_timeout(Some(settings.keep_alive_wait))
        .http2_max_header_list_size(HEADERS_MAX)
        .max_concurrent_streams(settings.streams_per_connection)
        .layer(gate)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, draining);
    let too_long = async {
        stop.cancelled().await;
        tokio::time::sleep(settings.drain_max).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = too_long => Err(ServeError::NotDrained(settings.drain_max)),
    }
}

#[cfg(test)]
mod tests;
