//! Message parts: which alphabet a text travels in and how many parts it is billed as (3GPP TS 23.038 and 23.040).

use std::borrow::Cow;

pub use crate::model::facts::Encoding;

/// How many units fit into a message of one part, and into each part of a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Units of a message sent as one part.
    pub single: usize,
    /// Units of each part when there are several (the header with an 8-bit reference takes six octets).
    pub part: usize,
}

/// National language shift tables are not used: many routes strip them, so a text they would have made cheaper could
/// arrive damaged. A route that declares them would bring variants of its own, each with its capacity.
impl Encoding {
    /// Room per part: 160/153 septets or 70/67 code units.
    pub const fn capacity(self) -> Capacity {
        match self {
            Encoding::Gsm7 => Capacity { single: 160, part: 153 },
            Encoding::Ucs2 => Capacity { single: 70, part: 67 },
        }
    }

    fn width(self, c: char) -> usize {
        match self {
            Encoding::Gsm7 => gsm7_septets(c).unwrap_or(0),
            Encoding::Ucs2 => c.len_utf16(),
        }
    }
}

/// How a text travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segmentation {
    /// The alphabet.
    pub encoding: Encoding,
    /// Length of the text in units of that alphabet; padding at part borders is not counted.
    pub units: usize,
    /// Parts the carrier bills; an empty text is one.
    pub parts: usize,
    /// Characters that keep the text out of GSM-7, each once, in order of appearance.
    pub forcing: Vec<char>,
}

/// Counts the parts of a text. An escape pair or surrogate pair is never split: it moves whole to the next part.
pub fn segment(text: &str) -> Segmentation {
    let mut forcing = Vec::new();
    for c in text.chars().filter(|&c| gsm7_septets(c).is_none()) {
        if !forcing.contains(&c) {
            forcing.push(c);
        }
    }
    let encoding = if forcing.is_empty() { Encoding::Gsm7 } else { Encoding::Ucs2 };
    let units = text.chars().map(|c| encoding.width(c)).sum();
    let capacity = encoding.capacity();
    let parts = if units <= capacity.single { 1 } else { parts_of(text, encoding, capacity.part) };
    Segmentation { encoding, units, parts, forcing }
}

fn parts_of(text: &str, encoding: Encoding, room: usize) -> usize {
    let (mut parts, mut used) = (1, 0);
    for width in text.chars().map(|c| encoding.width(c)) {
        if used + width > room {
            parts += 1;
            used = 0;
        }
        used += width;
    }
    parts
}

/// Septets of a character in the GSM default alphabet: 1, 2 for the extension table, `None` if it has no place.
fn gsm7_septets(c: char) -> Option<usize> {
    match c {
        'A'..='Z' | 'a'..='z' | '0'..='9' | ' ' | '\n' | '\r' => Some(1),
        '@' | '!' | '"' | '#' | '$' | '%' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | '-' | '.' | '/' => {
            Some(1)
        }
        ':' | ';' | '<' | '=' | '>' | '?' | '_' | '¡' | '¿' | '£' | '¥' | '¤' | '§' => Some(1),
        'è' | 'é' | 'ù' | 'ì' | 'ò' | 'à' | 'ä' | 'ö' | 'ü' | 'ñ' | 'å' | 'æ' | 'ø' | 'ß' => {
            Some(1)
        }
        'Ç' | 'É' | 'Ä' | 'Ö' | 'Ü' | 'Ñ' | 'Å' | 'Æ' | 'Ø' => Some(1),
        'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π' | 'Ψ' | 'Σ' | 'Θ' | 'Ξ' => Some(1),
        '^' | '{' | '}' | '\\' | '[' | ']' | '~' | '|' | '€' | '\u{c}' => Some(2),
        _ => None,
    }
}

/// Replaces typographic characters by GSM-7 ones where the meaning stays the same (curly quotes, dashes, ellipsis,
/// odd spaces, invisible marks). A text that would need UCS-2 anyway, or more parts than before, is left alone.
pub fn substitute(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| gsm7_septets(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match plain_form(c) {
            Some(replacement) => plain.push_str(replacement),
            None if gsm7_septets(c).is_some() => plain.push(c),
            None => return Cow::Borrowed(text),
        }
    }
    if segment(&plain).parts > segment(text).parts { Cow::Borrowed(text) } else { Cow::Owned(plain) }
}

