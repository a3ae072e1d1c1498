//! What one batch sees and makes: state with its own changes on top, and the entries that caused them.

use std::sync::Arc;

use super::env::{Env, Policies};
use super::op::OpError;
use super::prepare::{LIFE, Prepared, Recent};
use crate::ledger::body::{Body, Object, SubjectBody};
use crate::ledger::entry::{Entry, Kind, Leaf, Public, SELLER_CHAIN, leaf_hash};
use crate::ledger::fold::raw_day_of;
use crate::ledger::rows::{AddressRow, CustomerRow, RawDayRow, RegistryRow, SellerChain, keys};
use crate::ledger::seal::{self, DataKey, KeySource, Sealed};
use crate::ledger::state::{Change, Reads, Row, State};
use crate::model::subject::{Address, Subject, bounds};
use crate::model::{BrandId, CustomerId, Instant, MessageId, SubjectId};

/// An entry on its way into a segment.
pub struct PendingEntry {
    pub entry: Entry,
    pub leaf: Vec<u8>,
    pub blob: Vec<u8>,
}

/// An entry as it is read back: its body is gone when the subject was erased.
#[derive(Debug, Clone)]
pub enum Recorded {
    Open(Entry),
    Erased { index: u64, leaf: Leaf },
}

/// Where entries of earlier batches are read back.
pub trait EntrySource: Send + Sync {
    /// Durable entries.
    fn size(&self) -> u64;
    /// Entries from `from` on, at most `limit`, fewer at the end. Memory grows with `limit` alone.
    fn read(&self, from: u64, limit: usize) -> Result<Vec<Recorded>, String>;
    /// The entry at `index`, if it exists and can still be opened.
    fn entry(&self, index: u64) -> Result<Option<Entry>, String> {
        Ok(self.read(index, 1)?.pop().and_then(|recorded| match recorded {
            Recorded::Open(entry) => Some(entry),
            Recorded::Erased { .. } => None,
        }))
    }
}

/// One batch at work.
pub struct Cx<'a> {
    /// Rows, with the batch's changes. Read freely; only the fold writes.
    pub state: State<'a>,
    /// The batch's instant: never before that of any earlier batch.
    pub now: Instant,
    /// Surroundings.
    pub env: &'a Env,
    /// Policies in force for the whole batch.
    pub policies: Arc<Policies>,
    source: &'a dyn EntrySource,
    keys: &'a dyn KeySource,
    new_keys: Vec<(SubjectId, DataKey)>,
    entries: Vec<PendingEntry>,
    base: u64,
    /// The writer's memory of what changed of late; readers have none.
    recent: Option<&'a Recent>,
}

/// An entry that waits to be made.
pub struct Planned {
    subject: SubjectId,
    brand: Option<BrandId>,
    public: Public,
    body: Body,
    sealed: Option<Sealed>,
}

/// What a batch leaves behind.
pub struct Outcome {
    pub entries: Vec<PendingEntry>,
    pub new_keys: Vec<(SubjectId, DataKey)>,
    pub changes: Vec<Change>,
}

