//! A text from a person: read, acted on, kept.

use super::known::{Known, UNREADABLE, is_known, known, words_came};
use super::sender::{people_at, sender_of};
use super::{Received, part};
use crate::content::fold::words;
use crate::inbound::event::{InboundText, TextPart, Unreadable};
use crate::inbound::reply::{ReplyClass, classify};
use crate::ledger::body::{Body, InboundBody};
use crate::ledger::entry::Public;
use crate::model::facts::{Answers, AutomaticKind};
use crate::model::registry::{Keyword, Program, Sender};
use crate::model::subject::{Subject, bounds};
use crate::model::{ConnectionId, Instant, OptOut, OptOutScope, OptOutSource, ProgramId, Span, SubjectId};
use crate::writer::ops::consent::{confirm_by_text, opt_in_by_keyword};
use crate::writer::ops::number::number_changed;
use crate::writer::ops::opt_out::{Reopened, Stop, has_grant, name_for, reopen, stop};
use crate::writer::ops::send::AutomaticSend;
use crate::writer::{Cx, Held, OpError};

/// Characters of a text that are kept.
const TEXT_MAX: usize = 1_600;
/// A person gets one HELP answer in this time.
const HELP_PAUSE: Span = Span::minutes(10);

/// How a text was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    /// `OPT_OUT`, `OPT_IN`, `HELP`, `YES`, `WRONG_NUMBER`, `UNCERTAIN`, `OTHER`.
    pub class: &'static str,
    pub rule: String,
    /// Place of its entry; none: beyond the bound of the day, acted on and counted alone.
    pub entry: Option<u64>,
}

/// A text with everything that is known about it.
struct Heard<'a> {
    connection: &'a ConnectionId,
    text: InboundText,
    part: Option<TextPart>,
    raw: Option<u64>,
    sender: Option<Held<Sender>>,
    /// Whoever may have written; the one that can be answered first.
    people: Vec<SubjectId>,
    at: Instant,
}

/// What is to be done about a text.
struct Plan {
    class: ReplyClass,
    rule: String,
    review: bool,
    program: Option<ProgramId>,
    keyword: Option<(Held<Program>, Keyword)>,
}

pub(super) fn act(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    text: InboundText,
    raw: Option<u64>,
    received: &mut Received,
) -> Result<(), OpError> {
    take_in(cx, connection, text, None, raw, received)
}

/// A part of a long text: obeyed where it alone says to stop, and read with the others once all have come.
pub(super) fn act_on_part(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    text: InboundText,
    part: TextPart,
    raw: Option<u64>,
    received: &mut Received,
) -> Result<(), OpError> {
    let last = text.clone();
    let before = received.stopped;
    take_in(cx, connection, text, Some(part.clone()), raw, received)?;
    let sender = sender_of(cx, connection, &last.to)?;
    let person = people_at(cx, &last.from, sender.as_deref())?[0];
    match part::joined(cx, connection, &person, &part)? {
        // Whoever stopped with a part has stopped: nothing in the rest could say more.
        Some(whole) if received.stopped == before && !whole.stopped => {
            let id = format!("{} and its parts", last.provider_id);
            let text = InboundText { provider_id: id, text: whole.text, ..last };
            take_in(cx, connection, text, Some(TextPart { number: part::WHOLE, ..part }), raw, received)
        }
        _ => Ok(()),
    }
}

fn take_in(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    mut text: InboundText,
    part: Option<TextPart>,
    raw: Option<u64>,
    received: &mut Received,
) -> Result<(), OpError> {
    // The same id twice in one delivery: the first was taken in a moment ago.
    let known = known(cx, connection, &text.provider_id)?;
    if known == Known::Read {
        received.known += 1;
        return Ok(());
    }
    text.text = text.text.chars().take(TEXT_MAX).collect();
    let sender = sender_of(cx, connection, &text.to)?;
    let people = people_at(cx, &text.from, sender.as_deref())?;
    let at = text.received_at.unwrap_or(cx.now).min(cx.now);
    let heard = Heard { connection, text, part, raw, sender, people, at };
    let plan = plan(cx, &heard)?;
    if let Known::Wordless(before) = known {
        // What is not sure to be the person's whole word leaves them suspended, unless it stops.
        let sure = !heard.text.weak && heard.part.is_none() || plan.class.stops();
        if sure {
            words_came(cx, &heard.people[0], before, plan.class)?;
        }
    }
    carry_out(cx, &heard, plan, received)
}

