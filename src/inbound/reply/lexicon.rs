//! The words the rules of all languages know, by number, and how a typed word is recognised as one of them.

use std::collections::HashMap;

use super::normalise::{squeezed, without_homoglyphs, without_leet};

/// Number of a word in the [`Lexicon`]; 0 is every word it does not hold.
pub(super) type WordId = u16;

/// Longest typed word that is taken apart or corrected.
const LETTERS_MAX: usize = 32;

/// The words of all rule files together.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    ids: HashMap<Box<str>, WordId>,
    squeezed: HashMap<String, WordId>,
    fuzzy: Vec<(Vec<char>, WordId)>,
    glue: Vec<String>,
}

impl Lexicon {
    /// The number of a word, new if need be.
    pub fn add(&mut self, word: &str) -> WordId {
        let next = WordId::try_from(self.ids.len() + 1).expect("rule files hold far fewer than 65,000 words");
        *self.ids.entry(word.into()).or_insert(next)
    }

    /// The number of a word that is held, exactly as written.
    pub fn id(&self, word: &str) -> Option<WordId> {
        self.ids.get(word).copied()
    }

    /// Words are numbered from 1 to this.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// A word people misspell: one slip is forgiven, two in words of nine letters and more.
    pub fn add_fuzzy(&mut self, word: &str) {
        let id = self.add(word);
        self.fuzzy.push((word.chars().collect(), id));
    }

    /// A word looked for inside others (`stoptexting`).
    pub fn add_glue(&mut self, word: &str) {
        self.add(word);
        self.glue.push(word.to_owned());
    }

    /// To be called once all words are in.
    pub fn finish(&mut self) {
        let long = self.ids.iter().filter(|(word, _)| word.len() >= 2);
        self.squeezed = long.map(|(word, id)| (squeezed(word, 1, 1), *id)).collect();
    }

    /// Reads a reply: the number of each word and its place; a word glued from several has several numbers.
    pub fn read(&self, reply: &[String]) -> Vec<(WordId, usize)> {
        let mut read = Vec::with_capacity(reply.len() + 4);
        let mut parts = Vec::new();
        for (place, word) in reply.iter().enumerate() {
            match self.id(word).or_else(|| self.recognise(word)) {
                Some(id) => read.push((id, place)),
                None if self.is_glued(word) && self.unglue(word, &mut parts) => {
                    read.extend(parts.drain(..).map(|id| (id, place)));
                }
                None => read.push((0, place)),
            }
        }
        read
    }

    fn recognise(&self, word: &str) -> Option<WordId> {
        if word.len() > LETTERS_MAX {
            return self.held_down(word);
        }
        self.undisguised(word).or_else(|| self.held_down(word)).or_else(|| self.misspelt(word))
    }

    /// Look-alike letters, digits and signs for letters, digits behind the word (`stop2`).
    fn undisguised(&self, word: &str) -> Option<WordId> {
        let mixed = word.bytes().any(|b| !b.is_ascii_lowercase());
        if !mixed || word.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let plain = if word.is_ascii() { word.to_owned() } else { without_homoglyphs(word) };
        let unnumbered = plain.trim_end_matches(|c: char| c.is_ascii_digit());
        self.id(&without_leet(&plain, 'l'))
            .or_else(|| self.id(&without_leet(&plain, 'i')))
            .or_else(|| self.held_down(&without_leet(&plain, 'i')))
            .or_else(|| self.id(unnumbered).filter(|_| unnumbered.len() > 2))
    }

    /// Keys held too long: `stoooop`, `pleeease`.
    fn held_down(&self, word: &str) -> Option<WordId> {
        let bytes = word.as_bytes();
        if !bytes.windows(3).any(|run| run[0] == run[1] && run[1] == run[2]) {
            return None;
        }
        self.id(&squeezed(word, 2, 2))
            .or_else(|| self.id(&squeezed(word, 2, 1)))
            .or_else(|| self.squeezed.get(&squeezed(word, 1, 1)).copied())
    }

    fn misspelt(&self, word: &str) -> Option<WordId> {
        let initial = word.chars().next()?;
        let mut letters = Vec::new();
        let close = |(right, _): &&(Vec<char>, WordId)| {
            let slips = if right.len() >= 9 { 2 } else { 1 };
            if word.len() < 4 || right[0] != initial || word.len().abs_diff(right.len()) > slips {
                return false;
            }
            if letters.is_empty() {
                letters = word.chars().collect();
            }
            slips_between(&letters, right) <= slips
        };
        self.fuzzy.iter().find(close).map(|(_, id)| *id)
    }

    fn is_glued(&self, word: &str) -> bool {
        word.len() <= LETTERS_MAX
            && word.is_ascii()
            && self.glue.iter().any(|glue| word.contains(glue.as_str()))
    }

    fn unglue(&self, word: &str, parts: &mut Vec<WordId>) -> bool {
        if word.is_empty() {
            return true;
        }
        let before = parts.len();
        // Short words of some language stand by chance in almost any long one; these few do not.
        let fits = |part: &str| part.len() > 2 || matches!(part, "me" | "my" | "us" | "it");
        for end in (2..=word.len()).rev().filter(|&end| fits(&word[..end])) {
            if let Some(id) = self.id(&word[..end]) {
                parts.push(id);
                if self.unglue(&word[end..], parts) {
                    return true;
                }
                parts.truncate(before);
            }
        }
        false
    }
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn slips_between(a: &[char], b: &[char]) -> usize {
    let mut rows: [Vec<usize>; 3] = [Vec::new(), Vec::new(), (0..=b.len()).collect()];
    for i in 1..=a.len() {
        rows.rotate_left(1);
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[1][j] + 1).min(row[j - 1] + 1).min(replaced);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[0][j - 2] + 1);
            }
            row.push(best);
        }
        rows[2] = row;
    }
    rows[2][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        let between =
            |a: &str, b: &str| slips_between(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        for (a, b, n) in [
            ("stop", "stop", 0),
            ("stpo", "stop", 1),
            ("unsubcribe", "unsubscribe", 1),
            ("abc", "", 3),
            ("ca", "abc", 3),
        ] {
            assert_eq!(between(a, b), n, "{a} {b}");
        }
    }

    #[test]
    fn words_are_recognised_through_every_disguise() {
        let mut lexicon = Lexicon::default();
        let please = lexicon.add("please");
        let texting = lexicon.add("texting");
        ["un", "pa", "able", "ble"].iter().for_each(|word| _ = lexicon.add(word));
        lexicon.add_glue("stop");
        lexicon.add_fuzzy("unsubscribe");
        lexicon.finish();
        let (stop, unsubscribe) =
            (lexicon.id("stop").expect("added"), lexicon.id("unsubscribe").expect("added"));
        for (word, expected) in [
            ("stop", vec![stop]),
            ("stooop", vec![stop]),
            ("st0p", vec![stop]),
            ("5t00op", vec![stop]),
            ("stop2", vec![stop]),
            ("ѕтор", vec![stop]),
            ("pleeease", vec![please]),
            ("unsubcribe", vec![unsubscribe]),
            ("stoptexting", vec![stop, texting]),
            ("pleasestop", vec![please, stop]),
            ("stopwatch", vec![0]),
            ("unstoppable", vec![0]),
            ("stoop", vec![0]),
            ("2", vec![0]),
            (&"o".repeat(5_000), vec![0]),
        ] {
            let read: Vec<WordId> = lexicon.read(&[word.to_owned()]).into_iter().map(|(id, _)| id).collect();
            assert_eq!(read, expected, "{word}");
        }
    }
}
