//! The snapshot one decision looks at, put together from rows. What is not here, no decision knows.

use sha2::{Digest, Sha256};

use super::draft::{find_brand, find_program};
use super::text;
use crate::content::language::Language;
use crate::content::reading::read_text;
use crate::ledger::body::StateHash;
use crate::ledger::rows::AddressRow;
use crate::model::cart::Cart;
use crate::model::device::Device;
use crate::model::facts::{
    BrandFacts, CartFacts, CartSend, DeviceFacts, Facts, NumberFacts, PersonFacts, PlaceFacts, ProgramFacts,
    SenderFacts, SenderKind,
};
use crate::model::location::LocationHint;
use crate::model::notification::PushSpec;
use crate::model::outgoing::MessageSpec;
use crate::model::phone::{ParsedNumber, parse_for_sending};
use crate::model::registry::{Brand, Program, Sender};
use crate::model::subject::{Address, Subject};
use crate::model::{
    Category, Channel, Code, Instant, Medium, MessageId, OptOut, OptOutScope, OptOutSource, Span, Verdict,
    ZoneName,
};
use crate::writer::ops::coupon;
use crate::writer::{Cx, OpError};

/// Facts of a message as state has them at `at`. `subject`, `cart` and `hints` are those of the draft, which may not
/// be written down yet.
pub fn facts_for(
    cx: &mut Cx<'_>,
    spec: &MessageSpec,
    subject: &Subject,
    cart: Option<&Cart>,
    hints: &[LocationHint],
    drains_at: Option<Instant>,
    at: Instant,
) -> Result<Facts, OpError> {
    facts_there(cx, spec, subject, cart, Whereabouts::of(subject, hints, at), drains_at, at)
}

/// What the number says, and where the person may be at an instant: by number, by what is kept, by what the request
/// says. Read once a decision, because reading a number is dear.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    pub number: Option<ParsedNumber>,
    pub place: PlaceFacts,
}

impl Whereabouts {
    pub fn of(subject: &Subject, hints: &[LocationHint], at: Instant) -> Whereabouts {
        let phone = subject.address.phone();
        let number = phone.as_ref().and_then(|phone| parse_for_sending(phone.expose(), None).ok());
        let mut all = subject.hints.clone();
        all.extend_from_slice(hints);
        let country = number.as_ref().and_then(|number| number.country);
        let place = crate::place::place_facts(phone.as_ref(), country, &all, at);
        Whereabouts { number, place }
    }

    /// The zone whose clock the person most likely reads: their own word, else the first candidate.
    pub fn zone(&self) -> ZoneName {
        let utc = || "UTC".parse().expect("a zone name");
        self.place.zones.first().cloned().unwrap_or_else(utc)
    }
}

/// As [`facts_for`], of somebody whose whereabouts at `at` are known.
pub(super) fn facts_there(
    cx: &mut Cx<'_>,
    spec: &MessageSpec,
    subject: &Subject,
    cart: Option<&Cart>,
    whereabouts: Whereabouts,
    drains_at: Option<Instant>,
    at: Instant,
) -> Result<Facts, OpError> {
    let brand = find_brand(cx, spec.brand.as_str())?;
    let program = find_program(cx, spec.program.as_str())?;
    let sender = match &spec.sender {
        Some(id) => cx.sender(id.as_str())?,
        None => None,
    };
    let coupon_expires_at = coupon::expires_at(cx, &spec.brand, spec.coupon.as_ref(), at)?;
    let body = text::final_text(cx, spec, subject, coupon_expires_at)?;
    let url = opt_out_url_of(&brand, spec);
    let how = text::how_to_stop(sender.as_deref(), &url);
    // The opt-out page is ours; every other link leads somewhere that has to be the brand's.
    let target = spec.link.as_ref().filter(|link| !link.opt_out).and_then(|link| host_of(&link.target));
    let language = Language::from_tag(&spec.language);
    let device = match spec.channel {
        Channel::Push => cx.device(&subject.id)?.map(|row| device_facts(&row.device)),
        Channel::Sms => None,
    };
    let tables = sender.as_ref().map(|s| s.national_languages.as_slice()).unwrap_or_default();
    let (name, contact) = (&brand.display_name, &brand.support_contact);
    let mut content = read_text(body, name, contact, how, language, target, tables);
    if let Some(push) = &spec.push {
        content.link_hosts.extend(push_hosts(push, &content.link_hosts));
    }
    Ok(Facts {
        content,
        sender: sender.as_deref().map(sender_facts),
        number: number_facts(&spec.to, whereabouts.number.as_ref()),
        device,
        place: whereabouts.place,
        reach: reach_facts(cx, subject, spec)?,
        cart: match cart {
            Some(cart) => Some(cart_facts(cx, cart, spec)?),
            None => None,
        },
        coupon: coupon::facts(cx, spec)?,
        brand: brand_facts(&brand),
        program: program_facts(&program),
        drains_at,
    })
}

