//! A message before it is judged: every default filled in, its words rendered, its code and link chosen.

use std::sync::Arc;

use super::facts::Whereabouts;
use super::push::{self, Makings, Way};
use super::route::{is_usable, of_pool, serves};
use super::{SendRequest, Words, has_room, text};
use crate::content::render::Template;
use crate::content::segments::segment_on;
use crate::model::cart::Cart;
use crate::model::location::LocationHint;
use crate::model::notification::PushSpec;
use crate::model::outgoing::{MessageLink, MessageSpec};
use crate::model::registry::{Brand, Program, Sender};
use crate::model::subject::{Address, Subject};
use crate::model::{Category, Channel, Instant, MessageId, Span, SubjectId};
use crate::writer::ops::cart::{self, CartChange};
use crate::writer::ops::{coupon, link};
use crate::writer::{Cx, Held, OpError};

/// How long the link of a message works when the message sets no end of its own.
pub(super) const LINK_LIFE: Span = Span::days(30);

/// A message ready to be judged.
pub struct Draft {
    pub spec: MessageSpec,
    /// The addressed subject; a bare one when nobody knows the address yet.
    pub subject: Arc<Subject>,
    /// The cart as it will stand.
    pub cart: Option<CartChange>,
    pub hints: Vec<LocationHint>,
    /// With those hints, at the batch's instant.
    pub whereabouts: Whereabouts,
}

impl Draft {
    /// The cart as it will stand.
    pub fn cart(&self) -> Option<&Cart> {
        self.cart.as_ref().map(|change| &*change.cart)
    }

    /// Drafts what a caller asks for. Errors are about the request; everything about the person is the verdict's.
    pub fn of_request(cx: &mut Cx<'_>, request: &SendRequest, id: MessageId) -> Result<Draft, OpError> {
        let brand = find_brand(cx, request.brand.as_str())?;
        let program = find_program(cx, request.program.as_str())?;
        if program.brand != brand.id {
            return Err(OpError::NotFound { what: "program of this brand", id: program.id.to_string() });
        }
        let way = push::way(cx, request)?;
        let cart = match &request.cart {
            Some(input) => Some(cart::named_by_send(cx, &brand, input)?),
            None => None,
        };
        Draft::to(cx, request, id, way, cart)
    }

