//! What can be asked of the writer: one file a noun.

pub mod access;
pub mod cancel;
pub mod cart;
pub mod consent;
pub mod coupon;
pub mod device;
pub mod disclosure;
mod elsewhere;
pub mod epoch;
pub mod erase;
pub mod external;
#[cfg(test)]
pub mod fixture;
pub mod heads;
pub mod heard;
pub mod import;
pub mod intent;
pub mod link;
mod number;
pub mod number_check;
pub mod opt_out;
pub mod outcome;
mod person;
pub mod preferences;
pub mod registry;
pub mod retention;
pub mod review;
pub mod send;
pub mod webhook;

use sha2::{Digest, Sha256};

use super::cx::{Cx, Held};
use super::op::{OpError, Problem};
use crate::content::links;
use crate::ledger::body::Operation;
use crate::ledger::entry::Entry;
use crate::ledger::rows::{OperationRow, keys};
use crate::model::phone::Digits;
use crate::model::registry::Brand;
use crate::model::subject::{Address, Subject};
use crate::model::{BrandId, CustomerId, Instant, MessageId, SellerId, Span, SubjectId};

/// Who a request is about, as the caller named them.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A phone number by its digits.
    Phone(Digits),
    /// One installation of an app.
    Device { app: String, installation: String },
    /// A customer: resolves to its addresses.
    Customer(CustomerId),
}

impl Target {
    /// Addresses it names outright; none for a customer.
    pub fn addresses(&self) -> Vec<Address> {
        match self {
            Target::Phone(digits) => Address::of_digits(digits),
            Target::Device { app, installation } => {
                vec![Address::Device { app: app.clone(), installation: installation.clone() }]
            }
            Target::Customer(_) => Vec::new(),
        }
    }
}

/// The caller's key for one attempt, and what it was used for.
#[derive(Debug, Clone, PartialEq)]
pub struct Idempotency {
    /// `RecordOptIn`, …: one key may be used once a method.
    pub method: &'static str,
    /// At most 128 bytes; empty: the caller does not care.
    pub key: String,
    /// SHA-256 of the request without its key.
    pub request_sha256: [u8; 32],
}

impl Idempotency {
    /// What the entry remembers; none without a key.
    pub fn operation(&self, seller: &SellerId) -> Option<Operation> {
        if self.key.is_empty() {
            return None;
        }
        let hash = Sha256::new()
            .chain_update(b"consentry/operation/v1")
            .chain_update([seller.as_str().len() as u8])
            .chain_update(seller.as_str())
            .chain_update([self.method.len() as u8])
            .chain_update(self.method)
            .chain_update(&self.key)
            .finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Some(Operation { id: MessageId(id), request_sha256: self.request_sha256 })
    }
}

impl Cx<'_> {
    /// The entry that answered this request before, if it is a repeat; an error if the key named another request.
    pub fn repeat_of(&mut self, operation: Option<&Operation>) -> Result<Option<Entry>, OpError> {
        let Some(operation) = operation else { return Ok(None) };
        let Some(row) = self.get::<OperationRow>(&keys::operation(&operation.id))? else { return Ok(None) };
        if row.request_sha256 != operation.request_sha256 {
            return Err(OpError::KeyReused);
        }
        match self.entry(row.entry)? {
            Some(entry) => Ok(Some(entry)),
            None => {
                Err(OpError::Precondition("the person this request was about has been erased".to_owned()))
            }
        }
    }

    /// Subjects a target names that exist; for a customer all of them, for a number as received one or two.
    pub fn subjects_of(&mut self, target: &Target) -> Result<Vec<std::sync::Arc<Subject>>, OpError> {
        let mut found = Vec::new();
        if let Target::Customer(customer) = target {
            for id in self.customer(customer)? {
                found.push(self.subject(&id)?);
            }
        }
        for address in target.addresses() {
            if let (Some(subject), _) = self.find_subject(&address)? {
                found.push(subject);
            }
        }
        Ok(found)
    }

    /// The one address a target means when something is sent or granted to it. A customer with one phone means that;
    /// with several the caller must choose.
    pub fn address_of(&mut self, target: &Target) -> Result<Address, OpError> {
        let Target::Customer(customer) = target else {
            // For sending, the E.164 reading is the person; the digits as received only widen opt-outs.
            return Ok(target.addresses().pop().expect("every number and device is an address"));
        };
        let mut phones = Vec::new();
        for id in self.customer(customer)? {
            let subject = self.subject(&id)?;
            if matches!(subject.address, Address::Phone(_)) {
                phones.push(subject.address.clone());
            }
        }
        match phones.len() {
            0 => Err(OpError::NotFound { what: "customer with a phone number", id: customer.to_string() }),
            1 => Ok(phones.remove(0)),
            n => Err(OpError::Precondition(format!(
                "customer_id names {n} phone numbers; name the one you mean in subject.phone"
            ))),
        }
    }

    /// Subjects of several ids.
    pub fn subjects(&mut self, ids: &[SubjectId]) -> Result<Vec<std::sync::Arc<Subject>>, OpError> {
        ids.iter().map(|id| self.subject(id)).collect()
    }

    /// A brand that exists.
    pub fn known_brand(&mut self, id: &BrandId) -> Result<Held<Brand>, OpError> {
        let missing = || OpError::NotFound { what: "brand", id: id.to_string() };
        self.brand(id.as_str())?.ok_or_else(missing)
    }
}

/// How far ahead of our clock a caller's may be.
pub const SKEW_MAX: Span = Span::minutes(5);

/// Collects everything that is wrong with a request, so that the caller hears of all of it at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a rule that a field breaks.
    pub fn add(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        self.0.push(Problem { field: field.into(), rule: rule.into() });
    }
    /// Notes a rule where `holds` is false.
    pub fn demand(&mut self, holds: bool, field: &str, rule: &str) {
        if !holds {
            self.add(field, rule);
        }
    }
    /// Notes what an instant reported by a caller may not be.
    pub fn not_ahead(&mut self, field: &str, at: Instant, now: Instant) {
        self.demand(at <= now + SKEW_MAX, field, "must not lie more than 5 minutes ahead");
    }
    /// Notes a link that is none, or that leads away from the brand.
    pub fn target(&mut self, field: &str, url: &str, brand: &Brand) {
        match links::target_host(url) {
            Err(rule) => self.add(field, rule),
            Ok(host) if links::host_within(&host, brand.target_domains.iter().map(String::as_str)) => {}
            Ok(host) => {
                let known = brand.target_domains.join(", ");
                self.add(field, format!("host {host} is not on the brand's target domains ({known})"));
            }
        }
    }
    /// Nothing was noted, or all of it.
    pub fn done(self) -> Result<(), OpError> {
        if self.0.is_empty() { Ok(()) } else { Err(OpError::Problems(self.0)) }
    }
}
