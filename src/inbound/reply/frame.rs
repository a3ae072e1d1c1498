//! A **frame**: several patterns that stand near each other in any order. `a & b & c ! d` matches where `a`, `b` and
//! `c` all stand within four gaps of `a`, sharing no word, and `d` stands nowhere in the reply. Languages order their
//! words as they like; what a sentence asks for rests on which of them meet: a refusal and a verb of sending.

use super::lexicon::Lexicon;
use super::pattern::{Groups, Pattern, Reply};

/// A pattern, or several that must meet in any order.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Where the search begins.
    lead: Pattern,
    others: Vec<Pattern>,
    unless: Option<Pattern>,
    /// Words around the lead's beginning in which the others begin.
    reach: usize,
}

impl Frame {
    /// Compiles a pattern or a frame; the error says what is wrong.
    pub fn parse(text: &str, groups: &Groups, words: &mut Lexicon) -> Result<Frame, String> {
        let (slots, unless) = match text.split_once(" ! ") {
            Some((slots, unless)) => (slots, Some(Pattern::parse(unless, groups, words)?)),
            None => (text, None),
        };
        let mut slots = slots.split(" & ").map(|slot| Pattern::parse(slot, groups, words));
        let lead = slots.next().ok_or("no pattern")??;
        Ok(Frame { lead, others: slots.collect::<Result<_, _>>()?, unless, reach: groups.gap * 4 })
    }

    /// The pattern the search begins with.
    pub fn lead(&self) -> &Pattern {
        &self.lead
    }

    /// To be called once the lexicon is finished.
    pub fn finish(&mut self, lexicon: &Lexicon) {
        let patterns = std::iter::once(&mut self.lead).chain(&mut self.others).chain(&mut self.unless);
        patterns.for_each(|pattern| pattern.finish(lexicon));
    }

    /// Whether its words may stand apart.
    pub fn is_loose(&self) -> bool {
        !self.others.is_empty()
    }

    /// The words it rests on if its lead begins at `at`, from the first to behind the last.
    pub fn match_at(&self, reply: Reply<'_>, at: usize) -> Option<(usize, usize)> {
        let end = self.lead.match_at(reply, at)?;
        if self.others.is_empty() && self.unless.is_none() {
            return Some((at, end));
        }
        let places = at.saturating_sub(self.reach)..reply.words.len().min(at + self.reach);
        let mut taken = vec![(at, end)];
        for other in &self.others {
            let free = |start: usize, end: usize| taken.iter().all(|t| end <= t.0 || t.1 <= start);
            let found = places.clone().filter(|place| free(*place, *place + 1)).find_map(|place| {
                other
                    .match_at(reply, place)
                    .filter(|&end| end > place && free(place, end))
                    .map(|end| (place, end))
            });
            taken.push(found?);
        }
        let is_barred =
            |unless: &Pattern| (0..reply.words.len()).any(|place| unless.match_at(reply, place).is_some());
        if self.unless.as_ref().is_some_and(is_barred) {
            return None;
        }
        let first = taken.iter().map(|t| t.0).min()?;
        Some((first, taken.iter().map(|t| t.1).max()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::reply::lexicon::WordId;
    use crate::inbound::reply::normalise::Words;

    #[test]
    fn the_words_of_a_frame_meet_in_any_order() {
        for (frame, text, expected) in [
            ("not & send*", "please do not ever send", Some((2, 5))),
            ("not & send*", "send it not", Some((0, 3))),
            ("not & send*", "not now", None),
            ("not & send* ! order | my box", "do not send my box", None),
            ("not & send* ! order | my box", "do not send my bag", Some((1, 3))),
            ("not & (not | no) & send*", "not send", None),
            ("not & (not | no) & send*", "no i said not send", Some((0, 5))),
            ("a & b", "a 1 2 3 4 5 6 7 8 9 10 11 b", None),
        ] {
            let mut words = Lexicon::default();
            let parsed = Frame::parse(frame, &Groups::default(), &mut words).expect("a frame");
            words.finish();
            let mut parsed = parsed;
            parsed.finish(&words);
            let ids: Vec<WordId> = words.read(&Words::of(text).0).into_iter().map(|(id, _)| id).collect();
            let reply = Reply { words: &ids, lexicon: &words };
            let found = (0..ids.len()).find_map(|at| parsed.match_at(reply, at));
            assert_eq!(found, expected, "{frame} / {text}");
        }
    }
}
