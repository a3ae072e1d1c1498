//! The words the rules of all languages know, by number, and how a typed word is recognised as one of them.

use std::collections::HashMap;

use super::normalise::{squeezed, without_homoglyphs, without_leet};

/// Number of a word in the [`Lexicon`]; 0 is every word it does not hold.
pub(super) type WordId = u16;

/// Longest typed word that is taken apart or corrected, in bytes.
const LETTERS_MAX: usize = 64;

/// Letters from which a beginning is trusted more than a likely misspelling.
const SURE_STEM: usize = 5;

/// The words of all rule files together.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    ids: HashMap<Box<str>, WordId>,
    /// Beginnings of words (`gönder*`), also held in `ids` with their asterisk.
    stems: HashMap<Box<str>, WordId>,
    /// Lengths of stems in characters, longest first.
    stem_lengths: Vec<usize>,
    /// For each word the stems it begins with.
    stems_of: Vec<Box<[WordId]>>,
    /// For each stem the words that begin with it, itself among them, in order.
    begun_by: HashMap<WordId, Vec<WordId>>,
    squeezed: HashMap<String, WordId>,
    /// Words people misspell, by their first letter.
    fuzzy: HashMap<char, Vec<Fuzzy>>,
    /// Words looked for inside others, with their file.
    glue: Vec<(String, usize)>,
    /// Particles written onto the front of a word: the Arabic article, Hebrew `ve-`.
    particles: Vec<String>,
    /// Words with a particle in front, and the word behind it.
    led_by_particle: Vec<(WordId, WordId)>,
    /// For each word the files that hold it, one bit each.
    files: Vec<u32>,
    /// The file being read.
    pub file: usize,
}

/// A word people misspell.
#[derive(Debug)]
struct Fuzzy {
    letters: Vec<char>,
    mask: u64,
    id: WordId,
}

/// Which letters a word has, one bit each: a slip changes two at most, so most words are told apart without a comparison.
fn mask_of(letters: &[char]) -> u64 {
    letters.iter().fold(0, |mask, c| mask | 1 << (u32::from(*c) % 64))
}

impl Lexicon {
    /// The number of a word, new if need be.
    pub fn add(&mut self, word: &str) -> WordId {
        let next = WordId::try_from(self.ids.len() + 1).expect("rule files hold far fewer than 65,000 words");
        let id = *self.ids.entry(word.into()).or_insert(next);
        self.files.resize(self.files.len().max(usize::from(id) + 1), 0);
        self.files[usize::from(id)] |= 1 << self.file;
        id
    }

    /// The number of all words that begin with `stem`.
    pub fn add_stem(&mut self, stem: &str) -> WordId {
        let id = self.add(&format!("{stem}*"));
        self.stems.insert(stem.into(), id);
        id
    }

    /// The number of a word that is held, exactly as written.
    pub fn id(&self, word: &str) -> Option<WordId> {
        self.ids.get(word).copied()
    }

    /// Words are numbered from 1 to this.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether a word begins with a stem.
    pub fn has_stem(&self, word: WordId, stem: WordId) -> bool {
        self.stems_of.get(usize::from(word)).is_some_and(|stems| stems.contains(&stem))
    }

    /// Every word that begins with a stem, in order; none before [`Lexicon::finish`].
    pub fn with_stem(&self, stem: WordId) -> &[WordId] {
        self.begun_by.get(&stem).map_or(&[], Vec::as_slice)
    }

    /// The words that are one of these behind a particle (`the messages`, of `messages`).
    pub fn behind_particles(&self, words: &[WordId]) -> Vec<WordId> {
        let led = self.led_by_particle.iter().filter(|(_, bare)| words.contains(bare));
        led.map(|(word, _)| *word).collect()
    }

    /// A word people misspell: one slip is forgiven, two in words of nine letters and more.
    pub fn add_fuzzy(&mut self, word: &str) {
        let id = self.add(word);
        let letters: Vec<char> = word.chars().collect();
        let mask = mask_of(&letters);
        self.fuzzy.entry(letters[0]).or_default().push(Fuzzy { letters, mask, id });
    }

    /// A word looked for inside others (`stoptexting`).
    pub fn add_glue(&mut self, word: &str) {
        self.add(word);
        self.glue.push((word.to_owned(), self.file));
    }

