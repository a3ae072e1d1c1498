//! What each kind of rule says. One struct a kind; a rule that says nothing more than "this is required" has none.

mod record;
mod sender;
mod wording;

use serde::{Deserialize, Serialize};

pub use record::{Kept, OptOutDeadline, Retention};
pub use sender::{SenderDuty, SenderName, SenderNeed};
pub use wording::{About, Place, Wording};

use crate::model::consent::{Basis, DoubleOptIn, OptOutScope, OptOutSource};
use crate::model::facts::{AutomaticKind, CheckKind};
use crate::model::hours::{DayHours, WeekHours};
use crate::model::message::Medium;
use crate::model::phone::NumberKind;
use crate::model::{Instant, ZoneName};

/// The value of a rule, by its `kind`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `hours`: when marketing may leave.
    Hours(Hours),
    /// `calendar`: days without, or with other, hours.
    Calendar(super::calendar::Calendar),
    /// `ban`: a dated stop of everything of these categories.
    Ban(Ban),
    /// `cap`: most messages to one person in a rolling time.
    Cap(Cap),
    /// `cart_cap`: most messages about one cart.
    CartCap(CartCap),
    /// `cart_spacing`: least time between two messages about one cart.
    CartSpacing(Wait),
    /// `cart_age`: longest time after the cart was abandoned.
    CartAge(Wait),
    /// `touch_spacing`: least time after the person was reached by another medium.
    TouchSpacing(TouchSpacing),
    /// `consent`: what kind of consent is needed.
    Consent(ConsentNeed),
    /// `consent_use`: how long a consent carries that is not used.
    ConsentUse(ConsentUse),
    /// `revocation`: how far an opt-out reaches whose scope nobody named.
    Revocation(Revocation),
    /// `automatic`: the limits of an automatic text.
    Automatic(AutomaticLimits),
    /// `number`: lines that cannot be texted.
    Number(NumberNeed),
    /// `number_check`: an answer about the number that is needed or matters.
    NumberCheck(CheckNeed),
    /// `sender`: what a sender must be.
    Sender(SenderNeed),
    /// `sender_name`: how a sender that is a name must be spelled.
    SenderName(SenderName),
    /// `content`: what a text must or must not be.
    Content(ContentNeed),
    /// `wording`: words a text must carry, and where.
    Wording(Wording),
    /// `opt_out_deadline`: how long the law lets an opt-out take. Ours hold at receipt; people are told.
    OptOutDeadline(OptOutDeadline),
    /// `retention`: how long records are kept.
    Retention(Retention),
    /// `prohibited`: classes of content not carried.
    Prohibited(Classes),
    /// `segments`: most parts of one text.
    Segments(AtMost),
    /// `category`: signs that a message is marketing whatever its program says.
    Category(MarketingSigns),
}

/// When sending is permitted, on a wall clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The hours of each weekday.
    pub week: WeekHours,
    /// The calendar whose days have other hours, by the id of its rule.
    #[serde(default)]
    pub calendar: Option<String>,
    /// The hours on those days, on top of the weekday's own.
    #[serde(default)]
    pub holidays: Option<DayHours>,
    /// The clock the law names, when it is not the person's.
    #[serde(default)]
    pub clock: Option<ZoneName>,
    /// A person's own stated hours replace these. Only house rules may say so.
    #[serde(default)]
    pub person_may_widen: bool,
    /// A consent of this kind lifts these hours. An explicit switch: every use is noted in the verdict.
    #[serde(default)]
    pub waived_by: Option<Waiver>,
}

/// What lifts the hours of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiver {
    /// A separate consent to messages at night (Korea, Network Act art. 50(3)).
    NightConsent,
    /// An express consent, written or not (Utah, New York and others, where the operator's counsel agrees).
    ExpressConsent,
}

/// A dated ban: an emergency or a proclaimed day of silence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// When it began.
    #[serde(with = "instant_text")]
    pub from: Instant,
    /// When it ends; a ban without an end is renewed by hand.
    #[serde(with = "instant_text")]
    pub to: Instant,
    /// What was declared, and by whom.
    pub reason: String,
}

/// What a cap counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountBy {
    /// All messages of the seller to the person.
    Recipient,
    /// Those about the same matter.
    SubjectMatter,
}

/// Most messages in a rolling time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// How many, at least 1.
    pub at_most: u32,
    /// Within how many hours, at most 720.
    pub hours: u32,
    /// What counts.
    pub media: Vec<Medium>,
    /// Counted by whom or what.
    pub by: CountBy,
}

/// Most messages about one cart, ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CartCap {
    /// How many, at least 1.
    pub at_most: u32,
    /// What counts.
    pub media: Vec<Medium>,
}

/// A length of time in hours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How many, 1 to 720.
    pub hours: u32,
}

