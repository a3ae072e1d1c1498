//! Servers around a running gateway: gRPC, webhooks and short links over HTTP, health and metrics for operators.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::admin::Admins;
use crate::api::audit::Audits;
use crate::api::cart::Carts;
use crate::api::consent::Consents;
use crate::api::coupon::Coupons;
use crate::api::device::Devices;
use crate::api::gate::GateLayer;
use crate::api::keys::KeyTable;
use crate::api::link::Links;
use crate::api::message::Messages;
use crate::api::server::{self, Services, Settings};
use crate::api::service::Hands;
use crate::dispatch::driver::Carrier;
use crate::gateway::Gateway;
use crate::inbound::endpoint::{Endpoint, Endpoints};
use crate::inbound::hearing::Hearing;
use crate::inbound::reconcile::Reconciler;
use crate::inbound::server::Webhooks;
use crate::ledger::rows::{HeardRow, keys};
use crate::model::registry::Connection;
use crate::pb::consentry::v1::admin_service_server::AdminServiceServer;
use crate::pb::consentry::v1::audit_service_server::AuditServiceServer;
use crate::pb::consentry::v1::cart_service_server::CartServiceServer;
use crate::pb::consentry::v1::consent_service_server::ConsentServiceServer;
use crate::pb::consentry::v1::coupon_service_server::CouponServiceServer;
use crate::pb::consentry::v1::device_service_server::DeviceServiceServer;
use crate::pb::consentry::v1::link_service_server::LinkServiceServer;
use crate::pb::consentry::v1::message_service_server::MessageServiceServer;
use crate::provider::SharedProvider;
use crate::redirect::Redirect;
use crate::telemetry::metrics::Exporter;
use crate::tls::{Tls, incoming};

/// Something a server could not do.
pub type ServeError = Box<dyn std::error::Error + Send + Sync>;

/// Ports that are open already: whoever starts the gateway chose them.
pub struct Listeners {
    pub grpc: TcpListener,
    pub http: TcpListener,
    pub admin: TcpListener,
}

/// One connection brought to life: its adapter and what reads its secrets.
pub struct Line {
    pub connection: Connection,
    pub provider: SharedProvider,
    pub secret: Box<dyn Fn(&str) -> Option<SecretString> + Send>,
}

/// What the servers need besides the gateway.
pub struct Surroundings {
    pub lines: Vec<Line>,
    pub tls: Option<Arc<Tls>>,
    pub settings: Settings,
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
    let webhooks = hear(gateway, around.lines)?;
    let redirect = Redirect::open(gateway.kv.clone(), gateway.env.clock.clone(), gateway.writer.clone())?;
    gateway.run(redirect.clone().run(gateway.watch(), stop.clone()));
    let http = redirect.in_front_of(webhooks.router().merge(around.extra));
    serve_http(gateway, listeners.http, around.tls.clone(), http, stop.clone());
    serve_http(gateway, listeners.admin, None, admin(gateway, around.metrics.clone()), stop.clone());
    if let Some(exporter) = around.metrics {
        let stop = stop.clone();
        gateway.run(async move {
            let _ = stop.run_until_cancelled(exporter.upkeep()).await;
        });
    }
    if let Some(tls) = &around.tls {
        gateway.run(tls.clone().watch(Duration::from_secs(60), stop.clone()));
    }
    serve_grpc(gateway, listeners.grpc, around.tls, keys, hands, around.settings).await
}

/// Ears and lanes of every connection. Lanes rest until what the provider holds is known.
fn hear(gateway: &Gateway, lines: Vec<Line>) -> Result<Webhooks, ServeError> {
    let (clock, stop) = (gateway.env.clock.clone(), gateway.stopping());
    let (endpoints, hearing) = (Arc::new(Endpoints::default()), Hearing::new(clock.clone()));
    for line in lines {
        let Line { connection, provider, secret } = line;
        let known = gateway.reader.look(|cx| cx.get::<HeardRow>(&keys::heard(&connection.id)))?;
        endpoints.put(Endpoint::new(&connection, secret)?);
        hearing.begin(&connection.id, connection.reconcile, known.map(|row| row.until));
        let paused = hearing.is_paused(&connection.id);
        let carrier = Carrier { provider, slots: connection.slots, paused };
        gateway.providers.put(connection.id.clone(), carrier);
    }
    let reconciler = Reconciler::new(gateway.writer.clone(), hearing.clone(), clock.clone());
    let (providers, lanes) = (gateway.providers.clone(), gateway.dispatcher.clone());
    let find = {
        let providers = providers.clone();
        move |id: &crate::model::ConnectionId| providers.get(id).map(|carrier| carrier.provider)
    };
    let pause = move |id: &crate::model::ConnectionId, paused: bool| {
        if providers.get(id).is_some_and(|carrier| carrier.paused != paused) {
            providers.set_paused(id, paused);
            lanes.wake();
        }
    };
    gateway.run(reconciler.run(find, pause, stop));
    Ok(Webhooks::new(gateway.writer.clone(), endpoints, hearing, clock))
}

fn serve_http(
    gateway: &Gateway,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    stop: CancellationToken,
) {
    gateway.run(async move {
        let served = match tls {
            Some(tls) => serve_tls(listener, tls, router, stop).await,
            None => crate::sandbox::serve::serve(listener, router, stop).await,
        };
        if let Err(e) = served {
            tracing::error!(error = %e, "an HTTP listener ended");
        }
    });
}

/// HTTP/1.1 and HTTP/2 over TLS.
async fn serve_tls(
    listener: TcpListener,
    tls: Arc<Tls>,
    router: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio_stream::StreamExt;
    let mut wires = Box::pin(incoming(listener, Some(tls), stop.clone()));
    let tracker = tokio_util::task::TaskTracker::new();
    while let Some(Some(wire)) = stop.run_until_cancelled(wires.next()).await {
        let Ok(wire) = wire else { continue };
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let stop = stop.clone();
        tracker.spawn(async move {
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(wire), service);
            tokio::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    tracker.close();
    let _ = tokio::time::timeout(Duration::from_secs(10), tracker.wait()).await;
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
                say((admin.alive)() && !admin.stop.is_cancelled())
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

async fn serve_grpc(
    gateway: &Gateway,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    keys: Arc<KeyTable>,
    hands: Hands,
    settings: Settings,
) -> Result<(), ServeError> {
    let (reporter, _) = tonic_health::server::health_reporter();
    let most = settings.request_bytes_max;
    let services = Services::new(reporter)?
        .with(MessageServiceServer::new(Messages::new(hands.clone())).max_decoding_message_size(most))
        .with(ConsentServiceServer::new(Consents::new(hands.clone())).max_decoding_message_size(most))
        .with(CartServiceServer::new(Carts::new(hands.clone())).max_decoding_message_size(most))
        .with(LinkServiceServer::new(Links::new(hands.clone())).max_decoding_message_size(most))
        .with(CouponServiceServer::new(Coupons::new(hands.clone())).max_decoding_message_size(most))
        .with(DeviceServiceServer::new(Devices))
        .with(AdminServiceServer::new(Admins::new(hands.clone())).max_decoding_message_size(most))
        .with(AuditServiceServer::new(Audits::new(hands.clone())));
    let gate = GateLayer::new(keys, gateway.env.clock.clone(), settings.in_flight_max, settings.deadline_max);
    let stop = gateway.stopping();
    let wires = incoming(listener, tls, stop.clone());
    gateway.run(async move {
        if let Err(e) = server::serve(services, gate, &settings, wires, stop).await {
            tracing::error!(error = %e, "the gRPC server ended");
        }
    });
    Ok(())
}