fn opt_out_url_of(brand: &Brand, spec: &MessageSpec) -> String {
    spec.link.as_ref().map(|l| format!("{}/opt-out/{}", brand.short_domain, l.code)).unwrap_or_default()
}

fn device_facts(device: &Device) -> DeviceFacts {
    DeviceFacts {
        reachable: device.live().is_some(),
        os_permission: device.permission.lets_show(),
        channel_enabled: device.channel_enabled,
    }
}

/// Hosts that tapping a notification or its buttons leads to; places inside an app have none.
fn push_hosts(push: &PushSpec, known: &[String]) -> Vec<String> {
    let links = push.content.actions.iter().map(|action| &action.url).chain([&push.content.deep_link]);
    let web = links.filter(|url| url.starts_with("https:")).filter_map(|url| host_of(url));
    let mut hosts: Vec<String> = web.filter(|host| !known.contains(host)).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The host of a URL, lower case, without port.
fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Some(uri.host()?.to_ascii_lowercase())
}

fn brand_facts(brand: &Brand) -> BrandFacts {
    let host = |domain: &str| domain.split(':').next().unwrap_or_default().to_ascii_lowercase();
    BrandFacts {
        id: brand.id.clone(),
        display_name: brand.display_name.clone(),
        legal_name: String::new(),
        target_domains: brand.target_domains.iter().map(|d| host(d)).collect(),
        short_domain: Some(host(&brand.short_domain)).filter(|d| !d.is_empty()),
        accepts_attested: brand.accepts_attested,
        profile: brand.profile.clone(),
    }
}

fn program_facts(program: &Program) -> ProgramFacts {
    ProgramFacts {
        id: program.id.clone(),
        category: program.category,
        double_opt_in: program.double_opt_in,
        covers_cart_reminders: program.covers_cart_reminders,
        active: program.active,
    }
}

fn sender_facts(sender: &Sender) -> SenderFacts {
    SenderFacts {
        id: sender.id.clone(),
        kind: sender.kind,
        name: (sender.kind == SenderKind::Alphanumeric).then(|| sender.address.clone()),
        country: sender.country.parse().ok(),
        reaches: Vec::new(),
        registered: sender.registered,
        paused: sender.paused,
        programs: Vec::new(),
        brands: sender.brands.clone(),
        answers: sender.answers,
    }
}

fn number_facts(to: &Address, number: Option<&ParsedNumber>) -> Option<NumberFacts> {
    let Address::Phone(_) = to else { return None };
    Some(match number {
        Some(number) => NumberFacts { valid: number.valid, kind: number.kind, country: number.country },
        None => NumberFacts { valid: false, kind: crate::model::phone::NumberKind::Unknown, country: None },
    })
}

fn reach_facts(cx: &mut Cx<'_>, subject: &Subject, spec: &MessageSpec) -> Result<Vec<PersonFacts>, OpError> {
    let suppressed = |cx: &mut Cx<'_>, address: &Address| -> Result<bool, OpError> {
        let key = cx.env.fold.address_key(address);
        Ok(cx.get::<AddressRow>(&key)?.is_some_and(|row| row.suppressed))
    };
    let addressed = person_facts(subject, suppressed(cx, &subject.address)?);
    let mut facts = vec![PersonFacts { used_at: subject.used_at(&spec.program, spec.channel), ..addressed }];
    for member in cx.reach(subject)?.iter().filter(|m| m.id != subject.id) {
        facts.push(person_facts(member, suppressed(cx, &member.address)?));
    }
    Ok(facts)
}

