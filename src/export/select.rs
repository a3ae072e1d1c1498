//! Which entries answer a request, and which of them may be opened.
//!
//! A person's chain is always shown whole: entries of other brands or times stay sealed, so that the chain has no gap.
//! The seller's own chain holds everybody's carts and pools; of it only what concerns the brand is shown.

use std::collections::{BTreeSet, HashSet};

use super::ExportError;
use super::request::{Person, Request, was_asked};
use super::rows::Closed;
use crate::audit::ahead;
use crate::ledger::LedgerResult;
use crate::ledger::body::{Body, Object};
use crate::ledger::entry::{Entry, Kind, Leaf, SELLER_CHAIN, leaf_hash};
use crate::ledger::rows::{ChainRow, EngineRow, keys};
use crate::ledger::seal::{self, KeySource, Opening};
use crate::ledger::segment::Stored;
use crate::model::{BrandId, EntryHash, Instant, SubjectId};
use crate::store::embedded::Books;
use crate::writer::{Cx, OpError, Reader};

/// Chain rows read at once.
const PAGE: usize = 1_000;
/// Entries that are opened together.
const PIECE: usize = 128;

/// Entries that are opened together: to be looked up, or read in passing.
enum Piece<'a> {
    Listed(&'a [u64]),
    Read(Vec<Stored>),
}

/// The answer to which entries.
#[derive(Debug, Clone)]
pub struct Selection {
    brand: Option<BrandId>,
    from: Option<Instant>,
    to: Option<Instant>,
    /// The people asked for; empty: everybody.
    pub people: Vec<SubjectId>,
    picked: Picked,
    /// Engines that judged in it, by hash; none: any of the log may have.
    engines: Option<BTreeSet<[u8; 32]>>,
}

#[derive(Debug, Clone)]
enum Picked {
    /// These entries, in order.
    Listed(Vec<u64>),
    /// A range of the log, after the engines that judge in it; only these subjects where a brand is asked for.
    Range { engines: Vec<u64>, range: std::ops::Range<u64>, members: Option<HashSet<SubjectId>> },
}

/// One entry of an export.
#[derive(Debug)]
pub struct Shown {
    pub index: u64,
    pub hash: EntryHash,
    pub bytes: Vec<u8>,
    pub leaf: Leaf,
    /// What is inside, or why it stays closed.
    pub inside: Result<Inside, Closed>,
}

/// An opened seal.
pub struct Inside {
    pub opening: Opening,
    pub entry: Entry,
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inside({:?})", self.entry.leaf.kind)
    }
}

impl Selection {
    /// Resolves a request among the first `size` entries. `heads` is the `HEADS` entry that shows what is missing: with
    /// it, an id without a chain can be asked for too.
    pub fn of(
        reader: &Reader,
        books: &Books,
        request: &Request,
        size: u64,
        heads: Option<u64>,
    ) -> Result<Selection, ExportError> {
        let people = match &request.person {
            Some(Person::Subject(id)) if heads.is_some() => vec![*id],
            Some(person) => reader.look(|cx| people(cx, person))?,
            None => Vec::new(),
        };
        if request.person.is_some() && people.is_empty() {
            return Err(ExportError::UnknownPerson);
        }
        let (picked, engines) = if people.is_empty() {
            range_of(reader, books, request, size)?
        } else {
            listed(reader, books, &people, size, heads)?
        };
        let brand = request.brand.clone();
        Ok(Selection { brand, from: request.from, to: request.to, people, picked, engines })
    }

    /// Hashes of the policy sets of the engines that judged in it, sorted.
    pub fn policies(&self, reader: &Reader, size: u64) -> Result<Vec<[u8; 32]>, ExportError> {
        let hashes = match &self.engines {
            Some(engines) => engines.clone(),
            None => all_engines(reader)?,
        };
        let mut policies = BTreeSet::new();
        for index in engine_entries(reader, &hashes, size)? {
            let entry = reader.look(|cx| cx.entry(index))?;
            if let Some(Body::Engine(engine)) = entry.map(|entry| entry.body)
                && let Some(hash) = hex::decode(&engine.policy_sha256).ok().and_then(|h| h.try_into().ok())
            {
                policies.insert(hash);
            }
        }
        Ok(policies.into_iter().collect())
    }

