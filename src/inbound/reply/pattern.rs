//! Phrase patterns over words: the little language of the rule files, and its matcher.
//!
//! A pattern is words in order. `( a | b c )` are alternatives, `?` makes what stands before it optional, `<name>` is a
//! group of the file, `word*` is every word that begins so, `_` is any one word, `...` is up to three (or what `! gap`
//! says), `....` four times as many, `^` and `$` are the ends of the reply. Words are written as people write them and folded like a reply; in
//! scripts without spaces each character is a word.

use std::collections::HashMap;

use super::lexicon::{Lexicon, WordId};
use super::normalise::Words;

/// Shortest beginning that may stand for all words that begin so, in letters.
const STEM_MIN: usize = 2;

#[derive(Debug, Clone)]
enum Node {
    Word(WordId),
    Stem(WordId),
    Any,
    /// Up to so many words.
    Gap(usize),
    OneOf(Choice),
    Maybe(Box<Node>),
    Start,
    End,
}

impl Node {
    fn finish(&mut self, lexicon: &Lexicon) {
        match self {
            Node::OneOf(choice) => choice.finish(lexicon),
            Node::Maybe(node) => node.finish(lexicon),
            _ => {}
        }
    }

    /// `_`, also in brackets.
    fn is_any(&self) -> bool {
        match self {
            Node::Any => true,
            Node::OneOf(choice) if choice.words.is_empty() && choice.stems.is_empty() => {
                matches!(&choice.sequences[..], [only] if matches!(&only[..], [node] if node.is_any()))
            }
            _ => false,
        }
    }
}

/// Alternatives: single words apart, they are most and found fastest.
#[derive(Debug, Clone, Default)]
struct Choice {
    /// In order.
    words: Vec<WordId>,
    stems: Vec<WordId>,
    sequences: Vec<Vec<Node>>,
    /// The sequences that begin with a word, by that word in order, without it; once finished.
    led: Vec<(WordId, Vec<Node>)>,
}

impl Choice {
    fn of(sequences: Vec<Vec<Node>>) -> Choice {
        let mut choice = Choice::default();
        sequences.into_iter().for_each(|sequence| choice.add(sequence));
        choice.words.sort_unstable();
        choice
    }

    /// Looks up what the beginnings stand for, so that each word of a reply is looked for once.
    fn finish(&mut self, lexicon: &Lexicon) {
        self.stems.drain(..).for_each(|stem| self.words.extend(lexicon.with_stem(stem)));
        self.words.sort_unstable();
        self.words.dedup();
        self.sequences.iter_mut().flatten().for_each(|node| node.finish(lexicon));
        for mut sequence in std::mem::take(&mut self.sequences) {
            match sequence.first() {
                Some(Node::Word(word)) => self.led.push((*word, sequence.split_off(1))),
                _ => self.sequences.push(sequence),
            }
        }
        self.led.sort_by_key(|(word, _)| *word);
    }

    /// What follows a word in the sequences that begin with it.
    fn led_by(&self, word: WordId) -> impl Iterator<Item = &[Node]> {
        let first = self.led.partition_point(|(begins, _)| *begins < word);
        self.led[first..].iter().take_while(move |(begins, _)| *begins == word).map(|(_, rest)| &rest[..])
    }

    fn add(&mut self, mut sequence: Vec<Node>) {
        if sequence.len() > 1 {
            return self.sequences.push(sequence);
        }
        match sequence.pop() {
            Some(Node::Word(word)) => self.words.push(word),
            Some(Node::Stem(stem)) => self.stems.push(stem),
            Some(Node::OneOf(inner)) => {
                self.words.extend(inner.words);
                self.stems.extend(inner.stems);
                self.sequences.extend(inner.sequences);
            }
            Some(other) => self.sequences.push(vec![other]),
            None => self.sequences.push(Vec::new()),
        }
    }
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<Node>);

/// What a match can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Word(WordId),
    Stem(WordId),
}

/// What a rule file has said so far: named alternatives, and the reach of `...`.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    pub named: HashMap<String, Pattern>,
    /// What a word stands for, by number; none: itself. Replies are read with these written out, so patterns are too.
    pub aliases: HashMap<WordId, Vec<WordId>>,
    /// Most words a `...` passes over.
    pub gap: usize,
}

impl Default for Groups {
    fn default() -> Self {
        Groups { named: HashMap::new(), aliases: HashMap::new(), gap: 3 }
    }
}

/// A reply as numbers, and who knows what they stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply<'a> {
    pub words: &'a [WordId],
    pub lexicon: &'a Lexicon,
}

