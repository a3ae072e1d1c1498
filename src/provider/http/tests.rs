//! Each kind of failure against a real socket: may the request have been sent, or certainly not?

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(60);

fn client() -> HttpClient {
    HttpClient::new(HttpLimits {
        addresses: AddressRule::PublicAndLoopback,
        answer_max: 64,
        ..HttpLimits::default()
    })
}

/// A listener whose every connection is handled by `handle`; answers its address.
async fn peer<F, R>(handle: F) -> String
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address.to_string()
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        let mut chunk = [0; 512];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => seen.extend_from_slice(&chunk[..n]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

async fn answer_with(mut stream: TcpStream, answer: &'static [u8]) {
    while read_request(&mut stream).await.ends_with("hello") {
        stream.write_all(answer).await.expect("the client reads");
    }
}

fn hello(scheme: &str, address: &str) -> Outgoing {
    let uri = format!("{scheme}://{address}/secret-path?phone=1").parse().expect("a uri");
    Outgoing::post(uri, "text/plain", "hello")
}

#[tokio::test]
async fn an_answer_comes_whole_and_the_connection_is_used_again() {
    let opened = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = opened.clone();
    let address = peer(move |stream| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        answer_with(stream, b"HTTP/1.1 202 Accepted\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nok")
    })
    .await;
    let client = client();
    for _ in 0..5 {
        let answer = client.send(hello("http", &address), LONG).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (202, &b"ok"[..]));
        assert_eq!(answer.retry_after(), Some(Duration::from_secs(7)));
    }
    assert_eq!(opened.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_listening_means_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let error = client().send(hello("http", &address), LONG).await.expect_err("refused");
    assert!(!error.may_have_been_sent(), "{error}");
    assert!(!error.to_string().contains("secret-path"), "{error}");
}

#[tokio::test]
async fn a_tls_handshake_that_hangs_means_nothing_was_sent() {
    let address = peer(|mut stream| async move {
        read_request(&mut stream).await;
    })
    .await;
    let error = client().send(hello("https", &address), SHORT).await.expect_err("a deadline");
    assert!(matches!(error, HttpError::NotSent { why: NotSent::Deadline(_), .. }), "{error}");
}

#[tokio::test]
async fn a_withdrawn_request_leaves_not_a_byte_on_new_and_pooled_connections() {
    let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let address = peer(move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut seen = [0; 512];
            while let Ok(n) = stream.read(&mut seen).await {
                let _ = tell.send(String::from_utf8_lossy(&seen[..n]).into_owned());
                if n == 0 {
                    return;
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let client = client();
    for pooled in [false, true] {
        if pooled {
            client.send(hello("http", &address), LONG).await.expect("an answer");
            assert!(heard.recv().await.expect("a request").ends_with("hello"));
        }
        let error =
            client.send_if(hello("http", &address), LONG, LONG, || false).await.expect_err("withdrawn");
        assert!(
            matches!(error, HttpError::NotSent { why: NotSent::Withdrawn, .. }),
            "pooled {pooled}: {error}"
        );
        assert_eq!(
            heard.recv().await.as_deref(),
            Some(""),
            "pooled {pooled}: the connection closes, nothing said"
        );
    }
}

#[tokio::test]
async fn a_request_begun_in_time_may_take_longer_to_answer() {
    let address = peer(|mut stream| async move {
        read_request(&mut stream).await;
        tokio::time::sleep(SHORT * 3).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let answer = client().send_if(hello("http", &address), SHORT, LONG, || true).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn silence_after_the_request_is_unclear() {
    let address = peer(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = client().send(hello("http", &address), SHORT).await.expect_err("a deadline");
    assert!(matches!(error, HttpError::Unclear { why: Unclear::Deadline(_), .. }), "{error}");
}

#[tokio::test]
async fn a_hang_up_after_the_request_is_unclear() {
    let address = peer(|mut stream| async move {
        read_request(&mut stream).await;
    })
    .await;
    let error = client().send(hello("http", &address), LONG).await.expect_err("closed");
    assert!(matches!(error, HttpError::Unclear { why: Unclear::Broken(_), .. }), "{error}");
}

#[tokio::test]
async fn a_long_or_broken_answer_is_unclear_and_keeps_its_status() {
    let long = peer(|s| answer_with(s, b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n50\r\n01234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n0\r\n\r\n")).await;
    let error = client().send(hello("http", &long), LONG).await.expect_err("too long");
    let HttpError::Unclear { status, why: Unclear::AnswerTooLong(64), .. } = error else {
        panic!("{error}");
    };
    assert_eq!(status, Some(StatusCode::ACCEPTED));

    let cut = peer(|mut stream| async move {
        read_request(&mut stream).await;
        let half = b"HTTP/1.1 202 Accepted\r\ncontent-length: 20\r\n\r\nhalf";
        stream.write_all(half).await.expect("the client reads");
    })
    .await;
    let error = client().send(hello("http", &cut), LONG).await.expect_err("cut");
    assert!(matches!(error, HttpError::Unclear { why: Unclear::AnswerCut, .. }), "{error}");
}

#[tokio::test]
async fn a_private_address_is_refused_also_behind_a_name() {
    let client = HttpClient::new(HttpLimits::default());
    for host in ["127.0.0.1:9", "localhost:9"] {
        let error = client.send(hello("http", host), LONG).await.expect_err("private");
        assert!(matches!(error, HttpError::NotSent { why: NotSent::PrivateAddress, .. }), "{host}: {error}");
    }
}

#[test]
fn debug_shows_neither_path_nor_header_nor_body() {
    let request = hello("http", "example.com")
        .header(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer topsecret"));
    assert_eq!(format!("{request:?}"), "POST example.com");
}

#[test]
fn a_time_to_come_back_is_read_in_seconds_and_as_a_date() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (after, date, seconds) in [
        ("7", "", Some(7)),
        (" 0 ", "", Some(0)),
        ("900000", "", Some(86_400)),
        ("Sun, 06 Nov 1994 08:51:37 GMT", date, Some(120)),
        ("Sunday, 06-Nov-94 08:51:37 GMT", date, Some(120)),
        ("Sun Nov  6 08:51:37 1994", date, Some(120)),
        ("Sun, 06 Nov 1994 08:51:37 GMT", "Sun Nov  6 08:49:37 1994", Some(120)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", date, Some(0)),
        ("Mon, 07 Nov 1995 08:49:37 GMT", date, None),
        ("Fri, 06 Nov 2099 08:49:37 GMT", date, Some(86_400)),
        ("Sun, 06 Nov 1994 08:51:37 GMT", "", None),
        ("soon", date, None),
        ("-5", date, None),
        ("", date, None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_str(after).expect("visible"));
        if !date.is_empty() {
            headers.insert("date", HeaderValue::from_str(date).expect("visible"));
        }
        let answer = Answer { status: StatusCode::SERVICE_UNAVAILABLE, headers, body: Bytes::new() };
        assert_eq!(answer.retry_after(), seconds.map(Duration::from_secs), "{after} {date}");
    }
}
