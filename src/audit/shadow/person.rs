//! One number's events, one after another: the facts each message meets, and the verdict on it.

use std::collections::VecDeque;

use super::Options;
use super::sorted::{Event, Sent, What};
use crate::content::reading::read_text;
use crate::content::wording::HowToStop;
use crate::decide::{Engine, decide};
use crate::model::consent::{Act, Basis, Consent, DoubleOptIn, Grade, Method};
use crate::model::facts::*;
use crate::model::phone::{Country, NumberKind, parse_for_sending};
use crate::model::registry::is_sender_name;
use crate::model::{
    Category, Channel, ConsentState, Instant, Medium, MessageId, MessageState, OptOut, OptOutScope,
    OptOutSource, Phone, Request, Span, Touch, Verdict,
};
use crate::place::place_facts;

/// Messages of the last 30 days that are remembered, as the gateway remembers them.
const TOUCHES_MAX: usize = 64;
const REMEMBERED: Span = Span::days(30);
/// Consents of one number that are remembered.
const CONSENTS_MAX: usize = 32;
/// The first message so soon after a STOP is taken for its confirmation, and after a HELP for the answer.
const CONFIRMED_WITHIN: Span = Span::minutes(5);
const ANSWERED_WITHIN: Span = Span::minutes(10);

/// A number and what is known of it so far.
pub struct Person {
    digits: String,
    phone: Option<Phone>,
    number: NumberFacts,
    /// Without a list of consents, one that is in order is taken for granted.
    consents_known: bool,
    consents: Vec<Consent>,
    opt_out: Option<OptOut>,
    touches: VecDeque<Touch>,
    /// A STOP or HELP that may be answered once.
    answer: Option<(AutomaticKind, Instant)>,
}

/// A message and what was found.
pub struct Judged {
    pub line: u64,
    pub id: String,
    pub at: Instant,
    pub country: Option<Country>,
    /// It was taken for the confirmation of a STOP or the answer to a HELP.
    pub answer: bool,
    pub verdict: Verdict,
}

impl Person {
    /// Nothing known but the number, in E.164 digits without the sign.
    pub fn new(digits: &str, consents_known: bool) -> Person {
        let parsed = parse_for_sending(&format!("+{digits}"), None).ok();
        let unknown = NumberFacts { valid: false, kind: NumberKind::Unknown, country: None };
        let known = |n: &crate::model::phone::ParsedNumber| NumberFacts {
            valid: n.valid,
            kind: n.kind,
            country: n.country,
        };
        Person {
            digits: digits.to_owned(),
            number: parsed.as_ref().map_or(unknown, known),
            phone: parsed.map(|n| n.phone),
            consents_known,
            consents: Vec::new(),
            opt_out: None,
            touches: VecDeque::new(),
            answer: None,
        }
    }

    /// The number.
    pub fn number(&self) -> &str {
        &self.digits
    }

    /// Takes the next event; a message that left is judged.
    pub fn next(&mut self, event: Event, engine: &Engine, options: &Options) -> Option<Judged> {
        let at = event.at;
        match event.what {
            What::Consent { basis, double_opt_in, expires_at } => {
                if self.consents.len() == CONSENTS_MAX {
                    self.consents.remove(0);
                }
                // An act after the STOP reopens; so it does in the gateway, once it is confirmed by the person.
                self.opt_out = None;
                self.consents.push(consent(at, basis, double_opt_in, expires_at));
            }
            What::Start => self.opt_out = None,
            What::Help => self.answer = Some((AutomaticKind::Help, at)),
            What::Stop => {
                // The first STOP is the one that counts; a repeat changes nothing.
                self.opt_out.get_or_insert_with(|| stop(at));
                self.answer = Some((AutomaticKind::OptOutConfirmation, at));
            }
            What::Sent(sent) => return Some(self.sent(event.line, at, *sent, engine, options)),
        }
        None
    }

    fn sent(&mut self, line: u64, at: Instant, sent: Sent, engine: &Engine, options: &Options) -> Judged {
        while self.touches.front().is_some_and(|t| t.at + REMEMBERED < at) {
            self.touches.pop_front();
        }
        let automatic = self.answer.take().filter(|(kind, trigger)| {
            let within = if *kind == AutomaticKind::Help { ANSWERED_WITHIN } else { CONFIRMED_WITHIN };
            at <= *trigger + within
        });
        let automatic = automatic.map(|(kind, trigger)| AutomaticText {
            kind,
            trigger,
            by_keyword: false,
            grant_existed: true,
            last_sent: None,
        });
        let answer = automatic.is_some();
        let category = sent.category.or(options.category).unwrap_or(Category::Marketing);
        let message = MessageId(u128::from(line).to_be_bytes());
        let request = Request {
            message,
            channel: Channel::Sms,
            phase: Phase::Dispatch,
            on_hold: OnHold::Hold,
            expires_at: None,
            subject_matter: sent.matter.clone(),
            automatic,
        };
        let facts = self.facts(at, &sent, category, options);
        let verdict = decide(engine, &facts, &request, at);
        if !answer {
            if self.touches.len() == TOUCHES_MAX {
                self.touches.pop_front();
            }
            self.touches.push_back(touch(message, at, &sent, category));
        }
        Judged { line, id: sent.id, at, country: self.number.country, answer, verdict }
    }

