//! What changes, as it happens, over server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt, future, stream};
use serde::Serialize;
use serde_json::json;
use tokio_stream::wrappers::{BroadcastStream, IntervalStream};

use super::Page;
use crate::sandbox::gateway::News;

/// How often the clock is told.
const TICK: Duration = Duration::from_secs(5);

/// `GET /sandbox/events`: `text`, `decision`, `cart`, `standing`, `clock`, and `lost` when the page fell behind and
/// should ask for the whole state again.
pub async fn stream(State(page): State<Page>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let texts = BroadcastStream::new(page.carrier().watch()).map(|text| match text {
        Ok(record) => event("text", &json!({ "phone": record.phone(), "text": record })),
        Err(_) => event("lost", &()),
    });
    let news = BroadcastStream::new(page.gateway().watch()).map(|news| match news {
        Ok(news) => told(news),
        Err(_) => event("lost", &()),
    });
    let stop = page.0.stop.clone();
    let ticks = IntervalStream::new(tokio::time::interval(TICK));
    let clock = ticks.map(move |_| event("clock", &json!({ "now": page.gateway().now() })));
    let ends = stop.cancelled_owned();
    let all = stream::select(stream::select(texts, news), clock).take_until(ends);
    Sse::new(all.filter_map(|e| future::ready(e.map(Ok)))).keep_alive(KeepAlive::default())
}

fn told(news: News) -> Option<Event> {
    match news {
        News::Decision(decision) => event("decision", &decision),
        News::Cart(cart) => event("cart", &cart),
        News::Standing(phone, standing) => {
            event("standing", &json!({ "phone": phone, "standing": standing }))
        }
    }
}

/// An event, or none when it cannot be written as JSON, which plain values always can.
fn event<T: Serialize>(name: &str, value: &T) -> Option<Event> {
    Event::default().event(name).json_data(value).ok()
}
