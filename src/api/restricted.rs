//! People who asked to be forgotten and are kept for proof alone: hidden from ordinary keys, and every read by others written
//! down. The one door for answers about people: [`Hands::see`].

use std::collections::BTreeSet;

use super::auth::{Caller, Role};
use super::convert::events;
use super::service::Hands;
use super::status::ApiError;
use crate::feed::Wanted;
use crate::ledger::body::Body;
use crate::ledger::entry::{Entry, SELLER_CHAIN};
use crate::ledger::rows::{RestrictedRow, keys};
use crate::ledger::state::Row;
use crate::model::SubjectId;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::event::Event;
use crate::store::{KeyRange, Order};
use crate::writer::ops::access::{PEOPLE_A_BATCH, RecordAccess};
use crate::writer::{Cx, OpError, Reader};

/// Rows read at once.
const PAGE: usize = 1_000;

/// Roles that see restricted people.
const OFFICERS: [Role; 2] = [Role::Auditor, Role::Admin];

/// What a caller sees of restricted people, and whom it has seen.
#[derive(Debug)]
pub struct Eyes {
    open: bool,
    /// None: for the shop's own servers, who see none.
    reads: Option<(&'static str, String)>,
    seen: BTreeSet<SubjectId>,
}

impl Eyes {
    /// Those of a caller of a method.
    pub fn of(caller: &Caller, method: &'static str) -> Eyes {
        let open = caller.roles.has_any(&OFFICERS);
        Eyes { open, reads: Some((method, caller.key.clone())), seen: BTreeSet::new() }
    }

    /// Those of a subscriber to outgoing webhooks: an ordinary one.
    pub fn of_subscriber() -> Eyes {
        Eyes { open: false, reads: None, seen: BTreeSet::new() }
    }

    /// Whether this person's record may be shown. What is shown of a restricted person counts as a read.
    pub fn sees(&mut self, cx: &mut Cx<'_>, subject: &SubjectId) -> Result<bool, OpError> {
        if *subject == SELLER_CHAIN || cx.get::<RestrictedRow>(&keys::restricted(subject))?.is_none() {
            return Ok(true);
        }
        if self.open {
            self.seen.insert(*subject);
        }
        Ok(self.open)
    }

    /// The events of an entry that somebody wants and may be told, each with its place among all of the entry's. Of restricted
    /// people ordinary listeners hear one thing: that they opted out, for whoever else writes to them must stop too
    /// (GDPR art 19); without their words.
    pub fn events(
        &mut self,
        cx: &mut Cx<'_>,
        entry: &Entry,
        wanted: &Wanted,
    ) -> Result<Vec<(usize, wire::Event)>, OpError> {
        let told = events::of_entry(cx, entry)?.into_iter().enumerate();
        let mut told: Vec<_> = told.filter(|(_, event)| wanted.takes(event)).collect();
        let about = match &entry.body {
            Body::Coupon(body) => body.coupon.subject.unwrap_or(entry.leaf.subject),
            _ => entry.leaf.subject,
        };
        if !told.is_empty() && !self.sees(cx, &about)? {
            told.retain_mut(|(_, event)| match &mut event.event {
                Some(Event::OptOut(opt_out)) => {
                    opt_out.text.clear();
                    opt_out.lifted_reason.is_empty()
                }
                _ => false,
            });
        }
        Ok(told)
    }
}

/// Everybody who is restricted now.
pub fn restricted_people(reader: &Reader) -> Result<Vec<SubjectId>, OpError> {
    let fatal = |e: crate::store::KvError| OpError::Fatal(e.to_string());
    let rows = reader.rows().map_err(fatal)?;
    let (mut range, mut people) = (KeyRange::prefix([RestrictedRow::TABLE]), Vec::new());
    loop {
        let page = rows.scan(&range, Order::Forward, PAGE).map_err(fatal)?;
        people.extend(page.iter().filter_map(|(key, _)| SubjectId::try_from(&key[1..]).ok()));
        match page.last() {
            Some((key, _)) if page.len() == PAGE => range = range.after(key),
            _ => return Ok(people),
        }
    }
}

impl Hands {
    /// Looks at what may be about people, on a thread that may block, with the caller's eyes. Whatever was seen of restricted
    /// people is in the ledger before the answer leaves.
    pub async fn see<T: Send + 'static>(
        &self,
        caller: &Caller,
        method: &'static str,
        look: impl FnOnce(&Reader, &mut Eyes) -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let mut eyes = Eyes::of(caller, method);
        let looked = self.look_long(move |reader| look(reader, &mut eyes).map(|found| (found, eyes)));
        let (found, mut eyes) = looked.await?;
        self.account(&mut eyes).await?;
        Ok(found)
    }

    /// Writes down what the eyes have seen since the last time.
    pub async fn account(&self, eyes: &mut Eyes) -> Result<(), ApiError> {
        let seen: Vec<SubjectId> = std::mem::take(&mut eyes.seen).into_iter().collect();
        let Some((method, actor)) = &eyes.reads else { return Ok(()) };
        for people in seen.chunks(PEOPLE_A_BATCH) {
            let (people, method) = (people.to_vec(), (*method).to_owned());
            self.write(RecordAccess { people, others: 0, method, actor: actor.clone() }).await?;
        }
        Ok(())
    }
}
