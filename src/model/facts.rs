//! The complete snapshot one decision may look at: owned plain values, assembled from stored rows, kept for replay.

use serde::{Deserialize, Serialize};

use super::consent::{Category, Channel, Consent, OptOut};
use super::hours::WeekHours;
use super::ids::{BrandId, CartId, MessageId, PoolId, ProgramId, SenderId};
use super::instant::{Instant, Span};
use super::jurisdiction::Jurisdiction;
use super::message::{MessageState, Touch};
use super::phone::{Country, NumberKind};
use super::zone::ZoneName;

/// Everything known when a message is judged. What is missing never helps it: a missing fact refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The brand it would come from.
    pub brand: BrandFacts,
    /// The program it belongs to.
    pub program: ProgramFacts,
    /// The sender chosen; unset when none could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<SenderFacts>,
    /// The number addressed; unset for push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberFacts>,
    /// The installation addressed; unset for texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceFacts>,
    /// Where the person may be.
    pub place: PlaceFacts,
    /// The addressed subject first, then those sharing a customer with it; 1 to 8.
    pub reach: Vec<PersonFacts>,
    /// The cart it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cart: Option<CartFacts>,
    /// The coupon pool it draws from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<CouponFacts>,
    /// What it says.
    pub content: ContentFacts,
    /// When the sender's lane will have handed over what stands before it; unset: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drains_at: Option<Instant>,
}

/// What a decision was made from, as it is recorded beside its verdict: with the engine its entry names, it gives that
/// verdict again, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// What was known.
    pub facts: Facts,
    /// What was asked.
    pub request: Request,
}

/// What is to be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The message, so that it never counts itself.
    pub message: MessageId,
    /// How it would travel.
    pub channel: Channel,
    /// At which of its two decisions it stands.
    pub phase: Phase,
    /// What the caller wants when it cannot go now.
    pub on_hold: OnHold,
    /// When it loses its purpose; handing over at or after this instant is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Instant>,
    /// The matter it is about, for caps that count by matter; unset counts as every matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_matter: Option<String>,
    /// Set when the gateway itself answers the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutomaticText>,
}

/// Which decision this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// On acceptance: what waits counts as a reservation.
    Accept,
    /// Just before hand-over, in the intent's commit.
    Dispatch,
    /// A dry run; judged like acceptance.
    Check,
}

/// What the caller wants of a message that must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnHold {
    /// Keep it and send when lawful.
    #[default]
    Hold,
    /// Now or never.
    Refuse,
}

/// A text the gateway sends by itself, with limits of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutomaticText {
    /// Which of them.
    pub kind: AutomaticKind,
    /// What called for it: the capture, the confirmed grant, the STOP, the HELP; for a renewal the date the consent has
    /// been counted from.
    pub trigger: Instant,
    /// The person's own text called for it (keyword opt-in), so that it is an answer.
    pub by_keyword: bool,
    /// A grant was in force just before the trigger (opt-out confirmations).
    pub grant_existed: bool,
    /// The newest intent of the same kind: for this trigger, or for HELP at all.
    pub last_sent: Option<Instant>,
}

/// The automatic texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutomaticKind {
    /// Asks for the second step of a double opt-in.
    OptInRequest,
    /// Greets after a grant.
    Welcome,
    /// Confirms a STOP.
    OptOutConfirmation,
    /// Answers HELP.
    Help,
    /// Tells a person that they agreed, when, and how to take it back, where the law asks for that now and then.
    ConsentRenewal,
}

/// The brand's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrandFacts {
    /// Which brand.
    pub id: BrandId,
    /// The name shoppers know.
    pub display_name: String,
    /// The legal entity's name.
    pub legal_name: String,
    /// Domains its links may lead to, lower case; subdomains are included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_domains: Vec<String>,
    /// The host of its short links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_domain: Option<String>,
    /// Whether `ATTESTED` consents count.
    pub accepts_attested: bool,
    /// Where it is stricter than the rules.
    pub profile: BrandProfile,
}

