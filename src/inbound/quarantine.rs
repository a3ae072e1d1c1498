//! Webhooks nobody could judge: kept for a while, in case their secrets come back before the provider does. Bounded; what
//! falls out is not lost, because it was answered 503 and its connection asks for the list.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::endpoint::Webhook;
use crate::model::ConnectionId;

/// Most webhooks kept, and most bytes of all of them together: bodies, paths and headers, whichever connection they are of.
const COUNT_MAX: usize = 256;
const BYTES_MAX: usize = 4 << 20;

#[derive(Default)]
struct Kept {
    webhooks: VecDeque<(ConnectionId, Webhook)>,
    bytes: usize,
}

/// What one webhook counts for. Headers and paths do, too: whoever sends it chooses their length, and nobody knows who it was.
fn weight(webhook: &Webhook) -> usize {
    let headers: usize = webhook.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    webhook.body.len() + webhook.path_and_query.len() + headers
}

/// The quarantine of one process.
#[derive(Default)]
pub struct Quarantine(Mutex<Kept>);

impl Quarantine {
    /// Keeps one; the oldest make room.
    pub fn keep(&self, connection: ConnectionId, webhook: Webhook) {
        let mut kept = self.0.lock();
        kept.bytes += weight(&webhook);
        kept.webhooks.push_back((connection, webhook));
        while kept.webhooks.len() > COUNT_MAX || kept.bytes > BYTES_MAX {
            let Some((_, gone)) = kept.webhooks.pop_front() else { break };
            kept.bytes -= weight(&gone);
        }
    }

    /// Takes out everything of one connection, oldest first.
    pub fn release(&self, connection: &ConnectionId) -> Vec<Webhook> {
        let mut kept = self.0.lock();
        let (released, rest): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut kept.webhooks).into_iter().partition(|(id, _)| id == connection);
        kept.bytes = rest.iter().map(|(_, webhook)| weight(webhook)).sum();
        kept.webhooks = rest;
        released.into_iter().map(|(_, webhook)| webhook).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(bytes: usize) -> Webhook {
        Webhook {
            method: http::Method::POST,
            path_and_query: "/".to_owned(),
            headers: http::HeaderMap::new(),
            body: vec![0; bytes],
        }
    }

    #[test]
    fn it_is_bounded_and_gives_back_in_order() {
        let quarantine = Quarantine::default();
        let id = |name: &str| name.parse::<ConnectionId>().expect("a slug");
        for n in 0..300 {
            quarantine.keep(id(if n % 2 == 0 { "a" } else { "b" }), webhook(n));
        }
        let a = quarantine.release(&id("a"));
        assert_eq!((a.len(), a[0].body.len(), a[127].body.len()), (128, 44, 298));
        assert!(quarantine.release(&id("a")).is_empty());
        for _ in 0..100 {
            quarantine.keep(id("c"), webhook((64 << 10) - "/".len()));
        }
        assert_eq!(quarantine.release(&id("c")).len(), BYTES_MAX / (64 << 10));
        assert!(quarantine.release(&id("b")).is_empty(), "the oldest made room");
    }

    #[test]
    fn headers_and_paths_count_over_all_connections() {
        let quarantine = Quarantine::default();
        let id = |name: &str| name.parse::<ConnectionId>().expect("a slug");
        let padded = |header: usize, path: usize| {
            let value = http::HeaderValue::from_bytes(&vec![b'x'; header]).expect("a header");
            let headers = http::HeaderMap::from_iter([(http::HeaderName::from_static("x-pad"), value)]);
            Webhook { path_and_query: "p".repeat(path), headers, ..webhook(0) }
        };
        let (header, path) = ((48 << 10) - "x-pad".len(), 16 << 10);
        for n in 0..200 {
            quarantine.keep(id(if n % 2 == 0 { "a" } else { "b" }), padded(header, path));
        }
        assert_eq!(quarantine.0.lock().bytes, BYTES_MAX);
        let (a, half) = (quarantine.release(&id("a")).len(), BYTES_MAX / (64 << 10) / 2);
        assert_eq!((a, quarantine.0.lock().bytes), (half, BYTES_MAX / 2), "what stays is counted anew");
        assert_eq!((quarantine.release(&id("b")).len(), quarantine.0.lock().bytes), (half, 0));
    }
}