    /// Whether entries of this person are part of it, open.
    pub fn concerns_person(&self, id: &SubjectId) -> bool {
        match &self.picked {
            Picked::Listed(_) => self.people.contains(id),
            Picked::Range { members, .. } => members.as_ref().is_none_or(|members| members.contains(id)),
        }
    }

    /// Where the entries lie that may be shown.
    pub fn spans(&self) -> Vec<std::ops::Range<u64>> {
        let one = |index: &u64| *index..*index + 1;
        match &self.picked {
            Picked::Listed(indices) => indices.iter().map(one).collect(),
            Picked::Range { engines, range, .. } => {
                engines.iter().map(one).chain([range.clone()].into_iter().filter(|r| !r.is_empty())).collect()
            }
        }
    }

    /// Shows what `make` makes of each entry to `see`, in the order of the log but for engines that were declared before
    /// the period. Entries are opened and made on all cores, a bounded number of them ahead of `see`.
    pub fn each<R: Send>(
        &self,
        books: &Books,
        make: impl Fn(Vec<Shown>) -> Result<Vec<R>, ExportError> + Sync,
        mut see: impl FnMut(R) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let (listed, range) = match &self.picked {
            Picked::Listed(indices) => (indices.as_slice(), 0..0),
            Picked::Range { engines, range, .. } => (engines.as_slice(), range.clone()),
        };
        let mut listed = listed.chunks(PIECE);
        let mut stored = books.stored().entries(range.start).take((range.end - range.start) as usize);
        let next = || match listed.next() {
            Some(indices) => Ok(Some(Piece::Listed(indices))),
            None => {
                let entries: Vec<Stored> = stored.by_ref().take(PIECE).collect::<LedgerResult<_>>()?;
                Ok((!entries.is_empty()).then_some(Piece::Read(entries)))
            }
        };
        let mut failed = None;
        let read: Result<bool, ExportError> = ahead::in_order(
            next,
            |piece| make(self.piece(books, piece)?),
            |made: Result<Vec<R>, ExportError>| {
                let seen = made.and_then(|made| made.into_iter().try_for_each(&mut see));
                failed = seen.err();
                failed.is_none()
            },
        );
        match failed {
            Some(e) => Err(e),
            None => read.map(drop),
        }
    }

    fn piece(&self, books: &Books, piece: Piece<'_>) -> Result<Vec<Shown>, ExportError> {
        let mut shown = Vec::with_capacity(PIECE);
        match piece {
            Piece::Listed(indices) => {
                for index in indices {
                    let stored = books.stored().get(*index)?;
                    let stored =
                        stored.ok_or_else(|| ExportError::Entry(format!("entry {index} cannot be read")))?;
                    let leaf = decode(&stored)?;
                    shown.extend(self.show(books, stored, leaf)?);
                }
            }
            Piece::Read(entries) => {
                let members = match &self.picked {
                    Picked::Range { members, .. } => members.as_ref(),
                    Picked::Listed(_) => None,
                };
                for stored in entries {
                    let leaf = decode(&stored)?;
                    if self.concerns(&leaf, members) {
                        shown.extend(self.show(books, stored, leaf)?);
                    }
                }
            }
        }
        Ok(shown)
    }

    /// Whether an entry of the range is part of the export at all.
    fn concerns(&self, leaf: &Leaf, members: Option<&HashSet<SubjectId>>) -> bool {
        let seller = leaf.subject == SELLER_CHAIN;
        match members {
            // Raw bodies hold whatever a provider sent, about anybody.
            _ if leaf.kind == Kind::Raw => false,
            None => true,
            Some(_) if seller => leaf.brand.is_none() || leaf.brand == self.brand,
            Some(members) => members.contains(&leaf.subject),
        }
    }

