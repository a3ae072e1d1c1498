//! What happened to a person's consents, and what came in by text.

use std::sync::Arc;

use super::Consents;
use crate::api::auth::Caller;
use crate::api::convert::inbound::{Review, inbound, resolved};
use crate::api::convert::{check, consent as shown, evidence, subject, timestamp};
use crate::api::field::TimeRule;
use crate::api::restricted::Eyes;
use crate::api::status::ApiError;
use crate::api::walk::{newest_of_all, place_of};
use crate::ledger::body::{Body, InboundBody};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{InboundTextRow, keys};
use crate::ledger::state::Row;
use crate::model::subject::{Address, Subject};
use crate::model::{BrandId, Instant};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::consent_event::Event;
use crate::writer::{Cx, OpError, Reader};

/// Rows one call looks at; a page may come back shorter.
const LOOK_MAX: usize = 4_096;

impl Consents {
    pub(super) async fn events(
        &self,
        caller: Arc<Caller>,
        request: wire::ListConsentEventsRequest,
    ) -> Result<wire::ListConsentEventsResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListConsentEventsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let target = subject::target(&mut f, request.subject);
        let brand = f.optional_id::<BrandId>("brand", &request.brand);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((target?, brand?, page?)))();
        let (target, brand, page) = f.finish(read)?;
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        let (below, size) = (place_of(&page.after), page.size);
        let asking = Arc::clone(&caller);
        let walked = self
            .hands
            .see(&caller, "ListConsentEvents", move |reader, eyes| {
                let people = reader.look(|cx| cx.subjects_of(&target))?;
                let chains: Vec<_> = people.iter().map(|person| person.id).collect();
                newest_of_all(reader, &chains, below, size, |cx, entry| {
                    let whose = people.iter().find(|person| person.id == entry.leaf.subject);
                    let Some(subject) = whose else { return Ok(None) };
                    let of_brand = brand.as_ref().is_none_or(|b| entry.leaf.brand.as_ref() == Some(b))
                        && entry.leaf.brand.as_ref().is_none_or(|b| asking.reaches(b));
                    let events = if of_brand { told(entry, subject) } else { Vec::new() };
                    Ok((!events.is_empty() && eyes.sees(cx, &subject.id)?).then_some(events))
                })
            })
            .await?;
        let next_page_token = walked.next.map(|place| page.next(&place.to_be_bytes())).unwrap_or_default();
        let events = walked.items.into_iter().flatten().collect();
        Ok(wire::ListConsentEventsResponse { events, next_page_token })
    }

    pub(super) async fn inbound(
        &self,
        caller: &Caller,
        request: wire::ListInboundRequest,
    ) -> Result<wire::ListInboundResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListInboundRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let target = f.optional("subject", request.subject, subject::target_within);
        let review = f.known::<wire::ReviewState>("review", request.review);
        let received = f.optional("received", request.received, |f, range| {
            let start = f.time("start", range.start, TimeRule::Any);
            let end = f.time("end", range.end, TimeRule::Any);
            Some((start?, end?))
        });
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((target?, review?, received?, page?)))();
        let (target, review, received, page) = f.finish(read)?;
        let (below, size) = (place_of(&page.after), page.size);
        let asking = caller.clone();
        let (texts, next) = self
            .hands
            .see(caller, "ListInbound", move |reader, eyes| {
                let whose = match &target {
                    None => None,
                    Some(target) => {
                        let people = reader.look(|cx| cx.subjects_of(target))?;
                        if people.is_empty() {
                            return Ok((Vec::new(), None));
                        }
                        Some(people.iter().map(|person| person.id).collect::<Vec<_>>())
                    }
                };
                let (start, end) = received.unwrap_or_default();
                let wanted = |row: &InboundTextRow| {
                    whose.as_ref().is_none_or(|people| people.contains(&row.subject))
                        && start.is_none_or(|at| row.at >= at)
                        && end.is_none_or(|at| row.at < at)
                        && (review == wire::ReviewState::Unspecified || review == standing(row).1)
                };
                texts(reader, &asking, eyes, below, size, wanted)
            })
            .await?;
        let next_page_token = next.map(|place: u64| page.next(&place.to_be_bytes())).unwrap_or_default();
        Ok(wire::ListInboundResponse { inbound_messages: texts, next_page_token })
    }
}

type Texts = (Vec<wire::InboundMessage>, Option<u64>);

