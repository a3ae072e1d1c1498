//! Turns a situation into the arguments of a decision.

use super::{
    AlsoLine, BrandLine, CartLine, CheckLine, CouponLine, Length, OptOutLine, Situation, SituationError,
    TouchLine,
};
use crate::model::consent::{Act, Channel, Consent, DoubleOptIn, Method, Night, OptOut};
use crate::model::facts::*;
use crate::model::phone::Country;
use crate::model::{Instant, MessageId, MessageState, Request, Touch, WeekHours, Zones};

const TEXT: &str = "Example: your cart is waiting. Reply STOP to opt out";

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("fixed ids of situations are well formed")
}

fn numbered(n: usize) -> MessageId {
    MessageId((n as u128 + 1).to_be_bytes())
}

impl Situation {
    /// The arguments of a decision.
    pub fn build(&self, zones: &Zones) -> Result<(Facts, Request, Instant), SituationError> {
        let at = self.instant(&self.at, zones)?;
        let facts = Facts {
            brand: brand(&self.brand),
            program: ProgramFacts {
                id: id("carts"),
                category: self.category,
                double_opt_in: true,
                covers_cart_reminders: true,
                active: !self.program_off,
            },
            sender: (!self.sender.none).then(|| self.sender_facts()),
            number: (self.channel == Channel::Sms).then(|| self.number_facts()),
            device: (self.channel == Channel::Push).then_some(DeviceFacts {
                reachable: self.device.reachable,
                os_permission: self.device.os_permission,
                channel_enabled: self.device.channel_enabled,
            }),
            place: PlaceFacts {
                jurisdictions: self.places.clone(),
                zones: self.zones.clone().unwrap_or_else(|| vec![self.zone.clone()]),
                country_unknown: self.country_unknown,
                contradictory: self.contradictory,
            },
            reach: std::iter::once(self.person(at))
                .chain(self.also.iter().zip(1..).map(|(line, n)| also(line, n * 100, at)))
                .collect(),
            cart: self.cart.as_ref().map(|cart| cart_facts(cart, at)),
            coupon: self.coupon.as_ref().map(coupon_facts),
            content: self.content_facts(),
            drains_at: self.drains_in.map(|length| at + length.0),
        };
        Ok((facts, self.request(at), at))
    }

    fn request(&self, at: Instant) -> Request {
        Request {
            message: MessageId([0xff; 16]),
            channel: self.channel,
            phase: self.phase,
            on_hold: self.on_hold,
            expires_at: self.expires_in.map(|length| at + length.0),
            subject_matter: self.matter.clone(),
            automatic: self.automatic.as_ref().map(|a| AutomaticText {
                kind: a.kind,
                trigger: at - a.ago.0,
                by_keyword: a.by_keyword,
                grant_existed: a.grant_existed,
                last_sent: a.last_ago.map(|ago| at - ago.0),
            }),
        }
    }

    fn country(&self) -> Option<Country> {
        self.number.country.or_else(|| self.places.first().and_then(|place| place.country().parse().ok()))
    }

    fn number_facts(&self) -> NumberFacts {
        NumberFacts { valid: self.number.valid, kind: self.number.kind, country: self.country() }
    }

    fn sender_facts(&self) -> SenderFacts {
        let usual = match self.channel {
            Channel::Sms => SenderKind::TenDlc,
            Channel::Push => SenderKind::PushApp,
        };
        SenderFacts {
            id: id("sender"),
            kind: self.sender.kind.unwrap_or(usual),
            name: self.sender.name.clone(),
            country: self.sender.country.or_else(|| self.country()),
            reaches: Vec::new(),
            registered: self.sender.registered,
            paused: self.sender.paused,
            programs: if self.sender.other_program { vec![id("other")] } else { Vec::new() },
            brands: if self.sender.other_brand { vec![id("other")] } else { Vec::new() },
            answers: self.sender.answers,
        }
    }

    fn person(&self, at: Instant) -> PersonFacts {
        let line = AlsoLine {
            opt_outs: self.opt_outs.clone(),
            suppressed: self.suppressed,
            touches: self.touches.clone(),
            preferences: self.preferences.clone(),
        };
        PersonFacts {
            consents: vec![self.consent_facts(at)],
            used_at: self.consent.used_ago.map(|ago| at - ago.0),
            checks: self.checks.iter().map(|line| number_check(line, at)).collect(),
            ..also(&line, 0, at)
        }
    }