    /// Whether what is inside an entry was asked for.
    fn asked(&self, leaf: &Leaf) -> bool {
        was_asked(self.brand.as_ref().map(BrandId::as_str), self.from, self.to, leaf)
    }

    /// Opens what may be opened. Nothing: the entry is left out, which only entries of the seller's chain can be.
    fn show(&self, books: &Books, stored: Stored, leaf: Leaf) -> Result<Option<Shown>, ExportError> {
        let hash = leaf_hash(&stored.leaf);
        let inside =
            if self.asked(&leaf) { open(books, &stored, &leaf, hash)? } else { Err(Closed::Withheld) };
        let inside = match inside {
            Ok(inside) if !self.may_be_seen(&inside.entry.body) => Err(Closed::Withheld),
            other => other,
        };
        if leaf.subject == SELLER_CHAIN && inside.is_err() {
            return Ok(None);
        }
        Ok(Some(Shown { index: stored.index, hash, bytes: stored.leaf, leaf, inside }))
    }

    /// Keys, credentials and unused coupon codes prove nothing to an auditor and are worth stealing.
    fn may_be_seen(&self, body: &Body) -> bool {
        let ours = |brand: &BrandId| self.brand.as_ref().is_none_or(|b| b == brand);
        match body {
            Body::Raw(_) => false,
            Body::CouponPool(body) => body.codes.is_empty(),
            Body::Registry(body) => match &body.object {
                Object::ApiKey(_) | Object::Connection(_) => false,
                Object::Seller(_) => true,
                Object::Brand(o) => ours(&o.id),
                Object::Program(o) => ours(&o.brand),
                Object::Disclosure(o) => ours(&o.brand),
                Object::Template(o) => ours(&o.brand),
                Object::Sender(o) => o.brands.is_empty() || o.brands.iter().any(ours),
            },
            _ => true,
        }
    }
}

fn decode(stored: &Stored) -> Result<Leaf, ExportError> {
    Leaf::decode(&stored.leaf).map_err(|e| ExportError::Entry(format!("entry {}: {e}", stored.index)))
}

fn open(
    books: &Books,
    stored: &Stored,
    leaf: &Leaf,
    hash: EntryHash,
) -> Result<Result<Inside, Closed>, ExportError> {
    let bad = |e: String| ExportError::Entry(format!("entry {}: {e}", stored.index));
    let Some(key) = books.data_key(&leaf.subject).map_err(bad)? else { return Ok(Err(Closed::Erased)) };
    let opening = seal::open(&key, &leaf.seal, &stored.sealed).map_err(|e| bad(e.to_string()))?;
    let body = Body::decode(leaf.kind, &opening.plaintext).map_err(|e| bad(e.to_string()))?;
    let entry = Entry { index: stored.index, hash, leaf: leaf.clone(), body };
    Ok(Ok(Inside { opening, entry }))
}

/// The subjects of a person, in the order of their ids.
pub fn people(cx: &mut Cx<'_>, person: &Person) -> Result<Vec<SubjectId>, OpError> {
    let mut found = BTreeSet::new();
    match person {
        Person::Addresses(addresses) => {
            for address in addresses {
                found.extend(cx.find_subject(address)?.0.map(|s| s.id));
            }
        }
        Person::Customer(customer) => found.extend(cx.customer(customer)?),
        // Who was erased has no record any more, but a chain.
        Person::Subject(id) => found.extend(cx.get::<ChainRow>(&keys::chain(id, 1))?.map(|_| *id)),
    }
    Ok(found.into_iter().collect())
}

/// Index of the newest entry of a person's chains.
pub fn newest_of(reader: &Reader, person: &Person) -> Result<Option<u64>, ExportError> {
    let newest = reader.look(|cx| {
        let mut newest = None;
        for subject in people(cx, person)? {
            let first = keys::chain(&subject, 0);
            let rows = cx.state.scan_back::<ChainRow>(&first[..first.len() - 8], None, 1)?;
            newest = newest.max(rows.first().map(|(_, row)| row.index));
        }
        Ok(newest)
    });
    Ok(newest?)
}

