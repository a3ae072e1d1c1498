//! The alphabets of short messages as SMPP carries them: GSM 03.38 one septet an octet, Latin-1, UCS-2 (3GPP TS 23.038).

use std::collections::HashMap;
use std::sync::LazyLock;

/// The default alphabet, by septet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// What stands behind an escape.
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];
const ESCAPE: u8 = 0x1b;

/// `data_coding` of the peer's own alphabet, of Latin-1 and of UCS-2 (SMPP 3.4, section 5.2.19).
const DEFAULT: u8 = 0;
pub const UCS2: u8 = 8;

static SEPTETS: LazyLock<HashMap<char, [u8; 2]>> = LazyLock::new(|| {
    let basic = BASIC.chars().zip(0u8..).filter(|(_, at)| *at != ESCAPE).map(|(c, at)| (c, [at, 0]));
    basic.chain(EXTENSION.iter().map(|(at, c)| (*c, [ESCAPE, *at]))).collect()
});
static CHARACTERS: LazyLock<Vec<char>> = LazyLock::new(|| BASIC.chars().collect());

/// What a peer means by `data_coding` 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM 03.38, one septet an octet.
    Gsm,
    /// ISO 8859-1.
    Latin1,
}

/// A character as it is written, and the room it takes on the air.
struct Written {
    octets: [u8; 4],
    length: usize,
    width: usize,
}

impl Written {
    fn new(octets: &[u8], width: usize) -> Written {
        let mut all = [0; 4];
        all[..octets.len()].copy_from_slice(octets);
        Written { octets: all, length: octets.len(), width }
    }
}

/// A text in the octets of one alphabet, cut where the air interface needs it.
#[derive(Debug, PartialEq, Eq)]
pub struct Coded {
    pub data_coding: u8,
    /// One a part; a character is never split.
    pub parts: Vec<Vec<u8>>,
}

/// How many octets of a part's 140 its header takes; none: the text is not cut.
pub type HeaderOctets = Option<usize>;

/// Writes a text for a peer. Where its own alphabet lacks a character, everything goes in UCS-2.
pub fn coded(text: &str, alphabet: Alphabet, header: HeaderOctets) -> Coded {
    let own: Option<Vec<Written>> = text.chars().map(|c| in_own(c, alphabet)).collect();
    let data_coding = if own.is_some() { DEFAULT } else { UCS2 };
    let written = own.unwrap_or_else(|| text.chars().map(in_ucs2).collect());
    let width: usize = written.iter().map(|w| w.width).sum();
    // 140 octets are 160 septets or 70 code units; what is left behind a header is rounded down to whole ones.
    let held = |octets: usize| if data_coding == DEFAULT { octets * 8 / 7 } else { octets / 2 };
    let room = match header {
        Some(header) if width > held(140) => held(140 - header),
        _ => usize::MAX,
    };
    let (mut parts, mut used) = (vec![Vec::new()], 0);
    for one in written {
        if used + one.width > room {
            parts.push(Vec::new());
            used = 0;
        }
        used += one.width;
        parts.last_mut().expect("one is there").extend_from_slice(&one.octets[..one.length]);
    }
    Coded { data_coding, parts }
}

fn in_own(c: char, alphabet: Alphabet) -> Option<Written> {
    let septets = SEPTETS.get(&c)?;
    let width = if septets[0] == ESCAPE { 2 } else { 1 };
    match alphabet {
        Alphabet::Gsm => Some(Written::new(&septets[..width], width)),
        // What both alphabets have: the peer may turn it into septets without a loss, so its width counts in those.
        Alphabet::Latin1 => Some(Written::new(&[u8::try_from(u32::from(c)).ok()?], width)),
    }
}

fn in_ucs2(c: char) -> Written {
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units);
    let octets: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    Written::new(&octets, units.len())
}

/// Reads what a person wrote; none: the octets are no text, or in an alphabet this release does not know.
pub fn decoded(octets: &[u8], data_coding: u8, alphabet: Alphabet) -> Option<String> {
    match data_coding {
        DEFAULT => Some(in_default(octets, alphabet)),
        // IA5, and Latin-1; many peers call their Latin-1 IA5.
        1 | 3 => Some(latin1(octets)),
        UCS2 => Some(utf16(octets)),
        2 | 4 => None,
        // The data coding of the air interface, as some peers pass it on: bits 3 and 2 name the alphabet.
        0x10..=0x3f | 0xd0..=0xef | 0xf0..=0xff => match (data_coding >> 2) & 3 {
            0 => Some(in_default(octets, alphabet)),
            2 => Some(utf16(octets)),
            _ => None,
        },
        // Words that stop are mostly in ASCII, whatever the alphabet around it.
        _ => octets.is_ascii().then(|| latin1(octets)),
    }
}

fn in_default(octets: &[u8], alphabet: Alphabet) -> String {
    match alphabet {
        Alphabet::Latin1 => latin1(octets),
        // An octet beyond 127 is no septet: such a peer writes Latin-1 without saying so.
        Alphabet::Gsm if octets.iter().any(|b| *b > 0x7f) => latin1(octets),
        Alphabet::Gsm => septets(octets),
    }
}

