//! One person's address at one seller, and everything a decision may know about it. Bounded: history lives in the ledger.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::consent::{Channel, Consent, OptOut};
use super::facts::AutomaticKind;
pub use super::facts::{NumberCheck, Preferences};
use super::ids::{CartId, CustomerId, EntryHash, MessageId, ProgramId, SenderId, SubjectId};
use super::instant::Instant;
use super::location::LocationHint;
use super::message::Touch;
use super::phone::{Digits, Phone};

/// Bounds of one subject's record. Beyond them a send is refused with `SUBJECT_BUSY`, never an opt-out.
pub mod bounds {
    /// Consents kept, one a program and channel.
    pub const CONSENTS: usize = 32;
    /// Opt-outs kept; a ninth replaces the two widest by one.
    pub const OPT_OUTS: usize = 8;
    /// Messages accepted and not yet final.
    pub const OPEN: usize = 16;
    /// Coupon codes promised or sent that may still be redeemed; a message with one more is refused.
    pub const COUPONS: usize = 64;
    /// Touches of the last 30 days.
    pub const TOUCHES: usize = 64;
    /// Location hints, one a source.
    pub const HINTS: usize = 6;
    /// Customers it belongs to.
    pub const CUSTOMERS: usize = 4;
    /// Opt-in requests waiting for a YES.
    pub const PENDING: usize = 8;
    /// Members of a reach, the addressed subject included.
    pub const REACH: usize = 8;
    /// Inbound texts a day that are chained one by one; more are only counted.
    pub const INBOUND_A_DAY: u32 = 50;
    /// Automatic texts remembered.
    pub const AUTOMATIC: usize = 8;
    /// Texts waiting for a person's judgement.
    pub const REVIEWS: usize = 8;
}

/// Where a subject is reached. `Debug` is masked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// A telephone number by its digits, without `+`; for addresses that are no number, `x` and a hash.
    Phone(String),
    /// One installation of an app, or one browser; its push token is a replaceable field elsewhere.
    Device { app: String, installation: String },
}

impl Address {
    /// Bytes that name it under the seller's pepper.
    pub fn key_bytes(&self) -> Vec<u8> {
        match self {
            Address::Phone(digits) => [b"phone\0", digits.as_bytes()].concat(),
            Address::Device { app, installation } => {
                [b"device\0", app.as_bytes(), b"\0", installation.as_bytes()].concat()
            }
        }
    }
    /// The number, if it can be written as E.164.
    pub fn phone(&self) -> Option<Phone> {
        match self {
            Address::Phone(digits) => Phone::from_e164(&format!("+{digits}")).ok(),
            Address::Device { .. } => None,
        }
    }
    /// The one or two addresses that stand for a number as received.
    pub fn of_digits(digits: &Digits) -> Vec<Address> {
        digits.expose().map(|d| Address::Phone(d.to_owned())).collect()
    }
}

impl From<&Phone> for Address {
    fn from(phone: &Phone) -> Address {
        Address::Phone(phone.expose().trim_start_matches('+').to_owned())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Phone(_) => match self.phone() {
                Some(phone) => write!(f, "{phone}"),
                None => f.write_str("(digits)"),
            },
            Address::Device { app, .. } => write!(f, "device of {app}"),
        }
    }
}

/// A message accepted for this subject and not yet final.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenMessage {
    pub id: MessageId,
    /// The gateway's own answer to the person; no touch for caps.
    pub automatic: bool,
    /// What it will be once it leaves; `state` and `at` follow the message.
    pub touch: Touch,
}

/// An automatic text that left, or is about to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentAutomatic {
    pub kind: AutomaticKind,
    /// What called for it.
    pub trigger: Instant,
    pub at: Instant,
}

/// When a message of one program last left by one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastUse {
    pub program: ProgramId,
    pub channel: Channel,
    pub at: Instant,
}

