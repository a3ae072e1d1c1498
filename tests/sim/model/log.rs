//! Reads the log entry by entry and says what is wrong with it: the five invariants, caps, hours, one end for each message.

use std::collections::{BTreeMap, BTreeSet};

use consentry::ledger::body::{
    Body, ConsentBody, ConsentCause, IntentBody, OptOutBody, OptOutLiftedBody, ReceiptBody,
};
use consentry::ledger::entry::Entry;
use consentry::model::device::OsPermission;
use consentry::model::facts::{AutomaticKind, AutomaticText, CheckAnswer, CheckKind};
use consentry::model::subject::Address;
use consentry::model::{
    Category, Channel, ConsentState, CustomerId, EntryHash, Instant, LinkCode, MessageId, MessageState,
    OptOutScope, OptOutSource, Outcome, ProgramId, Span, SubjectId,
};

use consentry::store::embedded::Books;
use consentry::writer::{EntrySource, Recorded};

use super::Coupons;
use crate::people::{app_name, utc_hours};

#[derive(Debug)]
struct Stopped {
    index: u64,
    recorded_at: Instant,
    received_at: Instant,
    source: OptOutSource,
    scope: OptOutScope,
    lifted_for: BTreeSet<(ProgramId, Channel)>,
}

#[derive(Debug, Default)]
struct Person {
    /// A telephone's number, or the name of an installation.
    number: String,
    /// Of an installation: whether a notification would be shown.
    shows: bool,
    customers: BTreeSet<CustomerId>,
    /// Grants in force, and when each was captured.
    granted: BTreeMap<(ProgramId, Channel), Instant>,
    stops: Vec<Stopped>,
    /// Unclear texts nobody has looked at.
    reviews: BTreeSet<u64>,
    /// The class and instant of the newest text.
    last_text: Option<(String, Instant)>,
    /// What other tools reported: when, and by what.
    external: Vec<(Instant, String)>,
    /// Automatic texts that left: kind and what called for them.
    answered: Vec<(AutomaticKind, Instant, MessageId)>,
}

#[derive(Debug)]
struct Sent {
    subject: SubjectId,
    program: ProgramId,
    channel: Channel,
    marketing: bool,
    automatic: Option<AutomaticText>,
    cart: Option<String>,
    state: MessageState,
    /// The newest intent.
    intent_at: Option<Instant>,
    /// Nothing may be handed over after it.
    not_after: Option<Instant>,
    /// The connection its newest intent names.
    line: String,
}

#[derive(Default)]
pub struct Log {
    /// How often something rare happened: a run in which it never does proves nothing about it.
    pub reached: BTreeMap<&'static str, u64>,
    pub size: u64,
    pub last: Option<EntryHash>,
    people: BTreeMap<SubjectId, Person>,
    messages: BTreeMap<MessageId, Sent>,
    /// Ids of the texts that were taken in.
    texts: BTreeSet<String>,
    pub coupons: Coupons,
    /// Links of messages that were accepted, and whose they are.
    links: Vec<(LinkCode, SubjectId, String)>,
    /// People who were erased, by the name they had: nothing is sent there any more.
    gone: BTreeMap<SubjectId, String>,
    /// Messages to them, as they stood.
    forgotten: BTreeMap<MessageId, Sent>,
    /// Clicks written down.
    clicks: BTreeMap<LinkCode, u64>,
}

impl Log {
    pub fn apply(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.index != self.size {
            return Err(format!("entry {} follows entry {}", entry.index, self.size));
        }
        (self.size, self.last) = (self.size + 1, Some(entry.hash));
        self.read(entry)
            .and_then(|()| self.coupons.apply(entry))
            .map_err(|e| format!("entry {}: {e}", entry.index))
    }

