//! Anchors against peers: a witness and a time-stamp server we did not write, and others that lie.

use axum::Router;
use http::Uri;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::export::testing::World;
use crate::web::{self, Bounds};

mod authority;
mod keeper;
mod own;
mod peer;
mod witness;

/// Long enough for any answer on this machine, short enough not to hang.
const DEADLINE: Duration = Duration::from_secs(20);

fn client() -> HttpClient {
    HttpClient::new(HttpLimits { addresses: AddressRule::PublicAndLoopback, ..HttpLimits::default() })
}

/// A server that ends with the returned guard.
async fn serve(router: Router) -> (Uri, tokio_util::sync::DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    tokio::spawn(web::serve(listener, None, router, Bounds::default(), stop.clone()));
    (format!("http://{address}/x").parse().expect("an address"), stop.drop_guard())
}

/// A log with some entries under a signed checkpoint.
fn world() -> World {
    World::with_story()
}

/// Adds entries and signs.
fn grow(world: &mut World, n: u8) {
    world.stop_by_text(crate::export::testing::person(), "main", n);
    world.sign();
}