/// Time to leave a person alone after they were reached some other way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TouchSpacing {
    /// How many minutes, 1 to 43,200.
    pub minutes: u32,
    /// What counts as having been reached; the message's own medium never does.
    pub media: Vec<Medium>,
}

/// How long a basis carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasisLife {
    /// The basis.
    pub basis: Basis,
    /// Days it carries after its date; absent: until taken back.
    #[serde(default)]
    pub days: Option<u32>,
    /// So many days before its end every verdict says that it is to be renewed; fewer than `days`.
    #[serde(default)]
    pub renew_within: Option<u32>,
    /// Lawful, but not used: an operator switches it on by taking this word out of the file.
    #[serde(default)]
    pub off: bool,
}

/// What kind of consent is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentNeed {
    /// Any of these will do.
    pub any_of: Vec<BasisLife>,
    /// The second step must have been one of these; empty: none is asked for.
    #[serde(default)]
    pub double_opt_in: Vec<DoubleOptIn>,
    /// The wording must have named cart reminders.
    #[serde(default)]
    pub names_carts: bool,
}

/// How long a consent carries that is not used: counted from the last message that left under it, or from what it rests on
/// (the act, its confirmation, the purchase, a notice), whichever is later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentUse {
    /// Consents on these grounds; empty: on any.
    #[serde(default)]
    pub bases: Vec<Basis>,
    /// After so many days without a message it carries no longer; 1 to 3,650.
    pub days: u32,
    /// From so many days on every verdict notes `CONSENT_IDLE`.
    #[serde(default)]
    pub note_days: Option<u32>,
}

/// How far an opt-out reaches whose scope the person did not name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// It counts as this.
    pub counts_as: OptOutScope,
    /// When it came in one of these ways.
    pub sources: Vec<OptOutSource>,
}

/// Hours of an automatic text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutomaticHours {
    /// The program's window.
    Window,
    /// Any hour: it answers the person.
    Any,
    /// Any hour when the person's own text called for it, else the window.
    AnyIfKeyword,
}

/// The limits of one automatic text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutomaticLimits {
    /// Which text.
    pub text: AutomaticKind,
    /// Not later than this after what called for it.
    pub within_minutes: u32,
    /// Not again before this; absent: never again for the same cause.
    #[serde(default)]
    pub repeat_minutes: Option<u32>,
    /// When.
    pub hours: AutomaticHours,
    /// A grant must have been in force.
    #[serde(default)]
    pub needs_grant: bool,
    /// No words of price or offer.
    #[serde(default)]
    pub no_offer: bool,
}

/// Lines that cannot be texted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberNeed {
    /// Kinds refused.
    pub refuse: Vec<NumberKind>,
}

/// What a missing, old or empty answer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfMissing {
    /// Nothing.
    Ignore,
    /// A note in the verdict.
    Note,
    /// Hold until there is an answer.
    Hold,
}

/// An answer about the number that matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckNeed {
    /// What was asked.
    pub check: CheckKind,
    /// How many days an answer carries, 1 to 3,650.
    pub days: u32,
    /// What no answer at all does.
    pub if_missing: IfMissing,
    /// What a "no" older than `days`, or "no data", does; absent: as `if_missing`.
    #[serde(default)]
    pub if_stale: Option<IfMissing>,
    /// Bases of consent that make a "yes" harmless.
    #[serde(default)]
    pub lifted_by: Vec<Basis>,
}

/// What a text must or must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentDuty {
    /// Say who sends it.
    BrandName,
    /// Say how to stop.
    OptOutWording,
    /// Say where the sender can be reached.
    Contact,
    /// Say it, or carry a link of the brand that leads there.
    ContactOrLink,
    /// No public shortener.
    NoSharedShortener,
    /// Links only to the brand's own domains.
    OwnDomains,
    /// Nothing that is bought, paid or approved by replying.
    NoReplyToBuy,
    /// No link at all: networks drop texts that carry one.
    NoLink,
    /// No link, unless the sender belongs to the person's country.
    NoLinkFromAbroad,
}

impl ContentDuty {
    /// Whether it asks for the contact of the brand, which is put into a text that lacks it.
    pub fn asks_for_contact(self) -> bool {
        matches!(self, ContentDuty::Contact | ContentDuty::ContactOrLink)
    }
}

/// A duty of content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentNeed {
    /// Which.
    pub require: ContentDuty,
}

/// Classes of content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classes {
    /// As `content/` names them.
    pub classes: Vec<String>,
}

/// A plain upper limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtMost {
    /// At least 1.
    pub at_most: u32,
}

/// Signs of marketing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketingSigns {
    /// A cart is attached.
    pub cart: bool,
    /// A coupon pool is attached.
    pub coupon: bool,
    /// The text holds words of price or offer.
    pub offer_words: bool,
}

