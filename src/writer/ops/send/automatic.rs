//! What the gateway sends by itself: opt-in request, welcome, opt-out confirmation, HELP answer, renewal notice. It goes the
//! same way as every other message, with limits of its own; by text, and the notice to an installation as a notification.

use std::sync::Arc;

use super::draft::{Draft, LINK_LIFE, find_brand, find_program, opt_out_link, program_sender, subject_at};
use super::{Phase, Whereabouts, json_sha256, judge, push, record, recording, text};
use crate::content::automatic::{AutomaticText as Wording, ProgramWording, automatic_text};
use crate::content::contact::add_contact;
use crate::content::language::Language;
use crate::content::segments::segment_on;
use crate::content::wording::{HowToStop, stop_wording};
use crate::model::facts::{AutomaticKind, AutomaticText, OnHold};
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::registry::{Brand, Program};
use crate::model::subject::{Address, SentAutomatic, Subject};
use crate::model::{Channel, Instant, MessageId, Outcome, ProgramId, SellerId, SenderId, SubjectId, Verdict};
use crate::writer::ops::link::opt_out_url;
use crate::writer::{Cx, OpError};

/// An automatic text to be sent, if its rules let it.
#[derive(Debug, Clone, PartialEq)]
pub struct AutomaticSend {
    pub program: ProgramId,
    pub subject: SubjectId,
    pub kind: AutomaticKind,
    /// What calls for it: the capture, the confirmed grant, the STOP, the HELP.
    pub trigger: Instant,
    /// The person's own text called for it.
    pub by_keyword: bool,
    /// A grant was in force just before the trigger.
    pub grant_existed: bool,
    /// The sender the person wrote to; none: the program's own.
    pub sender: Option<SenderId>,
}

/// Decides an automatic text and writes the decision down. Its id comes from what called for it, so that the same
/// trigger never causes two; none when it already did.
pub fn send_automatic(cx: &mut Cx<'_>, wish: AutomaticSend) -> Result<Option<MessageId>, OpError> {
    let id = MessageId::derive(&cx.env.seller, &key(&wish));
    if cx.get::<Message>(&crate::ledger::rows::keys::message(&id))?.is_some() {
        return Ok(None);
    }
    let draft = draft(cx, &wish, id, None)?;
    let (verdict, inputs) = judge(cx, &draft, Phase::Accept, cx.now)?;
    let sha256 = json_sha256(&draft.spec.text);
    let recording = recording(cx, draft, verdict, inputs, sha256)?;
    record(cx, recording)?;
    Ok(Some(id))
}

/// What names one automatic text: its kind, its person, its program and what called for it.
fn key(wish: &AutomaticSend) -> String {
    format!("auto:{:?}:{}:{}:{}", wish.kind, wish.subject, wish.program, wish.trigger.as_micros())
}

/// The ids the notices of one renewal have, the first attempt's first: one that did not arrive may be sent again.
pub fn renewal_ids(seller: &SellerId, wish: &AutomaticSend) -> impl Iterator<Item = MessageId> {
    /// More than fit between the day a notice is due and the end of the consent, at one a day.
    const ATTEMPTS_MAX: u32 = 100;
    (0..ATTEMPTS_MAX).map(move |attempt| MessageId::derive(seller, &format!("{}:{attempt}", key(wish))))
}

/// Decides a notice of renewal with words of its own. One the rules refuse leaves no trace, so that it can be sent later;
/// then there is no message.
pub fn send_renewal(
    cx: &mut Cx<'_>,
    wish: &AutomaticSend,
    id: MessageId,
    words: impl FnOnce(&Told<'_>) -> String,
) -> Result<(Option<Arc<Message>>, Verdict), OpError> {
    let draft = draft(cx, wish, id, Some(Box::new(words)))?;
    let (verdict, inputs) = judge(cx, &draft, Phase::Accept, cx.now)?;
    if verdict.outcome == Outcome::Refuse {
        return Ok((None, verdict));
    }
    let sha256 = json_sha256(&draft.spec.text);
    let recording = recording(cx, draft, verdict.clone(), inputs, sha256)?;
    Ok((Some(record(cx, recording)?), verdict))
}

/// Of whom and how a notice speaks.
pub struct Told<'a> {
    pub brand: &'a Brand,
    pub program: &'a Program,
    pub language: Language,
    /// How to refuse where the caller says nothing else: none by reply; in a notification, which nobody can reply to, by the
    /// opt-out page; empty where the brand has no domain to put it on.
    pub way_out: Option<String>,
}

type OwnWords<'a> = Box<dyn FnOnce(&Told<'_>) -> String + 'a>;

