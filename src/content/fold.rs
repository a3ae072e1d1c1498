//! One spelling for words that mean the same: case, accents, ligatures and look-alike apostrophes folded away.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A folded word and where it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// Lower case, without accents; or one of the signs `% $ € £ ¥ ₹`.
    pub text: &'a str,
    /// Characters of the original text before it, plus one.
    pub position: usize,
}

/// The folded words of a text, one behind the other in one piece of memory: every text is read several times a send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    folded: String,
    /// End of each word in `folded`, and its position.
    places: Vec<(usize, usize)>,
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
pub fn words(text: &str) -> Words {
    if text.is_ascii() { Words::of_ascii(text.as_bytes()) } else { Words::of(text.chars(), text.len()) }
}

impl Words {
    /// The words of these characters; `bytes` is about how long they are.
    pub(crate) fn of(text: impl Iterator<Item = char>, bytes: usize) -> Words {
        let mut words = Words { folded: String::with_capacity(bytes), places: Vec::with_capacity(bytes / 4) };
        let (mut begun, mut open) = (0, None);
        for (at, c) in text.enumerate() {
            if c.is_alphanumeric() || is_combining_mark(c) {
                if open.is_none() {
                    (begun, open) = (words.folded.len(), Some(at + 1));
                }
                fold_into(&mut words.folded, c);
                continue;
            }
            if is_apostrophe(c) {
                continue;
            }
            words.close(begun, open.take());
            if matches!(c, '%' | '$' | '€' | '£' | '¥' | '₹') {
                words.folded.push(c);
                words.places.push((words.folded.len(), at + 1));
            }
        }
        words.close(begun, open);
        words
    }

    /// As [`Words::of`], of ASCII: most texts hold nothing else, and each is read several times a send.
    fn of_ascii(text: &[u8]) -> Words {
        let mut words =
            Words { folded: String::with_capacity(text.len()), places: Vec::with_capacity(text.len() / 4) };
        let mut open = None;
        for (at, &byte) in text.iter().enumerate() {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    open = open.or(Some(at + 1));
                    words.folded.push(char::from(byte.to_ascii_lowercase()));
                }
                b'\'' | b'`' => {}
                _ => {
                    words.end(open.take());
                    if matches!(byte, b'%' | b'$') {
                        words.folded.push(char::from(byte));
                        words.end(Some(at + 1));
                    }
                }
            }
        }
        words.end(open);
        words
    }

    /// The word that began at `position`, if there is one, ends here.
    fn end(&mut self, position: Option<usize>) {
        self.places.extend(position.map(|position| (self.folded.len(), position)));
    }

    /// Those which `keep` says yes to, by their positions.
    pub(crate) fn filtered(&self, keep: impl Fn(usize) -> bool) -> Words {
        let mut words = Words::default();
        for word in self.iter().filter(|word| keep(word.position)) {
            words.folded.push_str(word.text);
            words.end(Some(word.position));
        }
        words
    }

    fn close(&mut self, begun: usize, open: Option<usize>) {
        let Some(position) = open else { return };
        if !self.folded[begun..].is_ascii() {
            let composed: String = self.folded[begun..].nfc().collect();
            self.folded.replace_range(begun.., &composed);
        }
        self.end(Some(position));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The word at `at`, from 0.
    pub fn get(&self, at: usize) -> Option<Word<'_>> {
        let &(end, position) = self.places.get(at)?;
        let begun = at.checked_sub(1).map_or(0, |before| self.places[before].0);
        Some(Word { text: &self.folded[begun..end], position })
    }

    /// The words from `at` on.
    pub fn from(&self, at: usize) -> impl DoubleEndedIterator<Item = Word<'_>> {
        (at..self.len()).filter_map(|at| self.get(at))
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Word<'_>> {
        self.from(0)
    }

    /// `length` words from `at` on, with a space between.
    pub(crate) fn joined(&self, at: usize, length: usize) -> String {
        let found: Vec<&str> = self.from(at).take(length).map(|word| word.text).collect();
        found.join(" ")
    }

    /// Whether these words stand at `at`.
    pub(crate) fn read<S: AsRef<str>>(&self, at: usize, phrase: &[S]) -> bool {
        self.len() >= at + phrase.len()
            && phrase.iter().zip(self.from(at)).all(|(said, word)| said.as_ref() == word.text)
    }
}

