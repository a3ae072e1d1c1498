//! Where a sender can be reached: the contact its brand recorded, looked for in a text and added to it.
//!
//! Some laws want it in every advertisement (Spam Act 2003 s. 17, Network Act art. 50(4), and the like).

use super::fold::fold;
use super::language::Language;
use super::links::find_links;
use super::texts::texts;

/// Least digits of a telephone number, as of a service number.
const DIGITS_MIN: usize = 5;
/// Least digits that stand for a number written with its country elsewhere.
const NATIONAL_MIN: usize = 7;

/// Whether a text names the contact: one of the e-mail addresses, links or telephone numbers in it; of a contact without
/// any of these, its words. Case does not matter, nor `https://` and `www.` of a link, nor how a number is grouped and
/// whether it begins with its country's code.
pub fn says_contact(text: &str, contact: &str) -> bool {
    let text = text.to_lowercase();
    let contact = contact.trim().to_lowercase();
    let places: Vec<&str> = contact.split([' ', ',', ';', '\n']).filter(|part| is_place(part)).collect();
    if places.iter().any(|place| stands_in(&text, bare(place))) {
        return true;
    }
    let numbers = numbers(&contact);
    let called = self::numbers(&text);
    if numbers.iter().any(|ours| called.iter().any(|theirs| same_number(theirs, ours))) {
        return true;
    }
    places.is_empty() && numbers.is_empty() && !contact.is_empty() && fold(&text).contains(&fold(&contact))
}

/// A text with the contact behind it.
pub fn add_contact(text: &str, contact: &str, language: Language) -> String {
    format!("{} {}{}", text.trim_end(), texts(language).contact, contact.trim())
}

/// Whether a part of a contact is an e-mail address or a link.
fn is_place(part: &str) -> bool {
    let (name, host) = part.split_once('@').unwrap_or_default();
    (!name.is_empty() && host.contains('.')) || !find_links(part).is_empty()
}

/// A link or address without what is left out as often as not.
fn bare(place: &str) -> &str {
    let rest = place.split_once("://").map_or(place, |(_, rest)| rest);
    rest.strip_prefix("www.").unwrap_or(rest).trim_end_matches(['/', '.'])
}

/// Whether it stands in a text by itself, and not inside a longer address or before a longer path.
fn stands_in(text: &str, place: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '+' | '%');
    text.match_indices(place).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + place.len()..]);
        let begins = before.strip_suffix("www.").unwrap_or(before);
        let begins = begins.strip_suffix("://").is_some()
            || !begins.ends_with(|c: char| of_name(c) || matches!(c, '.' | '@' | '/'));
        let rest = after.strip_prefix(['.', '/']).unwrap_or(after);
        begins && !after.starts_with(|c: char| of_name(c) || c == '@') && !rest.starts_with(of_name)
    })
}

/// Digits of every telephone number in a text, without the zeros they begin with.
fn numbers(text: &str) -> Vec<String> {
    let joins = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '.' | '/' | '+');
    text.split(|c: char| !joins(c))
        .map(|run| run.chars().filter(char::is_ascii_digit).collect::<String>())
        .map(|digits| digits.trim_start_matches('0').to_owned())
        .filter(|digits| digits.len() >= DIGITS_MIN)
        .collect()
}

/// Whether a number in a text is ours: written whole, or as within its country.
fn same_number(theirs: &str, ours: &str) -> bool {
    theirs.contains(ours) || theirs.len() >= NATIONAL_MIN && ours.ends_with(theirs)
}

#[cfg(test)]
mod tests {
    use super::super::segments::{Encoding, segment};
    use super::*;

    #[test]
    fn a_contact_is_found_however_it_is_written() {
        for (text, contact) in [
            ("Acme: hi. Help@Acme.example", "help@acme.example"),
            ("Acme: write to help@acme.example.", "help@acme.example"),
            ("Acme: https://www.acme.com/help/ now", "https://acme.com/help"),
            ("Acme: (acme.com/help)", "https://www.acme.com/help"),
            ("Acme: call 1-800-555-0100", "+1 (800) 555-0100"),
            ("Acme: ring 0800 555 0100", "+44 800 555 0100"),
            ("Acme: call 20% off 18005550100", "1-800-555-0100"),
            ("광고 문의 1588-1234", "1588-1234"),
            ("Acme: help@acme.example", "+1 800 555 0100 or help@acme.example"),
            ("Acme: ask in the STORE at Elm St", "the store at Elm St"),
        ] {
            assert!(says_contact(text, contact), "{contact} in {text}");
        }
        for (text, contact) in [
            ("Acme: hi", "help@acme.example"),
            ("Acme: no-help@acme.example", "help@acme.example"),
            ("Acme: help@acme.example.com", "help@acme.example"),
            ("Acme: acme.com/helpers", "https://acme.com/help"),
            ("Acme: notacme.com/help", "https://acme.com/help"),
            ("Acme: acme.com/help/me", "https://acme.com/help"),
            ("Acme: 20% off until 2026-11-30", "1-800-555-0100"),
            ("Acme: call 555", "1-800-555-0100"),
            ("Acme: hi", ""),
            ("Acme: hi", "or"),
        ] {
            assert!(!says_contact(text, contact), "{contact} in {text}");
        }
    }

    #[test]
    fn what_is_added_is_found_and_cheap() {
        for &language in Language::ALL {
            for contact in
                ["help@acme.example", "+1 800 555 0100", "https://acme.com/help", "The Elm Street shop"]
            {
                let text = add_contact("Acme: 20 ", contact, language);
                assert!(says_contact(&text, contact), "{text}");
                assert_eq!(segment(&text).encoding == Encoding::Gsm7, language.is_latin(), "{text}");
            }
        }
    }
}
