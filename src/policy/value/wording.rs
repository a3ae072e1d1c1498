//! Words a text must carry: labels of advertising, prescribed ways to stop, signatures of the sender.

use serde::{Deserialize, Serialize};

/// Longest phrase, in characters.
const PHRASE_MAX: usize = 80;

/// What the words are for; says which code their absence has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// That it is advertising: `LABEL_REQUIRED`.
    Label,
    /// How to stop: `OPT_OUT_WORDING_MISSING`.
    OptOut,
    /// Who sends it: `BRAND_NAME_MISSING`.
    Identity,
}

/// Where in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The first thing said, before any space or sign.
    Start,
    /// Anywhere.
    Anywhere,
}

/// Words a text must carry, as words of their own: `PARE` is not said by `comparecer`. Scripts that do not part their words
/// (Chinese, Japanese, Thai) or write particles onto them (Korean) have no such borders. Case does not matter; in a phrase
/// `#` stands for a number (digits, with spaces or hyphens between them) and `{brand}` for the brand's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// What for.
    pub about: About,
    /// Any of these will do; 1 to 32 phrases.
    pub any_of: Vec<String>,
    /// Where.
    pub place: Place,
}

impl Wording {
    /// Whether the text carries one of the phrases where it must.
    pub fn is_in(&self, text: &str, brand: &str) -> bool {
        let text = text.to_lowercase();
        let found = |phrase: &String| {
            let phrase = phrase.replace("{brand}", brand).to_lowercase();
            match self.place {
                Place::Start => stands_at(&text, 0, &phrase),
                Place::Anywhere => text.char_indices().any(|(at, _)| stands_at(&text, at, &phrase)),
            }
        };
        self.any_of.iter().any(found)
    }

    /// The first phrase as it would be written, where it holds no number.
    pub fn first(&self, brand: &str) -> Option<String> {
        self.any_of
            .first()
            .filter(|phrase| !phrase.contains('#'))
            .map(|phrase| phrase.replace("{brand}", brand))
    }

    pub(super) fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        if self.any_of.is_empty() || self.any_of.len() > 32 {
            problems.push("any_of must have 1 to 32 phrases");
        }
        if self.any_of.iter().any(|p| p.trim().is_empty() || p.chars().count() > PHRASE_MAX) {
            problems.push("any_of: a phrase has 1 to 80 characters");
        }
        problems
    }
}

/// Whether the phrase stands at this place of the text as words of its own, `#` standing for a number.
fn stands_at(text: &str, at: usize, phrase: &str) -> bool {
    let mut rest = &text[at..];
    for c in phrase.chars() {
        let next = if c == '#' { number(rest) } else { rest.strip_prefix(c) };
        match next {
            Some(next) => rest = next,
            None => return false,
        }
    }
    let end = text.len() - rest.len();
    let same_word = |border: usize| {
        let (before, after) = text.split_at(border);
        before.chars().next_back().is_some_and(in_word) && after.chars().next().is_some_and(in_word)
    };
    !same_word(at) && !same_word(end)
}

/// Whether a character makes one word with such characters beside it.
fn in_word(c: char) -> bool {
    // Thai, Lao, Burmese, Khmer; kana, ideographs; Hangul.
    let unparted = matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    c.is_alphanumeric() && !unparted
}

/// What follows a number at the head of the text.
fn number(text: &str) -> Option<&str> {
    let joins = |c: char| c.is_ascii_digit() || c == '-' || c == ' ';
    text.starts_with(|c: char| c.is_ascii_digit())
        .then(|| text.trim_start_matches(joins))
        .filter(|rest| text[..text.len() - rest.len()].bytes().filter(u8::is_ascii_digit).count() >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_numbers_and_places() {
        let wording = |any_of: &[&str], place| Wording {
            about: About::Label,
            any_of: any_of.iter().map(|p| (*p).to_owned()).collect(),
            place,
        };
        let start = wording(&["(광고)"], Place::Start);
        assert!(start.is_in("(광고) Example: hello", "Example"));
        for evading in [" (광고) hello", "(광 고) hello", "Example: (광고)", "[광고] hello", ""] {
            assert!(!start.is_in(evading, "Example"), "{evading}");
        }
        let stop = wording(&["STOP au #"], Place::Anywhere);
        assert!(stop.is_in("Example : -20 % stop au 36111", "Example"));
        assert!(stop.is_in("STOP au 3 61 11", "Example"));
        for wrong in ["STOP au", "STOP au 36", "STOPPE au 36111"] {
            assert!(!stop.is_in(wrong, "Example"), "{wrong}");
        }
        for (phrase, within) in [
            ("PARE", "Queremos comparecer"),
            ("SAIR", "SAIREMOS cedo"),
            ("7726", "Call 17726"),
            ("7726", "Call 77260"),
        ] {
            assert!(!wording(&[phrase], Place::Anywhere).is_in(within, "Example"), "{phrase} in {within}");
        }
        assert!(!wording(&["publi"], Place::Start).is_in("Publicamos hoy", "Example"));
        assert!(wording(&["PARE"], Place::Anywhere).is_in("Ofertas.Responda PARE, por favor", "Example"));
        assert!(wording(&["回T退订"], Place::Anywhere).is_in("【Example】你好,回T退订", "Example"));
        assert!(
            wording(&["수신거부"], Place::Anywhere).is_in("무료수신거부는 080", "Example"),
            "particles, compounds"
        );
        let free = wording(&["무료수신거부 #", "무료거부 #"], Place::Anywhere);
        assert!(free.is_in("(광고) 안녕 무료수신거부 080-123-4567", "x"));
        let signed = wording(&["【{brand}】"], Place::Start);
        assert!(signed.is_in("【Example】hello", "Example") && !signed.is_in("【Other】hello", "Example"));
    }
}