    fn consent_facts(&self, at: Instant) -> Consent {
        let line = &self.consent;
        let given = at - line.ago.0;
        Consent {
            program: id("carts"),
            brand: id("main"),
            channel: self.channel,
            state: line.state,
            basis: line.basis,
            basis_date: None,
            grade: line.grade,
            method: Method::WebForm,
            act: Some(Act::Ticked),
            captured_at: given,
            recorded_at: given,
            confirmed_at: (line.double_opt_in != DoubleOptIn::None).then_some(given),
            double_opt_in: line.double_opt_in,
            covers_cart: line.names_carts,
            night: match (line.night_ago, line.night) {
                (Some(ago), _) => Night::At(at - ago.0),
                (None, true) => Night::WithDay,
                (None, false) => Night::No,
            },
            expires_at: line.expires_in.map(|length| at + length.0),
            sender: None,
        }
    }

    fn content_facts(&self) -> ContentFacts {
        let line = self.content.clone();
        ContentFacts {
            body: if line.empty { String::new() } else { line.body.unwrap_or_else(|| TEXT.to_owned()) },
            encoding: Encoding::Gsm7,
            segments: line.segments,
            language: line.language,
            has_brand_name: line.brand_name,
            has_opt_out: line.opt_out,
            has_contact: line.contact,
            link_hosts: line.link_hosts,
            target_host: None,
            shared_shorteners: line.shared_shorteners,
            prohibited: line.prohibited,
            offer_words: line.offer_words,
            asks_reply_to_buy: line.asks_reply_to_buy,
        }
    }
}

fn also(line: &AlsoLine, base: usize, at: Instant) -> PersonFacts {
    let wishes = line.preferences.clone().unwrap_or_default();
    PersonFacts {
        opt_outs: line.opt_outs.iter().map(|line| opt_out(line, at)).collect(),
        suppressed: line.suppressed,
        touches: line.touches.iter().zip(base..).map(|(line, n)| touch(n, line, at)).collect(),
        preferences: Preferences {
            hours: wishes.daily.map(WeekHours::daily),
            languages: wishes.languages,
            channels: wishes.channels,
            at_most_per_week: wishes.at_most_per_week,
        },
        ..PersonFacts::default()
    }
}

fn brand(line: &BrandLine) -> BrandFacts {
    BrandFacts {
        id: id("main"),
        display_name: "Example".to_owned(),
        legal_name: "Example Ltd".to_owned(),
        target_domains: vec!["shop.example".to_owned()],
        short_domain: Some("exm.example".to_owned()),
        accepts_attested: line.accepts_attested,
        profile: BrandProfile {
            hours: line.daily.clone().map(WeekHours::daily),
            per_cart: line.per_cart,
            cart_spacing: line.cart_spacing.map(|length| length.0),
            touch_spacing: line.touch_spacing.map(|length| length.0),
            per_day: line.per_day,
            segments: line.segments,
        },
    }
}

fn cart_facts(line: &CartLine, at: Instant) -> CartFacts {
    let abandoned_at = at - line.abandoned_ago.0;
    CartFacts {
        id: id("cart"),
        state: line.state,
        abandoned_at,
        updated_at: abandoned_at,
        value_micros: None,
        currency: None,
        sends: line.others.iter().enumerate().map(|(n, ago)| cart_send(n, ago, at)).collect(),
    }
}

fn cart_send(n: usize, ago: &Length, at: Instant) -> CartSend {
    let (message, state) = (numbered(1_000 + n), MessageState::Delivered);
    CartSend { message, at: at - ago.0, channel: Channel::Sms, state }
}

fn coupon_facts(line: &CouponLine) -> CouponFacts {
    CouponFacts {
        pool: id("pool"),
        exists: line.exists,
        remaining: line.remaining,
        reserved: false,
        exclusive_channel: line.exclusive_channel,
        exclusive_until: None,
    }
}

fn opt_out(line: &OptOutLine, at: Instant) -> OptOut {
    let received = at - line.ago.0;
    OptOut {
        scope: line.scope.clone(),
        scope_named: line.named,
        source: line.source,
        received_at: received,
        recorded_at: received,
        sender: None,
        lifted_at: line.lifted_ago.map(|ago| at - ago.0),
        lifted_for: Vec::new(),
    }
}

fn touch(n: usize, line: &TouchLine, at: Instant) -> Touch {
    Touch {
        message: (!line.external).then(|| numbered(n)),
        at: at - line.ago.0,
        medium: line.medium,
        brand: id("main"),
        program: Some(id("carts")),
        category: line.category,
        cart: line.cart.then(|| id("cart")),
        subject_matter: line.matter.clone(),
        parts: 1,
        state: line.state,
        external: line.external,
    }
}

fn number_check(line: &CheckLine, at: Instant) -> NumberCheck {
    NumberCheck {
        kind: line.kind,
        answer: line.answer,
        asked_at: at - line.ago.0,
        reference_at: None,
        source: String::new(),
        database_version: String::new(),
    }
}
