//! What a person's chain has led to: the rows that must go with the person.

use std::collections::HashMap;

use crate::ledger::body::{Body, ForgottenBody, Operation};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{ChainRow, keys};
use crate::ledger::state::Row;
use crate::model::{BrandId, MessageId, SubjectId};
use crate::store::{KeyRange, Order};
use crate::writer::{OpError, Reader};

/// Chain rows read at once.
const PAGE: usize = 1_000;

/// Everything a chain has made, up to a length.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    pub subject: SubjectId,
    /// Entries looked at: when the chain has grown since, the inventory must be taken again.
    pub length: u64,
    pub rows: ForgottenBody,
    /// Codes promised to the person.
    pub coupons: Vec<(BrandId, String)>,
    /// Parts of each message.
    parts: HashMap<MessageId, u64>,
    /// The code each message was promised.
    promised: HashMap<MessageId, (BrandId, String)>,
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
            _ => return Ok(inventory),
        }
    }
}

impl Inventory {
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
                let cart = spec.cart.clone().map(|cart| (spec.brand.clone(), cart));
                rows.carts.extend(cart.filter(|cart| !rows.carts.contains(cart)));
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
            _ => {}
        }
    }
}
