//! Typographic characters by their plain spelling. One curly quote makes a whole text travel in 16 bits a character
//! (3GPP TS 23.038), which more than halves what a part holds.

use std::borrow::Cow;

use super::links::find_links;
use super::segments::gsm7_septets;

/// Replaces typographic characters by GSM-7 ones where the meaning stays the same (curly quotes, dashes, ellipsis, odd
/// spaces, invisible marks). A text that would need UCS-2 anyway is left alone, and so is one with such a character inside
/// a link, which would lead elsewhere. Whether that spares a part is for the caller to see: an ellipsis becomes three
/// characters.
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
    if stands_in_a_link(text) { Cow::Borrowed(text) } else { Cow::Owned(plain) }
}

/// Whether a character that would be replaced stands inside a link: before its last letter, digit or slash. Quotes and
/// dots behind that belong to the sentence.
fn stands_in_a_link(text: &str) -> bool {
    let is_sign = |c: char| plain_form(c).is_some() || c.is_ascii_punctuation() && c != '/';
    find_links(text).iter().any(|link| {
        let begun = text.char_indices().nth(link.position - 1).map_or(text.len(), |(at, _)| at);
        let link = text[begun..].split(char::is_whitespace).next().unwrap_or_default();
        link.trim_end_matches(is_sign).contains(|c| plain_form(c).is_some())
    })
}

/// The GSM-7 spelling of a typographic character.
fn plain_form(c: char) -> Option<&'static str> {
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
    use super::super::segments::{Encoding, segment};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn typographic_characters_become_plain() {
        for (text, plain) in [
            ("It’s here — “20%” off…\u{a0}now", "It's here - \"20%\" off... now"),
            ("« Soldes » : 2\u{202f}× 10\u{a0}€", "\" Soldes \" : 2 x 10 €"),
            (
                "See “https://acme.example/a-1”… or acme.com",
                "See \"https://acme.example/a-1\"... or acme.com",
            ),
            ("sof\u{ad}t", "soft"),
        ] {
            assert_eq!(substitute(text), plain);
        }
    }

    #[test]
    fn what_gains_nothing_or_would_lead_elsewhere_is_left_alone() {
        for kept in [
            "plain",
            "It’s 🛒",
            "“я”",
            "https://acme.example/a–b",
            "“New”: acme.com/l’été/",
            "acme\u{ad}.com",
        ] {
            assert!(matches!(substitute(kept), Cow::Borrowed(same) if same == kept), "{kept}");
        }
    }

    proptest! {
        #[test]
        fn all_of_it_becomes_gsm_7_or_nothing_changes(text in "[a-z./ ’“”–…\u{a0}€🛒]{0,100}") {
            let plain = substitute(&text);
            match &plain {
                Cow::Borrowed(same) => prop_assert_eq!(*same, text.as_str()),
                Cow::Owned(plain) => prop_assert_eq!(segment(plain).encoding, Encoding::Gsm7),
            }
            prop_assert_eq!(substitute(&plain), plain.clone());
        }
    }
}
