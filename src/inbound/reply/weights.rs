//! What a reply weighs: a sum over the pieces it is made of, learned from the published corpus
//! (`policies/lists/learn_replies.py`). A second witness beside the rules: no chance and no clock in it, the same text
//! weighs the same for ever under one version, and the pieces that weigh most are named.
//!
//! Pieces are rows of one to three words, with the beginning and the end of the reply as words of their own (`^`, `$`), and
//! rows of two to five letters inside a word (`~_un`, `_` where it begins or ends). A sum is divided by the root of the
//! number of pieces, so that long replies weigh no more than short ones.

use super::normalise::Words;
use crate::content::fold::data_lines;

/// Most words in a row.
const ROW_MAX: usize = 3;
/// Fewest and most letters in a row, ends of words counted.
const LETTERS: std::ops::RangeInclusive<usize> = 2..=5;
/// Words beyond this many are not weighed; a text message of ten parts has fewer.
const WORDS_MAX: usize = 400;

/// The weight of every piece that was worth one.
#[derive(Debug)]
pub(super) struct Weights {
    /// Half of each piece's hash with its weight, at the first free place from where the other half points; 0 is free. Twice
    /// the room needed.
    places: Box<[(u32, i32)]>,
    /// What a reply without a known piece weighs.
    bias: i32,
}

impl Weights {
    /// Reads `piece<TAB>weight` lines, the bias among them as the piece `*`. The error names the line.
    pub fn parse(file: &str) -> Result<Weights, String> {
        let lines: Vec<&str> = data_lines(file).collect();
        let mut weights = Weights {
            places: vec![(0, 0); (lines.len() * 2).next_power_of_two()].into_boxed_slice(),
            bias: 0,
        };
        for line in lines {
            let parsed =
                line.split_once('\t').and_then(|(piece, weight)| Some((piece, weight.parse().ok()?)));
            let (piece, weight): (&str, i32) =
                parsed.ok_or_else(|| format!("not piece, weight: {line:?}"))?;
            if piece == "*" {
                weights.bias = weight;
                continue;
            }
            let place = weights.place(hash(piece));
            if weights.places[place].0 != 0 {
                return Err(format!("{piece:?} stands twice, or hashes as another piece"));
            }
            weights.places[place] = (half(hash(piece)), weight);
        }
        Ok(weights)
    }

    /// Where a hash stands, or where it would.
    fn place(&self, hash: u64) -> usize {
        let (mask, half) = (self.places.len() - 1, half(hash));
        let mut place = hash as usize & mask;
        while self.places[place].0 != half && self.places[place].0 != 0 {
            place = (place + 1) & mask;
        }
        place
    }

    /// What a reply weighs, in thousandths: above 0 it is more like the opt-outs of the corpus, below more like the others;
    /// beyond 1,000 either way few are not.
    pub fn of(&self, reply: &Pieces<'_>) -> i32 {
        let (mut sum, mut pieces) = (0_i64, 0_u32);
        reply.each(|hash, _| {
            sum += i64::from(self.places[self.place(hash)].1);
            pieces += 1;
        });
        // Sums and roots of whole numbers this small are exact or rounded alike on every machine.
        self.bias + (sum as f64 / f64::from(pieces.max(1)).sqrt()) as i32
    }

    /// The pieces of a reply that weigh most either way, heaviest first, at most `most`.
    pub fn heaviest(&self, reply: &Pieces<'_>, most: usize) -> Vec<(String, i32)> {
        let mut found = Vec::new();
        reply.each(|hash, piece| {
            let weight = self.places[self.place(hash)].1;
            if weight != 0 {
                found.push((piece(), weight));
            }
        });
        found.sort_by(|a, b| b.1.abs().cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
        found.dedup();
        found.truncate(most);
        found
    }
}

/// A reply to be cut into pieces.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    words: Vec<&'a str>,
    asks: bool,
}

