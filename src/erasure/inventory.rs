//! What a person's chain has led to: the rows that must go with the person.

use std::collections::{HashMap, HashSet};

use crate::ledger::body::{Body, ForgottenBody, Operation};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{ChainRow, keys};
use crate::ledger::state::Row;
use crate::model::cart::Coupon;
use crate::model::{BrandId, CartId, ConnectionId, LinkCode, MessageId, SubjectId};
use crate::store::{KeyRange, Order};
use crate::writer::{OpError, Reader};

/// Chain rows read at once.
const PAGE: usize = 1_000;
/// Rows and codes that one commit of an erasure forgets: some ten milliseconds of the writer's time.
pub const STEP: usize = 1_000;
/// Bytes of ids somebody else chose in one entry, far below what an entry may hold.
const STEP_BYTES: usize = 256 << 10;

/// Everything a chain has made, up to a length.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    pub subject: SubjectId,
    /// Entries looked at: when the chain has grown since, the inventory must be taken again.
    pub length: u64,
    pub rows: ForgottenBody,
    /// Codes promised to the person that are theirs to this day.
    pub coupons: Vec<(BrandId, String)>,
    seen_carts: HashSet<(BrandId, CartId)>,
    /// The cart of each message.
    carts: HashMap<MessageId, (BrandId, CartId)>,
    /// Rows that an erasure which was broken off has forgotten already.
    done: Done,
    /// Parts of each message.
    parts: HashMap<MessageId, u64>,
    /// The code each message was promised.
    promised: HashMap<MessageId, (BrandId, String)>,
}

#[derive(Debug, Clone, Default)]
struct Done {
    messages: HashSet<MessageId>,
    links: HashSet<LinkCode>,
    operations: HashSet<MessageId>,
    inbound: HashSet<(ConnectionId, String)>,
    texts: HashSet<u64>,
    carts: HashSet<(BrandId, CartId)>,
}

/// As much of an inventory as one commit takes.
#[derive(Debug, Clone, Default)]
pub struct Piece {
    pub subject: SubjectId,
    pub rows: ForgottenBody,
    pub coupons: Vec<(BrandId, String)>,
}

/// Reads a whole chain. Takes as long as the chain is: not for the writer's thread.
pub fn take(reader: &Reader, subject: SubjectId) -> Result<Inventory, OpError> {
    let fatal = |e: String| OpError::Fatal(e);
    let rows = reader.rows().map_err(|e| fatal(e.to_string()))?;
    let first = keys::chain(&subject, 0);
    debug_assert_eq!(first[0], ChainRow::TABLE);
    let mut range = KeyRange::prefix(&first[..first.len() - 8]);
    let mut inventory = Inventory { subject, ..Inventory::default() };
    loop {
        let page = rows.scan(&range, Order::Forward, PAGE).map_err(|e| fatal(e.to_string()))?;
        for (_, value) in &page {
            let row: ChainRow = postcard::from_bytes(value).map_err(|e| fatal(e.to_string()))?;
            inventory.length += 1;
            if let Some(entry) = reader.entries().entry(row.index).map_err(OpError::Fatal)? {
                inventory.note(&entry);
            }
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => range = range.after(key),
            _ => break,
        }
    }
    inventory.leave_out_what_is_done();
    let codes = std::mem::take(&mut inventory.coupons);
    inventory.coupons = reader.look(|cx| {
        let mut theirs = Vec::new();
        for (brand, code) in codes {
            let coupon = cx.get::<Coupon>(&keys::coupon(&brand, &code))?;
            if coupon.is_some_and(|coupon| coupon.subject == Some(subject)) {
                theirs.push((brand, code));
            }
        }
        Ok(theirs)
    })?;
    Ok(inventory)
}

impl Inventory {
    /// Whether one commit would be too long for it: then pieces go first.
    pub fn is_long(&self, step: usize) -> bool {
        self.rows.len() > step || self.coupons.len() > step || bytes(&self.rows) > STEP_BYTES
    }

    /// Takes out what the next commit is to forget, while the rest is still too long for the last one. What counts for a
    /// carrier's cap stays for the last.
    pub fn next_piece(&mut self, step: usize) -> Option<Piece> {
        if !self.is_long(step) {
            return None;
        }
        let mut piece = Piece { subject: self.subject, ..Piece::default() };
        let left = self.coupons.len().saturating_sub(step);
        piece.coupons = self.coupons.split_off(left);
        let (from, to) = (&mut self.rows, &mut piece.rows);
        let has_room = |to: &ForgottenBody| to.len() < step && bytes(to) < STEP_BYTES;
        while has_room(to)
            && let Some(id) = from.messages.pop()
        {
            // A cart forgets a message only when it is told of both.
            to.carts.extend(self.carts.remove(&id).filter(|cart| !to.carts.contains(cart)));
            to.messages.push(id);
        }
        move_while(has_room, from, to, |rows| &mut rows.links);
        move_while(has_room, from, to, |rows| &mut rows.operations);
        move_while(has_room, from, to, |rows| &mut rows.inbound);
        move_while(has_room, from, to, |rows| &mut rows.texts);
        if from.messages.is_empty() {
            move_while(has_room, from, to, |rows| &mut rows.carts);
        }
        let moved = !to.is_empty() || !piece.coupons.is_empty();
        moved.then_some(piece)
    }

