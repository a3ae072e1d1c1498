//! What every marketing text carries: the brand's name and how to stop. Seen when there, added when missing.

use std::borrow::Cow;

use super::fold::{Words, is_apostrophe, words};
use super::language::Language;
use super::links::{Link, find_links};
use super::texts::texts;
use super::ways_out::{self, FILLERS, PURPOSES, is_keyword, is_verb};

/// How a recipient can stop the texts of this sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowToStop<'a> {
    /// By replying: the sender can receive.
    Reply,
    /// By a web page: one-way senders and push.
    Link(&'a str),
}

/// A text with what was missing added, and what that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The text to send.
    pub text: String,
    /// `Brand: ` was put in front.
    pub added_brand: bool,
    /// The way to stop was put at the end.
    pub added_opt_out: bool,
}

/// Adds the brand's name and the way to stop where they are missing. Applied to its own result it changes nothing.
/// `how_to_stop` is `None` for texts that need no such wording (not marketing).
pub fn complete(
    body: &str,
    brand: &str,
    language: Language,
    how_to_stop: Option<HowToStop<'_>>,
) -> Completed {
    let added_brand = !names_brand(body, brand);
    // A label the law wants first stays first: `(광고) Brand: text`.
    let (label, rest) = body.split_at(ways_out::label_end(body));
    let mut text = if added_brand { format!("{label}{brand}: {rest}") } else { body.to_owned() };
    let missing = how_to_stop.filter(|&how| !says_how_to_stop(&text, how));
    if let Some(how) = missing {
        let trimmed = text.trim_end().len();
        text.truncate(trimmed);
        text.push(' ');
        text.push_str(&stop_wording(language, how));
    }
    Completed { text, added_brand, added_opt_out: missing.is_some() }
}

/// The sentence that says how to stop; in Latin letters only of GSM-7, so that it never makes a text dearer than its length.
pub fn stop_wording(language: Language, how: HowToStop<'_>) -> String {
    let texts = texts(language);
    match how {
        HowToStop::Reply => texts.stop_by_reply.to_owned(),
        HowToStop::Link(url) => format!("{}{url}", texts.stop_by_link),
    }
}

/// Whether the text names the brand in words (a link to its domain is no name). Case, accents, punctuation and
/// spaces do not matter: `LEVIS` names `Levi's`, `Corner Shop` names `CornerShop`.
pub fn names_brand(text: &str, brand: &str) -> bool {
    brand_position(text, brand).is_some()
}

/// Index of the word the brand's name begins with. Brands that are domains (`Booking.com`) are looked for in links
/// too, those without letters (`♥`) by their signs.
fn brand_position(text: &str, brand: &str) -> Option<usize> {
    brand_beside(text, &find_links(text), brand)
}

/// The same where the text's links are known.
pub(super) fn brand_beside(text: &str, links: &[Link], brand: &str) -> Option<usize> {
    let named = words(brand);
    let name: String = named.iter().map(|w| w.text).collect();
    if name.is_empty() {
        let at = text.find(brand.trim()).filter(|_| !brand.trim().is_empty())?;
        return Some(words(&text[..at]).len());
    }
    let words = if find_links(brand).is_empty() { words_outside(text, links) } else { words(text) };
    (0..words.len()).find(|&at| {
        let mut rest = name.as_str();
        words.from(at).any(|word| match rest.strip_prefix(word.text) {
            Some(next) => {
                rest = next;
                rest.is_empty()
            }
            None => {
                rest = "\0";
                false
            }
        })
    })
}

/// The words of a text that stand in none of its links.
fn words_outside(text: &str, links: &[Link]) -> Words {
    if links.is_empty() {
        return words(text);
    }
    // An apostrophe may join a word and what stands behind it, a link or not.
    let plain = text.is_ascii() && !text.contains(is_apostrophe);
    if plain { ascii_words_outside(text, links) } else { any_words_outside(text, links) }
}