    /// Drafts a message for one address.
    pub(in crate::writer::ops) fn to(
        cx: &mut Cx<'_>,
        request: &SendRequest,
        id: MessageId,
        way: Way,
        cart: Option<CartChange>,
    ) -> Result<Draft, OpError> {
        let brand = find_brand(cx, request.brand.as_str())?;
        let program = find_program(cx, request.program.as_str())?;
        let Way { to, channel, text_to, any_installation } = way;
        let subject = subject_at(cx, &to)?;
        has_room(&subject, cx.now)?;
        let whereabouts = Whereabouts::of(&subject, &request.hints, cx.now);
        let sender = match channel {
            Channel::Sms => choose_sender(cx, request, &program, &subject, &whereabouts)?,
            Channel::Push => push::sender(cx, request.sender.as_ref(), &program, &subject)?,
        };
        let language = text::language(&subject, &brand);
        let mut link = link_of(cx, request, &brand, cart.as_ref().map(|c| &*c.cart))?;
        let coupon = match &request.coupon_pool {
            Some(pool) => {
                coupon::has_room(cx, &subject.id)?;
                Some(coupon::next_code(cx, &brand.id, pool, &id)?.promise())
            }
            None => None,
        };
        let words = match &request.words {
            Words::Body(body) => body.clone(),
            Words::Push(words) => words.as_text(link.is_some()),
            Words::Template(template) => match cx.template(template.as_str())? {
                Some(found) if found.brand == brand.id => found.body.clone(),
                _ => {
                    return Err(OpError::NotFound {
                        what: "template of this brand",
                        id: template.to_string(),
                    });
                }
            },
        };
        if link.is_none() && needs_way_out(&words, &program, sender.as_deref()) {
            let ends = link_end(cx, request);
            link = opt_out_link(cx, &brand, ends)?;
        }
        let label = text::label(cx, &whereabouts.place, &brand, &program, sender.as_deref(), channel);
        let notification = match &request.words {
            Words::Push(words) if channel == Channel::Push => Some((
                words,
                push::render(
                    words,
                    &request.variables,
                    &Makings {
                        brand: &brand,
                        program: &program,
                        link: link.as_ref(),
                        with_coupon: request.coupon_pool.is_some(),
                        label: label.as_deref(),
                        duties: &text::duties(cx, &whereabouts.place, &program, sender.as_deref(), channel),
                        language,
                        collapse_key: cart.as_ref().map_or_else(|| id.to_string(), |c| c.cart.id.to_string()),
                    },
                )?,
            )),
            _ => None,
        };
        let coupon_ends = coupon::expires_at(cx, &brand.id, coupon.as_ref(), cx.now)?;
        let zone = whereabouts.zone();
        let tables = sender.as_ref().map(|s| s.national_languages.as_slice()).unwrap_or_default();
        let fill = |text: &str| text::fill(text, coupon.as_ref(), coupon_ends, &zone, cx, language);
        let rendered = match &notification {
            Some((_, content)) => content.words(),
            None => text::render(
                &words,
                &request.variables,
                &text::Makings {
                    brand: &brand,
                    program: &program,
                    sender: sender.as_deref(),
                    link: link.as_ref(),
                    with_coupon: request.coupon_pool.is_some(),
                    language,
                    label: label.as_deref(),
                    reach: text::reach_duty(
                        cx,
                        &whereabouts.place,
                        &program,
                        sender.as_deref(),
                        Channel::Sms,
                    ),
                },
                |text| segment_on(&fill(text), tables).parts,
            )?,
        };
        let preview = fill(&rendered);
        let parts = segment_on(&preview, tables);
        let counted =
            if channel == Channel::Push { 1 } else { u32::try_from(parts.parts).unwrap_or(u32::MAX) };
        let push = notification.map(|(words, content)| {
            let preview = push::filled(cx, &content, coupon.as_ref(), coupon_ends, &zone, language);
            Box::new(PushSpec {
                content,
                preview,
                words: words.clone(),
                variables: request.variables.clone(),
                link_url: request.link_url.clone(),
                any_installation,
                text_to,
            })
        });
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
            cart: cart.as_ref().map(|c| c.cart.id.clone()),
            text: rendered,
            preview,
            encoding: parts.encoding,
            parts: counted,
            template: match &request.words {
                Words::Template(id) => Some(id.clone()),
                Words::Body(_) | Words::Push(_) => None,
            },
            language: language.tag().to_owned(),
            link,
            coupon,
            expires_at: request.expires_at,
            on_hold: request.on_hold,
            automatic: None,
            subject_matter: program.subject_matter.clone(),
            labels: request.labels.clone(),
            actor: request.actor.clone(),
            push,
        };
        Ok(Draft { spec, subject, cart, hints: request.hints.clone(), whereabouts })
    }
}

/// The brand of that id.
pub(super) fn find_brand(cx: &mut Cx<'_>, id: &str) -> Result<Held<Brand>, OpError> {
    cx.brand(id)?.ok_or_else(|| OpError::NotFound { what: "brand", id: id.to_owned() })
}

/// The program of that id.
pub(super) fn find_program(cx: &mut Cx<'_>, id: &str) -> Result<Held<Program>, OpError> {
    cx.program(id)?.ok_or_else(|| OpError::NotFound { what: "program", id: id.to_owned() })
}

/// The subject at an address; one that exists nowhere yet where there is none.
pub(super) fn subject_at(cx: &mut Cx<'_>, to: &Address) -> Result<Arc<Subject>, OpError> {
    let (found, _) = cx.find_subject(to)?;
    Ok(found.unwrap_or_else(|| Arc::new(Subject::new(SubjectId::default(), to.clone(), cx.now))))
}

