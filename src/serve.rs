//! Servers around a running gateway: gRPC, webhooks and short links over HTTP, health and metrics for operators.

pub mod packs;
mod switchboard;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::gate::GateLayer;
use crate::api::keys::KeyTable;
use crate::api::server::{self, Services, Settings};
use crate::api::service::Hands;
use crate::clock::Clock;
use crate::gateway::Gateway;
use crate::provider::http::skew::CLOCKS;
use crate::redirect::Redirect;
use crate::telemetry::metrics::Exporter;
use crate::tiles::LogServer;
use crate::tls::{Tls, incoming};
use crate::web::{self, Bounds};

pub use switchboard::{Line, Plug};

/// How often certificates are looked at for renewal.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(60);

/// Something a server could not do.
pub type ServeError = Box<dyn std::error::Error + Send + Sync>;

/// Ports that are open already: whoever starts the gateway chose them.
pub struct Listeners {
    pub grpc: TcpListener,
    pub http: TcpListener,
    pub admin: TcpListener,
}

/// What the servers need besides the gateway.
pub struct Surroundings {
    /// Brings connections to life: those known at the start, and those an operator adds or changes later.
    pub plug: Plug,
    /// For gRPC and HTTP; the admin listener is always plain.
    pub tls: Option<Arc<Tls>>,
    pub grpc: Settings,
    pub http: Bounds,
    /// Largest webhook taken, in bytes.
    pub webhook_bytes_max: usize,
    /// Routes served next to webhooks, on hosts that are nobody's short domain: the sandbox's page.
    pub extra: Router,
    pub metrics: Option<Exporter>,
}

/// Starts every server of a gateway. They end with [`Gateway::stop`], which waits for them.
pub async fn start(gateway: &Gateway, listeners: Listeners, around: Surroundings) -> Result<(), ServeError> {
    let stop = gateway.stopping();
    let hands = gateway.hands();
    let keys = KeyTable::load(&gateway.reader)?;
    gateway.run(keys.clone().follow(hands.clone(), stop.clone()));
    let webhooks = switchboard::hear(gateway, around.plug, around.webhook_bytes_max)?;
    let redirect = Redirect::open(gateway.kv.clone(), gateway.env.clock.clone(), gateway.writer.clone())?;
    gateway.run(redirect.clone().run(gateway.watch(), stop.clone()));
    let log = LogServer::new(gateway.books.clone(), keys.clone(), gateway.env.clock.clone()).router();
    let http = redirect.in_front_of(webhooks.router().merge(log).merge(around.extra));
    gateway.run(web::serve(listeners.http, around.tls.clone(), http, around.http, stop.clone()));
    let admin = admin(gateway, around.metrics.clone());
    gateway.run(web::serve(listeners.admin, None, admin, Bounds::default(), stop.clone()));
    if let Some(exporter) = around.metrics {
        let stop = stop.clone();
        gateway.run(async move {
            // Ends with the process's wish to stop.
            let _ = stop.run_until_cancelled(exporter.upkeep()).await;
        });
    }
    if let Some(tls) = &around.tls {
        gateway.run(tls.clone().watch(CERTIFICATES_EVERY, stop.clone()));
    }
    serve_grpc(gateway, listeners.grpc, around.tls, keys, hands, around.grpc, around.http.connections_max)
}

fn serve_grpc(
    gateway: &Gateway,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    keys: Arc<KeyTable>,
    hands: Hands,
    settings: Settings,
    connections_max: usize,
) -> Result<(), ServeError> {
    let (reporter, _) = tonic_health::server::health_reporter();
    let services = Services::all(&hands, &settings, reporter)?;
    let gate = GateLayer::new(keys, gateway.env.clock.clone(), settings.in_flight_max, settings.deadline_max);
    let stop = gateway.stopping();
    let wires = incoming(listener, tls, connections_max, stop.clone());
    gateway.run(async move {
        if let Err(e) = server::serve(services, gate, &settings, wires, stop).await {
            tracing::error!(error = %e, "the gRPC server ended");
        }
    });
    Ok(())
}

#[derive(Clone)]
struct Admin {
    alive: Arc<dyn Fn() -> bool + Send + Sync>,
    metrics: Option<Exporter>,
    stop: CancellationToken,
}

/// Health and metrics.
fn admin(gateway: &Gateway, metrics: Option<Exporter>) -> Router {
    let writer = gateway.writer.clone();
    let admin = Admin { alive: Arc::new(move || writer.is_open()), metrics, stop: gateway.stopping() };
    Router::new()
        .route("/healthz", get(|State(admin): State<Admin>| async move { say((admin.alive)()) }))
        .route(
            "/readyz",
            get(|State(admin): State<Admin>| async move {
                let now = crate::clock::SystemClock.now();
                say((admin.alive)() && !admin.stop.is_cancelled() && !CLOCKS.are_against_us(now))
            }),
        )
        .route(
            "/metrics",
            get(|State(admin): State<Admin>| async move {
                admin.metrics.map(|exporter| exporter.render()).unwrap_or_default()
            }),
        )
        .with_state(admin)
}

fn say(well: bool) -> (StatusCode, &'static str) {
    if well { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not serving\n") }
}