fn ascii_words_outside(text: &str, links: &[Link]) -> Words {
    let space = |c: char| c.is_whitespace();
    let end = |from: usize| text[from..].find(space).map_or(text.len(), |length| from + length);
    let inside: Vec<_> = links.iter().map(|link| link.position..end(link.position - 1) + 1).collect();
    words(text).filtered(|position| !inside.iter().any(|link| link.contains(&position)))
}

fn any_words_outside(text: &str, links: &[Link]) -> Words {
    let mut inside = false;
    let plain = text.chars().enumerate().map(|(at, c)| {
        inside = (inside && !c.is_whitespace()) || links.iter().any(|link| link.position == at + 1);
        if inside { ' ' } else { c }
    });
    Words::of(plain, text.len())
}

/// Whether the text says how to stop: the opt-out page's address, or a keyword told as an instruction
/// (`Reply STOP…`, `STOP to end`, `envía BAJA`, `STOP pour arrêter`), in any of our languages.
pub fn says_how_to_stop(text: &str, how: HowToStop<'_>) -> bool {
    match how {
        HowToStop::Link(_) => tells_how_to_stop(text, &Words::default(), how),
        HowToStop::Reply => tells_how_to_stop(text, &instruction_words(text), how),
    }
}

/// The same of a text whose words fell apart already; a link is looked for in the text alone.
pub(super) fn tells_how_to_stop(text: &str, words: &Words, how: HowToStop<'_>) -> bool {
    match how {
        HowToStop::Link(url) => !url.is_empty() && text.contains(url),
        HowToStop::Reply => {
            (0..words.len()).any(|at| is_stop_instruction(words, at)) || ways_out::says_phrase(text)
        }
    }
}

/// As `words`, but `STOP=end` and `STOP2END` fall apart into their instruction.
pub(super) fn instruction_words(text: &str) -> Words {
    instructions(text, &words(text)).into_owned()
}

/// The same of a text whose words are known, which mostly are the answer.
pub(super) fn instructions<'w>(text: &str, known: &'w Words) -> Cow<'w, Words> {
    let glued = |text: &str| text.strip_prefix("stop2").is_some_and(|purpose| !purpose.is_empty());
    if !text.contains(|c| c == '=' || is_apostrophe(c)) && !known.iter().any(|word| glued(word.text)) {
        return Cow::Borrowed(known);
    }
    let mut text = Cow::Borrowed(text);
    if text.contains(is_apostrophe) {
        text = text.replace(is_apostrophe, " ").into();
    }
    if text.contains('=') {
        text = text.replace('=', " to ").into();
    }
    let whole = words(&text);
    if !whole.iter().any(|word| glued(word.text)) {
        return Cow::Owned(whole);
    }
    let apart = |text: &str| if glued(text) { format!("stop to {}", &text[5..]) } else { text.to_owned() };
    Cow::Owned(words(&whole.iter().map(|word| apart(word.text)).collect::<Vec<_>>().join(" ")))
}

fn is_stop_instruction(words: &Words, at: usize) -> bool {
    let Some(word) = words.get(at).map(|word| word.text).filter(|word| is_keyword(word)) else {
        return false;
    };
    let before = (0..at).rev().filter_map(|at| words.get(at)).find(|w| !FILLERS.contains(&w.text));
    let told = before.is_some_and(|w| is_verb(w.text));
    // English `end` and `cancel` are ordinary words: only a verb before them makes an instruction.
    let plain = !matches!(word, "end" | "cancel" | "quit" | "salir" | "cancelar" | "parar");
    told || plain && PURPOSES.iter().any(|purpose| words.read(at + 1, purpose))
        || ways_out::names_number(words, at)
}

