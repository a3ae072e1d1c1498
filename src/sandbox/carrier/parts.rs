//! How many parts a text is billed as. Counted here on its own, as a carrier would, so that a wrong count on the
//! gateway's side shows.

/// The basic alphabet of 3GPP TS 23.038, section 6.2.1, without the escape; the extension counts double.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Parts of `text`, at least 1. Concatenated parts lose room to a header: 153 of 160, 67 of 70.
pub fn parts(text: &str) -> u32 {
    let septets = text.chars().try_fold(0usize, |sum, c| match c {
        _ if BASIC.contains(c) => Some(sum + 1),
        _ if EXTENSION.contains(c) => Some(sum + 2),
        _ => None,
    });
    let (units, single, joined) = match septets {
        Some(septets) => (septets, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if units <= single { 1 } else { units.div_ceil(joined) as u32 }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_by_alphabet_and_length() {
        for (text, expected) in [
            (String::new(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("ç".repeat(70), 1),
            ("ç".repeat(71), 2),
            ("😀".repeat(35), 1),
            ("😀".repeat(36), 2),
        ] {
            assert_eq!(parts(&text), expected, "{} × {:?}", text.chars().count(), text.chars().next());
        }
    }
}