/// Every entry of these chains below `size`, the `HEADS` entry, and the engines that judged in them.
fn listed(
    reader: &Reader,
    books: &Books,
    people: &[SubjectId],
    size: u64,
    heads: Option<u64>,
) -> Result<(Picked, Option<BTreeSet<[u8; 32]>>), ExportError> {
    let mut indices: BTreeSet<u64> = heads.into_iter().collect();
    for subject in people {
        let chain = reader.look(|cx| {
            let first = keys::chain(subject, 0);
            let prefix = first[..first.len() - 8].to_vec();
            let mut after: Option<Vec<u8>> = None;
            let mut chain = Vec::new();
            loop {
                let page = cx.state.scan::<ChainRow>(&prefix, after.as_deref(), PAGE)?;
                chain.extend(page.iter().map(|(_, row)| row.index).filter(|index| *index < size));
                match page.last() {
                    Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                    _ => return Ok(chain),
                }
            }
        })?;
        indices.extend(chain);
    }
    let mut engines = BTreeSet::new();
    for index in &indices {
        if let Some(stored) = books.stored().get(*index)? {
            engines.insert(decode(&stored)?.engine);
        }
    }
    indices.extend(engine_entries(reader, &engines, size)?);
    Ok((Picked::Listed(indices.into_iter().collect()), Some(engines)))
}

/// Where engines were declared, below `size`.
fn engine_entries(reader: &Reader, engines: &BTreeSet<[u8; 32]>, size: u64) -> Result<Vec<u64>, ExportError> {
    let mut found = BTreeSet::new();
    for engine in engines {
        let row = reader.look(|cx| cx.get::<EngineRow>(&keys::engine(engine)))?;
        found.extend(row.map(|row| row.index).filter(|index| *index < size));
    }
    Ok(found.into_iter().collect())
}

/// Every engine of the log, by hash.
fn all_engines(reader: &Reader) -> Result<BTreeSet<[u8; 32]>, ExportError> {
    let prefix = keys::engine(&[0; 32])[..1].to_vec();
    let found = reader.look(|cx| {
        let (mut found, mut after) = (BTreeSet::new(), None::<Vec<u8>>);
        loop {
            let page = cx.state.scan::<EngineRow>(&prefix, after.as_deref(), PAGE)?;
            found.extend(page.iter().filter_map(|(key, _)| <[u8; 32]>::try_from(key.get(1..)?).ok()));
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                _ => return Ok(found),
            }
        }
    })?;
    Ok(found)
}

/// The entries of the period; for a brand also who it dealt with in it.
fn range_of(
    reader: &Reader,
    books: &Books,
    request: &Request,
    size: u64,
) -> Result<(Picked, Option<BTreeSet<[u8; 32]>>), ExportError> {
    let start = request.from.map_or(Ok(0), |from| first_at(books, from, size))?;
    let end = request.to.map_or(Ok(size), |to| first_at(books, to, size))?.max(start);
    let (mut engines, mut members) = (BTreeSet::new(), HashSet::new());
    let looked = start > 0 || request.brand.is_some();
    if looked {
        for stored in books.stored().entries(start).take((end - start) as usize) {
            let leaf = decode(&stored?)?;
            engines.insert(leaf.engine);
            if leaf.brand == request.brand && leaf.subject != SELLER_CHAIN {
                members.insert(leaf.subject);
            }
        }
    }
    let mut before = engine_entries(reader, &engines, size)?;
    before.retain(|index| *index < start);
    let members = request.brand.as_ref().map(|_| members);
    Ok((Picked::Range { engines: before, range: start..end, members }, looked.then_some(engines)))
}

/// Index of the first entry at or after an instant: instants never go back in a log.
pub fn first_at(books: &Books, at: Instant, size: u64) -> Result<u64, ExportError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let stored: LedgerResult<Option<Stored>> = books.stored().get(middle);
        let stored = stored?.ok_or_else(|| ExportError::Entry(format!("entry {middle} cannot be read")))?;
        if decode(&stored)?.instant < at { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
