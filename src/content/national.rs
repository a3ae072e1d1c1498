//! National language shift tables: letters beyond the default alphabet in 7 bits, where a route uses them.
//!
//! Source: 3GPP TS 23.038 annex A (A.2 single shift, A.3 locking shift tables) and TS 23.040, 9.2.3.24.15 and 16 (the
//! information elements that announce them). Only which characters stand in a table matters here, not where. Two
//! misprints of TS 23.038 V9.1.1 are read as meant (Kannada locking 0x24, Telugu single 0x22 and 0x23).

pub use crate::model::registry::NationalLanguage;

use super::segments::gsm7_septets;

/// A septet pair costs two.
const ESCAPED: usize = 2;

/// The tables a text is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Whose tables.
    pub language: NationalLanguage,
    /// Its locking shift table stands in for the default alphabet.
    pub locking: bool,
    /// Its single shift table stands in for the default extension table.
    pub single: bool,
}

impl Shift {
    /// The ways to write with a language's tables, the shortest header first.
    pub fn of(language: NationalLanguage) -> impl Iterator<Item = Shift> {
        let has_locking = language != NationalLanguage::Spanish;
        [(false, true), (true, false), (true, true)]
            .into_iter()
            .filter(move |(locking, _)| has_locking || !locking)
            .map(move |(locking, single)| Shift { language, locking, single })
    }

    /// Septets of a character: 1 or 2; none: it stands in neither table.
    pub fn septets(self, c: char) -> Option<usize> {
        let default = gsm7_septets(c);
        let base = if self.locking { locking(self.language, c) } else { default == Some(1) };
        let extension = if self.single { single(self.language, c) } else { default == Some(ESCAPED) };
        match (base, extension) {
            (true, _) => Some(1),
            (false, true) => Some(ESCAPED),
            (false, false) => None,
        }
    }

    /// Septets the user data header takes from a message, or from each part: its length, three octets for each table,
    /// five for the place among several parts, filled up to a septet.
    pub fn header(self, is_part: bool) -> usize {
        let tables = usize::from(self.locking) + usize::from(self.single);
        let octets = 1 + 3 * tables + if is_part { 5 } else { 0 };
        (octets * 8).div_ceil(7)
    }
}

/// Letters of the default alphabet that a Latin locking table gives up, and those it has instead.
struct Replaced {
    gone: &'static str,
    instead: &'static str,
}

const TURKISH: Replaced = Replaced { gone: "èìØøÆæ¡¿", instead: "€ıĞğŞşİç" };
const PORTUGUESE: Replaced = Replaced {
    gone: "èùìòØøÅåΦΓΛΩΠΨΣΘΞÆæß¤¡ÄÖÑ¿äöñ",
    instead: "êúíóçÔôÁáªÀ∞^\\€Ó|ÂâÊºÍÃÕÚ~ãõ`",
};

fn locking(language: NationalLanguage, c: char) -> bool {
    let latin = |replaced: &Replaced| {
        replaced.instead.contains(c) || (gsm7_septets(c) == Some(1) && !replaced.gone.contains(c))
    };
    match language {
        NationalLanguage::Turkish => latin(&TURKISH),
        NationalLanguage::Portuguese => latin(&PORTUGUESE),
        NationalLanguage::Spanish => false,
        _ => is_plain(c) || holds(letters(language), c),
    }
}

fn single(language: NationalLanguage, c: char) -> bool {
    let latin = |letters: &str| gsm7_septets(c) == Some(ESCAPED) || letters.contains(c);
    match language {
        NationalLanguage::Turkish => latin("ĞİŞçğış"),
        NationalLanguage::Spanish => latin("çÁÍÓÚáíóú"),
        NationalLanguage::Portuguese => latin("êçÔôÁáΦΓΩΠΨΣΘÊÀÍÓÚÃÕÂíóúãõâ"),
        _ => is_extra(c) || holds(further(language), c),
    }
}

/// Signs, digits and small letters of every locking table of the Indian scripts.
fn is_plain(c: char) -> bool {
    matches!(c, '\n' | '\r' | ' ' | '!' | '(' | ')' | ',' | '.' | ':' | ';' | '?' | '0'..='9' | 'a'..='z')
}

