//! `MessageService`: sends, asks, lists, cancels, follows.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::auth::Caller;
use super::convert::message::{Around, encoding, message as shown, notification};
use super::convert::send::{self, Key};
use super::convert::verdict::{EngineInForce, verdict};
use super::convert::{maybe_timestamp, subject, touch};
use super::field::{Lines, TimeRule};
use super::filter::Filter;
use super::service::{Hands, caller};
use super::standing::standing;
use super::status::{ApiError, to_rpc};
use super::walk::{Path, newest_first, newest_of_all, place_of};
use super::watch;
use crate::ledger::body::Body;
use crate::ledger::entry::Entry;
use crate::ledger::rows::keys;
use crate::model::cart::Link;
use crate::model::outgoing::Message;
use crate::model::{Effect, MessageId, Outcome, Reason, Span, Verdict};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::message_service_server::MessageService;
use crate::pb::consentry::v1::send_messages_response::Result as Item;
use crate::writer::ops::cancel::CancelMessage;
use crate::writer::ops::send::{Send, SendAnswer, SendRequest, check};
use crate::writer::{Cx, Op, OpError};

/// Requests of one stream that may be unanswered.
const UNANSWERED_MAX: usize = 256;
/// Furthest instant a dry run may ask about.
const CHECK_MAX: Span = Span::days(30);

/// The service.
#[derive(Clone)]
pub struct Messages {
    hands: Hands,
}

impl Messages {
    /// A service with these hands.
    pub fn new(hands: Hands) -> Messages {
        Messages { hands }
    }

    async fn send(
        &self,
        caller: &Caller,
        request: wire::SendMessageRequest,
    ) -> Result<wire::SendMessageResponse, ApiError> {
        let known = MessageId::derive(&caller.seller, &request.idempotency_key);
        let mut fields = self.hands.fields();
        let read = send::request(&mut fields, request.clone(), Key::Required, caller);
        let asked = match fields.finish(read) {
            Ok(asked) => asked,
            Err(error) => return self.repeat_after_its_time(caller, known, request, error),
        };
        caller.check_brand(&asked.brand)?;
        let coming = self.hands.writer().announce();
        let send = match self.hands.writer().has_room(Send::PRIORITY) {
            true => Send::prepared(asked, self.hands.reader()),
            false => Send::new(asked),
        };
        match self.hands.write_announced(coming, send).await {
            Ok(answer) => self.answer(&answer),
            Err(ApiError::SubjectBusy(what)) => Ok(self.busy(what)),
            Err(error) => Err(error),
        }
    }

    fn answer(&self, answer: &SendAnswer) -> Result<wire::SendMessageResponse, ApiError> {
        let message = self.hands.look(|cx| match answer.repeated {
            true => show(cx, &answer.message),
            // Nobody has tapped a link that nobody was sent.
            false => show_clicked(cx, &answer.message, 0),
        })?;
        let verdict = message.verdict.clone();
        Ok(wire::SendMessageResponse { message: Some(message), verdict })
    }

    /// A repeat may come when instants of the request have passed; it still gets the first answer.
    fn repeat_after_its_time(
        &self,
        caller: &Caller,
        known: MessageId,
        mut request: wire::SendMessageRequest,
        error: ApiError,
    ) -> Result<wire::SendMessageResponse, ApiError> {
        request.idempotency_key.clear();
        subject::canonical(&mut request.subject);
        let hash = super::service::request_hash(&request);
        let found = self.hands.look(|cx| {
            let message = cx.get::<Message>(&keys::message(&known))?;
            let same = message.filter(|m| m.request_sha256 == hash && caller.reaches(&m.spec.brand));
            same.map(|m| show(cx, &m)).transpose()
        })?;
        match found {
            Some(message) => {
                let verdict = message.verdict.clone();
                Ok(wire::SendMessageResponse { message: Some(message), verdict })
            }
            None => Err(error),
        }
    }

    /// The record of the person is full: a verdict like any other, but nothing was recorded.
    fn busy(&self, what: &str) -> wire::SendMessageResponse {
        let policies = self.hands.reader().env().policies();
        let engine = EngineInForce { hash: &policies.engine_hash, body: &policies.described };
        let reason = Reason {
            effect: Effect::Refuse,
            code: crate::model::Code::SubjectBusy,
            rule: "core/bounds".to_owned(),
            citation: "bounded subject records".to_owned(),
            detail: what.to_owned(),
            hold_until: None,
        };
        let busy = Verdict {
            outcome: Outcome::Refuse,
            hold_until: None,
            estimated_send_at: None,
            send_not_after: None,
            reasons: vec![reason],
            evaluated_at: self.hands.now(),
            engine: policies.engine_hash,
            policy_version: policies.described.policy_version.clone(),
            time_zone_version: policies.described.time_zones.clone(),
            zones_considered: Vec::new(),
            jurisdictions_considered: Vec::new(),
        };
        wire::SendMessageResponse { message: None, verdict: Some(verdict(&busy, None, engine)) }
    }

