//! One language's rules: a file of words, groups and patterns, compiled once and asked about a reply.

use std::collections::{HashMap, HashSet};

use super::frame::Frame;
use super::lexicon::{Lexicon, WordId};
use super::normalise::{Words, folded};
use super::pattern::{First, Groups, Pattern, Reply};
use super::subject::{Subject, Subjects};

/// What a rule of a file says about a reply that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// These words mean something harmless here: no other rule may rest on them.
    Guard,
    /// As a guard, but only against `WrongNumber`: `I am not sure` names nobody.
    NotWrong,
    /// As a guard, but only against `Uncertain`: the words name a thing, yet a clear opt-out beside them stands.
    Excuse,
    /// Messages may go on (`pause the coffee, texts are fine`): an opt-out beside it is a doubt.
    Keep,
    OptIn,
    Yes,
    Help,
    Uncertain,
    OptOut,
    WrongNumber,
}

impl Kind {
    fn parse(name: &str) -> Option<Kind> {
        Some(match name {
            "guard" => Kind::Guard,
            "excuse" => Kind::Excuse,
            "not-wrong" => Kind::NotWrong,
            "keep" => Kind::Keep,
            "opt-in" => Kind::OptIn,
            "yes" => Kind::Yes,
            "help" => Kind::Help,
            "uncertain" => Kind::Uncertain,
            "opt-out" => Kind::OptOut,
            "wrong-number" => Kind::WrongNumber,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Rule {
    kind: Kind,
    id: &'static str,
    frame: Frame,
    /// What its lead can begin with; none: any word, at the beginning of the reply.
    first: Option<Vec<First>>,
}

/// A rule that matched, and the words of the reply it rests on.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub kind: Kind,
    pub rule: &'static str,
    pub language: &'static str,
    /// Half-open range of words of the reply.
    pub words: (usize, usize),
    /// Rests on words that stand apart: no sign of a language the rest of the reply is not in.
    pub is_loose: bool,
}

/// What language a reply is in, judged by the words of it that stand in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Odds {
    /// Half of the words are of the hit's language, and more than are of the person's.
    pub likelier: bool,
    /// Half of the words are of a language the person reads.
    pub own: bool,
}

impl Hit {
    /// What is left of the hit when its language is none the person reads. A demand that rests on a single word is a
    /// doubt unless the reply may well be in that language, and nothing if it may well be in one of the person's. Doubts,
    /// what explains things away and words that stand apart need a reply that is likelier in that language.
    pub fn foreign(mut self, odds: Odds) -> Option<Hit> {
        let single = self.words.1 - self.words.0 == 1;
        match self.kind {
            Kind::Guard | Kind::NotWrong | Kind::Excuse | Kind::Keep | Kind::Uncertain if !odds.likelier => {
                return None;
            }
            _ if self.is_loose && !odds.likelier => return None,
            Kind::OptOut | Kind::WrongNumber if single && !odds.likelier => {
                if odds.own {
                    return None;
                }
                self.kind = Kind::Uncertain;
            }
            _ => {}
        }
        Some(self)
    }
}

/// The rules of one language.
#[derive(Debug, Default)]
pub(super) struct Pack {
    pub language: &'static str,
    /// Words around a keyword that change nothing: `please`, `gracias`.
    pub fillers: HashSet<String>,
    /// Openings of a phone's own report of a reaction: `liked`, `le gusto`.
    pub reactions: Vec<Vec<String>>,
    /// Words of orders and goods, and words of messages and whoever they go to.
    subjects: Subjects,
    /// What a word stands for here, by number; none: itself.
    aliases: HashMap<WordId, Vec<WordId>>,
    rules: Vec<Rule>,
    /// Rules by the number of a word they can begin with.
    starting_with: HashMap<WordId, Vec<usize>>,
    /// Rules that can begin with any word, but only at the beginning of the reply.
    at_start: Vec<usize>,
}

impl Pack {
    /// Compiles a rule file, adding its words to the lexicon; the error names the line. The pack reads replies once
    /// [`Pack::finish`] was called.
    pub fn parse(file: &'static str, lexicon: &mut Lexicon) -> Result<Pack, String> {
        let mut pack = Pack::default();
        let mut groups = Groups::default();
        // Before the patterns, which are compiled with their aliases written out.
        file.lines()
            .filter_map(|line| line.trim().strip_prefix("! alias "))
            .for_each(|line| pack.alias(line, lexicon));
        pack.resolve_aliases();
        groups.aliases = pack.aliases.clone();
        for (number, line) in file.lines().enumerate().map(|(n, line)| (n + 1, line.trim())) {
            let read = match line.strip_prefix("! ") {
                Some(setting) => pack.setting(setting, &mut groups, lexicon),
                None if line.is_empty() || line.starts_with('#') => Ok(()),
                None => pack.rule(line, &groups, lexicon),
            };
            read.map_err(|problem| format!("line {number}: {problem}"))?;
        }
        if pack.language.is_empty() { Err("no language".into()) } else { Ok(pack) }
    }

    fn setting(
        &mut self,
        line: &'static str,
        groups: &mut Groups,
        lexicon: &mut Lexicon,
    ) -> Result<(), String> {
        let (name, rest) = line.split_once(' ').ok_or("a setting without value")?;
        match name {
            "language" => self.language = rest.trim(),
            "filler" => self.fillers.extend(rest.split_whitespace().map(folded)),
            "reaction" => self.reactions.push(rest.split_whitespace().map(folded).collect()),
            "gap" => groups.gap = rest.trim().parse().map_err(|_| "a gap is a number of words")?,
            "word" => words_of(rest).iter().for_each(|word| _ = lexicon.add(word)),
            "glue" => words_of(rest).iter().for_each(|word| lexicon.add_glue(word)),
            "topic" => self.subjects.topics.add(rest, lexicon)?,
            "channel" => self.subjects.channels.add(rest, lexicon)?,
            "carry" => self.subjects.carries.add(rest, lexicon)?,
            "parcel" => self.subjects.parcels.add(rest, lexicon)?,
            "forever" => self.subjects.forever.add(rest, lexicon)?,
            "fuzzy" => words_of(rest).iter().for_each(|word| lexicon.add_fuzzy(word)),
            "particle" => words_of(rest).iter().for_each(|word| lexicon.add_particle(word)),
            // Read before everything else; `sms:en` is two words, each would stand for the whole.
            "alias" => {
                let words = rest.split_once('=').ok_or("an alias needs a =")?.0;
                if let Some(word) = words.split_whitespace().find(|word| Words::of(word).0.len() != 1) {
                    return Err(format!("{word:?} is not a word"));
                }
            }
            "group" => {
                let (name, pattern) = rest.split_once('=').ok_or("a group needs a =")?;
                let pattern = Pattern::parse(pattern, groups, lexicon)?;
                groups.named.insert(name.trim().to_owned(), pattern);
            }
            other => return Err(format!("unknown setting {other:?}")),
        }
        Ok(())
    }

    /// `words = what they stand for`; of two that name the same word the later one counts.
    fn alias(&mut self, line: &str, lexicon: &mut Lexicon) {
        let Some((words, meaning)) = line.split_once('=') else { return };
        let meaning: Vec<WordId> = words_of(meaning).iter().map(|w| lexicon.add(w)).collect();
        let words: Vec<WordId> = words_of(words).iter().map(|w| lexicon.add(w)).collect();
        self.aliases.extend(words.into_iter().map(|word| (word, meaning.clone())));
    }

    /// Lets an alias of an alias stand for what that one stands for.
    fn resolve_aliases(&mut self) {
        /// Longer chains are circles.
        const CHAIN_MAX: usize = 4;
        self.aliases.retain(|word, meaning| meaning[..] != [*word]);
        for _ in 0..CHAIN_MAX {
            let known = self.aliases.clone();
            for meaning in self.aliases.values_mut() {
                let written_out = |word: &WordId| known.get(word).cloned().unwrap_or_else(|| vec![*word]);
                if meaning.iter().any(|word| known.contains_key(word)) {
                    *meaning = meaning.iter().flat_map(written_out).collect();
                }
            }
        }
    }

    fn rule(&mut self, line: &'static str, groups: &Groups, lexicon: &mut Lexicon) -> Result<(), String> {
        let (head, pattern) = line.split_once(':').ok_or("a rule needs a :")?;
        let (kind, id) = head.split_once(' ').ok_or("a rule needs a kind and an id")?;
        let kind = Kind::parse(kind).ok_or(format!("unknown kind {kind:?}"))?;
        let frame = Frame::parse(pattern, groups, lexicon)?;
        let first = frame.lead().first_words();
        match &first {
            Some(first) if !first.is_empty() => {}
            None if frame.lead().is_anchored() => {}
            _ => return Err("a pattern must begin with a word or with ^".into()),
        }
        self.rules.push(Rule { kind, id: id.trim(), frame, first });
        Ok(())
    }

    /// To be called once the lexicon holds the words of all files: which rules to try at which word.
    pub fn finish(&mut self, lexicon: &Lexicon) {
        self.subjects.finish(lexicon);
        for (at, rule) in self.rules.iter_mut().enumerate() {
            rule.frame.finish(lexicon);
            let Some(first) = &rule.first else {
                self.at_start.push(at);
                continue;
            };
            for first in first {
                let words = match first {
                    First::Word(word) => std::slice::from_ref(word),
                    First::Stem(stem) => lexicon.with_stem(*stem),
                };
                for word in words {
                    let rules = self.starting_with.entry(*word).or_default();
                    if rules.last() != Some(&at) {
                        rules.push(at);
                    }
                }
            }
        }
    }

    /// What a reply speaks of: goods or messages.
    pub fn speaks_of(&self, reply: &[(WordId, usize)]) -> Subject {
        self.subjects.of(reply)
    }

    /// Words this pack must be asked about when a reply holds one of them.
    pub fn waking(&self) -> impl Iterator<Item = WordId> {
        self.starting_with.keys().chain(self.aliases.keys()).copied()
    }

    /// Whether some rule of this pack can begin with any word.
    pub fn always_awake(&self) -> bool {
        !self.at_start.is_empty()
    }

    /// Adds every rule that matches somewhere in the reply, as the lexicon read it.
    pub fn hits(&self, reply: &[(WordId, usize)], lexicon: &Lexicon, hits: &mut Vec<Hit>) {
        let (words, places) = self.expanded(reply);
        let reply = Reply { words: &words, lexicon };
        for (at, word) in words.iter().enumerate() {
            let anywhere = self.starting_with.get(word).into_iter().flatten();
            let here = anywhere.chain(self.at_start.iter().filter(|_| at == 0));
            for rule in here.map(|&rule| &self.rules[rule]) {
                let Some((start, end)) = rule.frame.match_at(reply, at) else { continue };
                let words = (places[start], places[end.max(start + 1) - 1] + 1);
                let is_loose = rule.frame.is_loose();
                hits.push(Hit { kind: rule.kind, rule: rule.id, language: self.language, words, is_loose });
            }
        }
    }

    /// The reply with this language's aliases written out, and for each word its place in the reply.
    fn expanded(&self, reply: &[(WordId, usize)]) -> (Vec<WordId>, Vec<usize>) {
        let mut words = Vec::with_capacity(reply.len() + 4);
        let mut places = Vec::with_capacity(reply.len() + 4);
        for (word, place) in reply {
            match self.aliases.get(word) {
                Some(meaning) => words.extend(meaning),
                None => words.push(*word),
            }
            places.resize(words.len(), *place);
        }
        (words, places)
    }
}

/// The words of a list, each folded by itself.
fn words_of(list: &str) -> Vec<String> {
    list.split_whitespace().flat_map(|word| Words::of(word).0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "! language xx\n! alias dont = do not\nopt-out xx.stop: stop\nguard xx.keep: do not stop\n\
                        opt-out xx.any: ^ _ me";

    #[test]
    fn hits_point_at_the_words_as_typed() {
        let mut lexicon = Lexicon::default();
        let mut pack = Pack::parse(FILE, &mut lexicon).expect("a good file");
        lexicon.finish();
        pack.finish(&lexicon);
        let hits = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let mut hits = Vec::new();
            pack.hits(&lexicon.read(&words), &lexicon, &mut hits);
            hits.iter().map(|h| (h.rule, h.words)).collect::<Vec<_>>()
        };
        assert_eq!(hits("dont stop"), [("xx.keep", (0, 2)), ("xx.stop", (1, 2))]);
        assert_eq!(hits("tell me"), [("xx.any", (0, 2))]);
        assert_eq!(hits("and tell me"), []);
    }

    #[test]
    fn a_pattern_may_be_written_with_aliases() {
        let file = "! language xx\n! alias txt = text\n! alias tx = txt\nopt-out xx.no: no txt\n! alias none = no text";
        let mut lexicon = Lexicon::default();
        let mut pack = Pack::parse(file, &mut lexicon).expect("a good file");
        lexicon.finish();
        pack.finish(&lexicon);
        for (text, found) in [("no text", 1), ("no txt", 1), ("no tx", 1), ("none", 1), ("no", 0)] {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let mut hits = Vec::new();
            pack.hits(&lexicon.read(&words), &lexicon, &mut hits);
            assert_eq!(hits.len(), found, "{text}");
        }
    }

    #[test]
    fn a_topic_is_known_behind_an_article() {
        let file = "! language xx\n! particle ה\n! topic הזמנה\nopt-out xx.a: די ההזמנה";
        let mut lexicon = Lexicon::default();
        let mut pack = Pack::parse(file, &mut lexicon).expect("a good file");
        lexicon.finish();
        pack.finish(&lexicon);
        let topic = |text: &str| pack.speaks_of(&lexicon.read(&[text.to_owned()])).goods;
        assert!(topic("הזמנה") && topic("ההזמנה") && !topic("די"));
    }

    #[test]
    fn mistakes_in_a_file_name_their_line() {
        for (file, problem) in [
            ("! language xx\nopt-out xx.a: a (", "line 2: a ( is never closed"),
            ("! language xx\nmaybe xx.a: a", "line 2: unknown kind \"maybe\""),
            ("! language xx\nguard xx.a: ... a", "line 2: a pattern must begin with a word or with ^"),
            ("! language xx\n! alias sms:en = sms", "line 2: \"sms:en\" is not a word"),
            ("! colour red", "line 1: unknown setting \"colour\""),
            ("guard xx.a: a", "no language"),
        ] {
            assert_eq!(Pack::parse(file, &mut Lexicon::default()).err().as_deref(), Some(problem), "{file}");
        }
    }
}
