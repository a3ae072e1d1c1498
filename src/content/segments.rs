//! Message parts: which alphabet a text travels in and how many parts it is billed as (3GPP TS 23.038 and 23.040).

use std::sync::LazyLock;

use super::national::{NationalLanguage, Shift};
pub use crate::model::facts::Encoding;

/// How many units fit into a message of one part, and into each part of a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Units of a message sent as one part.
    pub single: usize,
    /// Units of each part when there are several (the header with an 8-bit reference takes six octets).
    pub part: usize,
}

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
    /// The national language tables it is written with; none: the default alphabet or UCS-2.
    pub shift: Option<Shift>,
}

/// Counts the parts of a text on a route that writes with the national language tables of `languages`. They are used
/// where the default alphabet lacks a letter and they need fewer parts than UCS-2; of several ways the one with the
/// fewest parts, then units. Most routes use none: they strip the tables, and the text would arrive damaged.
pub fn segment_on(text: &str, languages: &[NationalLanguage]) -> Segmentation {
    let plain = segment(text);
    if plain.encoding == Encoding::Gsm7 {
        return plain;
    }
    let shifts = languages.iter().flat_map(|language| Shift::of(*language));
    let shifted = shifts.filter_map(|shift| shifted(text, shift)).min_by_key(|s| (s.parts, s.units));
    shifted.filter(|shifted| shifted.parts < plain.parts).unwrap_or(plain)
}

/// The parts of a text written with these tables; none: they lack a character.
fn shifted(text: &str, shift: Shift) -> Option<Segmentation> {
    /// Septets of a message without a header.
    const SEPTETS: usize = 160;
    let widths = || text.chars().map(|c| shift.septets(c));
    let units = widths().sum::<Option<usize>>()?;
    let parts = match units <= SEPTETS - shift.header(false) {
        true => 1,
        false => parts_of(widths().flatten(), SEPTETS - shift.header(true)),
    };
    Some(Segmentation { encoding: Encoding::Gsm7, units, parts, forcing: Vec::new(), shift: Some(shift) })
}

/// Counts the parts of a text. An escape pair or surrogate pair is never split: it moves whole to the next part.
pub fn segment(text: &str) -> Segmentation {
    if text.is_ascii()
        && let Some(plain) = segment_ascii(text)
    {
        return plain;
    }
    let mut forcing = Vec::new();
    for c in text.chars().filter(|&c| gsm7_septets(c).is_none()) {
        if !forcing.contains(&c) {
            forcing.push(c);
        }
    }
    let encoding = if forcing.is_empty() { Encoding::Gsm7 } else { Encoding::Ucs2 };
    let units = text.chars().map(|c| encoding.width(c)).sum();
    let capacity = encoding.capacity();
    let widths = text.chars().map(|c| encoding.width(c));
    let parts = if units <= capacity.single { 1 } else { parts_of(widths, capacity.part) };
    Segmentation { encoding, units, parts, forcing, shift: None }
}

/// Septets of each ASCII character; 0: it has no place in the alphabet.
static ASCII: LazyLock<[u8; 128]> =
    LazyLock::new(|| std::array::from_fn(|code| gsm7_septets(char::from(code as u8)).unwrap_or(0) as u8));

/// As [`segment`], of ASCII that fits the default alphabet, which nearly every text does.
fn segment_ascii(text: &str) -> Option<Segmentation> {
    let table = &*ASCII;
    let widths = || text.bytes().map(|byte| usize::from(table[usize::from(byte)]));
    let (mut units, mut fits) = (0, true);
    for width in widths() {
        units += width;
        fits &= width > 0;
    }
    let capacity = Encoding::Gsm7.capacity();
    let parts = if units <= capacity.single { 1 } else { parts_of(widths(), capacity.part) };
    fits.then_some(Segmentation { encoding: Encoding::Gsm7, units, parts, forcing: Vec::new(), shift: None })
}

fn parts_of(widths: impl Iterator<Item = usize>, room: usize) -> usize {
    let (mut parts, mut used) = (1, 0);
    for width in widths {
        if used + width > room {
            parts += 1;
            used = 0;
        }
        used += width;
    }
    parts
}

