//! Message ids, which some SMSCs write in one base when they take a message and in another when they report on it.

/// How this SMSC writes them (setting `message_id_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdFormat {
    /// The same everywhere.
    Raw,
    /// Hexadecimal in responses, decimal in the text of receipts.
    Hex,
    /// The other way round.
    Dec,
}

impl IdFormat {
    /// The one spelling of an id that a response gave. Both sides' spellings of one id become the same.
    pub fn of_response(self, id: &str) -> String {
        match self {
            IdFormat::Raw => raw(id),
            IdFormat::Hex => number(id, 16).unwrap_or_else(|| raw(id)),
            IdFormat::Dec => number(id, 10).unwrap_or_else(|| raw(id)),
        }
    }

    /// The same of an id in the text of a receipt.
    fn of_text(self, id: &str) -> String {
        match self {
            IdFormat::Raw => raw(id),
            IdFormat::Hex => number(id, 10).or_else(|| number(id, 16)).unwrap_or_else(|| raw(id)),
            IdFormat::Dec => number(id, 16).unwrap_or_else(|| raw(id)),
        }
    }

    /// The spelling of the id a receipt is about, from its parameter and its text. The parameter repeats what the response
    /// said (SMPP 3.4, section 5.3.2.12), unless it is written as the text is.
    pub fn of_receipt(self, parameter: Option<&str>, text: Option<&str>) -> Option<String> {
        match (parameter, text) {
            (Some(parameter), Some(text)) if raw(parameter) == raw(text) => Some(self.of_text(text)),
            (Some(parameter), _) => Some(self.of_response(parameter)),
            (None, text) => Some(self.of_text(text?)),
        }
    }
}

/// Letters small, zeros in front gone.
fn raw(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    let short = id.trim_start_matches('0');
    if short.is_empty() { id.chars().take(1).collect() } else { short.to_owned() }
}

/// A number in decimal digits; none for what is no number of that base, or beyond 128 bits.
fn number(id: &str, base: u32) -> Option<String> {
    let id = id.trim();
    let digits = !id.is_empty() && id.chars().all(|c| c.is_digit(base));
    let number = u128::from_str_radix(id, base).ok().filter(|_| digits)?;
    Some(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_spellings_of_an_id_become_one() {
        use IdFormat::{Dec, Hex, Raw};
        for (format, response, parameter, text) in [
            // The example of the facts: a response in hexadecimal, a receipt in decimal with a zero in front.
            (Hex, "75BCD15", None, Some("0123456789")),
            (Hex, "75BCD15", Some("75BCD15"), Some("0123456789")),
            (Hex, "075bcd15", Some("75BCD15"), None),
            (Hex, "75BCD15", Some("123456789"), Some("0123456789")),
            (Hex, "75BCD15", None, Some("75bcd15")),
            (Dec, "123456789", None, Some("75BCD15")),
            (Dec, "0123456789", Some("123456789"), Some("075bcd15")),
            (Raw, "ABC-1", None, Some("abc-1")),
            (Raw, "0042", Some("42"), Some("0000000042")),
            (Raw, "75BCD15", Some("75BCD15"), Some("0123456789")),
            (Hex, "b0c7e6f0-aaaa-4bbb-8ccc-1234567890ab", None, Some("B0C7E6F0-aaaa-4bbb-8ccc-1234567890ab")),
            (Raw, "000", None, Some("0")),
        ] {
            let told = format.of_receipt(parameter, text);
            assert_eq!(
                told,
                Some(format.of_response(response)),
                "{format:?} {response} {parameter:?} {text:?}"
            );
        }
        assert_eq!(Hex.of_receipt(None, None), None);
    }

    proptest! {
        #[test]
        fn a_number_is_found_again_in_the_other_base(n: u64) {
            let (hex, dec) = (format!("{n:X}"), format!("{n:010}"));
            prop_assert_eq!(IdFormat::Hex.of_receipt(None, Some(&dec)), Some(IdFormat::Hex.of_response(&hex)));
            prop_assert_eq!(IdFormat::Dec.of_receipt(None, Some(&hex)), Some(IdFormat::Dec.of_response(&dec)));
        }
    }
}