/// Whether a text whose words fell apart asks to buy, pay or approve by replying, which carriers forbid for cart
/// reminders (CA6).
pub(super) fn asks_to_buy(words: &Words) -> bool {
    const BUY: [&str; 16] = [
        "buy",
        "order",
        "purchase",
        "pay",
        "checkout",
        "approve",
        "comprar",
        "pagar",
        "pedir",
        "ordenar",
        "compra",
        "acheter",
        "payer",
        "commander",
        "achat",
        "approuver",
    ];
    let is_one = |at: usize, of: &[&str]| words.get(at).is_some_and(|word| of.contains(&word.text));
    let is_buy = |at: usize| is_one(at, &BUY);
    let joins = |at: usize| is_one(at, &["to", "para", "pour", "and", "2"]);
    let told = |at: usize| words.get(at).is_some_and(|word| is_verb(word.text));
    (0..words.len()).filter(|&at| told(at)).any(|verb| {
        let at = verb + 1 + words.from(verb + 1).take_while(|w| FILLERS.contains(&w.text)).count();
        is_buy(at) || joins(at) && is_buy(at + 1) || joins(at + 1) && is_buy(at + 2)
    })
}

#[cfg(test)]
mod tests {
    use super::super::segments::{Encoding, segment};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_brand_is_seen_however_it_is_spelt() {
        for (text, brand, named, first) in [
            ("Acme: hi", "Acme", true, true),
            ("ACME! hi", "Acme", true, true),
            ("Hi from acme", "Acme", true, false),
            ("Levi’s has news", "LEVIS", true, true),
            ("Café Olé: hola", "cafe ole", true, true),
            ("The Corner-Shop: hi", "CornerShop", true, false),
            ("CornerShop: hi", "Corner Shop", true, true),
            ("hi https://acme.com/x", "Acme", false, false),
            ("hi acme.com", "Acme", false, false),
            ("Acmeology", "Acme", false, false),
            ("7 Eleven: hi", "7-Eleven", true, true),
            ("hi", "", false, false),
            ("hi", "!!", false, false),
            ("♥: hi", "♥", true, true),
            ("Booking.com: hi", "Booking.com", true, true),
        ] {
            assert_eq!(names_brand(text, brand), named, "{text} / {brand}");
            assert_eq!(brand_position(text, brand) == Some(0), first, "{text} / {brand}");
        }
    }

    #[test]
    fn opt_out_wording_is_an_instruction_not_a_word() {
        for text in [
            "Reply STOP to opt out",
            "reply \"stop\" to end",
            "Txt STOP 2 end",
            "STOP=end",
            "Stop2End",
            "HELP for help, STOP to cancel",
            "Text the word STOP",
            "Reply END to quit",
            "Responde STOP para cancelar",
            "Envía BAJA para no recibir más",
            "BAJA para darte de baja",
            "Répondez ARRÊT",
            "STOP pour arrêter",
            "Envoyez STOP au 36111",
            "STOP au 36111",
            "Antworte mit STOPP",
            "STOP zum Abmelden",
            "Rispondi STOP per annullare",
            "Antwoord STOP om je af te melden",
            "Odpisz STOP, aby zrezygnować",
            "Responda SAIR para cancelar",
            "Svara STOPP",
            "Iptal icin RET yazip 4609'a gonderin",
            "Отправьте СТОП",
            "무료수신거부 080-123-4567",
            "拒收请回复R",
            "退訂請回覆 TD",
            "配信停止はこちら",
            "להסרה השיבו הסר",
            "لإلغاء الاشتراك أرسل الغاء",
            "रोकने के लिए STOP भेजें",
        ] {
            assert!(says_how_to_stop(text, HowToStop::Reply), "{text}");
        }
        for text in [
            "Don't stop now",
            "Stop by our store",
            "Sale ends at the end of May. Cancel any time",
            "Reply YES, then stop waiting",
            "One stop to shop",
            "Stop au centre",
            "stop 3 tomatoes",
            "https://x.example/stop",
            "",
        ] {
            assert!(!says_how_to_stop(text, HowToStop::Reply), "{text}");
        }
        assert!(says_how_to_stop("Opt out: https://a.example/o/1", HowToStop::Link("https://a.example/o/1")));
        assert!(!says_how_to_stop("Reply STOP to opt out", HowToStop::Link("https://a.example/o/1")));
    }

