//! What operators set up: seller, brands, programs, senders, connections, disclosures, templates, API keys.

use serde::{Deserialize, Serialize};

use super::consent::{Category, Channel};
pub use super::facts::{Answers, BrandProfile, SenderKind};
use super::ids::{BrandId, ConnectionId, DisclosureId, ProgramId, SellerId, SenderId, TemplateId};
use super::instant::{Instant, Span};
pub use super::spend::Price;

/// A legal entity: owner of one log, its keys and its API keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seller {
    pub id: SellerId,
    /// Name as registered, shown in evidence.
    pub legal_name: String,
    /// Host that names the log's origin, as in `gw.shop.example`.
    pub host: String,
    /// Postal address (Canada's CASL and others want it in evidence and messages).
    pub postal_address: String,
}

/// A name shown to shoppers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brand {
    pub id: BrandId,
    /// Name that opens each message.
    pub display_name: String,
    /// Host of short links, dedicated to this brand, as in `go.shop.example`.
    pub short_domain: String,
    /// Hosts a link may lead to; subdomains are included.
    pub target_domains: Vec<String>,
    /// Where unknown and expired links lead; empty: a plain page of ours.
    pub fallback_url: String,
    /// What a HELP answer names: toll-free number, e-mail address or URL.
    pub support_contact: String,
    /// BCP 47 language of texts where the person's is unknown.
    pub locale: String,
    /// Whether imported consents without wording may grant.
    pub accepts_attested: bool,
    /// What this brand tightens; a brand never loosens.
    pub profile: BrandProfile,
    /// Texts leave with plain characters for typographic ones where that spares a part. Off: as they were written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_typography: bool,
}

/// A purpose people consent to. Its category decides which rules apply and is never a caller's to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    pub id: ProgramId,
    pub brand: BrandId,
    /// Name in texts, as in `cart reminders`.
    pub name: String,
    pub category: Category,
    pub channels: Vec<Channel>,
    /// Senders of this program, the one preferred first. Later ones that fit the same country and channel through
    /// another connection stand by for it.
    pub senders: Vec<SenderId>,
    /// Ask for a YES by text before consent counts.
    pub double_opt_in: bool,
    /// The opt-in texts name cart reminders (US carriers demand it for cart texts).
    pub covers_cart_reminders: bool,
    /// Words that opt in when texted to a sender of this program.
    pub keywords: Vec<Keyword>,
    /// Own wording for automatic texts; empty strings: the built-in wording.
    pub texts: ProgramTexts,
    pub terms_url: String,
    pub privacy_url: String,
    /// How often, as the opt-in texts say it: `up to 4 msgs/month`.
    pub frequency: String,
    /// What caps count together (Florida counts by subject matter); default: the program's id.
    pub subject_matter: String,
    pub active: bool,
}

/// A word that opts in by text, and the wording people saw next to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keyword {
    /// Compared after normalisation.
    pub word: String,
    /// The call to action that carried the word.
    pub disclosure: DisclosureId,
}

/// Own wording for the four automatic texts of a program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProgramTexts {
    pub opt_in_request: String,
    pub welcome: String,
    pub opt_out_confirmation: String,
    pub help: String,
}

/// A number, short code or id that messages come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sender {
    pub id: SenderId,
    pub kind: SenderKind,
    /// The number in E.164, the short code's digits or the letters, as the provider wants it.
    pub address: String,
    /// ISO 3166 alpha-2 country whose people it may text.
    pub country: String,
    pub connection: ConnectionId,
    /// Brands it may speak for; empty: every brand of the seller.
    pub brands: Vec<BrandId>,
    /// 10DLC campaign, toll-free verification or short code lease is in force.
    pub registered: bool,
    pub paused: bool,
    pub answers: Answers,
    pub throttle: ThrottleGroup,
    /// Senders of a program that name one pool share its people: each person is given one of them and keeps it. Empty:
    /// it is in none.
    #[serde(default)]
    pub pool: String,
    /// What carriers let the tax id behind it send a day.
    #[serde(default)]
    pub tax_id_cap: Option<TaxIdCap>,
    /// Languages whose national shift tables the provider writes this sender's texts with. Empty, as with most: letters
    /// beyond the default alphabet make a text UCS-2.
    #[serde(default)]
    pub national_languages: Vec<NationalLanguage>,
}

/// Languages that have national shift tables (3GPP TS 23.038 annex A), by the number TS 23.040 announces them with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NationalLanguage {
    Turkish = 1,
    /// Has a single shift table only.
    Spanish = 2,
    Portuguese = 3,
    Bengali = 4,
    Gujarati = 5,
    Hindi = 6,
    Kannada = 7,
    Malayalam = 8,
    Oriya = 9,
    Punjabi = 10,
    Tamil = 11,
    Telugu = 12,
    Urdu = 13,
}

impl Sender {
    /// Whether nobody can reply to it, so that a text by it has to name another way to stop.
    pub fn is_one_way(&self) -> bool {
        matches!(self.kind, SenderKind::Alphanumeric | SenderKind::PushApp)
    }
}

/// What the name of a sender must be, for who wrote another.
pub const SENDER_NAME_RULE: &str =
    "must be 3 to 11 letters, digits, spaces and hyphens with at least one letter; it may begin with #";