/// An opt-in request that waits for its YES.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingOptIn {
    pub programs: Vec<ProgramId>,
    pub channel: Channel,
    /// Sender the request went out from; YES counts only there.
    pub sender: SenderId,
    pub message: MessageId,
    /// When the evidence was captured.
    pub captured_at: Instant,
    pub requested_at: Instant,
}

/// What is kept about one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    pub id: SubjectId,
    pub address: Address,
    pub created_at: Instant,
    /// Entries of its chain so far, and the hash of the last.
    pub chain_length: u64,
    pub chain_last: EntryHash,
    pub customers: Vec<CustomerId>,
    pub consents: Vec<Consent>,
    pub opt_outs: Vec<OptOut>,
    pub open: Vec<OpenMessage>,
    pub touches: Vec<Touch>,
    pub hints: Vec<LocationHint>,
    pub preferences: Preferences,
    /// The newest answer of each kind of number check, at most 6.
    pub checks: Vec<NumberCheck>,
    pub pending: Vec<PendingOptIn>,
    /// Carts it has been told about or is waiting to be, newest last, at most 8.
    pub carts: Vec<CartId>,
    /// Automatic texts of late, newest last, at most 8.
    pub automatic: Vec<SentAutomatic>,
    /// Day (UTC, days since the epoch) and count of inbound texts.
    pub inbound: (i64, u32),
    /// Inbound entries that wait for a person; marketing is suspended while there is one.
    pub reviews: Vec<u64>,
    /// Sender each program last used, so that a person keeps hearing from one number.
    pub last_senders: Vec<(ProgramId, SenderId)>,
    /// The number belongs to someone else now: set by a "wrong number" reply or a carrier's word.
    pub changed_at: Option<Instant>,
    /// When a message last left, of each program and channel there is a consent for; at most as many as consents. Last, because
    /// hashes of the record leave it out, see [`Subject::hashed_bytes`].
    pub uses: Vec<LastUse>,
}

impl Subject {
    /// A subject nothing is known about yet.
    pub fn new(id: SubjectId, address: Address, at: Instant) -> Subject {
        Subject {
            id,
            address,
            created_at: at,
            chain_length: 0,
            chain_last: EntryHash::default(),
            customers: Vec::new(),
            consents: Vec::new(),
            opt_outs: Vec::new(),
            open: Vec::new(),
            touches: Vec::new(),
            hints: Vec::new(),
            preferences: Preferences::default(),
            checks: Vec::new(),
            pending: Vec::new(),
            carts: Vec::new(),
            automatic: Vec::new(),
            inbound: (0, 0),
            reviews: Vec::new(),
            last_senders: Vec::new(),
            changed_at: None,
            uses: Vec::new(),
        }
    }

    /// When a message of that program last left by that channel.
    pub fn used_at(&self, program: &ProgramId, channel: Channel) -> Option<Instant> {
        self.uses.iter().find(|u| u.program == *program && u.channel == channel).map(|u| u.at)
    }

    /// Notes that a message of that program left by that channel, where there is a consent it can keep alive.
    pub fn use_consent(&mut self, program: &ProgramId, channel: Channel, at: Instant) {
        let same = |p: &ProgramId, c: Channel| p == program && c == channel;
        if let Some(known) = self.uses.iter_mut().find(|u| same(&u.program, u.channel)) {
            known.at = known.at.max(at);
        } else if self.consents.iter().any(|c| same(&c.program, c.channel)) {
            let consents = &self.consents;
            self.uses.retain(|u| consents.iter().any(|c| c.program == u.program && c.channel == u.channel));
            self.uses.push(LastUse { program: program.clone(), channel, at });
        }
    }

    /// The record as entries hash it: without [`Subject::uses`], which came later, so that entries of before still find their
    /// hash. What a decision knew of a use stands in its own facts.
    pub fn hashed_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        let mut bytes = postcard::to_stdvec(self)?;
        bytes.truncate(bytes.len() - postcard::to_stdvec(&self.uses)?.len());
        Ok(bytes)
    }
}
