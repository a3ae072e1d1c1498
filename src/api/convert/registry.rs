//! Sellers, brands, programs and templates: as an operator writes them, as a row has them.

use crate::api::convert::{hours, names, subject, timestamp};
use crate::api::field::{Fields, Lines};
use crate::ledger::rows::RegistryRow;
use crate::model::Span;
use crate::model::registry::{Brand, BrandProfile, Keyword, Program, ProgramTexts, Seller, Template};
use crate::pb::consentry::v1 as wire;

/// Reads a seller.
pub fn seller(f: &mut Fields, seller: wire::Seller) -> Option<Seller> {
    let id = f.id("id", &seller.id);
    let legal_name = f.text("legal_name", seller.legal_name, 1..=128, Lines::One);
    let host = match f.host("host", &seller.host) {
        Some(None) => f.refuse("host", "is required"),
        given => given.flatten(),
    };
    let postal_address = f.text("postal_address", seller.postal_address, 0..=512, Lines::Many);
    Some(Seller { id: id?, legal_name: legal_name?, host: host?, postal_address: postal_address? })
}

/// A seller on the wire.
pub fn seller_out(seller: &Seller, row: &RegistryRow) -> wire::Seller {
    wire::Seller {
        id: seller.id.to_string(),
        legal_name: seller.legal_name.clone(),
        postal_address: seller.postal_address.clone(),
        host: seller.host.clone(),
        created_at: Some(timestamp(row.created_at)),
        updated_at: Some(timestamp(row.updated_at)),
    }
}

/// Reads a brand.
pub fn brand(f: &mut Fields, brand: wire::Brand) -> Option<Brand> {
    let id = f.id("id", &brand.id);
    let display_name = f.text("display_name", brand.display_name, 1..=64, Lines::One);
    let short_domain = f.text("short_domain", brand.short_domain, 0..=253, Lines::One);
    let target_domains =
        f.each("target_domains", brand.target_domains, 0..=32, |f, host| match f.host("", &host)? {
            Some(host) => Some(host),
            None => f.refuse("", "must not be empty"),
        });
    let fallback = f.link("fallback_url", brand.fallback_url);
    let support_contact = f.text("support_contact", brand.support_contact, 1..=128, Lines::One);
    let locale = f.locale("locale", brand.locale);
    let profile = f.optional("profile", brand.profile, profile);
    Some(Brand {
        id: id?,
        display_name: display_name?,
        short_domain: short_domain?.to_ascii_lowercase(),
        target_domains: target_domains?,
        fallback_url: fallback?.map(|link| link.url).unwrap_or_default(),
        support_contact: support_contact?,
        locale: locale?.unwrap_or_else(|| "en".to_owned()),
        accepts_attested: brand.accepts_attested,
        profile: profile?.unwrap_or_default(),
        plain_typography: brand.plain_typography,
    })
}

fn profile(f: &mut Fields, profile: wire::BrandProfile) -> Option<BrandProfile> {
    let hours = hours::week(f, "hours", profile.hours);
    let per_cart = f.number("texts_per_cart", profile.texts_per_cart, 0..=2);
    let cart = f.number("hours_between_cart_texts", profile.hours_between_cart_texts, 0..=720);
    let touch = f.number("minutes_between_touches", profile.minutes_between_touches, 0..=10_080);
    let per_day = f.number("messages_per_day", profile.messages_per_day, 0..=100);
    let segments = f.number("segments", profile.segments, 0..=3);
    let given = |n: u32| (n > 0).then_some(n);
    Some(BrandProfile {
        hours: hours?,
        per_cart: given(per_cart?),
        cart_spacing: given(cart?).map(|hours| Span::hours(hours.into())),
        touch_spacing: given(touch?).map(|minutes| Span::minutes(minutes.into())),
        per_day: given(per_day?),
        segments: given(segments?),
    })
}

/// A brand on the wire; `legal_name` is its seller's.
pub fn brand_out(brand: &Brand, legal_name: String, row: &RegistryRow) -> wire::Brand {
    let profile = &brand.profile;
    let whole = |span: Option<Span>, unit: Span| {
        span.map(|span| (span.as_seconds() / unit.as_seconds()) as u32).unwrap_or_default()
    };
    let profile = wire::BrandProfile {
        hours: hours::windows(profile.hours.as_ref()),
        texts_per_cart: profile.per_cart.unwrap_or_default(),
        hours_between_cart_texts: whole(profile.cart_spacing, Span::hours(1)),
        minutes_between_touches: whole(profile.touch_spacing, Span::minutes(1)),
        messages_per_day: profile.per_day.unwrap_or_default(),
        segments: profile.segments.unwrap_or_default(),
    };
    wire::Brand {
        id: brand.id.to_string(),
        display_name: brand.display_name.clone(),
        short_domain: brand.short_domain.clone(),
        target_domains: brand.target_domains.clone(),
        fallback_url: brand.fallback_url.clone(),
        support_contact: brand.support_contact.clone(),
        locale: brand.locale.clone(),
        accepts_attested: brand.accepts_attested,
        profile: Some(profile),
        plain_typography: brand.plain_typography,
        legal_name,
        created_at: Some(timestamp(row.created_at)),
        updated_at: Some(timestamp(row.updated_at)),
    }
}