/// An event that did not parse: its sender may have said STOP, so marketing rests until somebody has looked.
pub(super) fn suspend(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    event: Unreadable,
    raw: Option<u64>,
    received: &mut Received,
) -> Result<(), OpError> {
    received.unreadable += 1;
    let Some(from) = event.from else { return Ok(()) };
    if is_known(cx, connection, &event.provider_id)? || sender_of(cx, connection, &from)?.is_some() {
        return Ok(());
    }
    let sender = sender_of(cx, connection, &event.to)?;
    let people = people_at(cx, &from, sender.as_deref())?;
    let text = InboundText {
        provider_id: event.provider_id,
        from,
        to: event.to,
        text: String::new(),
        provider_flag: None,
        received_at: None,
        weak: true,
    };
    let heard = Heard { connection, text, part: None, raw, sender, people, at: cx.now };
    let plan = Plan {
        class: ReplyClass::Uncertain,
        rule: format!("{UNREADABLE}{}", event.reason),
        review: true,
        program: None,
        keyword: None,
    };
    carry_out(cx, &heard, plan, received)
}

/// What the text means here: our own reading, the provider's flag as a second witness (the stricter counts), the words and
/// requests of the sender it was sent to.
fn plan(cx: &mut Cx<'_>, heard: &Heard<'_>) -> Result<Plan, OpError> {
    let person = cx.row_of(&heard.people[0])?;
    let programs = match &heard.sender {
        Some(sender) => cx.programs_of(sender)?,
        None => Vec::new(),
    };
    let mut languages: Vec<String> = person.preferences.languages.clone();
    for program in &programs {
        languages.extend(cx.brand(program.brand.as_str())?.map(|b| b.locale.clone()));
    }
    let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
    let reading = classify(&heard.text.text, &languages);
    let flag = heard.text.provider_flag.as_deref().map(str::to_ascii_uppercase);
    let (class, flagged) = witnessed(reading.class, flag.as_deref());
    let rule = format!("{}{}@{}", reading.rule, if flagged { "+provider" } else { "" }, reading.version);
    let mut plan = Plan { class, rule, review: false, program: None, keyword: None };
    if matches!(class, ReplyClass::OptIn | ReplyClass::Help | ReplyClass::Yes | ReplyClass::Other) {
        plan.keyword = keyword_of(&heard.text.text, programs);
        plan.program = plan.keyword.as_ref().map(|(program, _)| program.id.clone());
    }
    let starts = matches!(class, ReplyClass::OptIn | ReplyClass::Yes) || plan.keyword.is_some();
    if heard.text.weak && starts {
        // Whoever holds one signed request of this provider could have written it.
        (plan.class, plan.keyword, plan.program) = (ReplyClass::Uncertain, None, None);
        plan.rule.push_str("+weak");
    }
    if let Some(part) = heard.part.as_ref().filter(|part| part.number != part::WHOLE) {
        plan.rule.push_str(&format!("+part {}/{}", part.number, part.total));
        if !matches!(plan.class, ReplyClass::OptOut | ReplyClass::WrongNumber | ReplyClass::Uncertain) {
            // What a piece of a sentence seems to ask for is not done before the sentence is whole.
            (plan.class, plan.keyword, plan.program) = (ReplyClass::Other, None, None);
        }
        return Ok(plan);
    }
    if class == ReplyClass::Other && heard.text.text.trim().is_empty() {
        // A picture without words: nobody but a person can say what it means.
        plan.review = true;
        plan.class = ReplyClass::Uncertain;
    }
    Ok(plan)
}

/// Our reading and the provider's flag together; whether the flag decided.
fn witnessed(class: ReplyClass, flag: Option<&str>) -> (ReplyClass, bool) {
    match (class, flag) {
        (ReplyClass::OptOut | ReplyClass::WrongNumber, _) => (class, false),
        (_, Some("STOP")) => (ReplyClass::OptOut, true),
        (ReplyClass::Other | ReplyClass::Yes, Some("START")) => (ReplyClass::OptIn, true),
        (ReplyClass::Other, Some("HELP")) => (ReplyClass::Help, true),
        _ => (class, false),
    }
}

