//! A situation in words: what test vectors and `policy test` say, turned into facts. Everything unsaid is in order:
//! a written, double-confirmed consent of ten days ago, a registered sender, a clean text.

mod build;

use serde::{Deserialize, Serialize};

use crate::model::consent::{
    Basis, Category, Channel, ConsentState, DoubleOptIn, Grade, OptOutScope, OptOutSource,
};
use crate::model::facts::{
    Answers, AutomaticKind, CartState, CheckAnswer, CheckKind, OnHold, Phase, SenderKind,
};
use crate::model::phone::{Country, NumberKind};
use crate::model::verdict::Code;
use crate::model::{Instant, Jurisdiction, Medium, MessageState, Outcome, Span, ZoneName, Zones};

/// Why a situation makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SituationError {
    /// A local time that is none.
    #[error("at: {0:?} is no local time; write 2026-11-24 19:59:58")]
    LocalTime(String),
    /// A zone without data.
    #[error("zone: no data for {0}")]
    Zone(ZoneName),
    /// Not a length of time.
    #[error("{0:?} is no length of time; write 2d, 23h59m, 5m1s")]
    Length(String),
    /// Something else, found while reading the table.
    #[error("{0}")]
    Shape(String),
}

/// A length of time as in `2d`, `23h59m`, `-5m1s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Length(pub Span);

impl TryFrom<String> for Length {
    type Error = SituationError;
    fn try_from(text: String) -> Result<Length, SituationError> {
        let bad = || SituationError::Length(text.clone());
        let (sign, rest) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
        let (mut total, mut number) = (0i64, String::new());
        for c in rest.chars() {
            let unit = match c {
                '0'..='9' if number.len() < 9 => {
                    number.push(c);
                    continue;
                }
                'd' => 86_400,
                'h' => 3_600,
                'm' => 60,
                's' => 1,
                _ => return Err(bad()),
            };
            total += unit * number.parse::<i64>().map_err(|_| bad())?;
            number.clear();
        }
        if rest.is_empty() || !number.is_empty() {
            Err(bad())
        } else {
            Ok(Length(Span::seconds(sign * total)))
        }
    }
}
impl From<Length> for String {
    fn from(length: Length) -> String {
        let seconds = length.0.as_seconds();
        format!("{}{}s", if seconds < 0 { "-" } else { "" }, seconds.abs())
    }
}

/// One situation with what is expected of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Situation {
    /// What it shows.
    pub name: String,
    /// Local time in `zone`, as `2026-11-24 19:59:58`.
    pub at: String,
    /// The zone `at` is written in.
    pub zone: ZoneName,
    /// Where the person may be; in a rule's own file the rule's place is meant when nothing is said.
    #[serde(default)]
    pub places: Vec<Jurisdiction>,
    /// Clocks the person may read; unset: `zone` alone; empty: all of the places.
    #[serde(default)]
    pub zones: Option<Vec<ZoneName>>,
    /// No source names a country.
    #[serde(default)]
    pub country_unknown: bool,
    /// Sources disagree.
    #[serde(default)]
    pub contradictory: bool,
    /// How the message travels.
    #[serde(default = "sms")]
    pub channel: Channel,
    /// What its program is for.
    #[serde(default = "marketing")]
    pub category: Category,
    /// At which decision it stands.
    #[serde(default = "accept")]
    pub phase: Phase,
    /// What the caller wants when it must wait.
    #[serde(default)]
    pub on_hold: OnHold,
    /// When it loses its purpose, from `at` on.
    #[serde(default)]
    pub expires_in: Option<Length>,
    /// The matter it is about.
    #[serde(default)]
    pub matter: Option<String>,
    /// How long the sender's queue takes.
    #[serde(default)]
    pub drains_in: Option<Length>,
    /// The consent; `state` other than granted says there is none in force.
    #[serde(default)]
    pub consent: ConsentLine,
    /// What the person refused.
    #[serde(default)]
    pub opt_outs: Vec<OptOutLine>,
    /// On the suppression list.
    #[serde(default)]
    pub suppressed: bool,
    /// How the person was reached before.
    #[serde(default)]
    pub touches: Vec<TouchLine>,
    /// The person's own settings.
    #[serde(default)]
    pub preferences: Option<PreferencesLine>,
    /// Answers about the number. Left out: asked an hour ago, the number has its old owner.
    #[serde(default = "same_owner")]
    pub checks: Vec<CheckLine>,
    /// Other subjects of the same customer.
    #[serde(default)]
    pub also: Vec<AlsoLine>,
    /// The cart it is about.
    #[serde(default)]
    pub cart: Option<CartLine>,
    /// The number.
    #[serde(default)]
    pub number: NumberLine,
    /// The installation, for push.
    #[serde(default)]
    pub device: DeviceLine,
    /// The sender.
    #[serde(default)]
    pub sender: SenderLine,
    /// Where the brand is stricter.
    #[serde(default)]
    pub brand: BrandLine,
    /// The program is switched off.
    #[serde(default)]
    pub program_off: bool,
    /// The text.
    #[serde(default)]
    pub content: ContentLine,
    /// The coupon pool.
    #[serde(default)]
    pub coupon: Option<CouponLine>,
    /// The gateway's own answer.
    #[serde(default)]
    pub automatic: Option<AutomaticLine>,
    /// What must come out.
    pub expect: Expect,
}