    /// A particle written onto the front of words.
    pub fn add_particle(&mut self, particle: &str) {
        self.particles.push(particle.to_owned());
    }

    /// To be called once all words are in.
    pub fn finish(&mut self) {
        let long = self.ids.iter().filter(|(word, _)| word.len() >= 2 && !word.ends_with('*'));
        self.squeezed = long.map(|(word, id)| (squeezed(word, 1, 1), *id)).collect();
        self.stem_lengths = self.stems.keys().map(|stem| stem.chars().count()).collect();
        self.stem_lengths.sort_unstable_by(|a, b| b.cmp(a));
        self.stem_lengths.dedup();
        let mut stems_of = vec![Box::default(); self.ids.len() + 1];
        for (word, id) in &self.ids {
            let word = word.trim_end_matches('*');
            let bare = self.without_particles(word);
            stems_of[usize::from(*id)] =
                self.stems_in(word).chain(bare.flat_map(|bare| self.stems_in(bare))).collect();
        }
        self.stems_of = stems_of;
        let mut led_by_particle = Vec::new();
        for (word, id) in &self.ids {
            let bare = self.without_particles(word).filter_map(|bare| self.id(bare));
            led_by_particle.extend(bare.map(|bare| (*id, bare)));
        }
        self.led_by_particle = led_by_particle;
        for (word, stems) in self.stems_of.iter().enumerate() {
            for stem in stems {
                let words = self.begun_by.entry(*stem).or_default();
                words.extend(WordId::try_from(word).ok().filter(|word| words.last() != Some(word)));
            }
        }
    }

    /// The stems a word begins with, the longest first.
    fn stems_in<'a>(&'a self, word: &'a str) -> impl Iterator<Item = WordId> + 'a {
        self.stems_of_at_least(1, word)
    }

    fn stems_of_at_least<'a>(&'a self, letters: usize, word: &'a str) -> impl Iterator<Item = WordId> + 'a {
        let end_of = |length: usize| {
            word.char_indices().nth(length - 1).map(|(at, c)| at + c.len_utf8()).filter(|_| length > 0)
        };
        let lengths = self.stem_lengths.iter().take_while(move |length| **length >= letters);
        lengths.filter_map(move |length| self.stems.get(&word[..end_of(*length)?]).copied())
    }

    /// Reads a reply: the number of each word and its place; a word glued from several has several numbers.
    pub fn read(&self, reply: &[String]) -> Vec<(WordId, usize)> {
        let mut read = Vec::with_capacity(reply.len() + 4);
        let mut parts = Vec::new();
        for (place, word) in reply.iter().enumerate() {
            match self.id(word).or_else(|| self.undisguised(word)).or_else(|| self.held_down(word)) {
                Some(id) => read.push((id, place)),
                None if self.unglue_any(word, &mut parts) => {
                    read.extend(parts.drain(..).map(|id| (id, place)));
                }
                None => read.push((self.guessed(word).unwrap_or(0), place)),
            }
        }
        read
    }

    /// Whether a file holds the word.
    pub fn is_of(&self, word: WordId, file: usize) -> bool {
        self.files.get(usize::from(word)).is_some_and(|files| files & (1 << file) != 0)
    }

    /// By its beginning, behind a particle, or with slips.
    fn guessed(&self, word: &str) -> Option<WordId> {
        if word.len() > LETTERS_MAX {
            return None;
        }
        // A long beginning is surer than a guess at a slip, and that surer than a short one.
        let long = word.chars().count() >= SURE_STEM;
        let stem = |word| self.stems_in(word).next();
        let sure = long.then(|| self.stems_of_at_least(SURE_STEM, word).next()).flatten();
        sure.or_else(|| self.misspelt(word)).or_else(|| stem(word)).or_else(|| self.without_particle(word))
    }

    /// The word behind a particle.
    fn without_particle(&self, word: &str) -> Option<WordId> {
        self.without_particles(word)
            .find_map(|bare| self.id(bare))
            .or_else(|| self.without_particles(word).find_map(|bare| self.stems_in(bare).next()))
    }

