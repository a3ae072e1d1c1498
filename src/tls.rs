//! TLS for our own listeners: certificates from files, reloaded whole or not at all, client certificates if asked.

mod incoming;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use incoming::{Wire, incoming};

/// Certificate files, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Chain, own certificate first.
    pub cert: PathBuf,
    /// Private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Authorities whose client certificates callers must show; none asks for none.
    pub client_ca: Option<PathBuf>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or holds no such PEM section.
    #[error("{}: {why}", path.display())]
    File {
        /// Which setting named it: `cert`, `key` or `client_ca`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key do not fit, or rustls does not like them.
    #[error("{0}")]
    Unusable(#[from] rustls::Error),
    /// The authorities for client certificates cannot be used.
    #[error("{0}")]
    ClientCa(#[from] rustls::client::VerifierBuilderError),
}

impl TlsError {
    /// The setting that named what is wrong.
    pub fn key(&self) -> &'static str {
        match self {
            TlsError::File { key, .. } => key,
            TlsError::Unusable(_) => "cert",
            TlsError::ClientCa(_) => "client_ca",
        }
    }
}

/// Reads the files into a configuration for listeners that speak HTTP/2 and HTTP/1.1.
pub fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates("client_ca", path)? {
                roots.add(root)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let chain = certificates("cert", &files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| unreadable("key", &files.key, &e))?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => {
            Err(TlsError::File { key, path: path.to_owned(), why: "holds no certificate".to_owned() })
        }
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(key, path, &error)),
    }
}

fn unreadable(key: &'static str, path: &Path, error: &rustls_pki_types::pem::Error) -> TlsError {
    TlsError::File { key, path: path.to_owned(), why: error.to_string() }
}

/// Certificates in use, and the files they come from.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    fingerprint: [u8; 32],
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let fingerprint = fingerprint(&files);
        let config = Arc::new(server_config(&files)?);
        Ok(Self { files, current: ArcSwap::from_pointee(Loaded { config, fingerprint }) })
    }

    /// For the next handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load().config.clone())
    }

    /// Reads the files again if they changed. Answers whether new certificates are in use; on an error the old stay.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let fingerprint = fingerprint(&self.files);
        if fingerprint == self.current.load().fingerprint {
            return Ok(false);
        }
        let config = Arc::new(server_config(&self.files)?);
        self.current.store(Arc::new(Loaded { config, fingerprint }));
        Ok(true)
    }

    /// Looks at the files now and then until `stop`. A renewal in the middle of being written fails once and is taken
    /// at the next look.
    pub async fn watch(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let mut looks = tokio::time::interval(every);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            match self.reload() {
                Ok(true) => tracing::info!("new TLS certificates are in use"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the TLS certificates changed but cannot be used; the old stay")
                }
            }
        }
    }
}

/// A hash over the files' contents; what cannot be read counts as empty.
fn fingerprint(files: &TlsFiles) -> [u8; 32] {
    let mut hash = Sha256::new();
    for path in [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()].into_iter().flatten() {
        let bytes = std::fs::read(path).unwrap_or_default();
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    hash.finalize().into()
}
