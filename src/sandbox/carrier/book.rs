//! What the carrier remembers: phones and texts, both bounded.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;
use super::record::{Direction, Record, Status};
use crate::model::Instant;
use crate::telemetry::Redacted;

/// Most phones shown; texts to further numbers are carried without one.
pub const PHONES_MAX: usize = 64;

/// A phone one can look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// Its number, E.164.
    pub number: Redacted<String>,
    /// Who holds it, as in "Dana".
    pub label: String,
    /// Where it is, as in "Phoenix, Arizona"; empty when not known.
    pub place: String,
    /// Its zone, an IANA name; `UTC` when not known.
    pub zone: String,
}

/// Texts, phones and settings of numbers.
#[derive(Debug)]
pub struct Book {
    kept_max: usize,
    next_seq: u64,
    texts: VecDeque<Record>,
    by_id: HashMap<String, u64>,
    phones: BTreeMap<String, Phone>,
    /// How all numbers are treated.
    pub everyone: Behaviour,
    numbers: HashMap<String, Behaviour>,
}

/// Which texts to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One direction only.
    pub direction: Option<Direction>,
    /// Only texts that came to the carrier at or after this instant.
    pub since: Option<Instant>,
    /// Only texts after this position.
    pub after: Option<u64>,
    /// At most this many.
    pub limit: usize,
}

impl Book {
    /// A book that keeps the newest `kept_max` texts.
    pub fn new(kept_max: usize, phones: Vec<Phone>, everyone: Behaviour) -> Self {
        let phones = phones.into_iter().map(|p| (p.number.as_str().to_owned(), p)).collect();
        let (texts, by_id, numbers) = Default::default();
        Self { kept_max, next_seq: 1, texts, by_id, phones, everyone, numbers }
    }

