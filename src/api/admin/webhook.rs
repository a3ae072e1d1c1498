//! What operators see and do about outgoing webhooks.

use std::sync::Arc;

use super::Admins;
use super::put::for_all_brands;
use crate::api::auth::Caller;
use crate::api::convert::{maybe_timestamp, timestamp};
use crate::api::field::Fields;
use crate::api::status::ApiError;
use crate::feed::signature::Key;
use crate::feed::{Courier, Position};
use crate::model::ConnectionId;
use crate::pb::consentry::v1 as wire;

/// Positions of one replay.
const POSITIONS_MAX: usize = 1_000;

impl Admins {
    fn courier(&self, f: Fields, id: Option<ConnectionId>) -> Result<Arc<Courier>, ApiError> {
        let id = f.finish(id)?;
        let found = self.hands.feeds().get(id.as_str());
        found.ok_or(ApiError::NotFound { kind: "webhook", name: id.to_string() })
    }

    pub(super) async fn all_webhooks(
        &self,
        caller: &Caller,
        _: wire::ListWebhooksRequest,
    ) -> Result<wire::ListWebhooksResponse, ApiError> {
        for_all_brands(caller)?;
        let webhooks = self.hands.feeds().all().iter().map(|courier| shown(courier)).collect();
        Ok(wire::ListWebhooksResponse { webhooks })
    }

    pub(super) async fn dead_letters(
        &self,
        caller: &Caller,
        request: wire::ListDeadLettersRequest,
    ) -> Result<wire::ListDeadLettersResponse, ApiError> {
        for_all_brands(caller)?;
        let mut f = self.hands.fields();
        let id = f.id("webhook", &request.webhook);
        let dead = self.courier(f, id)?.standing().dead;
        let letter = |letter: crate::feed::Letter| wire::DeadLetter {
            position: letter.position.to_string(),
            attempts: letter.attempts,
            laid_aside_at: Some(timestamp(letter.due)),
            last_error: letter.why,
        };
        Ok(wire::ListDeadLettersResponse { dead_letters: dead.into_iter().map(letter).collect() })
    }

    pub(super) async fn replay_letters(
        &self,
        caller: &Caller,
        request: wire::ReplayDeadLettersRequest,
    ) -> Result<wire::ReplayDeadLettersResponse, ApiError> {
        for_all_brands(caller)?;
        let mut f = self.hands.fields();
        let id: Option<ConnectionId> = f.id("webhook", &request.webhook);
        let positions = f.each("positions", request.positions, 0..=POSITIONS_MAX, |f, text| {
            match text.parse::<Position>() {
                Ok(position) => Some(position),
                Err(()) => f.refuse("", "must be a position, as `ListDeadLetters` gives it"),
            }
        });
        let named = id.filter(|_| positions.is_some());
        let courier = self.courier(f, named)?;
        let replayed = courier.replay(&positions.unwrap_or_default());
        Ok(wire::ReplayDeadLettersResponse { replayed: u32::try_from(replayed).unwrap_or(u32::MAX) })
    }
}

fn shown(courier: &Courier) -> wire::Webhook {
    let (to, standing) = (courier.subscription(), courier.standing());
    let kind = |kind: &i32| {
        let kind = wire::EventKind::try_from(*kind).unwrap_or_default();
        kind.as_str_name().trim_start_matches("EVENT_KIND_").to_ascii_lowercase()
    };
    wire::Webhook {
        id: to.id.clone(),
        url: to.url.to_string(),
        brands: to.wanted.brands.iter().map(ToString::to_string).collect(),
        kinds: to.wanted.kinds.iter().map(kind).collect(),
        next_entry: standing.next,
        waiting: standing.waiting.len() as u32,
        dead: standing.dead.len() as u32,
        delivered_at: maybe_timestamp(standing.delivered_at),
        last_error: standing.why,
        public_keys: (to.keys)().iter().filter_map(Key::public).collect(),
    }
}