    #[test]
    fn adds_only_what_is_missing() {
        let done =
            complete("Your cart waits https://a.example/1 ", "Acme", Language::En, Some(HowToStop::Reply));
        assert_eq!(done.text, "Acme: Your cart waits https://a.example/1 Reply STOP to opt out");
        assert!(done.added_brand && done.added_opt_out);
        let french = complete(
            "Acme : votre panier",
            "Acme",
            Language::Fr,
            Some(HowToStop::Link("https://a.example/o")),
        );
        assert_eq!(french.text, "Acme : votre panier Se désabonner : https://a.example/o");
        let plain = complete("Acme: order sent", "Acme", Language::Es, None);
        assert_eq!(
            plain,
            Completed { text: "Acme: order sent".into(), added_brand: false, added_opt_out: false }
        );
    }

    #[test]
    fn a_label_stays_in_front() {
        for (body, completed) in [
            ("(광고) 20% 무료수신거부 080-1", "(광고) Acme: 20% 무료수신거부 080-1"),
            ("[QC] giam 20%. Reply STOP", "[QC] Acme: giam 20%. Reply STOP"),
            ("[Sale] 20%. Reply STOP", "Acme: [Sale] 20%. Reply STOP"),
        ] {
            let done = complete(body, "Acme", Language::En, Some(HowToStop::Reply));
            assert_eq!(done.text, completed);
        }
    }

    #[test]
    fn our_own_wording_is_recognised_and_cheap() {
        for &language in Language::ALL {
            for how in [HowToStop::Reply, HowToStop::Link("https://a.example/o/1")] {
                let wording = stop_wording(language, how);
                assert!(says_how_to_stop(&wording, how), "{wording}");
                assert_eq!(segment(&wording).encoding == Encoding::Gsm7, language.is_latin(), "{wording}");
                assert!(segment(&wording).units <= 60, "{wording}");
            }
        }
    }

    #[test]
    fn buying_by_reply_is_seen() {
        for text in [
            "Reply YES to order",
            "Text BUY to 72345",
            "reply 1 to pay",
            "Responde SI para comprar",
            "Répondez OUI pour acheter",
            "Reply with BUY",
        ] {
            assert!(asks_to_buy(&instruction_words(text)), "{text}");
        }
        for text in [
            "Reply STOP to opt out",
            "Order now at acme.com. Reply STOP to end",
            "Reply HELP or order at acme.com",
            "We text when your order ships",
        ] {
            assert!(!asks_to_buy(&instruction_words(text)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn words_outside_links_are_the_same_in_ascii(text in "(([a-z:.,!/=@&?-]{0,6}|a\\.com|https://x\\.io)[ \\n(,;]?){0,12}") {
            let links = find_links(&text);
            prop_assert_eq!(ascii_words_outside(&text, &links), any_words_outside(&text, &links));
        }

        #[test]
        fn completing_twice_changes_nothing(body in "[A-Za-z0-9 .,:!é/]{1,80}", brand in "[A-Z][a-z]{2,8}( [A-Z][a-z]{1,8})?", language in 0usize..18) {
            let language = Language::ALL[language];
            for how in [Some(HowToStop::Reply), Some(HowToStop::Link("https://a.example/o/1")), None] {
                let once = complete(&body, &brand, language, how);
                let twice = complete(&once.text, &brand, language, how);
                prop_assert!(!twice.added_brand && !twice.added_opt_out, "{:?}", once);
                prop_assert_eq!(&twice.text, &once.text);
                prop_assert!(names_brand(&once.text, &brand) && how.is_none_or(|how| says_how_to_stop(&once.text, how)));
            }
        }
    }
}
