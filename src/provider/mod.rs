//! Who carries messages: the port, and one adapter a vendor.
//!
//! A provider takes only a sealed [`Dispatch`], which only a committed intent makes: by type there is no other way out.

pub mod account;
pub mod apns;
pub mod aws;
pub mod bandwidth;
pub mod bird;
mod dispatch;
#[cfg(test)]
pub(crate) mod faults;
pub mod fcm;
pub mod http;
pub mod infobip;
mod jws;
pub mod line;
pub mod messagebird;
#[cfg(test)]
mod peers;
pub mod plivo;
pub mod push;
pub mod registry;
pub mod reply;
pub mod request;
pub mod sandbox;
pub mod sinch;
pub mod smpp;
pub mod telnyx;
pub mod twilio;
pub mod vonage;
pub mod web_push;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use dispatch::{Dispatch, Failure, Handover, IntentDraft, NotDurable};
pub use push::PushHandover;

use crate::inbound::event::InboundEvent;
use crate::model::Instant;

/// A future a trait object can answer with.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A shared provider.
pub type SharedProvider = Arc<dyn Provider>;

/// Why a provider's list could not be pulled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider's list could not be pulled: {0}")]
pub struct ReconcileError(pub String);

/// Takes what a provider's list holds, some at a time.
pub trait Taker: Send + Sync {
    /// Takes these. The error: they are not durable yet, so no more is to be asked for.
    fn take(&self, events: Vec<InboundEvent>) -> BoxFuture<'_, Result<(), ReconcileError>>;
}

/// Holds what it takes, to be looked at.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct Gathered(parking_lot::Mutex<Vec<InboundEvent>>);

#[cfg(test)]
impl Gathered {
    /// Everything taken so far, in order; none is left.
    pub fn events(&self) -> Vec<InboundEvent> {
        std::mem::take(&mut *self.0.lock())
    }
}

#[cfg(test)]
impl Taker for Gathered {
    fn take(&self, events: Vec<InboundEvent>) -> BoxFuture<'_, Result<(), ReconcileError>> {
        self.0.lock().extend(events);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// One account at one provider.
pub trait Provider: Send + Sync + 'static {
    /// Hands a message over. Checks [`Dispatch::is_valid_at`] right before the first byte is written and answers
    /// [`Handover::Void`] when it no longer is. Never sends twice, never hangs: every wait has a deadline.
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Handover>;

    /// Everything the provider holds that people said, and what became of messages, since an instant, handed to `taker`.
    /// Duplicates are harmless. What a list gives once alone is taken before the next page of it is asked for. A provider
    /// without such a list answers an error that says so.
    fn reconcile<'a>(
        &'a self,
        since: Instant,
        taker: &'a dyn Taker,
    ) -> BoxFuture<'a, Result<(), ReconcileError>>;

    /// Until when the account should be left alone, because it asks for a pause or only fails; its lanes rest. None: go on.
    fn resting_until(&self) -> Option<Instant> {
        None
    }

    /// Why messages cannot leave as the account is set up, or why nobody is reached; none: nothing is known to be wrong.
    fn fault(&self) -> Option<String> {
        None
    }

    /// What keeps a line open over which the provider speaks to us, to be run until `stop`; none: it calls webhooks.
    fn listen(&self, _: Arc<dyn line::Listener>, _: CancellationToken) -> Option<BoxFuture<'static, ()>> {
        None
    }
}
