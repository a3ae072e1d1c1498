//! One entry as one row of a table: what CSV, JSON lines and the bundle's tables show.
//!
//! The list of columns is a contract (`docs/bundle.md`): columns are added at the end and never renamed. Rows are for
//! officers and do contain numbers; they are made from entries alone, so that a verifier can make them again.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;

use crate::ledger::body::Body;
use crate::ledger::entry::{Entry, Leaf};
use crate::model::subject::Address;
use crate::model::verdict::Reason;
use crate::model::{EntryHash, Instant, SubjectId};

mod fill;
mod person;
mod shop;
#[cfg(test)]
mod tests;
mod words;

/// Version of the list of columns.
pub const ROWS_FORMAT: u32 = 1;
/// Addresses remembered while rows are made; beyond, only entries that carry one themselves show it.
const ADDRESSES_MAX: usize = 100_000;
/// What stands between the parts of a list in one cell.
const LIST_MARK: &str = " | ";

/// A value of a row in both its forms.
trait Cell {
    fn is_blank(&self) -> bool;
    fn text(&self) -> Cow<'_, str>;
}

impl Cell for u64 {
    fn is_blank(&self) -> bool {
        false
    }
    fn text(&self) -> Cow<'_, str> {
        self.to_string().into()
    }
}
impl Cell for Option<u64> {
    fn is_blank(&self) -> bool {
        self.is_none()
    }
    fn text(&self) -> Cow<'_, str> {
        self.map(|n| n.to_string()).unwrap_or_default().into()
    }
}
impl Cell for String {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
    fn text(&self) -> Cow<'_, str> {
        self.as_str().into()
    }
}
impl Cell for Option<Instant> {
    fn is_blank(&self) -> bool {
        self.is_none()
    }
    fn text(&self) -> Cow<'_, str> {
        self.map(|at| at.to_string()).unwrap_or_default().into()
    }
}
impl Cell for Vec<String> {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
    fn text(&self) -> Cow<'_, str> {
        self.join(LIST_MARK).into()
    }
}
impl Cell for Vec<Reason> {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
    fn text(&self) -> Cow<'_, str> {
        self.iter().map(words::reason).collect::<Vec<_>>().join(LIST_MARK).into()
    }
}

