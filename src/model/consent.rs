//! Consent and its opposite: what a person agreed to, on what basis, and what they refused.
//!
//! Stored rows keep variants by position: new variants go to the end, none is removed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{BrandId, ProgramId, SenderId};
use super::instant::Instant;

/// How a message reaches a person through this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A text message to a phone number.
    Sms,
    /// A notification to one app installation or browser.
    Push,
}

/// What a program is for; fixed by an operator, never by a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Advertises or wins back; cart reminders are marketing (FCC, CTIA).
    Marketing,
    /// About something the person bought or asked for.
    Transactional,
    /// Answers to what the person wrote first.
    Conversational,
}

/// Where a consent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// In force.
    Granted,
    /// Evidence is good; the person's own confirmation is awaited.
    PendingConfirmation,
    /// Evidence was refused; kept with its reasons.
    Refused,
    /// Taken back, or void because the number changed hands.
    Revoked,
    /// Ran out.
    Expired,
}

/// On what ground a message may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Signed written agreement naming seller and number (47 CFR 64.1200(f)(9)).
    ExpressWritten,
    /// Clear agreement, not in the written form.
    Express,
    /// Own similar goods after a sale, with a refusal offered (ePrivacy 13(2)).
    SoftOptIn,
    /// CASL: an existing business relationship through a purchase.
    ImpliedPurchase,
    /// CASL: an existing business relationship through an inquiry.
    ImpliedInquiry,
}

/// How complete the evidence behind a consent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Wording, act and time are all kept.
    Full,
    /// Somebody vouches for it; the wording is not kept. Counts only where the brand accepts it.
    Attested,
}

/// Where the person agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A form on a web page.
    WebForm,
    /// A box of its own in a checkout.
    CheckoutCheckbox,
    /// A keyword texted in by the person.
    Keyword,
    /// A signed sheet.
    Paper,
    /// Spoken and recorded.
    Voice,
    /// A switch inside the app, not the system's own prompt alone.
    AppPermission,
    /// At a till.
    PointOfSale,
    /// Brought over from another system.
    Imported,
    /// Nobody said.
    Unstated,
}

/// What the person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Ticked an empty box.
    Ticked,
    /// Typed their number for this purpose.
    Typed,
    /// Replied by text.
    Replied,
    /// Signed.
    Signed,
    /// Said yes.
    Spoken,
    /// Turned a switch on.
    Switched,
}

/// How a second, confirming step was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubleOptIn {
    /// There was none.
    None,
    /// A reply by text from the number itself: the only kind carriers take for cart reminders.
    ByText,
    /// A link or code on the web.
    ByWeb,
    /// Inside the app.
    InApp,
}

/// Whether a consent covers messages at night, and by which act. In text it is `false`, `true` or the instant of the act, so
/// that what was written before there was one reads as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Night {
    /// By day only.
    #[default]
    No,
    /// Agreed to in the act that agreed to the day, as it was taken before the night had one of its own; counted from that
    /// act. Never written any more.
    WithDay,
    /// Agreed to by an act of its own at that instant (Korea, Network Act art. 50(3)).
    At(Instant),
}

impl Serialize for Night {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            _ if !to.is_human_readable() => StoredNight::from(*self).serialize(to),
            Night::No => to.serialize_bool(false),
            Night::WithDay => to.serialize_bool(true),
            Night::At(at) => at.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Night {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Night, D::Error> {
        if !from.is_human_readable() {
            return StoredNight::deserialize(from).map(Night::from);
        }
        Ok(match WrittenNight::deserialize(from)? {
            WrittenNight::Flag(false) => Night::No,
            WrittenNight::Flag(true) => Night::WithDay,
            WrittenNight::At(at) => Night::At(at),
        })
    }
}

/// In rows: the first two as the bytes of the flag it was.
#[derive(Serialize, Deserialize)]
enum StoredNight {
    No,
    WithDay,
    At(Instant),
}

impl From<Night> for StoredNight {
    fn from(night: Night) -> StoredNight {
        match night {
            Night::No => StoredNight::No,
            Night::WithDay => StoredNight::WithDay,
            Night::At(at) => StoredNight::At(at),
        }
    }
}

impl From<StoredNight> for Night {
    fn from(night: StoredNight) -> Night {
        match night {
            StoredNight::No => Night::No,
            StoredNight::WithDay => Night::WithDay,
            StoredNight::At(at) => Night::At(at),
        }
    }
}

/// In entries and recorded facts.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenNight {
    Flag(bool),
    At(Instant),
}