/// What must come out. Unset parts are not looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The outcome.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Exactly these codes among refusals and holds, in any order.
    #[serde(default)]
    pub codes: Option<Vec<Code>>,
    /// These codes among all reasons, notes too.
    #[serde(default)]
    pub has: Vec<Code>,
    /// None of these codes among all reasons.
    #[serde(default)]
    pub lacks: Vec<Code>,
    /// These rules speak (refuse or hold), among others.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Exactly these codes of refusals and holds by the rule in whose file this stands.
    #[serde(default)]
    pub says: Option<Vec<Code>>,
    /// The end of a hold, as local time in the situation's zone.
    #[serde(default)]
    pub until: Option<String>,
    /// The last moment to hand over, as local time in the situation's zone.
    #[serde(default)]
    pub not_after: Option<String>,
}

/// The consent of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentLine {
    /// Where it stands.
    pub state: ConsentState,
    /// Its ground.
    pub basis: Basis,
    /// How complete its evidence is.
    pub grade: Grade,
    /// The second step.
    pub double_opt_in: DoubleOptIn,
    /// It names carts.
    pub names_carts: bool,
    /// It covers the night, agreed to with the day.
    pub night: bool,
    /// When the night was agreed to by an act of its own.
    pub night_ago: Option<Length>,
    /// When it was given.
    pub ago: Length,
    /// When it runs out, from `at` on.
    pub expires_in: Option<Length>,
    /// When a message last left under it.
    pub used_ago: Option<Length>,
}

/// One refusal of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOutLine {
    /// How far.
    pub scope: OptOutScope,
    /// How it came.
    #[serde(default = "by_text")]
    pub source: OptOutSource,
    /// The person named the scope.
    #[serde(default)]
    pub named: bool,
    /// When.
    pub ago: Length,
    /// When it was undone.
    #[serde(default)]
    pub lifted_ago: Option<Length>,
}

/// One touch of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TouchLine {
    /// When; negative: still to come.
    pub ago: Length,
    /// By what.
    #[serde(default = "text_medium")]
    pub medium: Medium,
    /// About the situation's cart.
    #[serde(default)]
    pub cart: bool,
    /// What for.
    #[serde(default = "marketing")]
    pub category: Category,
    /// About what.
    #[serde(default)]
    pub matter: Option<String>,
    /// Where it stands.
    #[serde(default = "delivered")]
    pub state: MessageState,
    /// By another tool.
    #[serde(default)]
    pub external: bool,
}

/// The person's settings in a situation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreferencesLine {
    /// The same hours every day.
    pub daily: Option<crate::model::DayHours>,
    /// Languages.
    pub languages: Vec<String>,
    /// Channels.
    pub channels: Option<Vec<Channel>>,
    /// Most a week.
    pub at_most_per_week: Option<u32>,
}

