//! Words that name content carriers forbid: a cheap net for templates, not a judgement of meaning.
//!
//! **What a word list finds:** plain naming of goods and offers (`vape`, `payday loan`, `CBD`), in English and the
//! commonest Spanish and French words, in any case and with or without accents.
//!
//! **What it cannot find:** pictures and linked pages (carriers do read those), euphemisms and new slang, words with
//! letters swapped, other languages, hate that uses ordinary words, and whether an age gate exists. It also
//! stops harmless texts ("wine-red dress"). So a hit is a reason to refuse with its words shown, which a person can
//! lift for a brand's own vocabulary; no hit is no proof of clean content.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::fold::{Phrases, Words, data_lines, pattern, words};

/// A class of content US carriers forbid or allow only behind an age gate (jurisdictions 3.1, "Content").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProhibitedClass {
    /// Sexual content.
    Sex,
    /// Hate.
    Hate,
    /// Alcohol: allowed with a working 21+ gate at opt-in.
    Alcohol,
    /// Firearms and ammunition.
    Firearms,
    /// Tobacco, nicotine, vaping: allowed by some carriers behind an age gate.
    Tobacco,
    /// Cannabis, CBD, kratom: never, because not legal in every state.
    Cannabis,
    /// Gambling.
    Gambling,
    /// Payday and other high-risk loans.
    Loans,
    /// Debt relief and credit repair.
    Debt,
    /// Get-rich schemes.
    Schemes,
    /// Illegal or prescription drugs.
    Drugs,
}

impl ProhibitedClass {
    /// Whether carriers let the class through to people whose age was verified when they opted in.
    pub const fn age_gate_allows(self) -> bool {
        matches!(self, ProhibitedClass::Alcohol | ProhibitedClass::Tobacco)
    }

    fn from_list(name: &str) -> Option<ProhibitedClass> {
        Some(match name {
            "sex" => ProhibitedClass::Sex,
            "hate" => ProhibitedClass::Hate,
            "alcohol" => ProhibitedClass::Alcohol,
            "firearms" => ProhibitedClass::Firearms,
            "tobacco" => ProhibitedClass::Tobacco,
            "cannabis" => ProhibitedClass::Cannabis,
            "gambling" => ProhibitedClass::Gambling,
            "loans" => ProhibitedClass::Loans,
            "debt" => ProhibitedClass::Debt,
            "schemes" => ProhibitedClass::Schemes,
            "drugs" => ProhibitedClass::Drugs,
            _ => return None,
        })
    }
}

/// A phrase of the list found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProhibitedWords {
    /// Its class.
    pub class: ProhibitedClass,
    /// The words as found, folded.
    pub words: String,
    /// Where they begin, in characters from 1.
    pub position: usize,
}

static PHRASES: LazyLock<Phrases<ProhibitedClass>> = LazyLock::new(|| {
    let lines = data_lines(include_str!("../../policies/lists/prohibited_words.tsv"));
    let phrase = |line: &str| {
        let (class, phrase) = line.split_once('\t').expect("the list is checked by a test");
        (ProhibitedClass::from_list(class).expect("the list is checked by a test"), pattern(phrase))
    };
    Phrases::new(lines.map(phrase))
});

/// Finds every phrase of the list, in order of appearance. Links are read too: `casino.example` names a casino.
pub fn find_prohibited(text: &str) -> Vec<ProhibitedWords> {
    in_words(&words(text))
}

pub(super) fn in_words(words: &Words) -> Vec<ProhibitedWords> {
    let at_each = |at: usize| {
        PHRASES.at(words, at).map(move |(class, phrase)| ProhibitedWords {
            class: *class,
            words: words.joined(at, phrase.len()),
            position: words.get(at).map_or(0, |word| word.position),
        })
    };
    (0..words.len()).flat_map(at_each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_read_and_found() {
        for (class, phrase) in PHRASES.iter() {
            let text = phrase.join(" ").replace('*', "");
            assert!(find_prohibited(&text).iter().any(|hit| hit.class == *class), "{text}");
        }
        assert!(PHRASES.iter().count() > 100);
    }

    #[test]
    fn names_class_words_and_place() {
        let hits = find_prohibited("Acme: our VAPES and Cerveza. casino.example");
        let found: Vec<(ProhibitedClass, &str, usize)> =
            hits.iter().map(|h| (h.class, h.words.as_str(), h.position)).collect();
        use ProhibitedClass::{Alcohol, Gambling, Tobacco};
        assert_eq!(found, [(Tobacco, "vapes", 11), (Alcohol, "cerveza", 21), (Gambling, "casino", 30)]);
        assert!(Alcohol.age_gate_allows() && Tobacco.age_gate_allows() && !Gambling.age_gate_allows());
    }

    #[test]
    fn ordinary_shop_texts_pass() {
        for text in [
            "Acme: you left the linen dress in your cart https://go.acme.example/a1 Reply STOP to opt out",
            "Your order ships today. Grab a shot at our barista class",
            "Garden joint filler and weed mat are back",
            "",
        ] {
            assert_eq!(find_prohibited(text), [], "{text}");
        }
    }
}