/// Whether a text can be the name of a sender: 3 to 11 letters, digits, spaces and hyphens, a letter among them. Registers
/// prescribe signs around the name: `AD-SHOP` in the Emirates, `SHOP-AD` in Saudi Arabia, `SHOP-P` in India, `#SHOP` in
/// Hong Kong; which, the packs say (`sender_name` rules).
pub fn is_sender_name(text: &str) -> bool {
    let name = text.strip_prefix('#').unwrap_or(text);
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-');
    (3..=11).contains(&text.len()) && name.bytes().all(fine) && name.bytes().any(|b| b.is_ascii_alphabetic())
}

/// A daily cap of carriers on everything a tax id sends, whatever the number, campaign or provider (T-Mobile's caps by
/// trust score, The Campaign Registry). Whose number belongs to which carrier is not known, so every part counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxIdCap {
    /// The tax id, or any name for it; senders that name the same one share its count.
    pub tax_id: String,
    /// Parts a day.
    pub parts_per_day: u64,
    /// IANA zone whose midnight starts a new day.
    pub reset_zone: String,
}

/// The unit that is leased for sending; senders that share one share its rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThrottleGroup {
    /// Name; default: the sender's id.
    pub id: String,
    /// Parts per 1,000 seconds (1,250 = 1.25/s).
    pub milli_parts_per_second: u64,
    /// Parts a day; none: no cap.
    pub parts_per_day: Option<u64>,
    /// IANA zone whose midnight starts a new day of the cap.
    pub reset_zone: String,
}

impl ThrottleGroup {
    /// How long so many parts take at the contracted rate.
    pub fn drain_time(&self, parts: u64) -> Span {
        let milli = self.milli_parts_per_second.max(1);
        Span::micros(i64::try_from(u128::from(parts) * 1_000_000_000 / u128::from(milli)).unwrap_or(i64::MAX))
    }
}

/// One provider account or bind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub id: ConnectionId,
    /// Which adapter: `sandbox`, `twilio`.
    pub provider: String,
    /// Plain settings of the adapter, sorted by name.
    pub settings: Vec<(String, String)>,
    /// Secrets by reference (`env:NAME`, `file:PATH`), never by value, sorted by name.
    pub secrets: Vec<(String, String)>,
    /// URL exactly as the provider was given it, without the path's token check: signatures cover it.
    pub public_url: String,
    /// SHA-256 of the token in the webhook path.
    pub token_sha256: [u8; 32],
    pub validity: Validity,
    pub reconcile: Reconcile,
    /// Messages in hand-over at once.
    pub slots: u32,
    /// What a part costs, by the person's country; sorted.
    #[serde(default)]
    pub prices: Vec<Price>,
}

/// Whether the provider takes a deadline with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Validity {
    /// It does, within these seconds.
    Native { min_seconds: u32, max_seconds: u32 },
    /// It does not; its own queue may hold a message this many seconds.
    None { queue_seconds: u32 },
}

/// How a gap in hearing is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reconcile {
    /// The provider's own list is pulled.
    List,
    /// There is none: an operator confirms, with a reason.
    Operator,
    /// Nothing comes in from there, so nothing can be missed: push services.
    Nothing,
}

/// A registered consent wording; checked once, when registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disclosure {
    pub id: DisclosureId,
    pub version: String,
    pub brand: BrandId,
    pub program: ProgramId,
    pub locale: String,
    pub text: String,
    pub control: Control,
    pub control_default: ControlDefault,
    pub condition_of_purchase: bool,
    pub separate_from_terms: bool,
    pub e_sign_text: String,
    pub url: String,
    /// SHA-256 of the page's snapshot; empty when none was given.
    pub snapshot_sha256: Vec<u8>,
    pub approved_by: String,
    /// SHA-256 of `text`.
    pub text_sha256: [u8; 32],
    pub registered_at: Instant,
    /// Codes of failed checks; empty: accepted. Refused wording is kept, and refuses every consent that names it.
    pub refusals: Vec<String>,
    /// Asks for the separate consent to messages at night, and for nothing else.
    #[serde(default)]
    pub night: bool,
}

/// What the person acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    Checkbox,
    Button,
    Keyword,
    Paper,
    Voice,
    AppSwitch,
}

/// How the control stood before the person acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlDefault {
    Unchecked,
    Prechecked,
    None,
}

/// A stored message body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub id: TemplateId,
    pub brand: BrandId,
    pub program: Option<ProgramId>,
    pub locale: String,
    pub body: String,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    Sender,
    ConsentWriter,
    Auditor,
    Admin,
}

/// A caller's key, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The part of `csk_<id>_<secret>` that names it.
    pub id: String,
    pub label: String,
    /// SHA-256 of the 256-bit secret; two while a rotation is under way.
    pub secret_sha256: Vec<[u8; 32]>,
    pub roles: Vec<Role>,
    /// Brands it is narrowed to; empty: all of the seller.
    pub brands: Vec<BrandId>,
    pub created_at: Instant,
    pub expires_at: Option<Instant>,
    pub revoked_at: Option<Instant>,
}