impl Pattern {
    /// Compiles a pattern; the error says what is wrong.
    pub fn parse(text: &str, groups: &Groups, words: &mut Lexicon) -> Result<Pattern, String> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('|', " | ").replace('?', " ? ");
        let mut tokens: Vec<&str> = spaced.split_whitespace().rev().collect();
        let nodes = alternatives(&mut tokens, groups, words)?;
        match tokens.pop() {
            Some(extra) => Err(format!("unexpected {extra:?} in {text:?}")),
            None if nodes.iter().any(Vec::is_empty) => Err(format!("empty alternative in {text:?}")),
            None if nodes.len() == 1 => Ok(Pattern(nodes.into_iter().flatten().collect())),
            None => Ok(Pattern(vec![Node::OneOf(Choice::of(nodes))])),
        }
    }

    /// Where a match beginning at `at` ends, if there is one; the longest of its readings.
    pub fn match_at(&self, reply: Reply<'_>, at: usize) -> Option<usize> {
        let mut longest = None;
        walk(&self.0, reply, at, &mut |end| longest = longest.max(Some(end)));
        longest
    }

    /// To be called once the lexicon is finished; before, beginnings among alternatives stand for none.
    pub fn finish(&mut self, lexicon: &Lexicon) {
        self.0.iter_mut().for_each(|node| node.finish(lexicon));
    }

    /// Whether a match can only begin with the reply.
    pub fn is_anchored(&self) -> bool {
        matches!(self.0.first(), Some(Node::Start))
    }

    /// What a match can begin with; `None` when it can begin with any word.
    pub fn first_words(&self) -> Option<Vec<First>> {
        let mut first = Vec::new();
        (!first_of(&self.0, &mut first)?).then_some(first)
    }
}

fn alternatives(
    tokens: &mut Vec<&str>,
    groups: &Groups,
    words: &mut Lexicon,
) -> Result<Vec<Vec<Node>>, String> {
    let mut found: Vec<Vec<Node>> = vec![Vec::new()];
    while let Some(&token) = tokens.last() {
        if token == ")" {
            break;
        }
        tokens.pop();
        if token == "|" {
            found.push(Vec::new());
            continue;
        }
        let sequence = found.last_mut().ok_or("no sequence")?;
        let node = match token {
            "?" => {
                let node: Node = sequence.pop().ok_or("nothing stands before a ?")?;
                // A row of any-words-or-none is one gap: else each would double the ways to match.
                match (node.is_any(), sequence.last_mut()) {
                    (true, Some(Node::Gap(most))) => {
                        *most += 1;
                        continue;
                    }
                    (true, _) => Node::Gap(1),
                    (false, _) => Node::Maybe(Box::new(node)),
                }
            }
            "(" => {
                let inner = alternatives(tokens, groups, words)?;
                tokens.pop().ok_or("a ( is never closed")?;
                Node::OneOf(Choice::of(inner))
            }
            "_" => Node::Any,
            "..." => Node::Gap(groups.gap),
            "...." => Node::Gap(groups.gap * 4),
            "^" => Node::Start,
            "$" => Node::End,
            _ => match token.strip_prefix('<').and_then(|t| t.strip_suffix('>')) {
                Some(name) => {
                    let group = groups.named.get(name).ok_or(format!("no group {name}"))?;
                    Node::OneOf(Choice::of(vec![group.0.clone()]))
                }
                None => {
                    let mut written = written(token, groups, words)?;
                    let last = written.pop().ok_or("a word of signs alone")?;
                    sequence.extend(written);
                    last
                }
            },
        };
        sequence.push(node);
    }
    Ok(found)
}

/// A word as written in a file: one node, or one for each character of a script without spaces.
fn written(token: &str, groups: &Groups, words: &mut Lexicon) -> Result<Vec<Node>, String> {
    let (text, is_stem) = match token.strip_suffix('*') {
        Some(stem) => (stem, true),
        None => (token, false),
    };
    let folded = Words::of(text).0;
    match &folded[..] {
        [] => Err(format!("{token:?} has no letters")),
        [stem] if is_stem && stem.chars().count() < STEM_MIN => {
            Err(format!("{token:?} is too short, it would stand for half the dictionary"))
        }
        [stem] if is_stem => Ok(vec![Node::Stem(words.add_stem(stem))]),
        _ if is_stem => Err(format!("{token:?} is several words, it cannot be a beginning")),
        _ => Ok(folded
            .iter()
            .map(|word| {
                let id = words.add(word);
                match groups.aliases.get(&id).map(Vec::as_slice) {
                    None => Node::Word(id),
                    Some([meaning]) => Node::Word(*meaning),
                    Some(several) => {
                        Node::OneOf(Choice::of(vec![several.iter().map(|id| Node::Word(*id)).collect()]))
                    }
                }
            })
            .collect()),
    }
}