/// A number check in a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckLine {
    /// What was asked.
    pub kind: CheckKind,
    /// The answer.
    pub answer: CheckAnswer,
    /// When.
    pub ago: Length,
}

/// What a careful sender knows of a number before marketing to it (10 M.R.S. 1499-B asks for it).
fn same_owner() -> Vec<CheckLine> {
    vec![CheckLine { kind: CheckKind::Reassigned, answer: CheckAnswer::No, ago: Length(Span::hours(1)) }]
}

/// Another subject of the same customer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlsoLine {
    /// What the person refused there.
    pub opt_outs: Vec<OptOutLine>,
    /// On the suppression list.
    pub suppressed: bool,
    /// How the person was reached there.
    pub touches: Vec<TouchLine>,
    /// The settings there.
    pub preferences: Option<PreferencesLine>,
}

/// The brand's own limits in a situation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrandLine {
    /// The same hours every day.
    pub daily: Option<crate::model::DayHours>,
    /// Most texts for one cart.
    pub per_cart: Option<u32>,
    /// Least time between two texts about one cart.
    pub cart_spacing: Option<Length>,
    /// Least time after the person was reached some other way.
    pub touch_spacing: Option<Length>,
    /// Most messages in 24 hours.
    pub per_day: Option<u32>,
    /// Most parts.
    pub segments: Option<u32>,
    /// Attested consents count.
    pub accepts_attested: bool,
}

/// The cart of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CartLine {
    /// When it was left.
    pub abandoned_ago: Length,
    /// Where it stands.
    #[serde(default = "open_cart")]
    pub state: CartState,
    /// Texts about it to other people: when.
    #[serde(default)]
    pub others: Vec<Length>,
}

/// The number of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumberLine {
    /// The plan allows it.
    pub valid: bool,
    /// The kind of line.
    pub kind: NumberKind,
    /// Its country; unset: that of the first place.
    pub country: Option<Country>,
}

/// The installation of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceLine {
    /// It has a live address.
    pub reachable: bool,
    /// The system permits notifications.
    pub os_permission: bool,
    /// The channel is on.
    pub channel_enabled: bool,
}

/// The sender of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SenderLine {
    /// There is none.
    pub none: bool,
    /// Its kind; unset: 10DLC for texts, an app for push.
    pub kind: Option<SenderKind>,
    /// Its name, where it is one and rules look at it.
    pub name: Option<String>,
    /// Registered.
    pub registered: bool,
    /// Paused.
    pub paused: bool,
    /// Its country; unset: the number's.
    pub country: Option<Country>,
    /// Serves another brand only.
    pub other_brand: bool,
    /// Serves another program only.
    pub other_program: bool,
    /// Who answers.
    pub answers: Answers,
}

/// The text of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContentLine {
    /// There is no text at all.
    pub empty: bool,
    /// The words themselves, for rules that look at them; unset: an ordinary English text.
    pub body: Option<String>,
    /// Parts.
    pub segments: u32,
    /// Names the brand.
    pub brand_name: bool,
    /// Says how to stop.
    pub opt_out: bool,
    /// Tells the brand's contact.
    pub contact: bool,
    /// Hosts linked to.
    pub link_hosts: Vec<String>,
    /// Public shorteners.
    pub shared_shorteners: Vec<String>,
    /// Prohibited classes.
    pub prohibited: Vec<String>,
    /// Words of an offer.
    pub offer_words: Vec<String>,
    /// Asks to buy by replying.
    pub asks_reply_to_buy: bool,
    /// Language.
    pub language: Option<String>,
}

/// The coupon of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CouponLine {
    /// The pool exists.
    pub exists: bool,
    /// Codes left.
    pub remaining: Option<u64>,
    /// The only channel.
    pub exclusive_channel: Option<Channel>,
}

/// The automatic text of a situation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutomaticLine {
    /// Which.
    pub kind: AutomaticKind,
    /// When its cause came.
    pub ago: Length,
    /// Called for by the person's own text.
    #[serde(default)]
    pub by_keyword: bool,
    /// A grant was in force.
    #[serde(default = "yes")]
    pub grant_existed: bool,
    /// When it was sent last.
    #[serde(default)]
    pub last_ago: Option<Length>,
}