    fn note(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    fn person(&mut self, entry: &Entry) -> &mut Person {
        self.people.entry(entry.leaf.subject).or_default()
    }

    fn read(&mut self, entry: &Entry) -> Result<(), String> {
        let (subject, now) = (entry.leaf.subject, entry.leaf.instant);
        match &entry.body {
            Body::Subject(body) => {
                self.person(entry).number = match &body.address {
                    Address::Phone(digits) => format!("+{digits}"),
                    Address::Device { installation, .. } => app_name(installation),
                };
            }
            Body::Consent(body) => self.consent(entry, body)?,
            Body::OptOut(body) => self.opt_out(entry, body),
            Body::OptOutLifted(body) => self.lifted(entry, body)?,
            Body::Inbound(body) => {
                self.texts.insert(body.provider_id.clone());
                let person = self.person(entry);
                person.last_text = Some((body.class.clone(), now));
                if body.review && body.class == "UNCERTAIN" {
                    person.reviews.insert(entry.index);
                }
            }
            Body::Review(body) => {
                self.person(entry).reviews.remove(&body.inbound);
            }
            Body::Device(body) => {
                let device = &body.device;
                let alive = device.destination.is_some() && device.dead_at.is_none();
                let allowed = matches!(device.permission, OsPermission::Granted | OsPermission::Provisional);
                let person = self.person(entry);
                person.shows = alive && allowed && device.channel_enabled;
                person.customers.extend(device.customer.clone());
            }
            Body::NumberCheck(body) => {
                let ends = matches!(body.check.kind, CheckKind::Reassigned | CheckKind::Deactivated);
                if ends && body.check.answer == CheckAnswer::Yes {
                    // Whoever has the number now agreed to nothing.
                    let person = self.person(entry);
                    let before = person.granted.len();
                    person.granted.retain(|_, captured_at| *captured_at > body.check.asked_at);
                    if person.granted.len() < before {
                        self.note("a number changed hands");
                    }
                }
            }
            Body::Erasure(body) if body.raw_day.is_none() => self.erased(body.subject),
            Body::Click(body) => {
                let clicks = body.clicks.len() as u64 + body.uncounted.1;
                *self.clicks.entry(body.code.clone()).or_default() += clicks;
            }
            Body::ExternalSend(body) => {
                self.person(entry).external.push((body.at, body.medium.clone()));
            }
            Body::Decision(body) => {
                let spec = &body.message;
                if let Some(link) = spec.link.as_ref().filter(|_| body.state.is_waiting()) {
                    self.links.push((link.code.clone(), subject, self.people[&subject].number.clone()));
                }
                let sent = Sent {
                    subject,
                    program: spec.program.clone(),
                    channel: spec.channel,
                    marketing: spec.category == Category::Marketing,
                    automatic: spec.automatic.clone(),
                    cart: spec.cart.as_ref().map(ToString::to_string),
                    state: body.state,
                    intent_at: None,
                    not_after: None,
                    line: String::new(),
                };
                if self.messages.insert(spec.id, sent).is_some() {
                    return Err(format!("message {} is accepted twice", spec.id));
                }
            }
            Body::Intent(body) => self.intent(entry, body)?,
            Body::Redecision(body) => {
                self.turn(&body.message, body.state, MessageState::is_waiting)?;
                if body.moved_to.is_some() {
                    // It goes on in another chain, as the next entry says.
                    self.messages.remove(&body.message);
                    self.note("a notification moved on");
                }
            }
            Body::Cancelled(body) => {
                self.turn(&body.message, MessageState::Cancelled, MessageState::is_waiting)?;
            }
            Body::Outcome(body) => {
                self.turn(&body.message, body.state, |was| was == MessageState::Sending)?;
                if body.state == MessageState::Queued {
                    let person = self.people.entry(subject).or_default();
                    person.answered.retain(|(.., id)| *id != body.message);
                }
            }
            Body::Receipt(body) => self.receipt(body)?,
            _ => {}
        }
        Ok(())
    }

    /// A message moves on; its end is its end.
    fn turn(
        &mut self,
        id: &MessageId,
        to: MessageState,
        from: impl Fn(MessageState) -> bool,
    ) -> Result<(), String> {
        let message = self.messages.get_mut(id).ok_or(format!("message {id} was never accepted"))?;
        if !from(message.state) {
            return Err(format!("message {id} was {:?} and becomes {to:?}", message.state));
        }
        message.state = to;
        Ok(())
    }

    fn receipt(&mut self, body: &ReceiptBody) -> Result<(), String> {
        let Some(id) = &body.message else { return Ok(()) };
        let waited = self.state(id).is_some_and(MessageState::is_waiting);
        self.turn(id, body.state, |was| match was {
            MessageState::Unknown | MessageState::Expired => {
                body.state == MessageState::Delivered || body.part_delivered && body.state == was
            }
            was => !was.is_final(),
        })?;
        let message = &self.messages[id];
        if let Some(automatic) = message.automatic.clone().filter(|_| waited && body.state.reached_out()) {
            let person = self.people.entry(message.subject).or_default();
            person.answered.push((automatic.kind, automatic.trigger, *id));
        }
        Ok(())
    }

    fn consent(&mut self, entry: &Entry, body: &ConsentBody) -> Result<(), String> {
        let own_act = matches!(body.cause, ConsentCause::Keyword | ConsentCause::Confirmation);
        let person = self.person(entry);
        let said = person.last_text.as_ref().filter(|(_, at)| *at == entry.leaf.instant);
        if own_act && said.is_none_or(|(class, _)| class == "OPT_OUT" || class == "WRONG_NUMBER") {
            return Err("a consent by text without a text that says so".to_owned());
        }
        person.customers.extend(body.customer.clone());
        for change in &body.changes {
            let (program, channel) = (&change.consent.program, change.consent.channel);
            match change.consent.state {
                ConsentState::Granted => {
                    let marketing = program.as_str() == "carts";
                    let stopped = person.stops.iter().any(|s| s.covers(program, marketing, channel));
                    if !own_act && stopped {
                        let stops = &person.stops;
                        return Err(format!("a caller's word reopened {program} after {stops:?}: {body:?}"));
                    }
                    person.granted.insert((program.clone(), channel), change.consent.captured_at);
                    if own_act {
                        for stop in &mut person.stops {
                            stop.lifted_for.insert((program.clone(), channel));
                        }
                    }
                }
                ConsentState::Revoked | ConsentState::Expired => {
                    person.granted.remove(&(program.clone(), channel));
                }
                ConsentState::PendingConfirmation | ConsentState::Refused => {}
            }
        }
        Ok(())
    }

    fn opt_out(&mut self, entry: &Entry, body: &OptOutBody) {
        let o = &body.opt_out;
        if body.actor == "opt-out page" {
            self.note("somebody stopped on the page");
        }
        let stop = Stopped {
            index: entry.index,
            recorded_at: o.recorded_at,
            received_at: o.received_at,
            source: o.source,
            scope: o.scope.clone(),
            lifted_for: BTreeSet::new(),
        };
        let stops = &mut self.person(entry).stops;
        // Said again: one START answers them all.
        stops.retain(|old| {
            old.scope != stop.scope || old.source != stop.source || old.received_at > stop.received_at
        });
        stops.push(stop);
    }

    fn lifted(&mut self, entry: &Entry, body: &OptOutLiftedBody) -> Result<(), String> {
        self.person(entry);
        // What a STOP wrote to the installations of a customer is lifted with it: those write no texts.
        let own = &entry.leaf.subject;
        let is_app = !self.people[own].number.starts_with('+');
        let mut near = self.reach(own).into_iter().filter(|(id, _)| *id == own || is_app);
        let now = entry.leaf.instant;
        let says =
            |p: &Person| p.last_text.as_ref().is_some_and(|(class, at)| class == "OPT_IN" && *at == now);
        let said = near.any(|(_, person)| says(person));
        let person = self.person(entry);
        if body.cause == "START" && !said {
            return Err("an opt-out is lifted by a START nobody sent".to_owned());
        }
        for stop in person.stops.iter_mut().filter(|s| body.recorded_at.contains(&s.recorded_at)) {
            let by_text = matches!(stop.source, OptOutSource::SmsReply | OptOutSource::Provider);
            if body.cause == "START" && !by_text {
                return Err(format!(
                    "START lifted the opt-out at {}, which came by {:?}",
                    stop.index, stop.source
                ));
            }
            for channel in [Channel::Sms, Channel::Push] {
                if body.channel.is_none_or(|only| only == channel) {
                    stop.lifted_for.extend(body.programs.iter().map(|program| (program.clone(), channel)));
                }
            }
        }
        Ok(())
    }

    /// Nothing of theirs is kept but that nothing may leave for them.
    fn erased(&mut self, subject: SubjectId) {
        let Some(person) = self.people.remove(&subject) else { return };
        self.links.retain(|(_, whose, _)| *whose != subject);
        let theirs: Vec<MessageId> =
            self.messages.iter().filter(|(_, m)| m.subject == subject).map(|(id, _)| *id).collect();
        for id in theirs {
            let message = self.messages.remove(&id).expect("found a moment ago");
            self.forgotten.insert(id, message);
        }
        self.gone.insert(subject, person.number);
        self.note("somebody was erased");
    }

    /// Whether a message was one of somebody who was erased.
    pub fn is_forgotten(&self, id: &MessageId) -> bool {
        self.forgotten.contains_key(id)
    }

    /// Whether somebody of that name was erased.
    pub fn is_gone(&self, name: &str) -> bool {
        self.gone.values().any(|gone| gone == name)
    }

    /// Nobody can read an entry of somebody who is erased.
    pub fn check_erased(&self, books: &Books) -> Result<(), String> {
        for recorded in books.read(0, usize::MAX)? {
            if let Recorded::Open(entry) = recorded
                && self.gone.contains_key(&entry.leaf.subject)
            {
                return Err(format!("entry {} of somebody who was erased still opens", entry.index));
            }
        }
        Ok(())
    }

    /// Everybody who shares a customer with the subject, itself included.
    fn reach(&self, subject: &SubjectId) -> Vec<(&SubjectId, &Person)> {
        let own = &self.people[subject].customers;
        let near = |(id, p): &(&SubjectId, &Person)| *id == subject || !p.customers.is_disjoint(own);
        self.people.iter().filter(near).collect()
    }

    fn intent(&mut self, entry: &Entry, body: &IntentBody) -> Result<(), String> {
        let (subject, now) = (entry.leaf.subject, entry.leaf.instant);
        if body.verdict.outcome != Outcome::Admit {
            return Err("an intent without a verdict that admits it".to_owned());
        }
        if body.not_after > now + Span::seconds(2) {
            return Err("an intent that outlives two seconds".to_owned());
        }
        self.may_leave(subject, body, now)?;
        self.turn(&body.message, MessageState::Sending, MessageState::is_waiting)?;
        if body.stands_in_for.is_some() {
            self.note("a standby carried a text");
        }
        if matches!(body.to, Address::Device { .. }) {
            self.note("a notification left");
        }
        let message = self.messages.get_mut(&body.message).expect("turned a moment ago");
        (message.intent_at, message.not_after) = (Some(now), Some(body.not_after));
        message.line = body.connection.to_string();
        if let Some(automatic) = message.automatic.clone() {
            let person = self.people.entry(subject).or_default();
            person.answered.push((automatic.kind, automatic.trigger, body.message));
        }
        Ok(())
    }

    fn may_leave(&self, subject: SubjectId, body: &IntentBody, now: Instant) -> Result<(), String> {
        let message = self.messages.get(&body.message).ok_or("an intent for a message nobody accepted")?;
        if message.subject != subject {
            return Err("an intent in another person's chain".to_owned());
        }
        for (id, person) in self.reach(&subject) {
            let covers = |s: &&Stopped| s.covers(&message.program, message.marketing, message.channel);
            for stop in person.stops.iter().filter(covers) {
                if !stop.permits(message, now) {
                    let what = message.automatic.as_ref().map(|a| (a.kind, a.trigger));
                    return Err(format!("an intent of {} {what:?} after {stop:?}", message.program));
                }
            }
            if message.automatic.is_none()
                && message.marketing
                && *id == subject
                && !person.reviews.is_empty()
            {
                return Err("marketing to somebody whose text waits for a reader".to_owned());
            }
        }
        let person = &self.people[&subject];
        if self.is_gone(&person.number) {
            return Err("an intent for somebody who was erased".to_owned());
        }
        if let Some(automatic) = &message.automatic {
            return self.may_answer(person, automatic, now);
        }
        if message.channel == Channel::Push && !person.shows {
            return Err("a notification to an installation that would not show it".to_owned());
        }
        if !person.granted.contains_key(&(message.program.clone(), message.channel)) {
            return Err(format!("an intent of {} without a grant", message.program));
        }
        if message.marketing { self.within_caps(&subject, message, body.message, now) } else { Ok(()) }
    }

    /// One answer for one reason, and one HELP answer in ten minutes.
    fn may_answer(&self, person: &Person, text: &AutomaticText, now: Instant) -> Result<(), String> {
        for (kind, trigger, id) in person.answered.iter().filter(|(kind, ..)| *kind == text.kind) {
            if *trigger == text.trigger {
                return Err(format!("{kind:?} is sent twice for one reason"));
            }
            let sent_at = self.messages.get(id).and_then(|m| m.intent_at);
            let recent = sent_at.is_some_and(|at| now.since(at) < Span::minutes(10));
            if *kind == AutomaticKind::Help && recent {
                return Err("two HELP answers in ten minutes".to_owned());
            }
        }
        Ok(())
    }

    /// House, state and carrier limits of this shop, over the reach, written down a second time.
    fn within_caps(
        &self,
        subject: &SubjectId,
        message: &Sent,
        id: MessageId,
        now: Instant,
    ) -> Result<(), String> {
        let number = &self.people[subject].number;
        let hour = (now.as_seconds() + utc_hours(number) * 3_600).rem_euclid(86_400) / 3_600;
        if !(9..21).contains(&hour) {
            return Err(format!("marketing at {hour} o'clock local time"));
        }
        let reach = self.reach(subject);
        let day = now - Span::hours(24);
        let in_day = |at: Instant| at > day && at <= now;
        let others = || reach.iter().flat_map(|(_, p)| &p.external);
        let ours = || {
            self.messages.iter().filter(|(other, m)| {
                **other != id
                    && m.marketing
                    && m.automatic.is_none()
                    && m.state.reached_out()
                    && reach.iter().any(|(id, _)| **id == m.subject)
            })
        };
        let is_ours = |medium: &str| matches!(medium, "SMS" | "PUSH");
        let texts = ours().filter(|(_, m)| m.intent_at.is_some_and(in_day)).count()
            + others().filter(|(at, medium)| is_ours(medium) && in_day(*at)).count();
        if texts >= 3 {
            return Err(format!("the fourth text in 24 hours ({texts} before)"));
        }
        // Whatever reached them another way, ours or not.
        let own = if message.channel == Channel::Push { "PUSH" } else { "SMS" };
        let gap = Span::hours(4);
        let near = |at: Instant| at + gap > now && now + gap > at;
        let mut ours = ours().filter(|(_, m)| m.channel != message.channel);
        if others().any(|(at, medium)| medium != own && near(*at))
            || ours.any(|(_, m)| m.intent_at.is_some_and(near))
        {
            return Err("marketing within 4 hours of a touch on another channel".to_owned());
        }
        if message.channel == Channel::Push {
            return Ok(());
        }
        let of_cart: Vec<Instant> = self
            .messages
            .iter()
            .filter(|(other, m)| {
                **other != id && m.channel == Channel::Sms && m.cart == message.cart && m.state.reached_out()
            })
            .filter_map(|(_, m)| m.intent_at)
            .collect();
        if message.cart.is_some() && of_cart.len() >= 2 {
            return Err("the third text about one cart".to_owned());
        }
        if message.cart.is_some() && of_cart.iter().any(|at| *at > now - Span::hours(24)) {
            return Err("two texts about one cart in a day".to_owned());
        }
        Ok(())
    }

    /// Whether a hand-over at `at` rests on an intent that still held.
    pub fn permits(&self, id: &MessageId, at: Instant, line: &str) -> Result<(), String> {
        let message = self.messages.get(id).or_else(|| self.forgotten.get(id));
        let message = message.ok_or("a hand-over of a message nobody accepted")?;
        if message.line != line {
            return Err(format!("message {id} left by {line}, its intent names {}", message.line));
        }
        match (message.intent_at, message.not_after) {
            (Some(from), Some(until)) if from <= at && at <= until => Ok(()),
            (Some(from), _) => {
                Err(format!("message {id} left {} µs after its intent", at.since(from).as_micros()))
            }
            _ => Err(format!("message {id} left without an intent")),
        }
    }

    pub fn links(&self) -> &[(LinkCode, SubjectId, String)] {
        &self.links
    }

    pub fn clicks(&self, code: &LinkCode) -> u64 {
        self.clicks.get(code).copied().unwrap_or(0)
    }

    pub fn knows_text(&self, id: &str) -> bool {
        self.texts.contains(id)
    }

    pub fn state(&self, id: &MessageId) -> Option<MessageState> {
        self.messages.get(id).map(|m| m.state)
    }

    /// Whether the message is a campaign's, not an answer of the gateway.
    pub fn is_campaign(&self, id: &MessageId) -> bool {
        self.messages.get(id).is_some_and(|m| m.automatic.is_none())
    }

    pub fn messages(&self) -> impl Iterator<Item = (&MessageId, MessageState)> {
        self.messages.iter().map(|(id, m)| (id, m.state))
    }

    pub fn numbers(&self) -> impl Iterator<Item = (&SubjectId, &str)> {
        self.people.iter().map(|(id, p)| (id, p.number.as_str()))
    }

    /// Unclear texts that wait for a person.
    pub fn reviews(&self) -> Vec<u64> {
        self.people.values().flat_map(|p| p.reviews.iter().copied()).collect()
    }
}

impl Stopped {
    fn covers(&self, program: &ProgramId, marketing: bool, channel: Channel) -> bool {
        let scope = match &self.scope {
            OptOutScope::All | OptOutScope::Brand(_) => true,
            OptOutScope::Marketing => marketing,
            OptOutScope::Program(named) => named == program,
            OptOutScope::Channel(only) => *only == channel,
            OptOutScope::Night => false,
        };
        scope && !self.lifted_for.contains(&(program.clone(), channel))
    }

    /// What may leave although the person stopped: the one confirmation, and answers to what they did later.
    fn permits(&self, message: &Sent, now: Instant) -> bool {
        message.automatic.as_ref().is_some_and(|text| match text.kind {
            AutomaticKind::OptOutConfirmation => {
                text.trigger >= self.received_at && now <= text.trigger + Span::minutes(5)
            }
            AutomaticKind::Help => text.trigger >= self.received_at,
            AutomaticKind::OptInRequest => text.trigger > self.received_at,
            AutomaticKind::Welcome | AutomaticKind::ConsentRenewal => false,
        })
    }
}