impl<'a> Cx<'a> {
    /// A batch at `now` over `state`, whose first entry gets index `base`.
    pub fn new(
        env: &'a Env,
        state: State<'a>,
        source: &'a dyn EntrySource,
        keys: &'a dyn KeySource,
        base: u64,
        now: Instant,
    ) -> Cx<'a> {
        let policies = env.policies();
        Cx {
            state,
            now,
            env,
            policies,
            source,
            keys,
            new_keys: Vec::new(),
            entries: Vec::new(),
            base,
            recent: None,
        }
    }

    pub(super) fn after(self, recent: &'a Recent) -> Cx<'a> {
        Cx { recent: Some(recent), ..self }
    }

    /// Every row looked at, for [`Prepared`]; none if anything was changed or cannot be checked row by row.
    pub(super) fn into_reads(self) -> Option<Reads> {
        self.state.into_reads()
    }

    /// The plan, if it would be thought out just so again: rows, policies and the second are still the same.
    pub fn still_stands<P>(&mut self, prepared: Prepared<P>) -> Option<P> {
        let Prepared { plan, reads, seen, at, policies } = prepared;
        let fresh = at <= self.now && self.now.since(at) < LIFE && Arc::ptr_eq(&policies, &self.policies);
        let untouched = !reads.keys().any(|key| self.state.has_changed(key));
        if !fresh || !untouched || !self.recent?.unchanged_since(seen, &reads) {
            return None;
        }
        self.state.take_reads(reads);
        Some(plan)
    }

    /// Entries made so far in this batch.
    pub fn entries_made(&self) -> usize {
        self.entries.len()
    }

    /// Index the next entry gets.
    pub fn next_index(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    pub(super) fn finish(self) -> Outcome {
        Outcome { entries: self.entries, new_keys: self.new_keys, changes: self.state.into_changes() }
    }

    /// The entry at `index`, of this batch or an earlier one.
    pub fn entry(&self, index: u64) -> Result<Option<Entry>, OpError> {
        match index.checked_sub(self.base) {
            Some(n) => Ok(self.entries.get(n as usize).map(|p| p.entry.clone())),
            None => self.source.entry(index).map_err(OpError::Fatal),
        }
    }

    /// A row, shared.
    pub fn get<R: Row>(&mut self, key: &[u8]) -> Result<Option<Arc<R>>, OpError> {
        Ok(self.state.get::<R>(key)?)
    }

    /// Makes an entry in a chain and folds it. Answers its index.
    pub fn emit(
        &mut self,
        subject: SubjectId,
        brand: Option<&BrandId>,
        public: Public,
        body: Body,
    ) -> Result<u64, OpError> {
        let begun = self.chain_head(&subject, body.kind())?.0 > 0;
        let key = self.data_key(&subject, begun)?;
        let sealed = seal::seal(&*self.env.entropy, &key, &body.encode()?);
        self.push(subject, brand, public, body, sealed)
    }

    /// An entry thought out, sealed where the chain has its key.
    pub fn plan(
        &self,
        subject: SubjectId,
        brand: Option<&BrandId>,
        public: Public,
        body: Body,
    ) -> Result<Planned, OpError> {
        let sealed = match self.keys.data_key(&subject).map_err(OpError::Fatal)? {
            Some(key) => Some(seal::seal(&*self.env.entropy, &key, &body.encode()?)),
            None => None,
        };
        Ok(Planned { subject, brand: brand.cloned(), public, body, sealed })
    }

    /// Makes a planned entry, as [`Cx::emit`].
    pub fn emit_planned(&mut self, planned: Planned) -> Result<u64, OpError> {
        let Planned { subject, brand, public, body, sealed } = planned;
        match sealed {
            Some(sealed) => self.push(subject, brand.as_ref(), public, body, sealed),
            None => self.emit(subject, brand.as_ref(), public, body),
        }
    }

    fn push(
        &mut self,
        subject: SubjectId,
        brand: Option<&BrandId>,
        public: Public,
        body: Body,
        sealed: Sealed,
    ) -> Result<u64, OpError> {
        let (number, previous) = self.chain_head(&subject, body.kind())?;
        let leaf = Leaf {
            brand: brand.cloned(),
            subject,
            number: number + 1,
            previous,
            instant: self.now,
            kind: body.kind(),
            engine: self.policies.engine_hash,
            seal: sealed.commitment,
            public,
        };
        let bytes = leaf.encode()?;
        let entry = Entry { index: self.next_index(), hash: leaf_hash(&bytes), leaf, body };
        self.env.fold.apply(&mut self.state, &entry)?;
        let index = entry.index;
        self.entries.push(PendingEntry { entry, leaf: bytes, blob: sealed.blob });
        Ok(index)
    }

    fn chain_head(
        &mut self,
        subject: &SubjectId,
        kind: Kind,
    ) -> Result<(u64, Option<crate::model::EntryHash>), OpError> {
        let (length, last) = if *subject == SELLER_CHAIN {
            self.get::<SellerChain>(&keys::seller_chain())?.map(|c| (c.length, c.last)).unwrap_or_default()
        } else if kind == Kind::Raw {
            let day = self.get::<RawDayRow>(&keys::raw_day(raw_day_of(self.now)))?;
            day.filter(|d| d.subject == *subject).map(|d| (d.length, d.last)).unwrap_or_default()
        } else {
            let row = self.get::<Subject>(&keys::subject(subject))?;
            row.map(|s| (s.chain_length, s.chain_last)).unwrap_or_default()
        };
        Ok((length, (length > 0).then_some(last)))
    }

    /// The key of a chain; a new one for a chain that begins.
    fn data_key(&mut self, subject: &SubjectId, begun: bool) -> Result<DataKey, OpError> {
        if let Some((_, key)) = self.new_keys.iter().find(|(id, _)| id == subject) {
            return Ok(key.clone());
        }
        if let Some(key) = self.keys.data_key(subject).map_err(OpError::Fatal)? {
            return Ok(key);
        }
        if begun {
            // A second key would make what the first one sealed unreadable.
            let why = "keys/ lacks the key of a subject with entries: put back a keys/ as new as the ledger";
            return Err(OpError::Fatal(why.to_owned()));
        }
        let key = DataKey::generate(&*self.env.entropy);
        self.new_keys.push((*subject, key.clone()));
        Ok(key)
    }

    /// The subject of an address, if it has one; and whether the address is suppressed for good.
    pub fn find_subject(&mut self, address: &Address) -> Result<(Option<Arc<Subject>>, bool), OpError> {
        let key = self.env.fold.address_key(address);
        let Some(row) = self.get::<AddressRow>(&key)? else { return Ok((None, false)) };
        let subject = match &row.subject {
            Some(id) => self.get::<Subject>(&keys::subject(id))?,
            None => None,
        };
        Ok((subject, row.suppressed))
    }

    /// The subject of an address; a new one is made, with its first entry, when there is none.
    pub fn subject_for(&mut self, address: &Address) -> Result<SubjectId, OpError> {
        if let (Some(subject), _) = self.find_subject(address)? {
            return Ok(subject.id);
        }
        let id = SubjectId(self.env.entropy.bytes());
        self.emit(id, None, Public::default(), Body::Subject(SubjectBody { address: address.clone() }))?;
        Ok(id)
    }

    /// A subject by id.
    pub fn subject(&mut self, id: &SubjectId) -> Result<Arc<Subject>, OpError> {
        self.get::<Subject>(&keys::subject(id))?
            .ok_or_else(|| OpError::Fatal("a row names a subject that has none".to_owned()))
    }

    /// The reach of a subject: itself first, then those that share a customer with it, one hop, at most 8.
    pub fn reach(&mut self, subject: &Subject) -> Result<Vec<Arc<Subject>>, OpError> {
        let mut ids = vec![subject.id];
        for customer in &subject.customers {
            for id in self.customer(customer)? {
                if ids.len() < bounds::REACH && !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        let mut reach = Vec::with_capacity(ids.len());
        for id in &ids {
            if let Some(member) = self.get::<Subject>(&keys::subject(id))? {
                reach.push(member);
            }
        }
        Ok(reach)
    }

    /// Subjects of a customer.
    pub fn customer(&mut self, customer: &CustomerId) -> Result<Vec<SubjectId>, OpError> {
        let row = self.get::<CustomerRow>(&keys::customer(customer))?;
        Ok(row.map(|r| r.subjects.clone()).unwrap_or_default())
    }

    /// An operator's object by type and id.
    pub fn object(&mut self, kind: &'static str, id: &str) -> Result<Option<Arc<RegistryRow>>, OpError> {
        self.get::<RegistryRow>(&keys::registry(kind, id))
    }

    /// Every object of a type, in the order of ids, at most `limit`.
    pub fn objects(&mut self, kind: &str, limit: usize) -> Result<Vec<Arc<RegistryRow>>, OpError> {
        let prefix = keys::registry(kind, "");
        let rows = self.state.scan::<RegistryRow>(&prefix, None, limit)?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The chain that raw bodies of this day go to; its key is destroyed when they are no longer needed.
    pub fn raw_day(&mut self) -> Result<SubjectId, OpError> {
        match self.get::<RawDayRow>(&keys::raw_day(raw_day_of(self.now)))? {
            Some(day) => Ok(day.subject),
            None => Ok(SubjectId(self.env.entropy.bytes())),
        }
    }
}

/// An operator's object where its row lies: shared, not copied.
pub struct Held<T> {
    row: Arc<RegistryRow>,
    of: fn(&Object) -> Option<&T>,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Held { row: Arc::clone(&self.row), of: self.of }
    }
}

impl<T> std::ops::Deref for Held<T> {
    type Target = T;
    fn deref(&self) -> &T {
        (self.of)(&self.row.object).expect("looked at when it was taken")
    }
}

impl<T> Held<T> {
    /// Of a row that holds such an object.
    fn of(row: Arc<RegistryRow>, of: fn(&Object) -> Option<&T>) -> Option<Held<T>> {
        of(&row.object)?;
        Some(Held { row, of })
    }
}

macro_rules! typed_objects {
    ($($name:ident, $plural:ident, $kind:literal, $variant:ident => $type:ty;)*) => {
        $(
            fn $name(object: &Object) -> Option<&$type> {
                let Object::$variant(object) = object else { return None };
                Some(object)
            }
        )*
        impl Cx<'_> {
            $(
                /// The object of that id, if there is one.
                pub fn $name(&mut self, id: &str) -> Result<Option<Held<$type>>, OpError> {
                    Ok(self.object($kind, id)?.and_then(|row| Held::of(row, $name)))
                }
                /// Every object of the type, at most `limit`.
                pub fn $plural(&mut self, limit: usize) -> Result<Vec<Held<$type>>, OpError> {
                    let rows = self.objects($kind, limit)?;
                    Ok(rows.into_iter().filter_map(|row| Held::of(row, $name)).collect())
                }
            )*
        }
    };
}

typed_objects! {
    seller, sellers, "seller", Seller => crate::model::registry::Seller;
    brand, brands, "brand", Brand => crate::model::registry::Brand;
    program, programs, "program", Program => crate::model::registry::Program;
    sender, senders, "sender", Sender => crate::model::registry::Sender;
    connection, connections, "connection", Connection => crate::model::registry::Connection;
    disclosure, disclosures, "disclosure", Disclosure => crate::model::registry::Disclosure;
    template, templates, "template", Template => crate::model::registry::Template;
    api_key, api_keys, "api_key", ApiKey => crate::model::registry::ApiKey;
}

/// The public part of an entry about a message.
pub fn about_message(id: &MessageId, program: &str, channel: &str, outcome: &str) -> Public {
    Public {
        message_id: id.0.to_vec(),
        program: program.to_owned(),
        channel: channel.to_owned(),
        outcome: outcome.to_owned(),
        ..Public::default()
    }
}
