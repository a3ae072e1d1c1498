//! The shop of the sandbox: everything an operator would set up.

use super::{ACTOR, SeedSettings, ids};
use crate::model::cart::{OnOptOut, PoolSource};
use crate::model::registry::{
    Answers, Brand, BrandProfile, Connection, Control, ControlDefault, Disclosure, Program, ProgramTexts,
    Reconcile, Seller, Sender, SenderKind, ThrottleGroup, Validity,
};
use crate::model::{Category, Channel, DisclosureId, Instant, ProgramId, SellerId, SenderId, Span};
use crate::writer::ops::coupon::{CreateCouponPool, LOW_WATER};

const SIGN_UP: &str = "Acme Outfitters: by ticking this box I agree to get recurring automated cart reminders and offers \
    by text, up to 4 msgs/month, at the number I gave. Consent is not a condition of purchase. Msg & data rates may \
    apply. Reply STOP to opt out, HELP for help.";
const BY_KEYWORD: &str = "Acme Outfitters: text DEALS to get recurring automated cart reminders and offers by text, up to 4 \
    msgs/month. Consent is not a condition of purchase. Msg & data rates may apply. Reply STOP to opt out, HELP for help.";
const E_SIGN: &str = "You agree to receive these terms electronically. You may have a copy on paper, and withdraw at any \
    time, by writing to help@acme.example.";

pub(super) fn seller(id: &SellerId, host: &str) -> Seller {
    Seller {
        id: id.clone(),
        legal_name: "Acme Outfitters LLC".to_owned(),
        host: host.to_owned(),
        postal_address: "1 Example Street, New York, NY 10001".to_owned(),
    }
}

pub(super) fn brand(settings: &SeedSettings) -> Brand {
    let mut target_domains = vec!["acme.example".to_owned()];
    if settings.checkout_host != target_domains[0] {
        target_domains.push(settings.checkout_host.clone());
    }
    Brand {
        id: ids::brand(),
        display_name: "Acme Outfitters".to_owned(),
        short_domain: settings.short_domain.clone(),
        target_domains,
        fallback_url: String::new(),
        support_contact: "help@acme.example".to_owned(),
        locale: "en-US".to_owned(),
        accepts_attested: false,
        profile: BrandProfile::default(),
        plain_typography: false,
    }
}

pub(super) fn connection(settings: &SeedSettings) -> Connection {
    let sorted = |pairs: &[(String, String)]| {
        let mut pairs = pairs.to_vec();
        pairs.sort();
        pairs
    };
    Connection {
        id: ids::connection(),
        provider: "sandbox".to_owned(),
        settings: sorted(&settings.carrier_settings),
        secrets: sorted(&settings.carrier_secrets),
        public_url: settings.public_url.clone(),
        token_sha256: [0; 32],
        validity: Validity::Native { min_seconds: 5, max_seconds: 36_000 },
        reconcile: Reconcile::List,
        slots: 8,
        prices: Vec::new(),
    }
}

pub(super) fn senders() -> [Sender; 2] {
    let ten_dlc = sender(ids::main_sender(), SenderKind::TenDlc, "+12125550100", 20_000);
    let toll_free = sender(ids::toll_free_sender(), SenderKind::TollFree, "+18885550100", 3_000);
    [ten_dlc, Sender { answers: Answers::Network, ..toll_free }]
}

fn sender(id: SenderId, kind: SenderKind, address: &str, rate: u64) -> Sender {
    Sender {
        kind,
        address: address.to_owned(),
        country: "US".to_owned(),
        connection: ids::connection(),
        brands: Vec::new(),
        registered: true,
        paused: false,
        answers: Answers::Gateway,
        throttle: ThrottleGroup {
            id: id.to_string(),
            milli_parts_per_second: rate,
            parts_per_day: None,
            reset_zone: "America/Los_Angeles".to_owned(),
        },
        pool: String::new(),
        tax_id_cap: None,
        national_languages: Vec::new(),
        id,
    }
}

/// Both programs; the keyword comes when its wording is registered.
pub(super) fn programs() -> [Program; 2] {
    let reminders = Program {
        double_opt_in: true,
        covers_cart_reminders: true,
        frequency: "up to 4 msgs/month".to_owned(),
        ..program(ids::reminders(), "cart reminders", Category::Marketing)
    };
    [reminders, program(ids::orders(), "order updates", Category::Transactional)]
}

fn program(id: ProgramId, name: &str, category: Category) -> Program {
    Program {
        brand: ids::brand(),
        name: name.to_owned(),
        category,
        channels: vec![Channel::Sms],
        senders: vec![ids::main_sender(), ids::toll_free_sender()],
        double_opt_in: false,
        covers_cart_reminders: false,
        keywords: Vec::new(),
        texts: ProgramTexts::default(),
        terms_url: "https://acme.example/terms".to_owned(),
        privacy_url: "https://acme.example/privacy".to_owned(),
        frequency: String::new(),
        subject_matter: id.to_string(),
        active: true,
        id,
    }
}

pub(super) fn disclosures() -> [Disclosure; 2] {
    let checkout = disclosure(ids::disclosure(), SIGN_UP, Control::Checkbox, ControlDefault::Unchecked);
    let keyword = disclosure(ids::keyword_disclosure(), BY_KEYWORD, Control::Keyword, ControlDefault::None);
    [checkout, keyword]
}

fn disclosure(id: DisclosureId, text: &str, control: Control, control_default: ControlDefault) -> Disclosure {
    Disclosure {
        id,
        version: "1".to_owned(),
        brand: ids::brand(),
        program: ids::reminders(),
        locale: "en-US".to_owned(),
        text: text.to_owned(),
        control,
        control_default,
        condition_of_purchase: false,
        separate_from_terms: true,
        e_sign_text: E_SIGN.to_owned(),
        url: "https://acme.example/checkout".to_owned(),
        snapshot_sha256: Vec::new(),
        approved_by: "Acme compliance".to_owned(),
        text_sha256: [0; 32],
        registered_at: Instant::EPOCH,
        refusals: Vec::new(),
        night: false,
    }
}

pub(super) fn pool() -> CreateCouponPool {
    CreateCouponPool {
        brand: ids::brand(),
        pool: ids::pool(),
        source: PoolSource::Generated { prefix: "ACME-".to_owned() },
        exclusive_channel: Some(Channel::Sms),
        exclusive_until: None,
        valid_for: Span::days(7),
        on_opt_out: OnOptOut::Keep,
        low_water: LOW_WATER,
        actor: ACTOR.to_owned(),
    }
}
