//! HTTP/1.1 as the test needs it: any host name, always to the sandbox's own port, redirects left alone.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub body: String,
}

/// What is asked of `address`, in the name of `host`.
pub struct Ask<'a> {
    pub method: Method,
    pub address: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub agent: &'a str,
    /// Media type and content.
    pub body: Option<(&'a str, String)>,
}

/// One exchange.
pub async fn exchange(ask: Ask<'_>) -> Answer {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder()
        .method(ask.method)
        .uri(format!("http://{}{}", ask.address, ask.path))
        .header(header::HOST, ask.host)
        .header(header::USER_AGENT, ask.agent)
        .header(header::ACCEPT, "text/html");
    if let Some((kind, _)) = &ask.body {
        request = request.header(header::CONTENT_TYPE, *kind);
    }
    let body = ask.body.map(|(_, body)| body).unwrap_or_default();
    let request = request.body(Full::from(body)).expect("a request");
    let response = client.request(request).await.expect("an answer");
    let location = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok());
    let (status, location) = (response.status().as_u16(), location.unwrap_or_default().to_owned());
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    Answer { status, location, body: String::from_utf8_lossy(&body).into_owned() }
}