    async fn item(
        &self,
        caller: &Caller,
        item: Result<wire::SendMessageRequest, Status>,
    ) -> Result<wire::SendMessagesResponse, Status> {
        let request = item.map_err(malformed)?;
        let idempotency_key = request.idempotency_key.clone();
        let result = match self.send(caller, request).await {
            Ok(response) => Item::Response(response),
            Err(error) => Item::Status(to_rpc(error)),
        };
        Ok(wire::SendMessagesResponse { idempotency_key, result: Some(result) })
    }

    fn dry_run(
        &self,
        asked: &SendRequest,
        at: Option<crate::model::Instant>,
    ) -> Result<wire::CheckMessageResponse, ApiError> {
        self.hands.look(|cx| {
            let (spec, found) = check(cx, asked, at)?;
            let next = match found.outcome {
                Outcome::Admit => Some(found.evaluated_at),
                Outcome::Hold => found.hold_until,
                Outcome::Refuse => None,
            };
            let engine = EngineInForce { hash: &cx.policies.engine_hash, body: &cx.policies.described };
            Ok(wire::CheckMessageResponse {
                verdict: Some(verdict(&found, None, engine)),
                push: spec.push.as_ref().map(|push| notification(&push.preview)),
                encoding: encoding(&spec).into(),
                segments: if spec.push.is_some() { 0 } else { spec.parts },
                body: if spec.push.is_some() { String::new() } else { spec.preview },
                next_allowed_at: maybe_timestamp(next),
                sender: spec.sender.map(|id| id.to_string()).unwrap_or_default(),
            })
        })
    }

    /// The message of that id, if the key reaches its brand.
    async fn find(
        &self,
        caller: &Arc<Caller>,
        method: &'static str,
        id: MessageId,
    ) -> Result<wire::Message, ApiError> {
        let asking = Arc::clone(caller);
        let found = self.hands.see(caller, method, move |reader, eyes| {
            reader.look(|cx| {
                let message = cx.get::<Message>(&keys::message(&id))?;
                let Some(message) = message.filter(|m| asking.reaches(&m.spec.brand)) else {
                    return Ok(None);
                };
                let may = eyes.sees(cx, &message.spec.subject)?;
                may.then(|| show(cx, &message)).transpose()
            })
        });
        found.await?.ok_or_else(|| ApiError::NotFound { kind: "message", name: id.to_string() })
    }

    async fn list(
        &self,
        caller: Arc<Caller>,
        request: wire::ListMessagesRequest,
    ) -> Result<wire::ListMessagesResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListMessagesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let brand = f.optional_id("brand", &request.brand);
        let whose = f.optional("subject", request.subject, subject::target_within);
        let filter = Filter::read(&mut f, &request.filter);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((brand?, whose?, filter?, page?)))();
        let (brand, whose, filter, page) = f.finish(read)?;
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        let below = place_of(&page.after);
        let size = page.size;
        let asking = Arc::clone(&caller);
        let walked = self
            .hands
            .see(&asking, "ListMessages", move |reader, eyes| {
                let chains = match &whose {
                    None => None,
                    Some(target) => Some(reader.look(|cx| cx.subjects_of(target))?),
                };
                let wanted = |m: &Message| {
                    caller.reaches(&m.spec.brand)
                        && brand.as_ref().is_none_or(|brand| m.spec.brand == *brand)
                        && filter.takes(m)
                };
                let show_one = |cx: &mut Cx<'_>, entry: &Entry| {
                    let Body::Decision(body) = &entry.body else { return Ok(None) };
                    let message = cx.get::<Message>(&keys::message(&body.message.id))?;
                    match message.filter(|m| wanted(m)) {
                        Some(m) if eyes.sees(cx, &m.spec.subject)? => show(cx, &m).map(Some),
                        _ => Ok(None),
                    }
                };
                match chains {
                    None => newest_first(reader, Path::Log, below, size, show_one),
                    Some(people) => {
                        let chains: Vec<_> = people.iter().map(|person| person.id).collect();
                        newest_of_all(reader, &chains, below, size, show_one)
                    }
                }
            })
            .await?;
        let next_page_token = walked.next.map(|place| page.next(&place.to_be_bytes())).unwrap_or_default();
        Ok(wire::ListMessagesResponse { messages: walked.items, next_page_token })
    }
}

/// A message with what stands around it.
pub(super) fn show(cx: &mut Cx<'_>, message: &Message) -> Result<wire::Message, OpError> {
    let clicks = match &message.spec.link {
        Some(link) => cx.get::<Link>(&keys::link(&link.code))?.map_or(0, |link| link.human_clicks),
        None => 0,
    };
    show_clicked(cx, message, clicks)
}

