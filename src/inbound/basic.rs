//! Webhooks proven by nothing but the `Basic` credentials an operator gave the provider: Bandwidth's and Infobip's.

use super::endpoint::{EndpointError, Settings};
use super::event::InboundEvent;
use super::voice::{Proof, Voice, Webhook, is_basic};
use crate::model::Instant;

/// One account's webhooks.
pub struct Basic {
    pub(super) user: String,
    pub(super) read: fn(&Webhook) -> Vec<InboundEvent>,
}

impl Basic {
    /// As the setting `webhook_user` names it; `read` is the vendor's own.
    pub fn new(
        settings: &Settings<'_>,
        read: fn(&Webhook) -> Vec<InboundEvent>,
    ) -> Result<Basic, EndpointError> {
        Ok(Basic { user: settings.needed("webhook_user")?.to_owned(), read })
    }
}

impl Voice for Basic {
    fn secrets(&self) -> &'static [&'static str] {
        &["webhook_password", "webhook_password_next"]
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        is_basic(webhook, &self.user, proof.secrets)
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        (self.read)(webhook)
    }
}