fn septets(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut escaped = false;
    for octet in octets {
        match (std::mem::take(&mut escaped), *octet) {
            (false, ESCAPE) => escaped = true,
            (false, at) => text.extend(CHARACTERS.get(usize::from(at))),
            // An unknown extension reads as the character of the default table (TS 23.038, section 6.2.1.1).
            (true, at) => {
                let known = EXTENSION.iter().find(|(code, _)| *code == at).map(|(_, c)| *c);
                text.extend(known.or_else(|| CHARACTERS.get(usize::from(at)).copied()));
            }
        }
    }
    text
}

fn latin1(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

fn utf16(octets: &[u8]) -> String {
    let units: Vec<u16> =
        octets.chunks(2).map(|pair| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::segments::segment;
    use proptest::prelude::*;

    const UDH8: HeaderOctets = Some(6);

    #[test]
    fn the_default_alphabet_has_its_characters_where_the_standard_has_them() {
        assert_eq!(BASIC.chars().count(), 128);
        for (text, octets) in [
            ("@£$¥è", &[0u8, 1, 2, 3, 4][..]),
            ("Hello", b"Hello"),
            ("_ΔΞ", &[0x11, 0x10, 0x1a]),
            ("¡Ñ§¿ñà", &[0x40, 0x5d, 0x5f, 0x60, 0x7d, 0x7f]),
            ("€[", &[0x1b, 0x65, 0x1b, 0x3c]),
        ] {
            let coded = coded(text, Alphabet::Gsm, UDH8);
            assert_eq!((coded.data_coding, &coded.parts[..]), (0, &[octets.to_vec()][..]), "{text}");
            assert_eq!(decoded(octets, 0, Alphabet::Gsm).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_peer_of_latin_1_gets_what_both_alphabets_have() {
        let fine = coded("café é [x]", Alphabet::Latin1, UDH8);
        assert_eq!((fine.data_coding, &fine.parts[0][..]), (0, &b"caf\xe9 \xe9 [x]"[..]));
        for other in ["5 €", "Ω", "ç", "я"] {
            assert_eq!(coded(other, Alphabet::Latin1, UDH8).data_coding, UCS2, "{other}");
        }
    }

    #[test]
    fn what_people_write_is_read_in_every_alphabet() {
        for (octets, data_coding, text) in [
            (&b"STOP"[..], 0, Some("STOP")),
            (b"STOP", 1, Some("STOP")),
            (b"ARR\xcaT", 3, Some("ARRÊT")),
            (b"ARR\xcaT", 0, Some("ARRÊT")),
            (&[0, 0x53, 0, 0x54, 0, 0x4f, 0, 0x50], 8, Some("STOP")),
            (&[0, 0x53, 0, 0x54, 0, 0x4f, 0, 0x50], 0x18, Some("STOP")),
            (&[0xd8, 0x3d, 0xde, 0x42], 8, Some("🙂")),
            (&[0, 0x53, 0x04], 8, Some("SЀ")),
            (b"STOP", 0xf0, Some("STOP")),
            (b"STOP", 6, Some("STOP")),
            (b"\xc1\xc2", 6, None),
            (b"STOP", 4, None),
            (b"STOP", 0xf4, None),
        ] {
            assert_eq!(
                decoded(octets, data_coding, Alphabet::Gsm).as_deref(),
                text,
                "{data_coding} {octets:?}"
            );
        }
        assert_eq!(decoded(b"@", 0, Alphabet::Latin1).as_deref(), Some("@"));
        assert_eq!(decoded(b"\0", 0, Alphabet::Gsm).as_deref(), Some("@"));
    }

    proptest! {
        /// As many parts as were counted and paid for; nothing is lost or split.
        #[test]
        fn parts_are_as_many_as_were_counted(text in "[a-zA€\\[я🛒é ]{0,400}") {
            let coded = coded(&text, Alphabet::Gsm, UDH8);
            prop_assert_eq!(coded.parts.len(), segment(&text).parts);
            let read: Option<Vec<String>> =
                coded.parts.iter().map(|part| decoded(part, coded.data_coding, Alphabet::Gsm)).collect();
            prop_assert_eq!(read.expect("text").concat(), text);
            for part in &coded.parts {
                let (single, several) = if coded.data_coding == UCS2 { (140, 134) } else { (160, 153) };
                let most = if coded.parts.len() == 1 { single } else { several };
                prop_assert!(part.len() <= most);
                prop_assert!(part.last() != Some(&ESCAPE));
            }
        }

        #[test]
        fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..300), coding: u8) {
            for alphabet in [Alphabet::Gsm, Alphabet::Latin1] {
                let _ = decoded(&octets, coding, alphabet);
            }
        }

        #[test]
        fn any_text_is_written_whole(text in any::<String>(), header in proptest::option::of(6usize..8)) {
            let coded = coded(&text, Alphabet::Gsm, header);
            let whole = decoded(&coded.parts.concat(), coded.data_coding, Alphabet::Gsm);
            prop_assert_eq!(whole, Some(text));
        }
    }
}
