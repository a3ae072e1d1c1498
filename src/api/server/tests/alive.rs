//! Callers that wait no longer, and connections behind which nobody is any more.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// The customer whose list never comes.
pub(super) const NOBODY_ANSWERS: &str = "nobody-answers";
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn endless() -> tonic::Request<ListDevicesRequest> {
    let mut request = list("k1");
    request.get_mut().customer_id = NOBODY_ANSWERS.to_owned();
    request
}

/// A client that tells its deadline and waits for the answer all the same; tonic's own would not.
fn patient(port: u16) -> DeviceServiceClient<crate::api::testing::Patient> {
    let (client, origin) = crate::api::testing::patient(port);
    DeviceServiceClient::with_origin(client, origin)
}

#[tokio::test]
async fn a_deadline_that_passes_is_said_by_us_with_its_reason() {
    let running = start(Settings::default()).await;
    let mut devices = patient(running.port);
    for timeout in ["30m", "1m", "1n"] {
        let mut request = endless();
        request.metadata_mut().insert("grpc-timeout", timeout.parse().expect("ASCII"));
        let late = devices.list_devices(request).await.expect_err("nobody answers");
        assert_eq!(late.code(), Code::DeadlineExceeded, "{timeout}: {late:?}");
    }
    running.ends().await.expect("drained");
}

#[tokio::test]
async fn who_asks_for_no_deadline_gets_the_longest_there_is() {
    let settings = Settings { deadline_max: Duration::from_millis(20), ..Settings::default() };
    let running = start(settings).await;
    let mut devices = DeviceServiceClient::new(running.channel().await);
    let late = devices.list_devices(endless()).await.expect_err("nobody answers");
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
    let info = late.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((info.domain.as_str(), info.reason.as_str()), ("consentry", "DEADLINE_EXCEEDED"));
    running.ends().await.expect("drained");
}

const PING: u8 = 6;
const ACK: u8 = 1;

/// The next frame (RFC 9113, section 4.1): kind, flags, payload; none once the server has closed.
async fn frame(wire: &mut TcpStream) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    wire.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    wire.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], payload))
}

/// A connection that is asked whether it lives is kept while it says so, and closed once it falls silent.
#[tokio::test]
async fn a_connection_nobody_answers_on_is_closed() {
    let every = Duration::from_millis(30);
    let settings = Settings { keep_alive_every: every, keep_alive_wait: 10 * every, ..Settings::default() };
    let running = start(settings).await;
    let mut wire = TcpStream::connect(("127.0.0.1", running.port)).await.expect("a connection");
    wire.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("a preface");
    let closed = tokio::time::timeout(PATIENCE, async {
        let mut answered = 0;
        while let Some((kind, flags, payload)) = frame(&mut wire).await {
            if kind == PING && flags & ACK == 0 && answered < 3 {
                answered += 1;
                let pong = [&[0, 0, 8, PING, ACK, 0, 0, 0, 0][..], &payload].concat();
                wire.write_all(&pong).await.expect("it is open while we answer");
            }
        }
        answered
    });
    assert_eq!(closed.await.expect("closed"), 3, "asked again and again while it lived");
    running.ends().await.expect("drained");
}