/// Calls `done` with every position where the nodes, read from `at`, can end.
fn walk(nodes: &[Node], reply: Reply<'_>, at: usize, done: &mut dyn FnMut(usize)) {
    let Some((node, rest)) = nodes.split_first() else { return done(at) };
    let here = reply.words.get(at);
    match node {
        Node::Word(id) if here == Some(id) => walk(rest, reply, at + 1, done),
        Node::Stem(id) if here.is_some_and(|w| reply.lexicon.has_stem(*w, *id)) => {
            walk(rest, reply, at + 1, done);
        }
        Node::Any if here.is_some() => walk(rest, reply, at + 1, done),
        Node::Start if at == 0 => walk(rest, reply, at, done),
        Node::End if here.is_none() => walk(rest, reply, at, done),
        Node::Gap(most) => {
            (at..=reply.words.len().min(at + most)).for_each(|next| walk(rest, reply, next, done));
        }
        Node::OneOf(choice) => {
            let single = here.is_some_and(|w| choice.words.binary_search(w).is_ok());
            if single {
                walk(rest, reply, at + 1, done);
            }
            for sequence in &choice.sequences {
                walk(sequence, reply, at, &mut |end| walk(rest, reply, end, done));
            }
            for sequence in here.into_iter().flat_map(|word| choice.led_by(*word)) {
                walk(sequence, reply, at + 1, &mut |end| walk(rest, reply, end, done));
            }
        }
        Node::Maybe(node) => {
            walk(rest, reply, at, done);
            walk(std::slice::from_ref(&**node), reply, at, &mut |end| walk(rest, reply, end, done));
        }
        _ => {}
    }
}

/// Collects what a match can begin with; `Some(true)` if the nodes can match nothing, `None` if it can be any word.
fn first_of(nodes: &[Node], first: &mut Vec<First>) -> Option<bool> {
    for node in nodes {
        let can_be_empty = match node {
            Node::Word(id) => {
                first.push(First::Word(*id));
                false
            }
            Node::Stem(id) => {
                first.push(First::Stem(*id));
                false
            }
            Node::Any | Node::Gap(_) => return None,
            Node::Start | Node::End => true,
            Node::Maybe(node) => {
                first_of(std::slice::from_ref(&**node), first)?;
                true
            }
            Node::OneOf(choice) => {
                first.extend(choice.words.iter().map(|word| First::Word(*word)));
                first.extend(choice.stems.iter().map(|stem| First::Stem(*stem)));
                let mut empty = false;
                for sequence in &choice.sequences {
                    empty |= first_of(sequence, first)?;
                }
                empty
            }
        };
        if !can_be_empty {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> Option<(usize, usize)> {
        let mut words = Lexicon::default();
        let mut groups = Groups::default();
        let me = Pattern::parse("me | my phone", &groups, &mut words).expect("a pattern");
        groups.named.insert("me".to_owned(), me);
        let mut pattern = Pattern::parse(pattern, &groups, &mut words).expect("a pattern");
        words.finish();
        pattern.finish(&words);
        let ids: Vec<WordId> = words.read(&Words::of(text).0).into_iter().map(|(id, _)| id).collect();
        let reply = Reply { words: &ids, lexicon: &words };
        (0..=ids.len()).find_map(|at| pattern.match_at(reply, at).map(|end| (at, end)))
    }

    #[test]
    fn the_pattern_language() {
        for (pattern, text, expected) in [
            ("leave <me> alone", "please leave my phone alone", Some((1, 5))),
            ("leave <me> (the hell)? alone", "leave me the hell alone now", Some((0, 5))),
            ("stop ... texts", "stop all of these damn texts", None),
            ("stop ... texts", "stop all these texts", Some((0, 4))),
            ("^ no (more | $)", "no", Some((0, 1))),
            ("^ no (more | $)", "no more", Some((0, 2))),
            ("^ no (more | $)", "oh no", None),
            ("not _ me", "not for me", Some((0, 3))),
            ("a b? c", "a c", Some((0, 2))),
            ("an (_)? (_)? end", "an xx xx end", Some((0, 4))),
            ("an (_)? (_)? end", "an xx xx xx end", None),
            ("nie (wysyła* | pisz*)", "proszę nie wysyłajcie", Some((1, 3))),
            ("nie (wysyła* | pisz*)", "nie wysłano", None),
            ("送ら ない で", "もう送らないで", Some((2, 7))),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} / {text}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let parse =
            |text: &str| Pattern::parse(text, &Groups::default(), &mut Lexicon::default()).map(|_| ());
        for bad in ["a ( b", "a )", "? a", "<nobody>", "a |", "", "%", "送ら*", "a*"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
