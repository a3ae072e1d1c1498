//! Phrase patterns over words: the little language of the rule files, and its matcher.
//!
//! A pattern is words in order. `( a | b c )` are alternatives, `?` makes what stands before it optional, `<name>` is a
//! group of the file, `_` is any one word, `...` is up to three, `^` and `$` are the ends of the reply.

use std::collections::HashMap;

use super::lexicon::{Lexicon, WordId};

/// Most words a `...` passes over.
const GAP_MAX: usize = 3;

#[derive(Debug, Clone)]
enum Node {
    Word(WordId),
    Any,
    Gap,
    OneOf(Vec<Vec<Node>>),
    Maybe(Box<Node>),
    Start,
    End,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<Node>);

/// Named alternatives of a rule file.
pub(super) type Groups = HashMap<String, Pattern>;

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
            None => Ok(Pattern(vec![Node::OneOf(nodes)])),
        }
    }

    /// Where a match beginning at `at` ends, if there is one; the longest of its readings.
    pub fn match_at(&self, words: &[WordId], at: usize) -> Option<usize> {
        let mut longest = None;
        walk(&self.0, words, at, &mut |end| longest = longest.max(Some(end)));
        longest
    }

    /// Whether a match can only begin with the reply.
    pub fn is_anchored(&self) -> bool {
        matches!(self.0.first(), Some(Node::Start))
    }

    /// Words a match can begin with; `None` when it can begin with any word.
    pub fn first_words(&self) -> Option<Vec<WordId>> {
        let mut first = Vec::new();
        (!first_of(&self.0, &mut first)?).then_some(first)
    }
}

fn alternatives(
    tokens: &mut Vec<&str>,
    groups: &Groups,
    words: &mut Lexicon,
) -> Result<Vec<Vec<Node>>, String> {
    let mut found = vec![Vec::new()];
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
                let node = sequence.pop().ok_or("nothing stands before a ?")?;
                Node::Maybe(Box::new(node))
            }
            "(" => {
                let inner = alternatives(tokens, groups, words)?;
                tokens.pop().ok_or("a ( is never closed")?;
                Node::OneOf(inner)
            }
            "_" => Node::Any,
            "..." => Node::Gap,
            "^" => Node::Start,
            "$" => Node::End,
            _ => match token.strip_prefix('<').and_then(|t| t.strip_suffix('>')) {
                Some(name) => {
                    Node::OneOf(vec![groups.get(name).ok_or(format!("no group {name}"))?.0.clone()])
                }
                None => Node::Word(words.add(token)),
            },
        };
        sequence.push(node);
    }
    Ok(found)
}

/// Calls `done` with every position where the nodes, read from `at`, can end.
fn walk(nodes: &[Node], words: &[WordId], at: usize, done: &mut dyn FnMut(usize)) {
    let Some((node, rest)) = nodes.split_first() else { return done(at) };
    match node {
        Node::Word(id) if words.get(at) == Some(id) => walk(rest, words, at + 1, done),
        Node::Any if at < words.len() => walk(rest, words, at + 1, done),
        Node::Start if at == 0 => walk(rest, words, at, done),
        Node::End if at == words.len() => walk(rest, words, at, done),
        Node::Gap => (at..=words.len().min(at + GAP_MAX)).for_each(|next| walk(rest, words, next, done)),
        Node::OneOf(sequences) => {
            for sequence in sequences {
                walk(sequence, words, at, &mut |end| walk(rest, words, end, done));
            }
        }
        Node::Maybe(node) => {
            walk(rest, words, at, done);
            walk(std::slice::from_ref(&**node), words, at, &mut |end| walk(rest, words, end, done));
        }
        _ => {}
    }
}

/// Collects first words; `Some(true)` if the nodes can match nothing, `None` if they can begin with any word.
fn first_of(nodes: &[Node], first: &mut Vec<WordId>) -> Option<bool> {
    for node in nodes {
        let can_be_empty = match node {
            Node::Word(id) => {
                first.push(*id);
                false
            }
            Node::Any | Node::Gap => return None,
            Node::Start | Node::End => true,
            Node::Maybe(node) => {
                first_of(std::slice::from_ref(&**node), first)?;
                true
            }
            Node::OneOf(sequences) => {
                let mut empty = false;
                for sequence in sequences {
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
        let me = Pattern::parse("me | my phone", &Groups::new(), &mut words).expect("a pattern");
        let groups = Groups::from([("me".to_owned(), me)]);
        let pattern = Pattern::parse(pattern, &groups, &mut words).expect("a pattern");
        let ids: Vec<WordId> = text.split_whitespace().map(|w| words.id(w).unwrap_or(0)).collect();
        (0..=ids.len()).find_map(|at| pattern.match_at(&ids, at).map(|end| (at, end)))
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
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} / {text}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let parse = |text: &str| Pattern::parse(text, &Groups::new(), &mut Lexicon::default()).map(|_| ());
        for bad in ["a ( b", "a )", "? a", "<nobody>", "a |", ""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