/// Texts in order of arrival, newest first.
fn texts(
    reader: &Reader,
    asking: &Caller,
    eyes: &mut Eyes,
    below: Option<u64>,
    size: usize,
    wanted: impl Fn(&InboundTextRow) -> bool,
) -> Result<Texts, OpError> {
    reader.look(|cx| {
        let before = below.map(keys::inbound_text);
        let prefix = [InboundTextRow::TABLE];
        let rows = cx.state.scan_back::<InboundTextRow>(&prefix, before.as_deref(), LOOK_MAX)?;
        let all_seen = rows.len() < LOOK_MAX;
        let mut shown = Vec::new();
        let mut last = None;
        for (key, row) in rows {
            let Some(index) = key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
            else {
                continue;
            };
            last = Some(index);
            if wanted(&row)
                && eyes.sees(cx, &row.subject)?
                && let Some(text) = text(cx, asking, index, &row)?
            {
                shown.push(text);
            }
            if shown.len() == size {
                return Ok((shown, last));
            }
        }
        Ok((shown, last.filter(|_| !all_seen)))
    })
}

/// How a text's review stands.
fn standing(row: &InboundTextRow) -> (Review, wire::ReviewState) {
    match (row.review, row.resolved) {
        (_, Some(_)) => (Review::Resolved, wire::ReviewState::Resolved),
        (true, None) => (Review::Open, wire::ReviewState::Open),
        (false, None) => (Review::NotNeeded, wire::ReviewState::NotNeeded),
    }
}

/// Whether a text may be shown to a key: it came to a sender of a brand that the key reaches.
fn came_to(cx: &mut Cx<'_>, asking: &Caller, body: &InboundBody) -> Result<bool, OpError> {
    if asking.brands.is_empty() {
        return Ok(true);
    }
    let Some(sender) = &body.sender else { return Ok(false) };
    let sender = cx.sender(sender.as_str())?;
    Ok(sender.is_some_and(|s| s.brands.is_empty() || s.brands.iter().any(|brand| asking.reaches(brand))))
}

/// A text with its decision; none when the person was erased, or it is not the key's to see.
fn text(
    cx: &mut Cx<'_>,
    asking: &Caller,
    index: u64,
    row: &InboundTextRow,
) -> Result<Option<wire::InboundMessage>, OpError> {
    let Some(body) = inbound_of(cx.entry(index)?) else { return Ok(None) };
    if !came_to(cx, asking, &body)? {
        return Ok(None);
    }
    let from: Address = cx.subject(&row.subject)?.address.clone();
    let shown = inbound(index, &body, &from, standing(row).0);
    let decision = match row.resolved {
        Some(decided) => cx.entry(decided)?.map(|entry| entry.body),
        None => None,
    };
    match decision {
        Some(Body::Review(decision)) => Ok(Some(resolved(shown, &decision))),
        _ => Ok(Some(shown)),
    }
}

fn inbound_of(entry: Option<Entry>) -> Option<InboundBody> {
    match entry?.body {
        Body::Inbound(body) => Some(body),
        _ => None,
    }
}

/// What an entry says about consent, its evidence with it.
fn told(entry: &Entry, subject: &Subject) -> Vec<wire::ConsentEvent> {
    let (whose, at) = (&subject.address, entry.leaf.instant);
    let (events, actor): (Vec<Event>, &str) = match &entry.body {
        Body::Consent(body) => {
            let given = |change| {
                Event::Consent(wire::Consent {
                    evidence: Some(evidence::shown(&body.evidence)),
                    entry_hash: entry.hash.0.to_vec(),
                    ..shown::changed(change, whose, at)
                })
            };
            (body.changes.iter().map(given).collect(), &body.actor)
        }
        Body::OptOut(body) => {
            let opt_out = wire::OptOut {
                text: body.text.clone(),
                entry_hash: entry.hash.0.to_vec(),
                cancelled_messages: body.cancelled.iter().map(ToString::to_string).collect(),
                in_flight_messages: body.in_flight.iter().map(ToString::to_string).collect(),
                ..shown::opt_out(&body.opt_out, whose)
            };
            (vec![Event::OptOut(opt_out)], &body.actor)
        }
        Body::OptOutLifted(body) => {
            let lifted = |recorded_at: &Instant| {
                let known = subject.opt_outs.iter().find(|o| o.recorded_at == *recorded_at);
                let shown = known.map(|o| shown::opt_out(o, whose)).unwrap_or_default();
                Event::OptOut(wire::OptOut {
                    id: shown::opt_out_id(*recorded_at),
                    lifted_at: Some(timestamp(at)),
                    lifted_reason: body.text.clone(),
                    ..shown
                })
            };
            (body.recorded_at.iter().map(lifted).collect(), &body.actor)
        }
        Body::NumberCheck(body) => (vec![Event::NumberCheck(check::shown(&body.check, whose))], &body.actor),
        Body::Preferences(body) => {
            (vec![Event::Preferences(subject::wishes(&body.preferences, &body.hints))], &body.actor)
        }
        _ => (Vec::new(), ""),
    };
    let event = |event| wire::ConsentEvent {
        occurred_at: Some(timestamp(at)),
        entry_hash: entry.hash.0.to_vec(),
        entry_index: entry.index,
        actor: Some(wire::Actor { api_key: actor.to_owned(), name: String::new() }),
        event: Some(event),
    };
    events.into_iter().map(event).collect()
}
