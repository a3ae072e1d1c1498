//! What operations on a person share: which opt-outs stand in the way, which are one wish written twice, whose programs
//! a sender carries, and automatic texts that must never fail their cause.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::registry::OBJECTS_MAX;
use super::send::{AutomaticSend, send_automatic};
use crate::ledger::body::{Body, OptOutLiftedBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::AddressRow;
use crate::model::consent::OptOut;
use crate::model::phone::{ParsedNumber, parse_for_sending};
use crate::model::registry::{Brand, Program, Sender};
use crate::model::subject::{Address, Subject, bounds};
use crate::model::{Channel, CustomerId, Instant, MessageId, ProgramId, Span, SubjectId};
use crate::writer::{Cx, Held, OpError};

impl Cx<'_> {
    /// The brand a request names.
    pub(super) fn brand_named(&mut self, id: &str) -> Result<Held<Brand>, OpError> {
        self.brand(id)?.ok_or_else(|| OpError::NotFound { what: "brand", id: id.to_owned() })
    }

    /// The program of that brand a request names.
    pub(super) fn program_named(&mut self, brand: &Brand, id: &str) -> Result<Held<Program>, OpError> {
        let found = self.program(id)?.filter(|program| program.brand == brand.id);
        found.ok_or_else(|| OpError::NotFound { what: "program of this brand", id: id.to_owned() })
    }

    /// Programs a sender carries, in the order of their ids.
    pub(super) fn programs_of(&mut self, sender: &Sender) -> Result<Vec<Held<Program>>, OpError> {
        let mut programs = self.programs(OBJECTS_MAX)?;
        programs.retain(|p| p.active && p.senders.contains(&sender.id));
        Ok(programs)
    }

    /// Every sender of the installation.
    pub(super) fn all_senders(&mut self) -> Result<Vec<Held<Sender>>, OpError> {
        self.senders(OBJECTS_MAX)
    }

    /// Everybody whose wishes count for one address: its subject, those in its reach, those of a customer it is about to
    /// join.
    pub(super) fn people_around(
        &mut self,
        subject: Option<&Subject>,
        customer: Option<&CustomerId>,
    ) -> Result<Vec<Arc<Subject>>, OpError> {
        let mut people = match subject {
            Some(subject) => self.reach(subject)?,
            None => Vec::new(),
        };
        if let Some(customer) = customer {
            for id in self.customer(customer)? {
                if people.iter().all(|p| p.id != id) {
                    people.push(self.subject(&id)?);
                }
            }
        }
        Ok(people)
    }

    /// Refuses to tie an address to a customer when not everybody whom it would bring together fits into one reach: opt-outs,
    /// caps, lists and exports of the customer would leave somebody out and say nothing.
    pub(super) fn demand_room_for_tie(
        &mut self,
        known: Option<&Subject>,
        customer: &CustomerId,
    ) -> Result<(), OpError> {
        let ties = known.map(|s| s.customers.as_slice()).unwrap_or_default();
        if ties.contains(customer) {
            return Ok(());
        }
        let refuse = |why: String| Err(OpError::Precondition(why));
        if ties.len() >= bounds::CUSTOMERS {
            let most = bounds::CUSTOMERS;
            return refuse(format!(
                "this address belongs to {most} customers already: leave customer_id out, or erase the address first"
            ));
        }
        let members = self.customer(customer)?;
        let fits = |others: &BTreeSet<SubjectId>| others.len() < bounds::REACH;
        let mut around = self.sharing(ties)?;
        around.extend(&members);
        if let Some(subject) = known {
            around.remove(&subject.id);
        }
        let mut all_fit = fits(&around);
        for id in &members {
            let member = self.subject(id)?;
            let mut others = self.sharing(&member.customers)?;
            others.remove(id);
            // Nobody has the id of the seller's chain: it stands for who has no record yet.
            others.insert(known.map_or(SELLER_CHAIN, |subject| subject.id));
            all_fit &= fits(&others);
        }
        if all_fit {
            return Ok(());
        }
        let most = bounds::REACH;
        refuse(format!(
            "customer_id would bring together more than {most} addresses: leave it out, or erase an address that is gone"
        ))
    }

    /// Everybody who belongs to one of the customers.
    fn sharing(&mut self, customers: &[CustomerId]) -> Result<BTreeSet<SubjectId>, OpError> {
        let mut found = BTreeSet::new();
        for customer in customers {
            found.extend(self.customer(customer)?);
        }
        Ok(found)
    }

    /// Whether an address is blocked for good, whatever else is known.
    pub(super) fn is_suppressed(&mut self, address: &Address) -> Result<bool, OpError> {
        let key = self.env.fold.address_key(address);
        Ok(self.get::<AddressRow>(&key)?.is_some_and(|row| row.suppressed))
    }

    /// Lifts, on everybody else in a subject's reach, the opt-outs that are the same wish as one in force on the subject
    /// itself: a STOP is written on the phone and on the person's app, so what reopens the one must reopen the other. Only
    /// for these programs on this channel. Call it before the subject's own are lifted.
    pub(super) fn lift_twins(
        &mut self,
        subject: &Subject,
        opt_outs: &[OptOut],
        programs: &[ProgramId],
        channel: Channel,
        cause: &str,
        text: &str,
    ) -> Result<(), OpError> {
        for member in self.reach(subject)?.iter().filter(|m| m.id != subject.id) {
            let twins = member.opt_outs.iter().filter(|o| opt_outs.iter().any(|own| is_same_wish(own, o)));
            let recorded_at: Vec<Instant> = twins.map(|o| o.recorded_at).collect();
            if recorded_at.is_empty() {
                continue;
            }
            let body = OptOutLiftedBody {
                recorded_at,
                programs: programs.to_vec(),
                channel: Some(channel),
                cause: cause.to_owned(),
                text: text.to_owned(),
                operation: None,
                actor: "gateway".to_owned(),
            };
            let public = Public { outcome: cause.to_owned(), ..Public::default() };
            self.emit(member.id, None, public, Body::OptOutLifted(body))?;
        }
        Ok(())
    }

    /// Sends an automatic text if it can be sent. What calls for it stands whatever comes of the text: a program without
    /// a sender must not cost a person their opt-out.
    pub(super) fn answer(&mut self, wish: AutomaticSend) -> Result<Option<MessageId>, OpError> {
        let before = self.entries_made();
        match send_automatic(self, wish) {
            Ok(message) => Ok(message),
            Err(OpError::Fatal(reason)) => Err(OpError::Fatal(reason)),
            Err(e) if self.entries_made() != before => Err(e),
            Err(_) => Ok(None),
        }
    }

    /// What the numbering plan says about an address; none for an installation or what is no number.
    pub fn number(&self, address: &Address) -> Option<ParsedNumber> {
        parse_for_sending(address.phone()?.expose(), None).ok()
    }

    /// A subject as it stands now.
    pub(super) fn row_of(&mut self, id: &SubjectId) -> Result<Subject, OpError> {
        Ok((*self.subject(id)?).clone())
    }

    /// The instant that names an opt-out among everybody in its reach: the batch's, moved on where one is named so
    /// already, so that lifting the one never lifts the other.
    pub(super) fn name_of_opt_out(&self, members: &[Arc<Subject>]) -> Instant {
        let names = members.iter().flat_map(|s| &s.opt_outs).map(|o| o.recorded_at);
        let newest = names.max().map(|newest| newest + Span::micros(1));
        newest.map_or(self.now, |next| next.max(self.now))
    }
}

/// Whether two opt-outs, on two addresses of one person, are one wish written twice. Two phones of one customer may say
/// STOP in the same second: each has a name of its own, and only its own phone takes it back.
pub(super) fn is_same_wish(a: &OptOut, b: &OptOut) -> bool {
    a.recorded_at == b.recorded_at
        && a.scope == b.scope
        && a.source == b.source
        && a.received_at == b.received_at
        && b.lifted_at.is_none()
}

/// The opt-outs in force that forbid a program on a channel.
pub(super) fn covering<'a>(
    people: impl IntoIterator<Item = &'a Subject>,
    program: &Program,
    channel: Channel,
    now: Instant,
) -> Vec<&'a OptOut> {
    let covers =
        |o: &&OptOut| o.holds_at(now) && o.covers(&program.brand, &program.id, program.category, channel);
    people.into_iter().flat_map(|s| &s.opt_outs).filter(covers).collect()
}