/// Septets of a character in the GSM default alphabet: 1, 2 for the extension table, `None` if it has no place.
pub(super) fn gsm7_septets(c: char) -> Option<usize> {
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
    fn borders_of_national_tables() {
        use Encoding::{Gsm7, Ucs2};
        use NationalLanguage::*;
        let text = |parts: &[(&str, usize)]| parts.iter().map(|(s, n)| s.repeat(*n)).collect::<String>();
        for (languages, text, expected) in [
            // Off by default.
            (&[][..], text(&[("ğ", 71)]), (Ucs2, 71, 2, None)),
            // A text of one part stays as it is: nothing is gained.
            (&[Turkish], text(&[("ğ", 70)]), (Ucs2, 70, 1, None)),
            // One table: 4 octets of header are 5 septets, with the place among several 9 are 11.
            (&[Turkish], text(&[("ğ", 1), ("a", 154)]), (Gsm7, 155, 1, Some((true, false)))),
            (&[Turkish], text(&[("ğ", 1), ("a", 155)]), (Gsm7, 156, 2, Some((true, false)))),
            (&[Turkish], text(&[("ğ", 1), ("a", 297)]), (Gsm7, 298, 2, Some((true, false)))),
            (&[Turkish], text(&[("ğ", 1), ("a", 298)]), (Gsm7, 299, 3, Some((true, false)))),
            // Spanish has no locking table: its letters cost two.
            (&[Spanish], text(&[("á", 77)]), (Gsm7, 154, 1, Some((false, true)))),
            (&[Spanish], text(&[("á", 1), ("a", 153)]), (Gsm7, 155, 1, Some((false, true)))),
            (&[Spanish], text(&[("á", 1), ("a", 154)]), (Gsm7, 156, 2, Some((false, true)))),
            // Both tables: 7 octets are 8 septets, 12 are 14. Hindi digits stand in the single shift table only.
            (&[Hindi], text(&[("क", 150), ("१", 1)]), (Gsm7, 152, 1, Some((true, true)))),
            (&[Hindi], text(&[("क", 151), ("१", 1)]), (Gsm7, 153, 2, Some((true, true)))),
            (&[Hindi], text(&[("क", 290), ("१", 1)]), (Gsm7, 292, 2, Some((true, true)))),
            (&[Hindi], text(&[("क", 291), ("१", 1)]), (Gsm7, 293, 3, Some((true, true)))),
            // The pair at septet 146 moves to the next part whole.
            (&[Hindi], text(&[("क", 145), ("१", 1), ("क", 145)]), (Gsm7, 292, 3, Some((true, true)))),
            // A character of no table, and the tables of another language.
            (&[Turkish], text(&[("ğ", 80), ("🛒", 1)]), (Ucs2, 82, 2, None)),
            (&[Portuguese], text(&[("ğ", 80)]), (Ucs2, 80, 2, None)),
            (&[Portuguese, Turkish], text(&[("ğ", 80)]), (Gsm7, 80, 1, Some((true, false)))),
            // What the default alphabet holds is written with it.
            (&[Turkish], text(&[("a", 160)]), (Gsm7, 160, 1, None)),
        ] {
            let s = segment_on(&text, languages);
            let shift = s.shift.map(|shift| (shift.locking, shift.single));
            assert_eq!((s.encoding, s.units, s.parts, shift), expected, "{languages:?}: {text}");
        }
    }

    proptest! {
        #[test]
        fn tables_never_cost_a_part(text in "[a-zğşıçáãê€क१🛒]{0,320}") {
            use NationalLanguage::*;
            let all = [Turkish, Spanish, Portuguese, Hindi];
            let (plain, on) = (segment(&text), segment_on(&text, &all));
            prop_assert!(on.parts <= plain.parts);
            prop_assert_eq!(on.encoding == Encoding::Gsm7, on.forcing.is_empty());
            prop_assert!(on.shift.is_none() || on.parts < plain.parts);
        }

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
    }
}