/// The program whose keyword the whole text is.
fn keyword_of(text: &str, programs: Vec<Held<Program>>) -> Option<(Held<Program>, Keyword)> {
    let said = words(text);
    let is_said = |k: &&Keyword| words(&k.word).iter().map(|w| w.text).eq(said.iter().map(|w| w.text));
    programs.into_iter().find_map(|program| {
        let keyword = program.keywords.iter().find(is_said).cloned()?;
        Some((program, keyword))
    })
}

/// The text goes into the ledger before what it leads to, all in one commit.
fn carry_out(
    cx: &mut Cx<'_>,
    heard: &Heard<'_>,
    mut plan: Plan,
    received: &mut Received,
) -> Result<(), OpError> {
    let id = heard.people[0];
    let person = cx.row_of(&id)?;
    let confirms = plan.class == ReplyClass::Yes && plan.keyword.is_none() && awaits_yes(&person, heard);
    // YES to nothing changes nothing; somebody should see why they wrote it.
    plan.review |= plan.class == ReplyClass::Uncertain
        || plan.class == ReplyClass::Yes && plan.keyword.is_none() && !confirms;
    if plan.class == ReplyClass::Uncertain && person.reviews.len() >= bounds::REVIEWS {
        // Nobody looks at the queue: a ninth unclear text is taken as the STOP it may be.
        (plan.review, plan.class) = (false, ReplyClass::OptOut);
    }
    let stops = plan.class.stops();
    if stops && is_flood(&person, cx.now) && plan.class == ReplyClass::OptOut && is_stopped(&person, cx.now) {
        received.known += 1;
        return Ok(());
    }
    let opt_out = if stops { Some(name_for(cx, &heard.people)?) } else { None };
    let entry = write(cx, heard, &plan, &person, opt_out)?;
    received.new += 1;
    received.review += usize::from(plan.review);
    received.stopped += usize::from(stops);
    received.texts.push(Understood { class: class_name(plan.class), rule: plan.rule.clone(), entry });
    match plan.class {
        ReplyClass::OptOut => stopped(cx, heard, &person),
        ReplyClass::WrongNumber => wrong_number(cx, heard),
        _ if confirms => confirmed(cx, heard, &person),
        _ => answered(cx, heard, &person, plan),
    }
}

/// Writes the text down. Beyond the bound of the day only what changes something is chained; the rest is counted.
fn write(
    cx: &mut Cx<'_>,
    heard: &Heard<'_>,
    plan: &Plan,
    person: &Subject,
    opt_out: Option<Instant>,
) -> Result<Option<u64>, OpError> {
    if is_flood(person, cx.now) && !plan.review && matches!(plan.class, ReplyClass::Help | ReplyClass::Other)
    {
        return Ok(None);
    }
    let body = InboundBody {
        connection: heard.connection.clone(),
        provider_id: heard.text.provider_id.clone(),
        sender: heard.sender.as_ref().map(|s| s.id.clone()),
        to: heard.text.to.clone(),
        text: heard.text.text.clone(),
        class: class_name(plan.class).to_owned(),
        rule: plan.rule.clone(),
        provider_flag: heard.text.provider_flag.clone(),
        received_at: heard.at,
        review: plan.review,
        raw: heard.raw,
        program: plan.program.clone(),
        opt_out,
        part: heard.part.clone(),
    };
    let brand = heard.sender.as_ref().filter(|s| s.brands.len() == 1).map(|s| s.brands[0].clone());
    let public = Public { outcome: class_name(plan.class).to_owned(), ..Public::default() };
    cx.emit(person.id, brand.as_ref(), public, Body::Inbound(body)).map(Some)
}

/// More texts today than are chained one by one.
fn is_flood(person: &Subject, now: Instant) -> bool {
    let today = now.as_seconds().div_euclid(86_400);
    person.inbound.0 == today && person.inbound.1 >= bounds::INBOUND_A_DAY
}

/// Everything is stopped by text already, so that one more STOP adds nothing.
fn is_stopped(person: &Subject, now: Instant) -> bool {
    let whole = |o: &OptOut| o.scope == OptOutScope::All && o.lifted_for.is_empty() && o.holds_at(now);
    person.opt_outs.iter().any(|o| whole(o) && o.source == OptOutSource::SmsReply)
}