fn person_facts(subject: &Subject, suppressed: bool) -> PersonFacts {
    let mut touches = subject.touches.clone();
    touches.extend(subject.open.iter().filter(|o| !o.automatic).map(|o| o.touch.clone()));
    let mut opt_outs = subject.opt_outs.clone();
    if !subject.reviews.is_empty() {
        // An unclear text may have been a STOP: until a person has read it, marketing rests.
        opt_outs.push(OptOut {
            scope: OptOutScope::Marketing,
            source: OptOutSource::SmsReply,
            received_at: subject.created_at,
            recorded_at: subject.created_at,
            sender: None,
            lifted_at: None,
            lifted_for: Vec::new(),
            // Of this scope and no wider: nobody has said STOP yet.
            scope_named: true,
        });
    }
    PersonFacts {
        consents: subject.consents.clone(),
        opt_outs,
        suppressed,
        touches,
        preferences: subject.preferences.clone(),
        checks: subject.checks.clone(),
        used_at: None,
    }
}

fn cart_facts(cx: &mut Cx<'_>, cart: &Cart, spec: &MessageSpec) -> Result<CartFacts, OpError> {
    // What left stands in the cart itself; what still waits stands with the people it waits for.
    let mut sends: Vec<CartSend> = cart.sends.iter().filter(|s| s.message != spec.id).cloned().collect();
    for id in &cart.subjects {
        let person = cx.subject(id)?;
        for open in person.open.iter().filter(|o| o.touch.cart.as_ref() == Some(&cart.id)) {
            if open.id != spec.id {
                let channel = if open.touch.medium == Medium::Push { Channel::Push } else { Channel::Sms };
                let (at, state) = (open.touch.at, open.touch.state);
                sends.push(CartSend { message: open.id, at, channel, state });
            }
        }
    }
    let micros = |m: &crate::model::cart::Money| {
        m.units.saturating_mul(1_000_000).saturating_add(i64::from(m.nanos) / 1_000)
    };
    Ok(CartFacts {
        id: cart.id.clone(),
        state: cart.state,
        abandoned_at: cart.abandoned_at,
        updated_at: cart.updated_at,
        value_micros: cart.value.as_ref().map(micros),
        currency: cart.value.as_ref().map(|m| m.currency.clone()),
        sends,
    })
}

/// Hashes of the reach as it stands before the decision: a replay that folds to other facts is found out.
pub fn state_hashes(cx: &mut Cx<'_>, subject: &Subject) -> Result<Vec<StateHash>, OpError> {
    let mut hashes = Vec::new();
    if subject.chain_length > 0 {
        for member in cx.reach(subject)? {
            hashes.push(StateHash { subject: member.id, sha256: state_hash(cx, &member)? });
        }
    }
    Ok(hashes)
}

/// Hash of one member's record, and of the installation behind it where it is one.
pub fn state_hash(cx: &mut Cx<'_>, member: &Subject) -> Result<[u8; 32], OpError> {
    let bytes = |e: postcard::Error| OpError::Fatal(e.to_string());
    let mut hash = Sha256::new().chain_update(member.hashed_bytes().map_err(bytes)?);
    // Numbers have none: not worth a lookup.
    if matches!(member.address, Address::Device { .. })
        && let Some(row) = cx.device(&member.id)?
    {
        hash.update(postcard::to_stdvec(&*row).map_err(bytes)?);
    }
    Ok(hash.finalize().into())
}

/// A spread of up to 15 minutes for messages that wait for a window to open, the same for the same message; none for
/// what waits for anything else, and none that would reach past the message's own end.
pub fn jitter(verdict: &Verdict, spec: &MessageSpec) -> Span {
    let waits_for_window =
        verdict.has(&Code::QuietHours) || verdict.has(&Code::Holiday) || verdict.has(&Code::Preference);
    if !waits_for_window || spec.category != Category::Marketing {
        return Span::ZERO;
    }
    let spread = (u64::from(u32::from_be_bytes(first_four(&spec.id))) * 900) >> 32;
    let wanted = Span::seconds(spread as i64);
    let end = [verdict.send_not_after, spec.expires_at].into_iter().flatten().min();
    match (end, verdict.hold_until) {
        (Some(end), Some(until)) => {
            wanted.min(Span::micros(end.since(until).as_micros() / 4)).max(Span::ZERO)
        }
        _ => wanted,
    }
}

fn first_four(id: &MessageId) -> [u8; 4] {
    [id.0[0], id.0[1], id.0[2], id.0[3]]
}