/// The same where it is known how many people have tapped its link.
fn show_clicked(cx: &mut Cx<'_>, message: &Message, human_clicks: u64) -> Result<wire::Message, OpError> {
    let mut around = Around { human_clicks, ..Around::default() };
    if message.spec.link.is_some() {
        let brand = cx.brand(message.spec.brand.as_str())?;
        around.short_domain = brand.map(|brand| brand.short_domain.clone()).unwrap_or_default();
    }
    let engine = EngineInForce { hash: &cx.policies.engine_hash, body: &cx.policies.described };
    Ok(shown(message, &around, engine))
}

/// A message that cannot be decoded ends its stream: what follows it cannot be trusted either.
pub(super) fn malformed(status: Status) -> Status {
    match status.code() {
        Code::Internal | Code::OutOfRange => ApiError::field("request", status.message()).into(),
        _ => status,
    }
}

#[tonic::async_trait]
impl MessageService for Messages {
    async fn send_message(
        &self,
        request: Request<wire::SendMessageRequest>,
    ) -> Result<Response<wire::SendMessageResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.send(&caller, request.into_inner()).await?))
    }

    type SendMessagesStream = BoxStream<'static, Result<wire::SendMessagesResponse, Status>>;

    async fn send_messages(
        &self,
        request: Request<Streaming<wire::SendMessageRequest>>,
    ) -> Result<Response<Self::SendMessagesStream>, Status> {
        let caller = caller(&request)?;
        let service = self.clone();
        // Nothing more is read while 256 are unanswered; when the server drains, as if the caller had closed its half.
        let answers = request
            .into_inner()
            .take_until(self.hands.stop().clone().cancelled_owned())
            .map(move |item| {
                let (service, caller) = (service.clone(), Arc::clone(&caller));
                async move { service.item(&caller, item).await }
            })
            .buffer_unordered(UNANSWERED_MAX);
        Ok(Response::new(answers.boxed()))
    }

    async fn check_message(
        &self,
        request: Request<wire::CheckMessageRequest>,
    ) -> Result<Response<wire::CheckMessageResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let message = f.required("message", request.message, |f, message| {
            send::request(f, message, Key::Optional, &caller)
        });
        let at = f.time("at", request.at, TimeRule::AheadBy(CHECK_MAX));
        let read = (|| Some((message?, at?)))();
        let (asked, at) = f.finish(read)?;
        caller.check_brand(&asked.brand)?;
        match self.dry_run(&asked, at) {
            Err(ApiError::SubjectBusy(what)) => {
                let verdict = self.busy(what).verdict;
                Ok(Response::new(wire::CheckMessageResponse { verdict, ..Default::default() }))
            }
            answer => Ok(Response::new(answer?)),
        }
    }

    async fn get_message(
        &self,
        request: Request<wire::GetMessageRequest>,
    ) -> Result<Response<wire::Message>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let id = match (request.id.is_empty(), request.idempotency_key.is_empty()) {
            (false, true) => f.id("id", &request.id),
            (true, false) => {
                let key = f.idempotency_key(request.idempotency_key);
                key.map(|key| MessageId::derive(&caller.seller, &key))
            }
            _ => f.refuse("id", "is required, or idempotency_key, not both"),
        };
        let id = f.finish(id)?;
        Ok(Response::new(self.find(&caller, "GetMessage", id).await?))
    }

    async fn list_messages(
        &self,
        request: Request<wire::ListMessagesRequest>,
    ) -> Result<Response<wire::ListMessagesResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.list(caller, request.into_inner()).await?))
    }

    async fn cancel_message(
        &self,
        request: Request<wire::CancelMessageRequest>,
    ) -> Result<Response<wire::Message>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let id = f.id("id", &request.id);
        let reason = f.text("reason", request.reason, 0..=512, Lines::Many);
        let read = (|| Some((id?, reason?)))();
        let (message, reason) = f.finish(read)?;
        self.find(&caller, "CancelMessage", message).await?;
        let op = CancelMessage { message, reason, actor: caller.key.clone() };
        let cancelled = self.hands.write(op).await?;
        Ok(Response::new(self.hands.look(|cx| show(cx, &cancelled))?))
    }

    type WatchEventsStream = watch::Events;

    async fn watch_events(
        &self,
        request: Request<wire::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let (caller, standing) = (caller(&request)?, standing(&request)?);
        Ok(Response::new(watch::events(&self.hands, &caller, standing, request.into_inner())?))
    }

    async fn record_external_send(
        &self,
        request: Request<wire::RecordExternalSendRequest>,
    ) -> Result<Response<wire::RecordExternalSendResponse>, Status> {
        let caller = caller(&request)?;
        let mut f = self.hands.fields();
        let read = touch::external_send(&mut f, request.into_inner(), &caller);
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let recorded_at = maybe_timestamp(Some(self.hands.write(op).await?));
        Ok(Response::new(wire::RecordExternalSendResponse { recorded_at }))
    }
}