/// Whether `phrase` (folded words) stands in `words` at `at`; a last word ending in `*` matches any ending.
pub(crate) fn stands_at(phrase: &[String], words: &Words, at: usize) -> bool {
    words.len() >= at + phrase.len()
        && phrase.iter().zip(words.from(at)).all(|(pattern, word)| match pattern.strip_suffix('*') {
            Some(stem) => word.text.starts_with(stem),
            None => word.text == *pattern,
        })
}

/// A list of phrases, found by the word they begin with: a text is compared with hardly any of them at each word.
pub(crate) struct Phrases<T> {
    all: Vec<(T, Vec<String>)>,
    /// By whole first word.
    by_word: HashMap<String, Vec<usize>, foldhash::fast::RandomState>,
    /// Those whose first word may end in any way, by its first character.
    by_stem: HashMap<char, Vec<usize>, foldhash::fast::RandomState>,
}

impl<T> Phrases<T> {
    /// Takes folded phrases, see [`pattern`].
    pub(crate) fn new(all: impl IntoIterator<Item = (T, Vec<String>)>) -> Phrases<T> {
        let all: Vec<(T, Vec<String>)> = all.into_iter().collect();
        let (mut by_word, mut by_stem) = (HashMap::default(), HashMap::default());
        for (index, (_, phrase)) in all.iter().enumerate() {
            // A phrase without a beginning stands nowhere.
            let Some(first) = phrase.first() else { continue };
            let same: &mut Vec<usize> = match (first.strip_suffix('*'), first.chars().next()) {
                (None, _) => by_word.entry(first.clone()).or_default(),
                (Some(stem), Some(start)) if !stem.is_empty() => by_stem.entry(start).or_default(),
                (Some(_), _) => continue,
            };
            same.push(index);
        }
        Phrases { all, by_word, by_stem }
    }

    /// Every phrase that stands at a word, in the order of the list.
    pub(crate) fn at<'a>(
        &'a self,
        words: &'a Words,
        at: usize,
    ) -> impl Iterator<Item = &'a (T, Vec<String>)> {
        let word = words.get(at).map_or("", |word| word.text);
        let whole = self.by_word.get(word).map_or(&[][..], Vec::as_slice);
        let stems = word.chars().next().and_then(|first| self.by_stem.get(&first));
        let stems = stems.map_or(&[][..], Vec::as_slice);
        let stands = |&&index: &&usize| stands_at(&self.all[index].1, words, at);
        let mut found: Vec<usize> = whole.iter().chain(stems).filter(stands).copied().collect();
        found.sort_unstable();
        found.into_iter().map(|index| &self.all[index])
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
        let found = words("Don’t: 20% off…€5!");
        let found: Vec<(&str, usize)> = found.iter().map(|w| (w.text, w.position)).collect();
        assert_eq!(found, [("dont", 1), ("20", 8), ("%", 10), ("off", 12), ("€", 16), ("5", 17)]);
        assert_eq!(words("수신거부").get(0).map(|w| w.text), Some(&*fold("수신거부")));
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
        }

        #[test]
        fn ascii_is_read_as_everything_else_is(text in "[ -~\\n]{0,80}") {
            prop_assert_eq!(words(&text), Words::of(text.chars(), text.len()));
        }

        #[test]
        fn a_filter_leaves_the_other_words_as_they_were(text in any::<String>(), from in 0usize..40) {
            let (all, some) = (words(&text), words(&text).filtered(|position| position >= from));
            let expected: Vec<Word<'_>> = all.iter().filter(|word| word.position >= from).collect();
            prop_assert_eq!(some.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn positions_point_at_letters(text in any::<String>()) {
            for word in words(&text).iter() {
                prop_assert!(text.chars().nth(word.position - 1).is_some_and(|c| !c.is_whitespace()));
            }
        }
    }
}