/// The sender asked for; else the one the person heard from last; else the program's first that fits the country.
fn choose_sender(
    cx: &mut Cx<'_>,
    request: &SendRequest,
    program: &Program,
    subject: &Subject,
    whereabouts: &Whereabouts,
) -> Result<Option<Held<Sender>>, OpError> {
    if let Some(id) = &request.sender {
        return match cx.sender(id.as_str())? {
            Some(sender) => Ok(Some(sender)),
            None => Err(OpError::NotFound { what: "sender", id: id.to_string() }),
        };
    }
    program_sender(cx, program, subject, whereabouts, Channel::Sms)
}

/// The sender a program uses for a person: the one they know, else the first of the program's that fits their country,
/// else the first that can be used. Where that one is in a pool, whom of the pool the person gets.
pub(super) fn program_sender(
    cx: &mut Cx<'_>,
    program: &Program,
    subject: &Subject,
    whereabouts: &Whereabouts,
    channel: Channel,
) -> Result<Option<Held<Sender>>, OpError> {
    let mut fitting = Vec::new();
    for id in &program.senders {
        fitting.extend(cx.sender(id.as_str())?.filter(|sender| serves(sender, &program.brand, channel)));
    }
    let last = subject.last_senders.iter().find(|(p, _)| *p == program.id).map(|(_, s)| s);
    let country = whereabouts.number.as_ref().and_then(|number| number.country);
    let local = |s: &Sender| country.is_some() && country == s.country.parse().ok();
    if let Some(at) = fitting.iter().position(|s| Some(&s.id) == last && is_usable(s)) {
        return Ok(Some(fitting.swap_remove(at)));
    }
    let first = fitting
        .iter()
        .position(|s| is_usable(s) && local(s))
        .or_else(|| fitting.iter().position(|sender| is_usable(sender)))
        .or(if fitting.is_empty() { None } else { Some(0) });
    let Some(first) = first.map(|at| fitting[at].clone()) else { return Ok(None) };
    if first.pool.is_empty() {
        return Ok(Some(first));
    }
    let alike = |s: &Sender| s.pool == first.pool && s.country == first.country && is_usable(s);
    let pool: Vec<Held<Sender>> = fitting.into_iter().filter(|s| alike(s)).collect();
    Ok(of_pool(pool, &cx.env.fold.address_key(&subject.address)).or(Some(first)))
}

/// Whether a text without any link still has to carry one: its sender hears no STOP, or its words ask for it.
fn needs_way_out(words: &str, program: &Program, sender: Option<&Sender>) -> bool {
    let deaf = sender.is_some_and(Sender::is_one_way) && program.category == Category::Marketing;
    // Words that do not parse are refused a little later, with every fault named.
    deaf || Template::parse(words).is_ok_and(|template| template.names().contains("opt_out_link"))
}

/// A link that leads to the opt-out page alone; none where the brand has no short domain to put it on.
pub(super) fn opt_out_link(
    cx: &mut Cx<'_>,
    brand: &Brand,
    ends: Instant,
) -> Result<Option<MessageLink>, OpError> {
    if brand.short_domain.is_empty() {
        return Ok(None);
    }
    let made = link::for_message(cx, "", ends)?;
    Ok(Some(MessageLink {
        target: link::opt_out_url(&brand.short_domain, &made.code),
        opt_out: true,
        ..made
    }))
}

fn link_end(cx: &Cx<'_>, request: &SendRequest) -> Instant {
    request.expires_at.map_or(cx.now, |end| end.max(cx.now)) + LINK_LIFE
}

fn link_of(
    cx: &mut Cx<'_>,
    request: &SendRequest,
    brand: &Brand,
    cart: Option<&Cart>,
) -> Result<Option<MessageLink>, OpError> {
    let target = match (request.link_url.as_str(), cart) {
        ("", Some(cart)) => cart.checkout_url.clone(),
        (url, _) => url.to_owned(),
    };
    if target.is_empty() || brand.short_domain.is_empty() {
        return Ok(None);
    }
    let ends = link_end(cx, request);
    link::for_message(cx, &target, ends).map(Some)
}
