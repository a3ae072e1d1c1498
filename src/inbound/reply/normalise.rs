//! A reply as plain words: case, accents, signs, emoji and invisible characters gone; spaced-out letters joined.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::content::fold::{fold_into, is_apostrophe};

/// Longest text looked at whole; of a longer one the first and last halves of this are read.
const CHARS_MAX: usize = 4_096;

/// The words of a reply, folded. Empty for emoji alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(pub Vec<String>);

impl Words {
    pub fn of(text: &str) -> Words {
        let mut words = split(text);
        for word in words.iter_mut().filter(|w| !w.is_ascii()) {
            *word = word.nfc().filter_map(plain_letter).collect();
        }
        words.retain(|w| w.chars().any(char::is_alphanumeric));
        Words(join_spelt(words))
    }

    /// All words as one, for lists of whole messages.
    pub fn spaced(&self) -> String {
        self.0.join(" ")
    }
}

/// Folds a list word the same way as a reply.
pub(super) fn folded(text: &str) -> String {
    Words::of(text).spaced()
}

fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous = ' ';
    let mut chars = bounded(text).peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let last = words.len() - 1;
        if is_invisible(c) {
            continue;
        }
        if c.is_alphanumeric() || is_combining_mark(c) || is_leet_sign(c, previous, next) {
            fold_into(&mut words[last], c);
        } else if is_apostrophe(c) {
            if elides(&words[last]) {
                words.push(String::new());
            }
        } else {
            let number = c == '#' && !next.is_alphanumeric() && !previous.is_alphanumeric();
            words.push(if number { "number".to_owned() } else { String::new() });
            if number {
                words.push(String::new());
            }
        }
        previous = c;
    }
    words
}

fn bounded(text: &str) -> impl Iterator<Item = char> {
    let length = text.chars().count();
    let gap = if length > CHARS_MAX { CHARS_MAX / 2..length - CHARS_MAX / 2 } else { 0..0 };
    text.chars().enumerate().filter(move |(at, _)| !gap.contains(at)).map(|(_, c)| c)
}

/// French and Italian elisions are words of their own (`n'envoyez`); English contractions stay one (`don't`).
fn elides(word: &str) -> bool {
    matches!(word, "l" | "d" | "n" | "m" | "s" | "t" | "j" | "c" | "qu" | "jusqu" | "lorsqu" | "puisqu")
}

/// `$top`, `unsub$cribe`, `c@ncel`: a sign in place of a letter, next to one.
fn is_leet_sign(c: char, previous: char, next: char) -> bool {
    matches!(c, '$' | '@') && (previous.is_alphabetic() || next.is_alphabetic())
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Arabic vowel signs, stretching and letter variants; Hebrew points.
fn plain_letter(c: char) -> Option<char> {
    match c {
        '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{591}'..='\u{5c7}' => None,
        '\u{622}' | '\u{623}' | '\u{625}' | '\u{671}' => Some('\u{627}'),
        c if !c.is_alphanumeric() && !is_combining_mark(c) && !matches!(c, '$' | '@') => None,
        '\u{649}' => Some('\u{64a}'),
        '\u{629}' => Some('\u{647}'),
        c => Some(c),
    }
}

/// `s t o p` is one word: runs of three or more single letters are joined.
fn join_spelt(words: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::with_capacity(words.len());
    let mut run = 0;
    for word in words {
        run = if word.len() == 1 && word.as_bytes()[0].is_ascii_alphabetic() { run + 1 } else { 0 };
        joined.push(word);
        if run == 3 {
            let tail = joined.split_off(joined.len() - 3);
            joined.push(tail.concat());
        } else if run > 3
            && let Some(letter) = joined.pop()
            && let Some(word) = joined.last_mut()
        {
            word.push_str(&letter);
        }
    }
    joined
}

/// Letters that look like Latin ones, as Latin; the word unchanged if none does.
pub(super) fn without_homoglyphs(word: &str) -> String {
    word.chars()
        .map(|c| match c {
            'а' | 'α' => 'a',
            'в' | 'β' => 'b',
            'с' | 'ϲ' => 'c',
            'е' | 'ε' => 'e',
            'һ' => 'h',
            'і' | 'ι' => 'i',
            'ј' => 'j',
            'к' | 'κ' => 'k',
            'ӏ' => 'l',
            'м' => 'm',
            'п' | 'η' => 'n',
            'о' | 'ο' | 'σ' => 'o',
            'р' | 'ρ' => 'p',
            'ѕ' => 's',
            'т' | 'τ' => 't',
            'υ' => 'u',
            'ν' => 'v',
            'х' | 'χ' => 'x',
            'у' | 'γ' => 'y',
            c => c,
        })
        .collect()
}

/// Digits and signs as the letters they stand for; `one` says whether `1` is `i` or `l`.
pub(super) fn without_leet(word: &str, one: char) -> String {
    word.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' => one,
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            c => c,
        })
        .collect()
}

/// Cuts every run of the same letter longer than `longest` to `keep` letters.
pub(super) fn squeezed(word: &str, longest: usize, keep: usize) -> String {
    let chars: Vec<char> = word.chars().collect();
    chars
        .chunk_by(|a, b| a == b)
        .flat_map(|run| std::iter::repeat_n(run[0], if run.len() > longest { keep } else { run.len() }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_people_who_type_as_they_like() {
        for (text, expected) in [
            ("  STOP!!! ", "stop"),
            ("s t o p", "stop"),
            ("S.T.O.P texting", "stop texting"),
            ("s_t-o p", "stop"),
            ("ＳＴＯＰ 𝗡𝗢𝗪", "stop now"),
            ("st\u{200b}op", "stop"),
            ("Don’t / n'envoyez", "dont n envoyez"),
            ("ARRÊT İPTAL ıptal", "arret iptal iptal"),
            ("$top c@ncel $5 a@b", "$top c@ncel 5 a@b"),
            ("إيقاف أَلغاء", "ايقاف الغاء"),
            ("🛑🙄", ""),
            ("wrong # #1", "wrong number 1"),
            ("퇴 수신거부", "퇴 수신거부"),
        ] {
            assert_eq!(Words::of(text).spaced(), expected, "{text}");
        }
    }

    #[test]
    fn disguises_fall() {
        assert_eq!(without_homoglyphs("ѕтор"), "stop");
        assert_eq!(without_leet("5t0p", 'i'), "stop");
        assert_eq!(squeezed("stooopp", 2, 1), "stopp");
        assert_eq!(squeezed("stooopp", 1, 1), "stop");
    }

    proptest! {
        #[test]
        fn any_text_becomes_bounded_words(text in any::<String>()) {
            let words = Words::of(&text);
            prop_assert!(words.0.iter().all(|w| !w.is_empty()));
        }
    }
}