/// A brand's own limits. They only tighten: what is looser than the rules has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BrandProfile {
    /// Hours it keeps, in the person's local time.
    pub hours: Option<WeekHours>,
    /// Most texts for one cart.
    pub per_cart: Option<u32>,
    /// Least time between two texts about one cart.
    pub cart_spacing: Option<Span>,
    /// Least time after the person was reached some other way.
    pub touch_spacing: Option<Span>,
    /// Most messages to one person in any 24 hours.
    pub per_day: Option<u32>,
    /// Most parts of one text.
    pub segments: Option<u32>,
}

/// The program's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramFacts {
    /// Which program.
    pub id: ProgramId,
    /// What it is for.
    pub category: Category,
    /// It asks for a second step.
    pub double_opt_in: bool,
    /// Its wording names cart reminders.
    pub covers_cart_reminders: bool,
    /// It is switched on.
    pub active: bool,
}

/// Kinds of sender; the rules of carriers differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderKind {
    /// A ten-digit number registered with The Campaign Registry.
    TenDlc,
    /// A toll-free number.
    TollFree,
    /// A short code.
    ShortCode,
    /// An ordinary number outside the 10DLC system.
    LongCode,
    /// A name instead of a number; nobody can reply.
    Alphanumeric,
    /// A push application.
    PushApp,
}

/// Who replies to STOP and HELP, so that nobody is answered twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// We do.
    Gateway,
    /// The provider does.
    Provider,
    /// The network does (toll-free).
    Network,
}

/// The sender's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderFacts {
    /// Which sender.
    pub id: SenderId,
    /// What it is.
    pub kind: SenderKind,
    /// The name itself, where it is one; unset for numbers, and in entries of releases that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The country it belongs to; unset for push applications and global names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Other countries it may reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<Country>,
    /// Registered with whoever has to know it.
    pub registered: bool,
    /// An operator or a lost connection stopped it.
    pub paused: bool,
    /// Programs it serves; empty: every program of its brands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramId>,
    /// Brands it serves; empty: every brand of the seller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brands: Vec<BrandId>,
    /// Who replies to STOP and HELP.
    pub answers: Answers,
}

/// The number's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberFacts {
    /// The numbering plan allows it.
    pub valid: bool,
    /// The kind of line.
    pub kind: NumberKind,
    /// The country its range belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
}

/// The installation's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// The provider gave us an address for it that is not known to be dead.
    pub reachable: bool,
    /// The system lets the app show notifications.
    pub os_permission: bool,
    /// The channel for marketing is switched on (Android channels); true where there are none.
    pub channel_enabled: bool,
}

/// Where the person may be: every place some source points to. The rules of all of them hold together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlaceFacts {
    /// Regions and countries. A bare country means its region is not known: every region of it counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jurisdictions: Vec<Jurisdiction>,
    /// Time zones. Empty: every zone of the jurisdictions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<ZoneName>,
    /// No source names a country.
    pub country_unknown: bool,
    /// Sources name places that cannot both be true; all of them are in the lists.
    pub contradictory: bool,
}

/// One subject of the reach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersonFacts {
    /// What the person agreed to at this address; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
    /// What the person refused at this address, also what was lifted; at most 8 in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opt_outs: Vec<OptOut>,
    /// The address stands on the suppression list.
    pub suppressed: bool,
    /// Reached in the last 30 days, or about to be; at most 64 and 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touches: Vec<Touch>,
    /// The person's own settings.
    pub preferences: Preferences,
    /// The newest answer of each kind of number check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<NumberCheck>,
    /// When a message of this program last left for this address by this channel, its own text or ours; unset: none ever did,
    /// or the address is not the one addressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Instant>,
}