    /// What stands behind each particle a word can begin with, if three letters or more are left.
    fn without_particles<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let particles = if word.is_ascii() { &[][..] } else { &self.particles };
        particles
            .iter()
            .filter_map(|particle| word.strip_prefix(particle.as_str()))
            .filter(|rest| rest.chars().count() >= 3)
    }

    /// Look-alike letters, digits and signs for letters, digits behind the word (`stop2`).
    fn undisguised(&self, word: &str) -> Option<WordId> {
        let mixed = word.bytes().any(|b| !b.is_ascii_lowercase());
        if !mixed || word.len() > LETTERS_MAX || word.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let plain = if word.is_ascii() { word.to_owned() } else { without_homoglyphs(word) };
        // Whole words of another script that happen to look Latin: only long ones are a disguise.
        if plain != word && plain.is_ascii() && plain.len() < 4 {
            return None;
        }
        let unnumbered = plain.trim_end_matches(|c: char| c.is_ascii_digit());
        self.id(&without_leet(&plain, 'l'))
            .or_else(|| self.id(&without_leet(&plain, 'i')))
            .or_else(|| self.held_down(&without_leet(&plain, 'i')))
            .or_else(|| self.id(unnumbered).filter(|_| unnumbered.len() > 2))
    }

    /// Keys held too long: `stoooop`, `pleeease`.
    fn held_down(&self, word: &str) -> Option<WordId> {
        let run_of_three = |word: &str| {
            let mut run = (0, '\0');
            word.chars().any(|c| {
                run = if c == run.1 { (run.0 + 1, c) } else { (1, c) };
                run.0 == 3
            })
        };
        if !run_of_three(word) {
            return None;
        }
        let stem = |word: &str| (word.len() <= LETTERS_MAX).then(|| self.stems_in(word).next()).flatten();
        let once = squeezed(word, 1, 1);
        self.id(&squeezed(word, 2, 2))
            .or_else(|| self.id(&squeezed(word, 2, 1)))
            .or_else(|| self.squeezed.get(&once).copied())
            .or_else(|| stem(&once))
    }

    fn misspelt(&self, word: &str) -> Option<WordId> {
        let likely = self.fuzzy.get(&word.chars().next()?)?;
        let letters: Vec<char> = word.chars().collect();
        if letters.len() < 4 {
            return None;
        }
        let mask = mask_of(&letters);
        let close = |right: &&Fuzzy| {
            let slips = if right.letters.len() >= 9 { 2 } else { 1 };
            letters.len().abs_diff(right.letters.len()) <= slips
                && (mask ^ right.mask).count_ones() as usize <= 2 * slips
                && slips_between(&letters, &right.letters) <= slips
        };
        likely.iter().find(close).map(|right| right.id)
    }

    /// Takes a word apart into words of the one file whose glue it holds.
    fn unglue_any(&self, word: &str, parts: &mut Vec<WordId>) -> bool {
        word.len() <= LETTERS_MAX
            && self
                .glue
                .iter()
                .any(|(glue, file)| word.contains(glue.as_str()) && self.unglue(word, *file, parts))
    }

    fn unglue(&self, word: &str, file: usize, parts: &mut Vec<WordId>) -> bool {
        if word.is_empty() {
            return true;
        }
        let before = parts.len();
        // Short words of some language stand by chance in almost any long one; these few do not.
        let fits = |part: &str| part.len() > 2 || matches!(part, "me" | "my" | "us" | "it");
        let ends = word.char_indices().map(|(at, c)| at + c.len_utf8()).collect::<Vec<_>>();
        for end in ends.into_iter().rev().filter(|&end| fits(&word[..end])) {
            if let Some(id) = self.id(&word[..end])
                && self.is_of(id, file)
            {
                parts.push(id);
                if self.unglue(&word[end..], file, parts) {
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
        lexicon.add_particle("وال");
        let (letter, write) = (lexicon.add("رسائل"), lexicon.add_stem("пиши"));
        // Known to another file only: not a part of glued words of this one.
        lexicon.file = 1;
        lexicon.add("contact");
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
            ("пишите", vec![write]),
            ("والرسائل", vec![letter]),
            ("stopcontact", vec![0]),
            ("stopwatch", vec![0]),
            ("unstoppable", vec![0]),
            ("stoop", vec![0]),
            ("2", vec![0]),
            (&"o".repeat(5_000), vec![0]),
        ] {
            let read: Vec<WordId> = lexicon.read(&[word.to_owned()]).into_iter().map(|(id, _)| id).collect();
            assert_eq!(read, expected, "{word}");
        }
        assert!(lexicon.has_stem(write, write) && !lexicon.has_stem(stop, write));
    }
}
