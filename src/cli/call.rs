//! One gRPC call from the command line: where to, with which key, and what its errors mean.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::failure::Failure;

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Which gateway, and as whom.
#[derive(Debug, clap::Args)]
pub struct Server {
    /// Address of the gateway's gRPC listener.
    #[arg(long, alias = "target", env = "CONSENTRY_SERVER", default_value = "http://127.0.0.1:50051")]
    server: String,
    /// API key, `csk_…`. Better in the environment than on the command line, where others can see it.
    #[arg(long, env = "CONSENTRY_KEY", hide_env_values = true)]
    key: Option<SecretString>,
    /// Authority in PEM that signed the gateway's certificate, when it is not one of the web's.
    #[arg(long, env = "CONSENTRY_CA")]
    ca: Option<PathBuf>,
    /// Seconds to wait for the answer.
    #[arg(long, env = "CONSENTRY_TIMEOUT", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// A channel that shows the key with each call.
pub type Authenticated = tonic::service::interceptor::InterceptedService<Channel, Key>;

/// Shows the key with each call.
#[derive(Clone)]
pub struct Key(Option<MetadataValue<Ascii>>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

impl Server {
    /// Runs one call to its end. `call` gets the channel to build its client on.
    pub fn call<T, F>(&self, call: impl FnOnce(Authenticated) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        self.run(async {
            let service = self.service().await?;
            call(service).await.map(tonic::Response::into_inner).map_err(|status| self.refused(&status))
        })
    }

    /// Runs work that calls more than once or reads a stream.
    pub fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::unusable)?.block_on(work)
    }

    /// A new connection that shows the key with each call.
    pub async fn service(&self) -> Result<Authenticated, Failure> {
        let channel = self.connect().await?;
        Ok(tonic::service::interceptor::InterceptedService::new(channel, self.key()?))
    }

    fn key(&self) -> Result<Key, Failure> {
        let Some(key) = &self.key else { return Ok(Key(None)) };
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", key.expose_secret())
            .parse()
            .map_err(|_| Failure::unusable("the API key holds characters that no key has"))?;
        value.set_sensitive(true);
        Ok(Key(Some(value)))
    }

    async fn connect(&self) -> Result<Channel, Failure> {
        let address = || Failure::unusable(format!("`{}` is no address", self.server));
        let mut endpoint = Endpoint::from_shared(self.server.clone())
            .map_err(|_| address().hint("write it as in --server http://127.0.0.1:50051"))?
            .connect_timeout(CONNECT_WITHIN)
            .timeout(Duration::from_secs(self.timeout));
        if self.server.starts_with("https://") {
            let mut tls = ClientTlsConfig::new().with_enabled_roots();
            if let Some(path) = &self.ca {
                let unreadable = |e| Failure::unusable(format!("{}: {e}", path.display()));
                tls = tls.ca_certificate(Certificate::from_pem(std::fs::read(path).map_err(unreadable)?));
            }
            endpoint = endpoint.tls_config(tls).map_err(|e| Failure::unusable(cause(&e)))?;
        }
        endpoint.connect().await.map_err(|error| {
            Failure::unserved(format!("no gateway answers at {}: {}", self.server, cause(&error)))
                .hint("start one with `consentry sandbox`, or name yours with --server or CONSENTRY_SERVER")
        })
    }

    /// What a refusal means, with what to try.
    pub fn refused(&self, status: &Status) -> Failure {
        let details = status.get_error_details();
        let fields = details.bad_request().map(|b| b.field_violations.as_slice()).unwrap_or_default();
        let lines: Vec<String> =
            fields.iter().map(|v| format!("\n  {}: {}", v.field, v.description)).collect();
        // The message of a single violation names its field already.
        let lines = if lines.len() == 1 { String::new() } else { lines.concat() };
        let failure = Failure::unserved(format!("{}{lines}", status.message()));
        match status.code() {
            Code::Unauthenticated => {
                failure.hint("set CONSENTRY_KEY to a live API key; the sandbox prints one")
            }
            Code::PermissionDenied => {
                failure.hint("the key lacks the role; `consentry key create` makes another")
            }
            Code::ResourceExhausted => failure.hint("the gateway is busy; try again in a moment"),
            Code::DeadlineExceeded | Code::Cancelled => {
                failure.hint("ask again with the same idempotency key")
            }
            _ => failure,
        }
    }
}

/// The last cause in the chain: "connection refused" rather than "transport error".
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
