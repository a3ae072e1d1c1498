//! What the outside world was told, and what people said whether anybody heard it or not.

use std::collections::{BTreeMap, BTreeSet};

use consentry::model::{Instant, LinkCode, MessageId};

use crate::people::Meaning;

/// The words of one number that count: when they were said.
#[derive(Debug, Default, Clone, Copy)]
struct Said {
    /// The newest STOP by text that was acknowledged.
    stop: Option<Instant>,
    /// The newest START, YES or keyword, acknowledged or not: whoever wrote it is texted without fault.
    start: Option<Instant>,
    /// The newest acknowledged wish to a desk or page to stop everything; only YES or the keyword undo it.
    desk: Option<Instant>,
    agree: Option<Instant>,
}

#[derive(Default)]
pub struct Promises {
    /// Messages whose acceptance was answered.
    pub accepted: BTreeSet<MessageId>,
    /// Codes somebody was told they redeemed, by the order that has them.
    pub redeemed: BTreeMap<String, String>,
    /// Clicks on a link that were acknowledged.
    pub clicked: BTreeMap<LinkCode, u64>,
    said: BTreeMap<String, Said>,
}

impl Promises {
    fn of(&mut self, number: &str) -> &mut Said {
        self.said.entry(number.to_owned()).or_default()
    }

    /// A person wrote.
    pub fn written(&mut self, number: &str, meaning: Meaning, at: Instant) {
        let said = self.of(number);
        match meaning {
            Meaning::Start => said.start = said.start.max(Some(at)),
            Meaning::Agree => (said.start, said.agree) = (said.start.max(Some(at)), said.agree.max(Some(at))),
            _ => {}
        }
    }

    /// The gateway answered 2xx to it.
    pub fn heard(&mut self, number: &str, meaning: Meaning, at: Instant) {
        if matches!(meaning, Meaning::Stop | Meaning::Stranger) {
            let said = self.of(number);
            said.stop = said.stop.max(Some(at));
        }
    }

    /// An opt-out from everything was acknowledged to a caller.
    pub fn recorded(&mut self, number: &str, at: Instant) {
        let said = self.of(number);
        said.desk = said.desk.max(Some(at));
    }

    /// Numbers that must not be texted: their newest acknowledged word is STOP.
    pub fn stopped(&self) -> impl Iterator<Item = &str> {
        let holds = |stop: Option<Instant>, undone: Option<Instant>| stop.is_some() && stop > undone;
        let is_stopped = move |said: &Said| holds(said.stop, said.start) || holds(said.desk, said.agree);
        self.said.iter().filter(move |(_, said)| is_stopped(said)).map(|(number, _)| number.as_str())
    }

    /// Whether the person took a STOP said at that instant back.
    pub fn is_taken_back(&self, number: &str, stop: Instant) -> bool {
        self.said.get(number).is_some_and(|said| said.start >= Some(stop))
    }
}