/// Reads a program.
pub fn program(f: &mut Fields, program: wire::Program) -> Option<Program> {
    let id = f.id("id", &program.id);
    let brand = f.id("brand", &program.brand);
    let name = f.text("display_name", program.display_name, 1..=64, Lines::One);
    let category = f.named("category", program.category, names::category_of);
    let channels = subject::channels(f, program.channels, 1);
    let senders = f.each("senders", program.senders, 0..=16, |f, id| f.id("", &id));
    let keywords = f.each("keywords", program.keywords, 0..=16, keyword);
    let texts = f.within("texts", |f| texts(f, program.texts.unwrap_or_default()));
    let terms = f.link("terms_url", program.terms_url);
    let privacy = f.link("privacy_url", program.privacy_url);
    let frequency = f.text("frequency", program.frequency, 0..=64, Lines::One);
    let matter = f.optional_id::<crate::model::ProgramId>("subject_matter", &program.subject_matter);
    let (terms, privacy, frequency) = (terms?, privacy?, frequency?);
    if category == Some(crate::model::Category::Marketing) {
        for (field, missing) in [
            ("terms_url", terms.is_none()),
            ("privacy_url", privacy.is_none()),
            ("frequency", frequency.is_empty()),
        ] {
            if missing {
                f.bad(field, "is required for marketing");
            }
        }
    }
    let id: crate::model::ProgramId = id?;
    Some(Program {
        subject_matter: matter?.unwrap_or_else(|| id.clone()).to_string(),
        id,
        brand: brand?,
        name: name?,
        category: category?,
        channels: channels?,
        senders: senders?,
        double_opt_in: program.double_opt_in,
        covers_cart_reminders: program.covers_cart_reminders,
        keywords: keywords?,
        texts: texts?,
        terms_url: terms.map(|link| link.url).unwrap_or_default(),
        privacy_url: privacy.map(|link| link.url).unwrap_or_default(),
        frequency,
        active: !program.paused,
    })
}

fn keyword(f: &mut Fields, keyword: wire::Keyword) -> Option<Keyword> {
    let word = f.text("word", keyword.word, 2..=32, Lines::One);
    let disclosure = f.id("disclosure", &keyword.disclosure);
    let word = word?;
    if !word.chars().all(char::is_alphanumeric) {
        return f.refuse("word", "must hold letters and digits only");
    }
    Some(Keyword { word, disclosure: disclosure? })
}

fn texts(f: &mut Fields, texts: wire::ProgramTexts) -> Option<ProgramTexts> {
    let opt_in_request = f.text("opt_in_request", texts.opt_in_request, 0..=480, Lines::Many);
    let welcome = f.text("welcome", texts.welcome, 0..=480, Lines::Many);
    let opt_out = f.text("opt_out_confirmation", texts.opt_out_confirmation, 0..=480, Lines::Many);
    let help = f.text("help", texts.help, 0..=480, Lines::Many);
    Some(ProgramTexts {
        opt_in_request: opt_in_request?,
        welcome: welcome?,
        opt_out_confirmation: opt_out?,
        help: help?,
    })
}

/// A program on the wire.
pub fn program_out(program: &Program, row: &RegistryRow) -> wire::Program {
    let keywords = program.keywords.iter();
    let texts = &program.texts;
    wire::Program {
        id: program.id.to_string(),
        brand: program.brand.to_string(),
        display_name: program.name.clone(),
        category: names::category(program.category).into(),
        channels: program.channels.iter().map(|c| names::channel(*c).into()).collect(),
        senders: program.senders.iter().map(ToString::to_string).collect(),
        double_opt_in: program.double_opt_in,
        keywords: keywords
            .map(|k| wire::Keyword { word: k.word.clone(), disclosure: k.disclosure.to_string() })
            .collect(),
        covers_cart_reminders: program.covers_cart_reminders,
        texts: Some(wire::ProgramTexts {
            opt_in_request: texts.opt_in_request.clone(),
            welcome: texts.welcome.clone(),
            opt_out_confirmation: texts.opt_out_confirmation.clone(),
            help: texts.help.clone(),
        }),
        terms_url: program.terms_url.clone(),
        privacy_url: program.privacy_url.clone(),
        frequency: program.frequency.clone(),
        subject_matter: program.subject_matter.clone(),
        paused: !program.active,
        created_at: Some(timestamp(row.created_at)),
        updated_at: Some(timestamp(row.updated_at)),
    }
}

/// Reads a template.
pub fn template(f: &mut Fields, template: wire::Template) -> Option<Template> {
    let id = f.id("id", &template.id);
    let brand = f.id("brand", &template.brand);
    let program = f.optional_id("program", &template.program);
    let locale = match f.locale("locale", template.locale) {
        Some(None) => f.refuse("locale", "is required"),
        given => given.flatten(),
    };
    let body = f.text("body", template.body, 1..=1_600, Lines::Many);
    Some(Template { id: id?, brand: brand?, program: program?, locale: locale?, body: body? })
}

/// A template on the wire.
pub fn template_out(template: &Template, row: &RegistryRow) -> wire::Template {
    wire::Template {
        id: template.id.to_string(),
        brand: template.brand.to_string(),
        program: template.program.as_ref().map(ToString::to_string).unwrap_or_default(),
        locale: template.locale.clone(),
        body: template.body.clone(),
        created_at: Some(timestamp(row.created_at)),
        updated_at: Some(timestamp(row.updated_at)),
    }
}