    /// Writes a text down, forgetting the oldest when full; answers its position.
    pub fn add(&mut self, mut record: Record) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        record.seq = seq;
        if self.texts.len() >= self.kept_max
            && let Some(oldest) = self.texts.pop_front()
        {
            self.by_id.remove(&oldest.id);
        }
        self.notice_phone(record.phone().to_owned());
        self.by_id.insert(record.id.clone(), seq);
        self.texts.push_back(record);
        seq
    }

    /// A number nobody listed gets a phone of its own, so that a newcomer who texts "their" number sees it arrive.
    fn notice_phone(&mut self, number: String) {
        if self.phones.len() < PHONES_MAX && !self.phones.contains_key(&number) {
            let (label, zone) = ("Another phone".to_owned(), "UTC".to_owned());
            self.phones
                .insert(number.clone(), Phone { number: number.into(), label, place: String::new(), zone });
        }
    }

    /// The text at a position, unless forgotten.
    pub fn at(&self, seq: u64) -> Option<&Record> {
        let first = self.texts.front()?.seq;
        self.texts.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// The text with an id, unless forgotten.
    pub fn find(&self, id: &str) -> Option<&Record> {
        self.at(*self.by_id.get(id)?)
    }

    /// Moves a text on; a state of lower rank, or a second final state, changes nothing. Answers the text as it is.
    pub fn advance(
        &mut self,
        seq: u64,
        status: Status,
        error: Option<String>,
        at: Instant,
    ) -> Option<&Record> {
        let first = self.texts.front()?.seq;
        let record = self.texts.get_mut(usize::try_from(seq.checked_sub(first)?).ok()?)?;
        if status.rank() > record.status.rank() {
            record.status = status;
            record.error = error;
            record.updated_at = at;
        }
        Some(record)
    }

    /// Texts in order of arrival.
    pub fn list<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Record> {
        let wanted = move |r: &&Record| {
            filter.direction.is_none_or(|d| r.direction == d)
                && filter.since.is_none_or(|t| r.created_at >= t)
                && filter.after.is_none_or(|s| r.seq > s)
        };
        self.texts.iter().filter(wanted).take(filter.limit)
    }

    /// The newest `limit` texts of one phone, oldest first.
    pub fn thread(&self, phone: &str, limit: usize) -> Vec<Record> {
        let newest = self.texts.iter().rev().filter(|r| r.phone() == phone).take(limit);
        let mut thread: Vec<_> = newest.cloned().collect();
        thread.reverse();
        thread
    }

    /// The sender that last texted a phone: whom a reply goes to.
    pub fn last_sender(&self, phone: &str) -> Option<String> {
        let to_phone = |r: &&Record| r.direction == Direction::Outbound && r.phone() == phone;
        self.texts.iter().rev().find(to_phone).map(|r| r.sender().to_owned())
    }

    /// All phones, by number.
    pub fn phones(&self) -> impl Iterator<Item = &Phone> {
        self.phones.values()
    }

    /// How one number is treated.
    pub fn behaviour(&self, number: &str) -> &Behaviour {
        self.numbers.get(number).unwrap_or(&self.everyone)
    }

    /// Treats one number in its own way. Answers false when 1,000 other numbers have theirs already.
    pub fn set_behaviour(&mut self, number: &str, own: Behaviour) -> bool {
        let room = self.numbers.len() < 1_000 || self.numbers.contains_key(number);
        if room {
            self.numbers.insert(number.to_owned(), own);
        }
        room
    }

    /// Treats one number like all others again.
    pub fn clear_behaviour(&mut self, number: &str) {
        self.numbers.remove(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: u32, direction: Direction) -> Record {
        Record {
            seq: 0,
            id: id.to_string(),
            direction,
            from: "+18555550100".to_owned().into(),
            to: "+12125550123".to_owned().into(),
            text: "hi".to_owned().into(),
            client_ref: None,
            parts: 1,
            status: Status::Queued,
            error: None,
            created_at: Instant::from_seconds(i64::from(id)),
            updated_at: Instant::from_seconds(i64::from(id)),
            status_url: None,
        }
    }

    #[test]
    fn the_oldest_texts_are_forgotten_and_nothing_else() {
        let mut book = Book::new(3, Vec::new(), Behaviour::default());
        for id in 1..=5 {
            book.add(text(id, Direction::Outbound));
        }
        assert!(book.find("2").is_none() && book.at(2).is_none());
        assert_eq!(book.find("3").map(|r| r.seq), Some(3));
        assert_eq!(book.at(5).map(|r| r.id.as_str()), Some("5"));
        assert!(book.advance(1, Status::Sent, None, Instant::EPOCH).is_none());
        assert_eq!(book.by_id.len(), 3);
    }

    #[test]
    fn a_final_state_stays() {
        let mut book = Book::new(3, Vec::new(), Behaviour::default());
        let seq = book.add(text(1, Direction::Outbound));
        for (status, expected) in [
            (Status::Sent, Status::Sent),
            (Status::Failed, Status::Failed),
            (Status::Delivered, Status::Failed),
            (Status::Sent, Status::Failed),
        ] {
            let now = book.advance(seq, status, None, Instant::EPOCH).map(|r| r.status);
            assert_eq!(now, Some(expected), "after {status:?}");
        }
    }

    #[test]
    fn lists_by_direction_time_and_position() {
        let mut book = Book::new(10, Vec::new(), Behaviour::default());
        for id in 1..=6 {
            let direction = if id % 2 == 0 { Direction::Inbound } else { Direction::Outbound };
            book.add(text(id, direction));
        }
        let ids = |filter: Filter| book.list(&filter).map(|r| r.seq).collect::<Vec<_>>();
        let all = Filter { limit: 100, ..Filter::default() };
        assert_eq!(ids(Filter { direction: Some(Direction::Inbound), ..all.clone() }), [2, 4, 6]);
        assert_eq!(ids(Filter { since: Some(Instant::from_seconds(4)), ..all.clone() }), [4, 5, 6]);
        assert_eq!(ids(Filter { after: Some(2), limit: 2, ..all }), [3, 4]);
    }

    #[test]
    fn strangers_get_a_phone_until_there_are_enough() {
        let mut book = Book::new(1_000, Vec::new(), Behaviour::default());
        for n in 0..100 {
            let mut stranger = text(n, Direction::Outbound);
            stranger.to = format!("+1212555{n:04}").into();
            book.add(stranger);
        }
        assert_eq!(book.phones().count(), PHONES_MAX);
    }
}