/// Signs and capital letters of every single shift table of the Indian scripts.
fn is_extra(c: char) -> bool {
    matches!(c, '@' | '£' | '$' | '¥' | '¿' | '"' | '¤' | '%' | '&' | '\'' | '\u{c}' | '*' | '+' | '-' | '/')
        || matches!(
            c,
            '<' | '=' | '>' | '¡' | '^' | '_' | '#' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€'
        )
        || c.is_ascii_uppercase()
}

/// Ranges of code points, both ends included.
type Ranges = &'static [(u16, u16)];

fn holds(ranges: Ranges, c: char) -> bool {
    u16::try_from(u32::from(c)).is_ok_and(|c| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)))
}

/// Letters of a locking table beside [`is_plain`].
fn letters(language: NationalLanguage) -> Ranges {
    match language {
        NationalLanguage::Bengali => &[
            (0x981, 0x983),
            (0x985, 0x98c),
            (0x98f, 0x990),
            (0x993, 0x9a8),
            (0x9aa, 0x9b0),
            (0x9b2, 0x9b2),
            (0x9b6, 0x9b9),
            (0x9bc, 0x9c4),
            (0x9c7, 0x9c8),
            (0x9cb, 0x9ce),
            (0x9d7, 0x9d7),
            (0x9dc, 0x9dd),
            (0x9f0, 0x9f1),
        ],
        NationalLanguage::Gujarati => &[
            (0xa81, 0xa83),
            (0xa85, 0xa8d),
            (0xa8f, 0xa91),
            (0xa93, 0xaa8),
            (0xaaa, 0xab0),
            (0xab2, 0xab3),
            (0xab5, 0xab9),
            (0xabc, 0xac5),
            (0xac7, 0xac9),
            (0xacb, 0xacd),
            (0xad0, 0xad0),
            (0xae0, 0xae3),
            (0xaf1, 0xaf1),
        ],
        NationalLanguage::Hindi => &[
            (0x901, 0x903),
            (0x905, 0x939),
            (0x93c, 0x94d),
            (0x950, 0x950),
            (0x972, 0x972),
            (0x97b, 0x97c),
            (0x97e, 0x97f),
        ],
        NationalLanguage::Kannada => &[
            (0xc82, 0xc83),
            (0xc85, 0xc8c),
            (0xc8e, 0xc90),
            (0xc92, 0xca8),
            (0xcaa, 0xcb3),
            (0xcb5, 0xcb9),
            (0xcbc, 0xcc4),
            (0xcc6, 0xcc8),
            (0xcca, 0xccd),
            (0xcd5, 0xcd6),
            (0xce0, 0xce3),
        ],
        NationalLanguage::Malayalam => &[
            (0xd02, 0xd03),
            (0xd05, 0xd0c),
            (0xd0e, 0xd10),
            (0xd12, 0xd28),
            (0xd2a, 0xd39),
            (0xd3d, 0xd44),
            (0xd46, 0xd48),
            (0xd4a, 0xd4d),
            (0xd57, 0xd57),
            (0xd60, 0xd63),
            (0xd79, 0xd79),
        ],
        NationalLanguage::Oriya => &[
            (0xb01, 0xb03),
            (0xb05, 0xb0c),
            (0xb0f, 0xb10),
            (0xb13, 0xb28),
            (0xb2a, 0xb30),
            (0xb32, 0xb33),
            (0xb35, 0xb39),
            (0xb3c, 0xb44),
            (0xb47, 0xb48),
            (0xb4b, 0xb4d),
            (0xb56, 0xb57),
            (0xb60, 0xb63),
        ],
        NationalLanguage::Punjabi => &[
            (0xa01, 0xa03),
            (0xa05, 0xa0a),
            (0xa0f, 0xa10),
            (0xa13, 0xa28),
            (0xa2a, 0xa30),
            (0xa32, 0xa33),
            (0xa35, 0xa36),
            (0xa38, 0xa39),
            (0xa3c, 0xa3c),
            (0xa3e, 0xa42),
            (0xa47, 0xa48),
            (0xa4b, 0xa4d),
            (0xa51, 0xa51),
            (0xa70, 0xa74),
        ],
        NationalLanguage::Tamil => &[
            (0xb82, 0xb83),
            (0xb85, 0xb8a),
            (0xb8e, 0xb90),
            (0xb92, 0xb95),
            (0xb99, 0xb9a),
            (0xb9c, 0xb9c),
            (0xb9e, 0xb9f),
            (0xba3, 0xba4),
            (0xba8, 0xbaa),
            (0xbae, 0xbb9),
            (0xbbe, 0xbc2),
            (0xbc6, 0xbc8),
            (0xbca, 0xbcd),
            (0xbd0, 0xbd0),
            (0xbd7, 0xbd7),
            (0xbf0, 0xbf2),
            (0xbf9, 0xbf9),
        ],
        NationalLanguage::Telugu => &[
            (0xc01, 0xc03),
            (0xc05, 0xc0c),
            (0xc0e, 0xc10),
            (0xc12, 0xc28),
            (0xc2a, 0xc33),
            (0xc35, 0xc39),
            (0xc3d, 0xc44),
            (0xc46, 0xc48),
            (0xc4a, 0xc4d),
            (0xc55, 0xc56),
            (0xc60, 0xc63),
        ],
        NationalLanguage::Urdu => &[
            (0x621, 0x622),
            (0x627, 0x628),
            (0x62a, 0x632),
            (0x633, 0x639),
            (0x641, 0x642),
            (0x644, 0x646),
            (0x648, 0x648),
            (0x64d, 0x64d),
            (0x64f, 0x651),
            (0x653, 0x657),
            (0x670, 0x670),
            (0x679, 0x67f),
            (0x680, 0x681),
            (0x683, 0x68a),
            (0x68c, 0x68d),
            (0x68f, 0x68f),
            (0x691, 0x691),
            (0x693, 0x693),
            (0x696, 0x696),
            (0x698, 0x69a),
            (0x6a6, 0x6a6),
            (0x6a9, 0x6ab),
            (0x6af, 0x6af),
            (0x6b1, 0x6b1),
            (0x6b3, 0x6b3),
            (0x6ba, 0x6bc),
            (0x6be, 0x6be),
            (0x6c1, 0x6c2),
            (0x6c4, 0x6c4),
            (0x6cc, 0x6cc),
            (0x6d0, 0x6d0),
            (0x6d2, 0x6d2),
            (0x6d5, 0x6d5),
        ],
        NationalLanguage::Turkish | NationalLanguage::Spanish | NationalLanguage::Portuguese => &[],
    }
}

