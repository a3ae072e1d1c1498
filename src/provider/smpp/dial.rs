//! A way to the SMSC: name looked up, address judged, TCP, TLS. Every wait ends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::settings::Place;
use crate::provider::http::AddressRule;

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("{0} cannot be looked up: {1}")]
    Name(String, std::io::Error),
    /// The connection does not allow such an address.
    #[error(
        "its address is private or reserved; set allow_private_addresses on the connection if it is meant"
    )]
    PrivateAddress,
    /// TCP, or the certificate.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    /// Too long.
    #[error("no connection within {0:?}")]
    Deadline(Duration),
}

/// Connects, within a deadline.
pub async fn dial(place: &Place, rule: AddressRule, within: Duration) -> Result<Box<dyn Stream>, DialError> {
    tokio::time::timeout(within, connect(place, rule)).await.unwrap_or(Err(DialError::Deadline(within)))
}

async fn connect(place: &Place, rule: AddressRule) -> Result<Box<dyn Stream>, DialError> {
    let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
    let found: Vec<SocketAddr> = found.map_err(|e| DialError::Name(place.host.clone(), e))?.collect();
    // A name that points half inside is a trap, not an accident.
    if !found.iter().all(|address| rule.allows(address.ip())) {
        return Err(DialError::PrivateAddress);
    }
    let tcp = TcpStream::connect(&found[..]).await.map_err(DialError::Connect)?;
    tcp.set_nodelay(true).map_err(DialError::Connect)?;
    let Some((config, name)) = &place.tls else { return Ok(Box::new(tcp)) };
    let tls = TlsConnector::from(config.clone()).connect(name.clone(), tcp).await;
    Ok(Box::new(tls.map_err(DialError::Connect)?))
}