    fn leave_out_what_is_done(&mut self) {
        let (rows, done) = (&mut self.rows, &self.done);
        rows.messages.retain(|id| !done.messages.contains(id));
        rows.links.retain(|code| !done.links.contains(code));
        rows.operations.retain(|id| !done.operations.contains(id));
        rows.inbound.retain(|id| !done.inbound.contains(id));
        rows.texts.retain(|index| !done.texts.contains(index));
        // One that a message not yet forgotten names is told once more.
        let named: HashSet<_> = rows.messages.iter().filter_map(|id| self.carts.get(id)).collect();
        rows.carts.retain(|cart| !done.carts.contains(cart) || named.contains(cart));
    }

    fn note(&mut self, entry: &Entry) {
        let rows = &mut self.rows;
        let mut operation = |operation: &Option<Operation>| {
            rows.operations.extend(operation.as_ref().map(|o| o.id));
        };
        match &entry.body {
            Body::Consent(body) => operation(&body.operation),
            Body::OptOut(body) => operation(&body.operation),
            Body::OptOutLifted(body) => operation(&body.operation),
            Body::Preferences(body) => operation(&body.operation),
            Body::NumberCheck(body) => operation(&body.operation),
            Body::ExternalSend(body) => operation(&body.operation),
            Body::Coupon(body) => operation(&body.operation),
            Body::Link(body) => operation(&body.operation),
            Body::Decision(body) => {
                let spec = &body.message;
                rows.messages.push(spec.id);
                self.parts.insert(spec.id, u64::from(spec.parts));
                rows.links.extend(spec.link.as_ref().map(|link| link.code.clone()));
                if let Some(cart) = spec.cart.clone().map(|cart| (spec.brand.clone(), cart)) {
                    if self.seen_carts.insert(cart.clone()) {
                        rows.carts.push(cart.clone());
                    }
                    self.carts.insert(spec.id, cart);
                }
                let code = spec.coupon.as_ref().and_then(|coupon| coupon.code.clone());
                let promised = code.map(|code| (spec.brand.clone(), code));
                self.promised.extend(promised.clone().map(|coupon| (spec.id, coupon)));
                self.coupons.extend(promised);
            }
            // It moved on to another address, and goes with that one: so does the code it was promised.
            Body::Redecision(body) if body.moved_to.is_some() => {
                rows.messages.retain(|id| *id != body.message);
                if let Some(promised) = self.promised.remove(&body.message) {
                    self.coupons.retain(|coupon| *coupon != promised);
                }
            }
            Body::Intent(body) => {
                let parts = self.parts.get(&body.message).copied().unwrap_or_default();
                for (group, date) in body.counts_on() {
                    match rows.throttle.iter_mut().find(|(g, d, _)| *g == group && *d == date) {
                        Some((_, _, counted)) => *counted += parts,
                        None => rows.throttle.push((group, date, parts)),
                    }
                }
            }
            Body::Inbound(body) => {
                rows.inbound.push((body.connection.clone(), body.provider_id.clone()));
                rows.texts.push(entry.index);
            }
            Body::Forgotten(body) => {
                self.done.messages.extend(body.messages.iter().copied());
                self.done.links.extend(body.links.iter().cloned());
                self.done.operations.extend(body.operations.iter().copied());
                self.done.inbound.extend(body.inbound.iter().cloned());
                self.done.texts.extend(body.texts.iter().copied());
                self.done.carts.extend(body.carts.iter().cloned());
            }
            _ => {}
        }
    }
}

/// Bytes of what others named, about.
fn bytes(rows: &ForgottenBody) -> usize {
    let inbound: usize =
        rows.inbound.iter().map(|(connection, id)| connection.as_str().len() + id.len()).sum();
    let carts: usize =
        rows.carts.iter().map(|(brand, cart)| brand.as_str().len() + cart.as_str().len()).sum();
    inbound + carts
}

fn move_while<T>(
    has_room: impl Fn(&ForgottenBody) -> bool,
    from: &mut ForgottenBody,
    to: &mut ForgottenBody,
    list: impl Fn(&mut ForgottenBody) -> &mut Vec<T>,
) {
    while has_room(to)
        && let Some(row) = list(from).pop()
    {
        list(to).push(row);
    }
}
