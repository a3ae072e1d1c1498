//! One spelling for words that mean the same: case, accents, ligatures and look-alike apostrophes folded away.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A folded word and where it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Lower case, without accents; or one of the signs `% $ € £ ¥ ₹`.
    pub text: String,
    /// Characters of the original text before it, plus one.
    pub position: usize,
}

/// Folds a text for comparison: compatibility forms, case, Latin accents. Marks of other scripts stay, they are letters.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    text.chars().for_each(|c| fold_into(&mut folded, c));
    folded.nfc().collect()
}

/// Folds one character onto the end; scripts that decompose need `nfc` afterwards.
pub(crate) fn fold_into(folded: &mut String, c: char) {
    if c.is_ascii() {
        return folded.push(c.to_ascii_lowercase());
    }
    for part in std::iter::once(c).nfkd().filter(|&p| !is_latin_mark(p)).flat_map(char::to_lowercase) {
        match part {
            'ı' => folded.push('i'),
            'ł' => folded.push('l'),
            'ø' => folded.push('o'),
            'đ' => folded.push('d'),
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            p if is_latin_mark(p) => {}
            p => folded.push(p),
        }
    }
}

/// Accents of Latin, Greek and Cyrillic letters; vowel signs of other scripts are outside this block.
fn is_latin_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Marks that people type between letters of one word.
pub(crate) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '\u{2bc}' | '\u{2bb}' | '`' | '\u{b4}' | '\u{ff07}')
}

/// The words of a text, folded. Apostrophes vanish (`don't` is `dont`); every other sign ends a word.
pub fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open = false;
    for (at, c) in text.chars().enumerate() {
        if c.is_alphanumeric() || is_combining_mark(c) {
            if !open {
                words.push(Word { text: String::new(), position: at + 1 });
                open = true;
            }
            if let Some(word) = words.last_mut() {
                fold_into(&mut word.text, c);
            }
        } else if matches!(c, '%' | '$' | '€' | '£' | '¥' | '₹') {
            words.push(Word { text: c.to_string(), position: at + 1 });
            open = false;
        } else if !is_apostrophe(c) {
            open = false;
        }
    }
    for word in words.iter_mut().filter(|word| !word.text.is_ascii()) {
        word.text = word.text.nfc().collect();
    }
    words
}

/// Whether `phrase` (folded words) stands in `words` at `at`; a last word ending in `*` matches any ending.
pub(crate) fn stands_at(phrase: &[String], words: &[Word], at: usize) -> bool {
    words.len() >= at + phrase.len()
        && phrase.iter().zip(&words[at..]).all(|(pattern, word)| match pattern.strip_suffix('*') {
            Some(stem) => word.text.starts_with(stem),
            None => word.text == *pattern,
        })
}

/// A list of phrases, found by the first character they begin with: a text is compared with few of them at each word.
pub(crate) struct Phrases<T> {
    all: Vec<(T, Vec<String>)>,
    by_first: HashMap<char, Vec<usize>>,
}

impl<T> Phrases<T> {
    /// Takes folded phrases, see [`pattern`].
    pub(crate) fn new(all: impl IntoIterator<Item = (T, Vec<String>)>) -> Phrases<T> {
        let all: Vec<(T, Vec<String>)> = all.into_iter().collect();
        let mut by_first: HashMap<char, Vec<usize>> = HashMap::new();
        for (index, (_, phrase)) in all.iter().enumerate() {
            // A phrase without a beginning stands nowhere.
            if let Some(first) = phrase.first().and_then(|word| word.chars().next()) {
                by_first.entry(first).or_default().push(index);
            }
        }
        Phrases { all, by_first }
    }

    /// Every phrase that stands at a word, in the order of the list.
    pub(crate) fn at<'a>(
        &'a self,
        words: &'a [Word],
        at: usize,
    ) -> impl Iterator<Item = &'a (T, Vec<String>)> {
        let first = words.get(at).and_then(|word| word.text.chars().next());
        let indexes = first.and_then(|first| self.by_first.get(&first)).map_or(&[][..], Vec::as_slice);
        indexes.iter().map(|&index| &self.all[index]).filter(move |(_, phrase)| stands_at(phrase, words, at))
    }

    /// The whole list.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(T, Vec<String>)> {
        self.all.iter()
    }
}

/// The words of a phrase in a list file; a trailing `*` stays with its word.
pub(crate) fn pattern(phrase: &str) -> Vec<String> {
    phrase.split_whitespace().map(|word| fold(word).replace(is_apostrophe, "")).collect()
}

/// The lines of a list file that carry data: not empty, not `#`.
pub(crate) fn data_lines(file: &str) -> impl Iterator<Item = &str> {
    file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_word_meet() {
        for (a, b) in [
            ("ARRÊT", "arret"),
            ("İPTAL", "iptal"),
            ("ıptal", "iptal"),
            ("Straße", "STRASSE"),
            ("ｓｔｏｐ", "Stop"),
            ("œuvre", "Oeuvre"),
        ] {
            assert_eq!(fold(a), fold(b), "{a}");
        }
        assert_eq!(fold("बंद"), "बंद");
        assert_ne!(fold("が"), "");
    }

    #[test]
    fn words_keep_their_place() {
        let found: Vec<(String, usize)> =
            words("Don’t: 20% off…€5!").into_iter().map(|w| (w.text, w.position)).collect();
        assert_eq!(words("수신거부")[0].text, fold("수신거부"));
        let expected = [("dont", 1), ("20", 8), ("%", 10), ("off", 12), ("€", 16), ("5", 17)];
        assert_eq!(found, expected.map(|(w, p)| (w.to_owned(), p)));
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
        }

        #[test]
        fn positions_point_at_letters(text in any::<String>()) {
            for word in words(&text) {
                prop_assert!(text.chars().nth(word.position - 1).is_some_and(|c| !c.is_whitespace()));
            }
        }
    }
}