macro_rules! columns {
    ($($name:ident: $type:ty = $doc:literal,)*) => {
        /// One entry, flat. Blank cells are left out of JSON.
        #[derive(Debug, Clone, Default, PartialEq, Serialize)]
        pub struct Row {
            $(#[doc = $doc] #[serde(skip_serializing_if = "Cell::is_blank")] pub $name: $type,)*
        }

        /// Name and meaning of each column, in order.
        pub const COLUMNS: &[(&str, &str)] = &[$((stringify!($name), $doc)),*];

        impl Row {
            /// The cells as text, in the order of [`COLUMNS`].
            pub fn cells(&self) -> [Cow<'_, str>; COLUMNS.len()] {
                [$(self.$name.text()),*]
            }
        }
    };
}

columns! {
    index: u64 = "Position in the log, from 0.",
    instant: Option<Instant> = "When it was recorded, RFC 3339, UTC.",
    kind: String = "What happened, as in `OPT_OUT`.",
    brand: String = "The brand; blank for the whole seller.",
    subject: String = "Random id of the person's address, 32 hexadecimal digits.",
    address: String = "The number in E.164, or `device:` with app and installation.",
    summary: String = "What happened, in plain words.",
    program: String = "The program.",
    category: String = "`MARKETING`, `TRANSACTIONAL` or `CONVERSATIONAL`.",
    channel: String = "`SMS` or `PUSH`.",
    message_id: String = "The message, 32 hexadecimal digits.",
    outcome: String = "Decisions: `ADMIT`, `HOLD`, `REFUSE`; else the public outcome of the entry.",
    state: String = "State of the message or consent after it.",
    codes: Vec<String> = "Codes of the reasons, sorted.",
    reasons: Vec<Reason> = "Each reason: code, rule, citation, what was found.",
    hold_until: Option<Instant> = "Held messages: when they are judged again.",
    estimated_send_at: Option<Instant> = "When the message was expected to leave.",
    send_not_after: Option<Instant> = "Nothing may be handed over from then on.",
    zones: Vec<String> = "Time zones whose clocks were asked.",
    jurisdictions: Vec<String> = "Jurisdictions whose rules were asked.",
    policy_version: String = "Version of the policy that judged.",
    time_zone_version: String = "Release of the time-zone data that judged.",
    text: String = "The text: as it left, or as it was to be sent.",
    parts: Option<u64> = "Parts the text needs.",
    sender: String = "The sender.",
    connection: String = "The provider account.",
    template: String = "The template the text came from.",
    labels: Vec<String> = "The caller's labels, `name=value`.",
    provider_ids: Vec<String> = "The provider's ids of the message or text.",
    provider_error: String = "Class, code and words of a provider's refusal.",
    handed_over_at: Option<Instant> = "When the request was written to the provider.",
    carrier_at: Option<Instant> = "The carrier's own time of a receipt.",
    late: String = "`yes` when delivered after the end of its legal window.",
    reply_text: String = "What the person wrote.",
    reply_class: String = "How it was read: `OPT_OUT`, `OPT_IN`, `HELP`, `YES`, `WRONG_NUMBER`, `UNCERTAIN`, `OTHER`.",
    reply_rule: String = "The rule that read it so.",
    received_at: Option<Instant> = "When the text or opt-out reached us or whoever took it.",
    scope: String = "Reach of an opt-out.",
    source: String = "How an opt-out came in.",
    cancelled_messages: Vec<String> = "Messages an opt-out stopped.",
    in_flight_messages: Vec<String> = "Messages already handed over when an opt-out came.",
    consents: Vec<String> = "Each consent after the change: program, channel, state, basis, grade.",
    disclosure: String = "The registered wording the person saw.",
    disclosure_version: String = "Its version.",
    disclosure_sha256: String = "SHA-256 of the wording.",
    disclosure_text: String = "The wording itself.",
    method: String = "Where the person agreed.",
    act: String = "What the person did.",
    basis: String = "The ground claimed.",
    grade: String = "How complete the evidence is.",
    captured_at: Option<Instant> = "When the person agreed.",
    source_url: String = "The page.",
    ip_address: String = "The network address.",
    user_agent: String = "The browser.",
    locale: String = "The language of the wording.",
    signatory: String = "Who signed.",
    signature: String = "What was signed.",
    certificate_url: String = "A third party's certificate.",
    snapshot_sha256: String = "SHA-256 of a picture of the page.",
    number_as_given: String = "The number as the person or caller wrote it.",
    evidence_text: String = "The text message that is the evidence.",
    e_sign_version: String = "Version of the electronic-records disclosure.",
    attributes: Vec<String> = "Further evidence, `name=value`.",
    customer: String = "The shop's id of the customer.",
    link_code: String = "The short link.",
    link_target: String = "Where it leads.",
    clicks: Option<u64> = "Clicks recorded with it, machines included.",
    human_clicks: Option<u64> = "Clicks by people among them.",
    click_classes: Vec<String> = "How each click was read.",
    cart: String = "The cart.",
    cart_state: String = "Its state.",
    cart_value: String = "Its value.",
    coupon: String = "The coupon code.",
    coupon_pool: String = "Its pool.",
    coupon_state: String = "What became of it.",
    coupon_expires_at: Option<Instant> = "First instant at which it is worthless.",
    order_id: String = "The order it was redeemed with, or that closed the cart.",
    note: String = "A reason given, or what else there is to say.",
    actor: String = "Who did it.",
    engine: String = "SHA-256 of what judged: release, rules, policy, zones, phone data, reply rules.",
    shown: String = "`yes`; `withheld`: sealed here because it is outside what was asked; `erased`: nobody can open it.",
    leaf_hash: String = "RFC 6962 hash of the entry's leaf.",
    cost: String = "What the provider took for the message, at the agreed price.",
    cost_currency: String = "Its currency, ISO 4217.",
}

/// What of an entry may be told.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// All of it.
    Whole(&'a Entry),
    /// Its public part: why, and the leaf.
    Public(Closed, u64, EntryHash, &'a Leaf),
}

/// Why an entry is shown without its opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Closed {
    /// It lies outside what was asked, and is there so that the chain has no gap.
    Withheld,
    /// The key was destroyed.
    Erased,
}

/// Makes rows of entries in the order of the log. Remembers addresses, at most 100,000.
#[derive(Debug, Default)]
pub struct RowMaker {
    addresses: HashMap<SubjectId, String>,
    /// Registered wordings by SHA-256.
    wordings: HashMap<[u8; 32], String>,
}

impl RowMaker {
    /// A maker that knows these registered wordings by their SHA-256.
    pub fn new(wordings: HashMap<[u8; 32], String>) -> RowMaker {
        RowMaker { addresses: HashMap::new(), wordings }
    }

    /// The row of one entry.
    pub fn row(&mut self, told: Told<'_>) -> Row {
        match told {
            Told::Whole(entry) => {
                if let Some(address) = fill::address_in(&entry.body) {
                    self.remember(entry.leaf.subject, address);
                }
                let mut row = self.public(entry.index, entry.hash, &entry.leaf);
                row.shown = "yes".to_owned();
                fill::body(&mut row, &entry.body);
                self.word(&mut row, &entry.body);
                row
            }
            Told::Public(closed, index, hash, leaf) => {
                let mut row = self.public(index, hash, leaf);
                (row.shown, row.summary) = match closed {
                    Closed::Withheld => {
                        ("withheld".to_owned(), "Outside what was asked; sealed here.".to_owned())
                    }
                    Closed::Erased => {
                        ("erased".to_owned(), "The person was erased; nobody can open it.".to_owned())
                    }
                };
                row
            }
        }
    }

    /// Takes note of whom an id stands for.
    pub fn remember(&mut self, subject: SubjectId, address: &Address) {
        if self.addresses.len() < ADDRESSES_MAX {
            self.addresses.entry(subject).or_insert_with(|| words::address(address));
        }
    }

    /// Whether the address of a subject is known.
    pub fn knows(&self, subject: &SubjectId) -> bool {
        self.addresses.contains_key(subject)
    }

    fn public(&self, index: u64, hash: EntryHash, leaf: &Leaf) -> Row {
        let hex = |bytes: &[u8]| hex::encode(bytes);
        Row {
            index,
            instant: Some(leaf.instant),
            kind: leaf.kind.as_str_name().to_owned(),
            brand: leaf.brand.as_ref().map(|b| b.to_string()).unwrap_or_default(),
            subject: leaf.subject.to_string(),
            address: self.addresses.get(&leaf.subject).cloned().unwrap_or_default(),
            program: leaf.public.program.clone(),
            channel: leaf.public.channel.clone(),
            message_id: hex(&leaf.public.message_id),
            outcome: leaf.public.outcome.clone(),
            codes: leaf.public.codes.clone(),
            engine: hex(&leaf.engine),
            leaf_hash: hex(&hash.0),
            ..Row::default()
        }
    }

    /// The registered wording behind a consent's evidence.
    fn word(&self, row: &mut Row, body: &Body) {
        if let Body::Consent(body) = body
            && row.disclosure_text.is_empty()
            && let Some(text) = body.evidence.disclosure_sha256.and_then(|hash| self.wordings.get(&hash))
        {
            row.disclosure_text.clone_from(text);
        }
    }
}
