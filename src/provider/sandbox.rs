//! The sandbox's virtual carrier as a provider like any other: build a request, read an answer, pull its list.

mod answer;
mod request;
#[cfg(test)]
mod tests;
pub mod webhook;

use std::time::Duration;

use http::Uri;
use secrecy::SecretString;

use super::http::{HttpClient, HttpError, NotSent, Outgoing};
use super::{BoxFuture, Dispatch, Handover, Provider, ReconcileError, Taker};
use crate::clock::SharedClock;
use crate::inbound::event::InboundEvent;
use crate::model::Instant;

/// Longest wait for the carrier's answer to a hand-over; longer is unclear.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Longest wait for one page of its list.
const LIST_WITHIN: Duration = Duration::from_secs(15);
/// Most pages of one list: the carrier keeps 10,000 texts and lists 500 at once.
const PAGES_MAX: usize = 64;

/// One account at the virtual carrier.
pub struct SandboxProvider {
    http: HttpClient,
    clock: SharedClock,
    base: String,
    token: SecretString,
}

/// Why an account cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The address is no web address.
    #[error("settings.url: must be the carrier's address, as in http://127.0.0.1:8080")]
    Url,
    /// The token cannot stand in a header.
    #[error("secrets.token: must be visible ASCII characters")]
    Token,
}

impl SandboxProvider {
    /// An account at the carrier at `base`, as in `http://127.0.0.1:8080`.
    pub fn new(
        http: HttpClient,
        clock: SharedClock,
        base: &str,
        token: SecretString,
    ) -> Result<Self, SettingsError> {
        let uri: Uri = base.parse().map_err(|_| SettingsError::Url)?;
        if uri.scheme().is_none() || uri.host().is_none() || uri.query().is_some() {
            return Err(SettingsError::Url);
        }
        request::bearer(&token).ok_or(SettingsError::Token)?;
        Ok(Self { http, clock, base: base.trim_end_matches('/').to_owned(), token })
    }

    async fn hand_over(&self, dispatch: Dispatch) -> Handover {
        let now = self.clock.now();
        if !dispatch.is_valid_at(now) {
            return Handover::Void;
        }
        let begin_within = dispatch.not_after().since(now).to_std();
        let Some(request) = request::submit(&self.base, &self.token, &dispatch, now) else {
            return answer::unaddressable();
        };
        let clock = self.clock.clone();
        let may_begin = move || dispatch.is_valid_at(clock.now());
        match self.http.send_if(request, begin_within.min(SEND_WITHIN), SEND_WITHIN, may_begin).await {
            Ok(said) => answer::submitted(&said),
            Err(HttpError::NotSent { why: NotSent::Withdrawn | NotSent::Deadline(_), .. }) => Handover::Void,
            Err(error) => answer::not_answered(&error),
        }
    }

    /// All pages of a list, oldest first.
    async fn list(&self, query: &str) -> Result<Vec<InboundEvent>, ReconcileError> {
        let mut events = Vec::new();
        let mut after = 0;
        for _ in 0..PAGES_MAX {
            let request = request::list(&self.base, &self.token, query, after)
                .ok_or_else(|| ReconcileError("the list's address cannot be built".to_owned()))?;
            let page = self.page(request).await?;
            events.extend(page.events);
            match page.next {
                Some(next) if next > after => after = next,
                _ => return Ok(events),
            }
        }
        Err(ReconcileError(format!("the list has more than {PAGES_MAX} pages")))
    }

    async fn page(&self, request: Outgoing) -> Result<webhook::Page, ReconcileError> {
        let said = self.http.send(request, LIST_WITHIN).await.map_err(|e| ReconcileError(e.to_string()))?;
        if !said.status.is_success() {
            return Err(ReconcileError(format!("the carrier answered {}", said.status.as_u16())));
        }
        webhook::parse_list(&said.body).map_err(|e| ReconcileError(e.to_string()))
    }
}

impl Provider for SandboxProvider {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Handover> {
        Box::pin(self.hand_over(dispatch))
    }

    fn reconcile<'a>(
        &'a self,
        since: Instant,
        taker: &'a dyn Taker,
    ) -> BoxFuture<'a, Result<(), ReconcileError>> {
        Box::pin(async move { taker.take(self.list(&format!("since={since}")).await?).await })
    }
}