/// One grant (or refusal) for one program and channel at one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The purpose agreed to.
    pub program: ProgramId,
    /// The brand it was given to.
    pub brand: BrandId,
    /// The channel agreed to.
    pub channel: Channel,
    /// Where it stands.
    pub state: ConsentState,
    /// The ground.
    pub basis: Basis,
    /// When the relationship behind an implied basis began (last purchase, inquiry), or the notice went out that confirmed
    /// the consent (Korea); unset: `captured_at`.
    pub basis_date: Option<Instant>,
    /// How complete the evidence is.
    pub grade: Grade,
    /// Where it was given.
    pub method: Method,
    /// What the person did, where it is known.
    pub act: Option<Act>,
    /// When the person acted.
    pub captured_at: Instant,
    /// When we wrote it down.
    pub recorded_at: Instant,
    /// When the person confirmed; unset while that is pending or not asked for.
    pub confirmed_at: Option<Instant>,
    /// How the person confirmed.
    pub double_opt_in: DoubleOptIn,
    /// The wording shown, and the confirming text, named cart reminders.
    pub covers_cart: bool,
    /// The separate agreement to messages at night (Korea), valid only beside this one.
    pub night: Night,
    /// When it runs out by itself.
    pub expires_at: Option<Instant>,
    /// The sender the person dealt with, for keyword and text opt-ins.
    pub sender: Option<SenderId>,
}

impl Consent {
    /// When the person agreed to the night; none: they did not.
    pub fn night_agreed_at(&self) -> Option<Instant> {
        match self.night {
            Night::No => None,
            Night::WithDay => Some(self.captured_at),
            Night::At(at) => Some(at),
        }
    }

    /// Whether one of these opt-outs took the night back after it was agreed to. Only a new act undoes that: what lifts an
    /// opt-out says nothing of the night. An agreement of its own ends with every opt-out from this program's marketing, one
    /// taken with the day with scope `NIGHT` alone, as it always did.
    pub fn night_is_taken_back<'a>(&self, opt_outs: impl IntoIterator<Item = &'a OptOut>) -> bool {
        let Some(agreed_at) = self.night_agreed_at() else { return false };
        let own_act = matches!(self.night, Night::At(_));
        let ends = |o: &OptOut| {
            o.scope == OptOutScope::Night
                || own_act && o.reaches(&self.brand, &self.program, Category::Marketing, self.channel)
        };
        opt_outs.into_iter().any(|o| o.received_at >= agreed_at && ends(o))
    }
}

/// How far an opt-out reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutScope {
    /// Everything from this seller, informational texts too.
    All,
    /// All marketing of this seller.
    Marketing,
    /// One brand.
    Brand(BrandId),
    /// One program.
    Program(ProgramId),
    /// One channel.
    Channel(Channel),
    /// Messages at night, and nothing else: it takes back the separate consent to them (Korea, Network Act art. 50(3)).
    Night,
}

/// How an opt-out came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutSource {
    /// The person replied by text.
    SmsReply,
    /// The provider or network told us.
    Provider,
    /// By phone call.
    PhoneCall,
    /// By e-mail.
    Email,
    /// On a web page or through an opt-out link.
    Web,
    /// In a shop.
    InStore,
    /// By letter.
    Letter,
    /// In the app, or by the system's own switch.
    App,
    /// An officer wrote it.
    Operator,
}

/// One refusal by the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// How far it reaches.
    pub scope: OptOutScope,
    /// The person named this scope themselves: on the opt-out page, in the app, or to somebody who wrote it down. A reply
    /// never names one: nobody is asked after a STOP which messages it means, and it is taken to mean all.
    /// A narrow scope nobody named may count as wider (47 CFR 64.1200(a)(10)).
    pub scope_named: bool,
    /// How it came in.
    pub source: OptOutSource,
    /// When it reached us or whoever took it; it holds from this instant.
    pub received_at: Instant,
    /// When we wrote it down.
    pub recorded_at: Instant,
    /// The sender it was sent to, when by text.
    pub sender: Option<SenderId>,
    /// When the person's own act, or an officer, undid it.
    pub lifted_at: Option<Instant>,
    /// Programs the person reopened by their own act, each on the channel they acted on, while it goes on for all
    /// others; sorted.
    pub lifted_for: Vec<(ProgramId, Channel)>,
}

impl OptOut {
    /// Whether it still holds at that instant. One recorded with a later receipt time holds at once: nobody waits for a STOP.
    pub fn holds_at(&self, at: Instant) -> bool {
        self.lifted_at.is_none_or(|lifted| at < lifted)
    }

    /// Whether it forbids a message of that brand, program, category and channel.
    pub fn covers(&self, brand: &BrandId, program: &ProgramId, category: Category, channel: Channel) -> bool {
        let reopened = self.lifted_for.iter().any(|(p, c)| p == program && *c == channel);
        !reopened && self.reaches(brand, program, category, channel)
    }

    /// Whether its scope reaches that far, lifted or not.
    pub fn reaches(
        &self,
        brand: &BrandId,
        program: &ProgramId,
        category: Category,
        channel: Channel,
    ) -> bool {
        match &self.scope {
            OptOutScope::All => true,
            OptOutScope::Marketing => category == Category::Marketing,
            OptOutScope::Brand(b) => b == brand,
            OptOutScope::Program(p) => p == program,
            OptOutScope::Channel(c) => *c == channel,
            // It forbids no message by day; at night the consent it takes back is missing.
            OptOutScope::Night => false,
        }
    }
}