/// STOP: everything ends; one confirmation where a grant existed and nobody else answers.
fn stopped(cx: &mut Cx<'_>, heard: &Heard<'_>, person: &Subject) -> Result<(), OpError> {
    let grant_existed = has_grant(person, cx.now);
    let sender = heard.sender.as_ref().map(|s| s.id.clone());
    let wish = Stop::by_text(&heard.text.text, heard.at, sender, OptOutSource::SmsReply);
    stop(cx, &heard.people, wish)?;
    match &heard.sender {
        Some(sender) if grant_existed && sender.answers == Answers::Gateway => {
            say(cx, heard, person, sender, AutomaticKind::OptOutConfirmation, true)
        }
        _ => Ok(()),
    }
}

/// "Wrong number": an opt-out that is never confirmed, and the end of every grant on the number.
fn wrong_number(cx: &mut Cx<'_>, heard: &Heard<'_>) -> Result<(), OpError> {
    let sender = heard.sender.as_ref().map(|s| s.id.clone());
    stop(cx, &heard.people, Stop::by_text(&heard.text.text, heard.at, sender, OptOutSource::SmsReply))?;
    for id in &heard.people {
        number_changed(cx, id, &heard.text.text, heard.at)?;
    }
    Ok(())
}

fn awaits_yes(person: &Subject, heard: &Heard<'_>) -> bool {
    heard.sender.as_ref().is_some_and(|sender| {
        person.pending.iter().any(|p| {
            p.sender == sender.id
                && p.requested_at <= heard.at
                && heard.at.since(p.requested_at) < Span::hours(72)
        })
    })
}

fn confirmed(cx: &mut Cx<'_>, heard: &Heard<'_>, person: &Subject) -> Result<(), OpError> {
    match &heard.sender {
        Some(sender) => confirm_by_text(cx, person, sender, &heard.text.text, heard.at).map(|_| ()),
        None => Ok(()),
    }
}

/// HELP, START, a keyword; anything else gets no answer.
fn answered(cx: &mut Cx<'_>, heard: &Heard<'_>, person: &Subject, plan: Plan) -> Result<(), OpError> {
    let Some(sender) = &heard.sender else { return Ok(()) };
    if let Some((program, keyword)) = &plan.keyword {
        opt_in_by_keyword(cx, person, sender, program, keyword, &heard.text.text, heard.at)?;
        return Ok(());
    }
    match plan.class {
        ReplyClass::OptIn => {
            let _: Reopened = reopen(cx, &person.id, sender, &heard.text.text, heard.at)?;
            Ok(())
        }
        ReplyClass::Help if sender.answers == Answers::Gateway && !was_helped(person, cx.now) => {
            say(cx, heard, person, sender, AutomaticKind::Help, false)
        }
        _ => Ok(()),
    }
}

fn was_helped(person: &Subject, now: Instant) -> bool {
    person.automatic.iter().any(|s| s.kind == AutomaticKind::Help && now.since(s.at) < HELP_PAUSE)
}

/// Sends an automatic text about the program the person most likely means: the last they heard from by this sender, else
/// one they have a grant for, else the sender's first.
fn say(
    cx: &mut Cx<'_>,
    heard: &Heard<'_>,
    person: &Subject,
    sender: &Sender,
    kind: AutomaticKind,
    grant_existed: bool,
) -> Result<(), OpError> {
    let programs = cx.programs_of(sender)?;
    let last = person
        .last_senders
        .iter()
        .rev()
        .find(|(p, s)| *s == sender.id && programs.iter().any(|q| q.id == *p));
    let granted = person.consents.iter().find(|c| programs.iter().any(|p| p.id == c.program));
    let first = programs.first().map(|p| p.id.clone());
    let Some(program) = last.map(|(p, _)| p.clone()).or(granted.map(|c| c.program.clone())).or(first) else {
        return Ok(());
    };
    cx.answer(AutomaticSend {
        program,
        subject: person.id,
        kind,
        trigger: heard.at,
        by_keyword: true,
        grant_existed,
        sender: Some(sender.id.clone()),
    })?;
    Ok(())
}

/// The class as it stands in the ledger.
pub(super) fn class_name(class: ReplyClass) -> &'static str {
    match class {
        ReplyClass::OptOut => "OPT_OUT",
        ReplyClass::OptIn => "OPT_IN",
        ReplyClass::Help => "HELP",
        ReplyClass::WrongNumber => "WRONG_NUMBER",
        ReplyClass::Uncertain => "UNCERTAIN",
        ReplyClass::Yes => "YES",
        ReplyClass::Other => "OTHER",
    }
}