/// What a person set for themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preferences {
    /// When they want messages, in their local time. May widen the house hours up to law and carriers; narrows anything.
    pub hours: Option<WeekHours>,
    /// Languages they read, as BCP 47 tags; empty: any.
    pub languages: Vec<String>,
    /// Channels they want; unset: any they consented to.
    pub channels: Option<Vec<Channel>>,
    /// Most marketing messages in any seven days.
    pub at_most_per_week: Option<u32>,
}

/// What a number check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// Has the number a new owner? (FCC Reassigned Numbers Database)
    Reassigned,
    /// Is the number dead? (carrier deactivation files)
    Deactivated,
    /// Is it on a do-not-call register?
    DoNotCall,
    /// What kind of line is it?
    LineType,
    /// What does a national consent registry say?
    Registry,
    /// Is it on a list of people known to sue over texts?
    Litigator,
}

/// What a number check answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckAnswer {
    /// Yes: reassigned, dead, listed, cannot take texts, refused.
    Yes,
    /// No.
    No,
    /// Nothing is known; gives no shelter.
    NoData,
}

/// One answer about a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberCheck {
    /// What was asked.
    pub kind: CheckKind,
    /// What was answered.
    pub answer: CheckAnswer,
    /// When it was asked.
    pub asked_at: Instant,
    /// The date asked about (for reassigned numbers: the consent).
    pub reference_at: Option<Instant>,
    /// Who answered, as the caller named them.
    #[serde(default)]
    pub source: String,
    /// Version of the data that answered; empty: not told. What the FCC's safe harbour asks to be kept.
    #[serde(default)]
    pub database_version: String,
}

/// Where a cart stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartState {
    /// Still waiting to be bought.
    Open,
    /// Bought.
    Purchased,
    /// Emptied by the person.
    Emptied,
    /// Given up by the shop.
    Expired,
}

/// The cart's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartFacts {
    /// Which cart.
    pub id: CartId,
    /// Where it stands.
    pub state: CartState,
    /// When the person left it.
    pub abandoned_at: Instant,
    /// When the shop last told us about it.
    pub updated_at: Instant,
    /// Its value in millionths of the currency's unit; unset when not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_micros: Option<i64>,
    /// ISO 4217 currency of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Messages about it to anybody, so that a shared cart shares its cap. Those of the reach may repeat here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends: Vec<CartSend>,
}

/// One message about a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartSend {
    /// The message.
    pub message: MessageId,
    /// The intent's instant, or when it is due.
    pub at: Instant,
    /// How it travelled.
    pub channel: Channel,
    /// Where it stands.
    pub state: MessageState,
}

/// The coupon pool's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouponFacts {
    /// Which pool was asked for.
    pub pool: PoolId,
    /// It exists and belongs to the brand.
    pub exists: bool,
    /// Codes left; unset for generated codes, which do not run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// This message already holds a code of the pool.
    pub reserved: bool,
    /// The only channel its codes may go out by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive_channel: Option<Channel>,
    /// Until when that holds; unset: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive_until: Option<Instant>,
}

/// How a text is encoded on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Encoding {
    /// 7 bits a character (3GPP TS 23.038).
    Gsm7,
    /// 16 bits a unit.
    Ucs2,
}

/// The content's part, as `content/` read it from the final text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFacts {
    /// The text as it would leave, link and coupon filled in.
    pub body: String,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Parts it needs; 1 for push.
    pub segments: u32,
    /// The text's language as a BCP 47 tag, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// It names the brand.
    pub has_brand_name: bool,
    /// It says how to stop.
    pub has_opt_out: bool,
    /// It tells the contact the brand recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_contact: bool,
    /// Hosts of all links in it, lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link_hosts: Vec<String>,
    /// The host of the link a short link leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_host: Option<String>,
    /// Public shorteners found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_shorteners: Vec<String>,
    /// Prohibited classes found, as in `cannabis`, `gambling`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prohibited: Vec<String>,
    /// Words of price or offer found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offer_words: Vec<String>,
    /// It asks to buy, pay or approve by replying.
    pub asks_reply_to_buy: bool,
}