    fn facts(&self, at: Instant, sent: &Sent, category: Category, options: &Options) -> Facts {
        let hints: Vec<_> = sent.hint.iter().cloned().collect();
        let consents = match self.consents_known {
            true => self.consents.clone(),
            false => {
                let given = at - Span::days(10);
                vec![consent(given, Basis::ExpressWritten, DoubleOptIn::ByText, None)]
            }
        };
        let person = PersonFacts {
            consents,
            opt_outs: self.opt_out.iter().cloned().collect(),
            suppressed: false,
            touches: self.touches.iter().cloned().collect(),
            preferences: Preferences::default(),
            checks: checked(at),
            used_at: self.touches.back().map(|touch| touch.at),
        };
        Facts {
            brand: BrandFacts {
                id: id("main"),
                display_name: options.brand.clone().unwrap_or_default(),
                legal_name: String::new(),
                target_domains: options.domains.clone(),
                short_domain: None,
                accepts_attested: false,
                profile: BrandProfile::default(),
            },
            program: ProgramFacts {
                id: id("messages"),
                category,
                double_opt_in: false,
                covers_cart_reminders: true,
                active: true,
            },
            sender: Some(self.sender(sent, options)),
            number: Some(self.number.clone()),
            device: None,
            place: place_facts(self.phone.as_ref(), self.number.country, &hints, at),
            reach: vec![person],
            cart: self.cart(at, sent),
            coupon: None,
            content: content(sent, options),
            drains_at: None,
        }
    }

    /// Registered and running, of the kind its name or number shows.
    fn sender(&self, sent: &Sent, options: &Options) -> SenderFacts {
        let kind = options.sender_kind.unwrap_or_else(|| kind_of(&sent.from, self.number.country));
        let named = kind == SenderKind::Alphanumeric && is_sender_name(&sent.from);
        SenderFacts {
            id: id("sender"),
            kind,
            name: named.then(|| sent.from.clone()),
            country: self.number.country,
            reaches: Vec::new(),
            registered: true,
            paused: false,
            programs: Vec::new(),
            brands: Vec::new(),
            answers: Answers::Gateway,
        }
    }

    /// Where the log names carts. When they were left it does not tell.
    fn cart(&self, at: Instant, sent: &Sent) -> Option<CartFacts> {
        Some(CartFacts {
            id: sent.cart.as_ref()?.parse().ok()?,
            state: CartState::Open,
            abandoned_at: at - Span::hours(1),
            updated_at: at - Span::hours(1),
            value_micros: None,
            currency: None,
            sends: Vec::new(),
        })
    }
}

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("fixed ids are well formed")
}

fn kind_of(from: &str, to: Option<Country>) -> SenderKind {
    let digits = from.chars().filter(char::is_ascii_digit).count();
    if from.chars().any(char::is_alphabetic) {
        return SenderKind::Alphanumeric;
    }
    if (3..=8).contains(&digits) && !from.starts_with('+') {
        return SenderKind::ShortCode;
    }
    let parsed = parse_for_sending(from, to).ok();
    let in_us = to.is_some_and(|c| c.as_str() == "US");
    match parsed.map(|n| (n.kind, n.country)) {
        Some((NumberKind::TollFree, _)) => SenderKind::TollFree,
        Some((_, Some(country))) if country.as_str() == "US" => SenderKind::TenDlc,
        None if in_us => SenderKind::TenDlc,
        _ => SenderKind::LongCode,
    }
}

fn consent(at: Instant, basis: Basis, double_opt_in: DoubleOptIn, expires_at: Option<Instant>) -> Consent {
    Consent {
        program: id("messages"),
        brand: id("main"),
        channel: Channel::Sms,
        state: ConsentState::Granted,
        basis,
        basis_date: None,
        grade: Grade::Full,
        method: Method::WebForm,
        act: Some(Act::Ticked),
        captured_at: at,
        recorded_at: at,
        confirmed_at: (double_opt_in != DoubleOptIn::None).then_some(at),
        double_opt_in,
        covers_cart: true,
        night: crate::model::consent::Night::No,
        expires_at,
        sender: None,
    }
}

fn stop(at: Instant) -> OptOut {
    OptOut {
        scope: OptOutScope::All,
        scope_named: false,
        source: OptOutSource::SmsReply,
        received_at: at,
        recorded_at: at,
        sender: None,
        lifted_at: None,
        lifted_for: Vec::new(),
    }
}

/// Every register asked an hour ago, and nothing found.
fn checked(at: Instant) -> Vec<NumberCheck> {
    use CheckKind::{Deactivated, DoNotCall, LineType, Reassigned, Registry};
    let check = |kind| NumberCheck {
        kind,
        answer: CheckAnswer::No,
        asked_at: at - Span::hours(1),
        reference_at: None,
        source: String::new(),
        database_version: String::new(),
    };
    [Reassigned, Deactivated, DoNotCall, LineType, Registry].map(check).to_vec()
}

fn touch(message: MessageId, at: Instant, sent: &Sent, category: Category) -> Touch {
    Touch {
        message: Some(message),
        at,
        medium: Medium::Sms,
        brand: id("main"),
        program: Some(id("messages")),
        category,
        cart: sent.cart.as_ref().and_then(|cart| cart.parse().ok()),
        subject_matter: sent.matter.clone(),
        parts: 1,
        state: MessageState::Delivered,
        external: false,
    }
}

/// The text as the rules read it; what the log or the options do not tell is in order.
fn content(sent: &Sent, options: &Options) -> ContentFacts {
    let body = sent.body.clone().unwrap_or_default();
    let brand = options.brand.as_deref().unwrap_or("");
    let mut read = read_text(body, brand, "", HowToStop::Reply, None, None, &[]);
    // Nobody says what it is.
    read.has_contact = true;
    if options.brand.is_none() || sent.body.is_none() {
        read.has_brand_name = true;
    }
    if options.domains.is_empty() {
        read.link_hosts.clear();
    }
    if sent.body.is_none() {
        read.has_opt_out = true;
        read.segments = 1;
        read.body = "Example: your order. Reply STOP to opt out".to_owned();
    }
    read
}
