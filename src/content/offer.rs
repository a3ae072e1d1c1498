//! Whether a text sells: a program that is not marketing must not carry prices, discounts, promotions or cart reminders.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::fold::{Phrases, Word, Words, data_lines, pattern, words};

/// What makes a text promotional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OfferKind {
    /// An amount of money. Receipts carry them too, so by itself it is the weakest sign.
    Price,
    /// A reduction: `20% off`, `half price`.
    Discount,
    /// Selling words: `flash sale`, `promo code`, `free shipping`.
    Promotion,
    /// A reminder of something not bought: `still in your cart`.
    Cart,
}

/// A sign of an offer in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is.
    pub kind: OfferKind,
    /// The words as found, folded.
    pub words: String,
    /// Where they begin, in characters from 1.
    pub position: usize,
}

static PHRASES: LazyLock<Phrases<OfferKind>> = LazyLock::new(|| {
    let lines = data_lines(include_str!("../../policies/lists/offer_words.tsv"));
    let phrase = |line: &str| {
        let (kind, phrase) = line.split_once('\t').expect("the list is checked by a test");
        let kind = match kind {
            "discount" => OfferKind::Discount,
            "cart" => OfferKind::Cart,
            _ => OfferKind::Promotion,
        };
        (kind, pattern(phrase))
    };
    Phrases::new(lines.map(phrase))
});

/// Finds every sign of an offer, in order of appearance.
pub fn find_offers(text: &str) -> Vec<Offer> {
    in_words(&words(text))
}

pub(super) fn in_words(words: &Words) -> Vec<Offer> {
    (0..words.len()).filter_map(|at| offer_at(words, at)).collect()
}

fn offer_at(words: &Words, at: usize) -> Option<Offer> {
    let (kind, length) = listed(words, at).or_else(|| reduction(words, at)).or_else(|| price(words, at))?;
    Some(Offer { kind, words: words.joined(at, length), position: words.get(at)?.position })
}

fn listed(words: &Words, at: usize) -> Option<(OfferKind, usize)> {
    PHRASES.at(words, at).max_by_key(|(_, phrase)| phrase.len()).map(|(kind, phrase)| (*kind, phrase.len()))
}

/// `20 % off`, `15 por ciento de descuento`, `$ 5 off`, `30 percent off`, `-20 %`.
fn reduction(words: &Words, at: usize) -> Option<(OfferKind, usize)> {
    let start = at + usize::from(is_currency(words.get(at)?));
    let mut next = start + 1;
    if !is_number(words.get(start)?) {
        return None;
    }
    let cents = words.get(next).is_some_and(is_number) && start > at;
    next += usize::from(cents);
    let percent = [&["%"][..], &["percent"], &["por", "ciento"], &["pour", "cent"]];
    let unit = percent.iter().find(|unit| words.read(next, unit)).map(|unit| unit.len());
    next += unit.unwrap_or(0);
    let off = [
        &["off"][..],
        &["de", "descuento"],
        &["de", "dto"],
        &["menos"],
        &["de", "remise"],
        &["de", "reduction"],
    ];
    let off = off.iter().find(|off| words.read(next, off))?;
    (unit.is_some() || start > at).then_some((OfferKind::Discount, next + off.len() - at))
}

/// `$ 5`, `5 €`, `5 dollars`.
fn price(words: &Words, at: usize) -> Option<(OfferKind, usize)> {
    let (first, second) = (words.get(at)?, words.get(at + 1)?);
    let named = matches!(second.text, "dollars" | "usd" | "eur" | "euros" | "pesos" | "cad");
    let amount =
        is_currency(first) && is_number(second) || is_number(first) && (named || is_currency(second));
    amount.then_some((OfferKind::Price, 2))
}

fn is_currency(word: Word<'_>) -> bool {
    matches!(word.text, "$" | "€" | "£" | "¥" | "₹")
}

fn is_number(word: Word<'_>) -> bool {
    word.text.starts_with(|c: char| c.is_ascii_digit()) && word.text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(OfferKind, String)> {
        find_offers(text).into_iter().map(|o| (o.kind, o.words)).collect()
    }

    #[test]
    fn texts_that_sell() {
        use OfferKind::{Cart, Discount, Price, Promotion};
        for (text, expected) in [
            ("Take 20% off today", &[(Discount, "20 % off")][..]),
            ("Get $5.50 off", &[(Discount, "$ 5 50 off")]),
            ("30 percent off", &[(Discount, "30 percent off")]),
            (
                "15 por ciento de descuento",
                &[(Discount, "15 por ciento de descuento"), (Discount, "descuento")],
            ),
            ("20 % de remise", &[(Discount, "20 % de remise"), (Discount, "remise")]),
            ("Only €49", &[(Price, "€ 49")]),
            ("for 49 €", &[(Price, "49 €")]),
            ("FLASH SALE!", &[(Promotion, "flash sale")]),
            ("Use promo code X", &[(Promotion, "promo code")]),
            ("Still in your cart", &[(Cart, "in your cart"), (Cart, "your cart")]),
            ("Il reste un article dans votre panier", &[(Cart, "votre panier")]),
            ("Envío gratis", &[(Promotion, "envio gratis")]),
        ] {
            let expected: Vec<(OfferKind, String)> =
                expected.iter().map(|(k, w)| (*k, w.to_string())).collect();
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_that_inform() {
        for text in [
            "Your order 1234 has shipped and arrives Tuesday.",
            "Your code is 482913",
            "Battery at 20%. Turn it off at 8.",
            "Votre colis arrive demain",
            "Tu pedido ya va en camino",
            "",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn every_line_of_the_list_is_found() {
        for (kind, phrase) in PHRASES.iter() {
            let text = phrase.join(" ").replace('*', "");
            assert!(find_offers(&text).iter().any(|o| o.kind == *kind), "{text}");
        }
        assert!(
            data_lines(include_str!("../../policies/lists/offer_words.tsv"))
                .all(|l| { ["discount\t", "promotion\t", "cart\t"].iter().any(|kind| l.starts_with(kind)) })
        );
    }
}