fn sms() -> Channel {
    Channel::Sms
}
fn marketing() -> Category {
    Category::Marketing
}
fn accept() -> Phase {
    Phase::Accept
}
fn by_text() -> OptOutSource {
    OptOutSource::SmsReply
}
fn text_medium() -> Medium {
    Medium::Sms
}
fn delivered() -> MessageState {
    MessageState::Delivered
}
fn open_cart() -> CartState {
    CartState::Open
}
fn yes() -> bool {
    true
}

impl Default for ConsentLine {
    fn default() -> Self {
        ConsentLine {
            state: ConsentState::Granted,
            basis: Basis::ExpressWritten,
            grade: Grade::Full,
            double_opt_in: DoubleOptIn::ByText,
            names_carts: true,
            night: false,
            night_ago: None,
            ago: Length(Span::days(10)),
            expires_in: None,
            used_ago: None,
        }
    }
}
impl Default for NumberLine {
    fn default() -> Self {
        NumberLine { valid: true, kind: NumberKind::FixedOrMobile, country: None }
    }
}
impl Default for DeviceLine {
    fn default() -> Self {
        DeviceLine { reachable: true, os_permission: true, channel_enabled: true }
    }
}
impl Default for SenderLine {
    fn default() -> Self {
        SenderLine {
            none: false,
            kind: None,
            name: None,
            registered: true,
            paused: false,
            country: None,
            other_brand: false,
            other_program: false,
            answers: Answers::Gateway,
        }
    }
}
impl Default for ContentLine {
    fn default() -> Self {
        ContentLine {
            empty: false,
            body: None,
            segments: 1,
            brand_name: true,
            opt_out: true,
            contact: true,
            link_hosts: Vec::new(),
            shared_shorteners: Vec::new(),
            prohibited: Vec::new(),
            offer_words: Vec::new(),
            asks_reply_to_buy: false,
            language: None,
        }
    }
}
impl Default for CouponLine {
    fn default() -> Self {
        CouponLine { exists: true, remaining: None, exclusive_channel: None }
    }
}

impl Situation {
    /// A marketing text with everything in order, at that local time.
    pub fn ordinary(at: &str, zone: ZoneName, expect: Expect) -> Situation {
        Situation {
            name: String::new(),
            at: at.to_owned(),
            zone,
            places: Vec::new(),
            zones: None,
            country_unknown: false,
            contradictory: false,
            channel: Channel::Sms,
            category: Category::Marketing,
            phase: Phase::Accept,
            on_hold: OnHold::Hold,
            expires_in: None,
            matter: None,
            drains_in: None,
            consent: ConsentLine::default(),
            opt_outs: Vec::new(),
            suppressed: false,
            touches: Vec::new(),
            preferences: None,
            checks: same_owner(),
            also: Vec::new(),
            cart: None,
            number: NumberLine::default(),
            device: DeviceLine::default(),
            sender: SenderLine::default(),
            brand: BrandLine::default(),
            program_off: false,
            content: ContentLine::default(),
            coupon: None,
            automatic: None,
            expect,
        }
    }

    /// Reads one from a table of a rule file; `place` stands in where none is named.
    pub fn read(
        table: &serde_json::Value,
        place: Option<&Jurisdiction>,
    ) -> Result<Situation, SituationError> {
        let mut situation =
            Situation::deserialize(table).map_err(|e| SituationError::Shape(e.to_string()))?;
        if situation.places.is_empty() && !situation.country_unknown {
            situation.places.extend(place.cloned());
        }
        Ok(situation)
    }

    /// A local time of the situation's zone as an instant; of a doubled hour the first.
    pub fn instant(&self, local: &str, zones: &Zones) -> Result<Instant, SituationError> {
        let zone = zones.get(&self.zone).ok_or_else(|| SituationError::Zone(self.zone.clone()))?;
        let bad = || SituationError::LocalTime(local.to_owned());
        let civil: jiff::civil::DateTime = local.parse().map_err(|_| bad())?;
        zone.to_ambiguous_timestamp(civil).compatible().map(Instant::from_jiff).map_err(|_| bad())
    }
}
