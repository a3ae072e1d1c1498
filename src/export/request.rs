//! What an export is asked for.

use sha2::{Digest, Sha256};

use crate::ledger::entry::{Kind, Leaf};
use crate::model::subject::Address;
use crate::model::{BrandId, CustomerId, Instant, SubjectId};

/// Form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The archive that `consentry verify` checks.
    Bundle,
    /// One CSV table.
    Csv,
    /// The same as JSON lines.
    Jsonl,
    /// The whole log, of all brands, as C2SP `tlog-tiles`.
    Tiles,
}

impl Format {
    /// Ending of its file names.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Bundle => "tar",
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Tiles => "tiles.tar",
        }
    }
    /// Media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Bundle | Format::Tiles => "application/x-tar",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Jsonl => "application/jsonl",
        }
    }
}

/// Who an export is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Person {
    /// One of these addresses: a number as received stands for one or two.
    Addresses(Vec<Address>),
    /// All addresses of a customer of the shop.
    Customer(CustomerId),
    /// An id of the ledger.
    Subject(SubjectId),
}

/// Whether what is inside an entry belongs to the answer: by brand and time. Who a person is, what judged and the recorded
/// root belong to every answer. A verifier asks the same, so that nothing that was asked for can be kept closed.
pub fn was_asked(brand: Option<&str>, from: Option<Instant>, to: Option<Instant>, leaf: &Leaf) -> bool {
    let of_brand = brand.is_none_or(|asked| leaf.brand.as_ref().is_none_or(|brand| brand.as_str() == asked));
    let lasting = matches!(leaf.kind, Kind::Subject | Kind::Engine | Kind::Heads);
    let in_time = from.is_none_or(|from| leaf.instant >= from) && to.is_none_or(|to| leaf.instant < to);
    // A provider's raw body may tell of anybody: it is never shown.
    leaf.kind != Kind::Raw && of_brand && (in_time || lasting)
}

/// What is asked for. Nothing set: the whole seller.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Only what belongs to this brand, and what belongs to all brands of people it dealt with.
    pub brand: Option<BrandId>,
    /// Only this person.
    pub person: Option<Person>,
    /// From this instant on.
    pub from: Option<Instant>,
    /// Up to this instant, exclusive.
    pub to: Option<Instant>,
    /// The form.
    pub format: Format,
    /// Bundles: prove that the log extends the one of this many entries, which the auditor has a checkpoint of.
    pub since: Option<u64>,
}

impl Request {
    /// Everything of a brand.
    pub fn brand(brand: BrandId, format: Format) -> Request {
        Request { brand: Some(brand), person: None, from: None, to: None, format, since: None }
    }

    /// Equal requests have equal digests: what ties an export id to its request.
    pub fn digest(&self) -> [u8; 16] {
        // Debug masks numbers, so addresses go in by their own bytes.
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        add(b"consentry/export/v1");
        add(self.brand.as_ref().map_or("", |b| b.as_str()).as_bytes());
        match &self.person {
            None => add(b"everybody"),
            Some(Person::Addresses(addresses)) => addresses.iter().for_each(|a| add(&a.key_bytes())),
            Some(Person::Customer(customer)) => add(format!("customer {customer}").as_bytes()),
            Some(Person::Subject(subject)) => add(&subject.0),
        }
        for at in [self.from, self.to] {
            add(&at.map(|at| at.as_micros().to_be_bytes().to_vec()).unwrap_or_default());
        }
        add(self.format.ending().as_bytes());
        add(&self.since.map(|n| n.to_be_bytes().to_vec()).unwrap_or_default());
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        digest
    }

    /// A name for the file; says nothing about a person.
    pub fn file_name(&self, size: u64) -> String {
        let brand = self.brand.as_ref().map_or("seller", |b| b.as_str());
        let person = if self.person.is_some() { "-person" } else { "" };
        format!("{brand}{person}-{size}.{}", self.format.ending())
    }
}