impl Value {
    /// Reads the value of a rule of that kind. The error names the field.
    pub fn read(kind: &str, value: &serde_json::Value) -> Result<Value, String> {
        fn get<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> Result<T, String> {
            T::deserialize(value).map_err(|e| format!("value: {e}"))
        }
        Ok(match kind {
            "hours" => Value::Hours(get(value)?),
            "calendar" => Value::Calendar(get(value)?),
            "ban" => Value::Ban(get(value)?),
            "cap" => Value::Cap(get(value)?),
            "cart_cap" => Value::CartCap(get(value)?),
            "cart_spacing" => Value::CartSpacing(get(value)?),
            "cart_age" => Value::CartAge(get(value)?),
            "touch_spacing" => Value::TouchSpacing(get(value)?),
            "consent" => Value::Consent(get(value)?),
            "consent_use" => Value::ConsentUse(get(value)?),
            "revocation" => Value::Revocation(get(value)?),
            "automatic" => Value::Automatic(get(value)?),
            "number" => Value::Number(get(value)?),
            "number_check" => Value::NumberCheck(get(value)?),
            "sender" => Value::Sender(get(value)?),
            "sender_name" => Value::SenderName(get(value)?),
            "content" => Value::Content(get(value)?),
            "wording" => Value::Wording(get(value)?),
            "opt_out_deadline" => Value::OptOutDeadline(get(value)?),
            "retention" => Value::Retention(get(value)?),
            "prohibited" => Value::Prohibited(get(value)?),
            "segments" => Value::Segments(get(value)?),
            "category" => Value::Category(get(value)?),
            other => return Err(format!("kind: no kind of rule is called {other:?}")),
        })
    }

    /// What is wrong with the value itself, whatever else the set holds.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |good: bool, problem: &str| {
            if !good {
                problems.push(format!("value: {problem}"));
            }
        };
        let hours = |h: u32| (1..=720).contains(&h);
        match self {
            Value::Hours(v) => {
                check(v.calendar.is_some() == v.holidays.is_some(), "calendar and holidays go together");
                check(v.week.days().iter().any(|d| !d.is_none()), "no hour of the week is left");
            }
            Value::Calendar(v) => check(!v.days.is_empty(), "days is empty"),
            Value::Ban(v) => check(v.from < v.to, "to must be after from"),
            Value::Cap(v) => {
                check(v.at_most >= 1, "at_most must be at least 1");
                check(hours(v.hours), "hours must be 1 to 720");
                check(!v.media.is_empty(), "media is empty");
            }
            Value::CartCap(v) => {
                check(v.at_most >= 1, "at_most must be at least 1");
                check(!v.media.is_empty(), "media is empty");
            }
            Value::CartSpacing(v) | Value::CartAge(v) => check(hours(v.hours), "hours must be 1 to 720"),
            Value::TouchSpacing(v) => {
                check((1..=43_200).contains(&v.minutes), "minutes must be 1 to 43200");
                check(!v.media.is_empty(), "media is empty");
            }
            Value::Consent(v) => {
                check(v.any_of.iter().any(|life| !life.off), "any_of has nothing that is on");
                let late = |life: &BasisLife| {
                    life.renew_within.is_some_and(|n| life.days.is_none_or(|days| n >= days))
                };
                check(!v.any_of.iter().any(late), "renew_within must be less than days");
            }
            Value::SenderName(v) => v.problems().into_iter().for_each(|problem| check(false, problem)),
            Value::Wording(v) => v.problems().into_iter().for_each(|problem| check(false, problem)),
            Value::OptOutDeadline(v) => check(v.is_sound(), "hours or business_days, one of them, 1 to 366"),
            Value::Retention(v) => check((1..=36_600).contains(&v.days), "days must be 1 to 36600"),
            Value::ConsentUse(v) => {
                check((1..=3_650).contains(&v.days), "days must be 1 to 3650");
                check(v.note_days.is_none_or(|n| n < v.days), "note_days must be less than days");
            }
            Value::Revocation(v) => check(!v.sources.is_empty(), "sources is empty"),
            Value::Automatic(v) => {
                // Two years: a consent is renewed so long after it was given.
                check((1..=1_051_200).contains(&v.within_minutes), "within_minutes must be 1 to 1051200")
            }
            Value::Number(v) => check(!v.refuse.is_empty(), "refuse is empty"),
            Value::NumberCheck(v) => check((1..=3_650).contains(&v.days), "days must be 1 to 3650"),
            Value::Prohibited(v) => check(!v.classes.is_empty(), "classes is empty"),
            Value::Segments(v) => check(v.at_most >= 1, "at_most must be at least 1"),
            Value::Category(v) => check(v.cart || v.coupon || v.offer_words, "no sign is named"),
            Value::Sender(_) | Value::Content(_) => {}
        }
        problems
    }
}

mod instant_text {
    //! Instants as RFC 3339 text.
    use crate::model::Instant;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Instant, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&at.to_string())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Instant, D::Error> {
        Instant::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}