/// The GSM-7 spelling of a typographic character; also the hint for a caller who asks what forced UCS-2.
pub fn plain_form(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}' | '`' | '´' | 'ʼ' | 'ʻ' => "'",
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{2036}' | '«' | '»' => "\"",
        '\u{2039}' => "<",
        '\u{203a}' => ">",
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '•' | '·' => "-",
        '…' => "...",
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\t' => " ",
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => "",
        '×' => "x",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(text: &str) -> (Encoding, usize, usize) {
        let s = segment(text);
        (s.encoding, s.units, s.parts)
    }

    #[test]
    fn borders_of_every_alphabet() {
        use Encoding::{Gsm7, Ucs2};
        for (text, expected) in [
            (String::new(), (Gsm7, 0, 1)),
            ("a".repeat(160), (Gsm7, 160, 1)),
            ("a".repeat(161), (Gsm7, 161, 2)),
            ("a".repeat(306), (Gsm7, 306, 2)),
            ("a".repeat(307), (Gsm7, 307, 3)),
            ("€".repeat(80), (Gsm7, 160, 1)),
            ("€".repeat(81), (Gsm7, 162, 2)),
            ("я".repeat(70), (Ucs2, 70, 1)),
            ("я".repeat(71), (Ucs2, 71, 2)),
            ("я".repeat(134), (Ucs2, 134, 2)),
            ("я".repeat(135), (Ucs2, 135, 3)),
            ("я".repeat(69) + "🛒", (Ucs2, 71, 2)),
            // The escape at septet 153 moves to the next part with its character, which fills two parts to the brim.
            ("a".repeat(152) + "€" + &"a".repeat(151), (Gsm7, 305, 2)),
            ("a".repeat(152) + "€" + &"a".repeat(152), (Gsm7, 306, 3)),
            ("a".repeat(151) + "€" + &"a".repeat(153), (Gsm7, 306, 2)),
            // The same for a surrogate pair at code unit 67.
            ("я".repeat(66) + "🛒" + &"я".repeat(65), (Ucs2, 133, 2)),
            ("я".repeat(66) + "🛒" + &"я".repeat(66), (Ucs2, 134, 3)),
        ] {
            assert_eq!(counted(&text), expected, "{} characters", text.chars().count());
        }
    }

    #[test]
    fn names_what_forces_the_short_alphabet() {
        let s = segment("Ça coûte “20” – reçu `x` ç");
        assert_eq!(s.encoding, Encoding::Ucs2);
        assert_eq!(s.forcing, ['û', '“', '”', '–', 'ç', '`']);
        assert!(segment("ÉÄÖÑÜ àèéùìòñ Ç @£$¥ ΔΦΓΛΩΠΨΣΘΞ ^{}\\[~]|€").forcing.is_empty());
    }

    #[test]
    fn substitution_only_where_it_pays() {
        assert_eq!(substitute("It’s here — “20%” off…\u{a0}now"), "It's here - \"20%\" off... now");
        for kept in ["plain", "It’s 🛒", "“я”", &"…".repeat(70)] {
            assert_eq!(substitute(kept), kept);
            assert!(matches!(substitute(kept), Cow::Borrowed(_)));
        }
    }

    proptest! {
        #[test]
        fn parts_hold_the_text_and_waste_less_than_a_pair(text in any::<String>()) {
            let s = segment(&text);
            let Capacity { single, part } = s.encoding.capacity();
            if s.parts == 1 {
                prop_assert!(s.units <= single);
            } else {
                prop_assert!(s.units > single && s.units <= s.parts * part);
                prop_assert!(s.units > (s.parts - 1) * (part - 1));
            }
            prop_assert_eq!(s.encoding == Encoding::Gsm7, s.forcing.is_empty());
        }

        #[test]
        fn more_text_never_takes_fewer_parts(text in "[a€я🛒 ]{0,400}", more in "[a€я🛒]{0,5}") {
            prop_assert!(segment(&(text.clone() + &more)).parts >= segment(&text).parts);
        }

        #[test]
        fn substitution_never_costs_a_part(text in "[a-z ’“”–…\u{a0}€🛒]{0,100}") {
            let plain = substitute(&text);
            prop_assert!(segment(&plain).parts <= segment(&text).parts);
            prop_assert_eq!(substitute(&plain), plain.clone());
        }
    }
}
