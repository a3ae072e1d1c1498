//! What a reply is about: an order and goods, or messages and whoever they go to.

use super::lexicon::{Lexicon, WordId};
use super::normalise::Words;

/// What a reply speaks of, as one language's lists tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// An order or goods.
    pub goods: bool,
    /// A size, a day, a courier, an address: what is sent with goods, never with messages.
    pub parcel: bool,
    /// Messages and whoever they go to.
    pub sending: bool,
    /// Sending, in words that serve for messages and goods alike.
    pub carrying: bool,
    /// Messages, in words that serve for nothing else.
    pub messages: bool,
    /// All times and all things: `never`, `anything`.
    pub forever: bool,
}

impl Subject {
    /// What either speaks of.
    pub fn or(self, other: Subject) -> Subject {
        Subject {
            goods: self.goods || other.goods,
            parcel: self.parcel || other.parcel,
            sending: self.sending || other.sending,
            carrying: self.carrying || other.carrying,
            messages: self.messages || other.messages,
            forever: self.forever || other.forever,
        }
    }

    /// Whether a demand to end something may well mean an order: `stop the red ones`, `do not send L, send M`.
    pub fn is_goods(self) -> bool {
        let sent = self.parcel && self.carrying && !self.messages;
        (self.goods && !self.sending) || (sent && !self.forever)
    }
}

/// One language's lists.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    /// Words of orders and goods.
    pub topics: Mentions,
    /// Words of messages and whoever they go to.
    pub channels: Mentions,
    /// Words of sending, those of the channels among them, that are said of goods as well: `send`.
    pub carries: Mentions,
    /// Words of what is sent with goods only.
    pub parcels: Mentions,
    /// Words of all times and all things.
    pub forever: Mentions,
    /// The channels without the carries.
    messages: Mentions,
}

impl Subjects {
    /// To be called once the lexicon is finished.
    pub fn finish(&mut self, lexicon: &Lexicon) {
        let said = [&mut self.topics, &mut self.channels, &mut self.carries];
        let lists = said.into_iter().chain([&mut self.parcels, &mut self.forever]);
        lists.for_each(|list| list.finish(lexicon));
        self.messages = self.channels.without(&self.carries);
    }

    /// What a reply speaks of.
    pub fn of(&self, reply: &[(WordId, usize)]) -> Subject {
        Subject {
            goods: self.topics.stand_in(reply),
            parcel: self.parcels.stand_in(reply),
            sending: self.channels.stand_in(reply),
            carrying: self.carries.stand_in(reply),
            messages: self.messages.stand_in(reply),
            forever: self.forever.stand_in(reply),
        }
    }
}

/// Words one of which a reply may hold: whole ones, beginnings (`order*`), and in scripts without spaces rows of characters.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    /// In order once finished.
    words: Vec<WordId>,
    rows: Vec<Vec<WordId>>,
}

impl Mentions {
    /// Adds the words of a line; the error names the one that is none.
    pub fn add(&mut self, list: &str, lexicon: &mut Lexicon) -> Result<(), String> {
        for token in list.split_whitespace() {
            match (token.strip_suffix('*'), &Words::of(token.trim_end_matches('*')).0[..]) {
                (Some(_), [stem]) => self.words.push(lexicon.add_stem(stem)),
                (None, [word]) => self.words.push(lexicon.add(word)),
                (None, [_, _, ..]) => {
                    self.rows.push(Words::of(token).0.iter().map(|word| lexicon.add(word)).collect());
                }
                _ => return Err(format!("{token:?} is not a word")),
            }
        }
        Ok(())
    }

    /// To be called once the lexicon is finished.
    pub fn finish(&mut self, lexicon: &Lexicon) {
        let begun: Vec<WordId> =
            self.words.iter().flat_map(|stem| lexicon.with_stem(*stem)).copied().collect();
        self.words.extend(begun);
        self.words.extend(lexicon.behind_particles(&self.words));
        self.words.sort_unstable();
        self.words.dedup();
    }

    /// These without those that stand in another list, both finished.
    pub fn without(&self, others: &Mentions) -> Mentions {
        let words = self.words.iter().filter(|word| others.words.binary_search(word).is_err());
        let rows = self.rows.iter().filter(|row| !others.rows.contains(row));
        Mentions { words: words.copied().collect(), rows: rows.cloned().collect() }
    }

    /// Whether one of them stands in the reply.
    pub fn stand_in(&self, reply: &[(WordId, usize)]) -> bool {
        let row_at = |at: usize, row: &[WordId]| {
            reply.len() >= at + row.len()
                && row.iter().zip(&reply[at..]).all(|(word, (read, _))| word == read)
        };
        (0..reply.len()).any(|at| {
            self.words.binary_search(&reply[at].0).is_ok() || self.rows.iter().any(|row| row_at(at, row))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sending_is_of_goods_where_a_parcel_is_named_and_no_message() {
        let mut lexicon = Lexicon::default();
        let mut subjects = Subjects::default();
        subjects.topics.add("shoe*", &mut lexicon).expect("words");
        subjects.channels.add("send* text", &mut lexicon).expect("words");
        subjects.carries.add("send*", &mut lexicon).expect("words");
        subjects.parcels.add("xl today", &mut lexicon).expect("words");
        subjects.forever.add("never", &mut lexicon).expect("words");
        lexicon.finish();
        subjects.finish(&lexicon);
        for (text, expected) in [
            ("stop the shoes", true),
            ("do not send shoes", false),
            ("do not send xl", true),
            ("do not send today", true),
            ("do not text today", false),
            ("do not send a text today", false),
            ("do not send", false),
            ("never send today or tomorrow", false),
            ("enough for today", false),
        ] {
            let read = lexicon.read(&Words::of(text).0);
            assert_eq!(subjects.of(&read).is_goods(), expected, "{text}");
        }
        assert!(subjects.topics.add("%", &mut lexicon).is_err());
    }
}