impl<'a> Pieces<'a> {
    /// `text` is the reply the words are of: its question marks count, which words do not hold.
    pub fn of(words: &'a Words, text: &str) -> Pieces<'a> {
        let asks = text.contains(['?', '？', '؟']);
        Pieces { words: words.0.iter().take(WORDS_MAX).map(String::as_str).collect(), asks }
    }

    /// Every piece, as often as it stands in the reply: its hash, and how to write it.
    fn each(&self, mut piece: impl FnMut(u64, &dyn Fn() -> String)) {
        let row: Vec<&str> =
            std::iter::once("^").chain(self.words.iter().copied()).chain(std::iter::once("$")).collect();
        for first in 0..row.len() {
            let mut hash = START;
            for (at, word) in row[first..].iter().take(ROW_MAX).enumerate() {
                if at > 0 {
                    hash = extended(hash, b" ");
                }
                hash = extended(hash, word.as_bytes());
                if at > 0 || !matches!(*word, "^" | "$") {
                    piece(hash, &|| row[first..=first + at].join(" "));
                }
            }
        }
        let mut letters = Vec::new();
        for word in &self.words {
            in_letters(word, &mut letters, &mut piece);
        }
        if self.asks {
            piece(hash("?"), &|| "?".to_owned());
        }
    }

    /// Every piece as it is written in the file of weights.
    pub fn written(&self) -> Vec<String> {
        let mut pieces = Vec::new();
        self.each(|_, piece| pieces.push(piece()));
        pieces
    }
}

/// Rows of letters inside a word; `letters` is room used again for each.
fn in_letters(word: &str, letters: &mut Vec<char>, piece: &mut impl FnMut(u64, &dyn Fn() -> String)) {
    // A character of an unspaced script is a word already.
    if word.chars().nth(1).is_none() {
        return;
    }
    letters.clear();
    letters.extend(std::iter::once('_').chain(word.chars()).chain(std::iter::once('_')));
    for first in 0..letters.len() {
        let row = &letters[first..letters.len().min(first + LETTERS.end())];
        let mut hash = extended(START, b"~");
        for (at, letter) in row.iter().enumerate() {
            hash = extended(hash, letter.encode_utf8(&mut [0; 4]).as_bytes());
            if LETTERS.contains(&(at + 1)) {
                piece(hash, &|| std::iter::once(&'~').chain(&row[..=at]).collect());
            }
        }
    }
}

/// Where the 64-bit FNV-1a hash begins; it is made for short strings and can be carried on letter by letter. Source:
/// RFC 9923.
const START: u64 = 0xcbf2_9ce4_8422_2325;

fn extended(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The upper half, which says what stands at a place; never 0.
fn half(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

fn hash(piece: &str) -> u64 {
    extended(START, piece.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        Pieces::of(&Words::of(text), text).written()
    }

    #[test]
    fn a_reply_is_cut_into_rows_of_words_and_letters() {
        assert_eq!(pieces(""), ["^ $"]);
        assert_eq!(
            pieces("No ok?"),
            [
                "^ no", "^ no ok", "no", "no ok", "no ok $", "ok", "ok $", "~_n", "~_no", "~_no_", "~no",
                "~no_", "~o_", "~_o", "~_ok", "~_ok_", "~ok", "~ok_", "~k_", "?"
            ]
        );
        assert_eq!(pieces("不要"), ["^ 不", "^ 不 要", "不", "不 要", "不 要 $", "要", "要 $"]);
    }

    #[test]
    fn a_weight_is_the_sum_over_the_root_of_the_number() {
        let weights =
            Weights::parse("# comment\n*\t-100\nno\t4000\n~no\t400\nok $\t-1000\n").expect("weights");
        let weigh = |text: &str| weights.of(&Pieces::of(&Words::of(text), text));
        assert_eq!(weigh("zzzz"), -100);
        assert_eq!(weigh("No"), -100 + 1391, "4,400 over the root of ten pieces");
        let words = Words::of("no ok");
        let heaviest = weights.heaviest(&Pieces::of(&words, ""), 2);
        assert_eq!(heaviest, [("no".to_owned(), 4000), ("ok $".to_owned(), -1000)]);
        for bad in ["no", "no\tmuch", "no\t1\nno\t2"] {
            assert!(Weights::parse(bad).is_err(), "{bad}");
        }
        assert!(weigh(&"no ".repeat(100_000)) > 0, "of any length");
    }
}