fn draft(
    cx: &mut Cx<'_>,
    wish: &AutomaticSend,
    id: MessageId,
    own: Option<OwnWords<'_>>,
) -> Result<Draft, OpError> {
    let program = find_program(cx, wish.program.as_str())?;
    let brand = find_brand(cx, program.brand.as_str())?;
    let to = cx.subject(&wish.subject)?.address.clone();
    let subject = subject_at(cx, &to)?;
    let whereabouts = Whereabouts::of(&subject, &[], cx.now);
    let channel = match &to {
        Address::Phone(_) => Channel::Sms,
        Address::Device { .. } => Channel::Push,
    };
    let sender = match (&wish.sender, channel) {
        (Some(id), _) => cx.sender(id.as_str())?,
        (None, Channel::Sms) => program_sender(cx, &program, &subject, &whereabouts, channel)?,
        (None, Channel::Push) => push::sender(cx, None, &program, &subject)?,
    };
    let language = text::language(&subject, &brand);
    let link = match channel {
        Channel::Sms => None,
        Channel::Push => opt_out_link(cx, &brand, cx.now + LINK_LIFE)?,
    };
    let page = link.as_ref().map(|link| opt_out_url(&brand.short_domain, &link.code)).unwrap_or_default();
    let way_out = (channel == Channel::Push).then(|| match page.as_str() {
        "" => String::new(),
        url => stop_wording(language, HowToStop::Link(url)),
    });
    let words = match own {
        Some(own) => own(&Told { brand: &brand, program: &program, language, way_out }),
        None => words(wish.kind, &program, &brand, language),
    };
    // What answers a STOP or a HELP advertises nothing.
    let reach = match wish.kind {
        AutomaticKind::OptOutConfirmation | AutomaticKind::Help => None,
        _ => text::reach_duty(cx, &whereabouts.place, &program, sender.as_deref(), channel),
    };
    let words = match text::is_reachable(&words, reach, &brand) {
        true => words,
        false => add_contact(&words, &brand.support_contact, language),
    };
    let push = (channel == Channel::Push)
        .then(|| Box::new(push::plain(&brand.display_name, words.clone(), page, id.to_string())));
    let tables = sender.as_ref().map(|s| s.national_languages.as_slice()).unwrap_or_default();
    let body = match &push {
        Some(push) => push.content.words(),
        None => text::spelled(&brand, &words, str::to_owned, |text| segment_on(text, tables).parts),
    };
    let parts = segment_on(&body, tables);
    let last_sent = last_sent(&subject, wish.kind, wish.trigger);
    let automatic = AutomaticText {
        kind: wish.kind,
        trigger: wish.trigger,
        by_keyword: wish.by_keyword,
        grant_existed: wish.grant_existed,
        last_sent,
    };
    let spec = MessageSpec {
        id,
        brand: brand.id.clone(),
        program: program.id.clone(),
        category: program.category,
        channel,
        subject: subject.id,
        to,
        connection: sender.as_ref().map(|s| s.connection.clone()),
        sender: sender.map(|s| s.id.clone()),
        cart: None,
        preview: body.clone(),
        text: body,
        encoding: parts.encoding,
        parts: if push.is_some() { 1 } else { u32::try_from(parts.parts).unwrap_or(u32::MAX) },
        template: None,
        language: language.tag().to_owned(),
        link,
        coupon: None,
        expires_at: None,
        on_hold: OnHold::Hold,
        automatic: Some(automatic),
        subject_matter: program.subject_matter.clone(),
        labels: Vec::new(),
        actor: "gateway".to_owned(),
        push,
    };
    Ok(Draft { spec, subject, cart: None, hints: Vec::new(), whereabouts })
}

/// When such a text last left: for HELP any of them counts, for the others those called for by the same thing.
pub(super) fn last_sent(subject: &Subject, kind: AutomaticKind, trigger: Instant) -> Option<Instant> {
    let counts = |s: &&SentAutomatic| s.kind == kind && (kind == AutomaticKind::Help || s.trigger == trigger);
    subject.automatic.iter().filter(counts).map(|s| s.at).max()
}

/// The program's own wording, where it is complete; else ours, which always is.
pub fn words(kind: AutomaticKind, program: &Program, brand: &Brand, language: Language) -> String {
    let (wording, own) = match kind {
        AutomaticKind::OptInRequest => (Wording::OptInRequest, &program.texts.opt_in_request),
        AutomaticKind::Welcome => (Wording::Welcome, &program.texts.welcome),
        AutomaticKind::OptOutConfirmation => {
            (Wording::OptOutConfirmation, &program.texts.opt_out_confirmation)
        }
        AutomaticKind::Help => (Wording::Help, &program.texts.help),
        // Never without words of its own, see [`send_renewal`].
        AutomaticKind::ConsentRenewal => return String::new(),
    };
    let about = ProgramWording {
        brand: &brand.display_name,
        description: &program.name,
        covers_cart_reminders: program.covers_cart_reminders,
        messages_per_month: program
            .frequency
            .chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .ok(),
        contact: &brand.support_contact,
        terms_url: Some(program.terms_url.as_str()).filter(|url| !url.is_empty()),
    };
    let own = Some(own.as_str()).filter(|text| !text.is_empty());
    automatic_text(wording, &about, language, own)
        .or_else(|_| automatic_text(wording, &about, language, None))
        .unwrap_or_else(|_| format!("{}: {}", brand.display_name, brand.support_contact))
}