/// Letters of a single shift table beside [`is_extra`].
fn further(language: NationalLanguage) -> Ranges {
    match language {
        NationalLanguage::Bengali => &[(0x9df, 0x9e3), (0x9e6, 0x9ef), (0x9f2, 0x9fa)],
        NationalLanguage::Gujarati => &[(0x964, 0x965), (0xae6, 0xaef)],
        NationalLanguage::Hindi => &[(0x951, 0x954), (0x958, 0x971)],
        NationalLanguage::Kannada => &[(0x964, 0x965), (0xcde, 0xcde), (0xce6, 0xcef), (0xcf1, 0xcf2)],
        NationalLanguage::Malayalam => &[(0x964, 0x965), (0xd66, 0xd75), (0xd7a, 0xd7f)],
        NationalLanguage::Oriya => {
            &[(0x964, 0x965), (0xb5c, 0xb5d), (0xb5f, 0xb5f), (0xb66, 0xb6f), (0xb70, 0xb71)]
        }
        NationalLanguage::Punjabi => {
            &[(0x964, 0x965), (0xa59, 0xa5c), (0xa5e, 0xa5e), (0xa66, 0xa6f), (0xa75, 0xa75)]
        }
        NationalLanguage::Tamil => &[(0x964, 0x965), (0xbe6, 0xbef), (0xbf3, 0xbf8), (0xbfa, 0xbfa)],
        NationalLanguage::Telugu => &[(0xc58, 0xc59), (0xc66, 0xc6f), (0xc78, 0xc7f)],
        NationalLanguage::Urdu => &[
            (0x600, 0x601),
            (0x60c, 0x614),
            (0x61b, 0x61b),
            (0x61f, 0x61f),
            (0x640, 0x640),
            (0x652, 0x652),
            (0x658, 0x658),
            (0x66b, 0x66c),
            (0x672, 0x673),
            (0x6cd, 0x6cd),
            (0x6d4, 0x6d4),
            (0x6f0, 0x6f9),
        ],
        NationalLanguage::Turkish | NationalLanguage::Spanish | NationalLanguage::Portuguese => &[],
    }
}
