//! The texts a program sends by itself: opt-in request, welcome, HELP answer, opt-out confirmation; and the notice that
//! renews a consent.
//!
//! Contents follow the CTIA Messaging Principles (May 2023) and Short Code Monitoring Handbook 1.9: brand, program and
//! what it sends, frequency, rates notice, HELP, STOP; the confirmation of an opt-out says nothing that sells.

use std::collections::BTreeMap;

use super::language::Language;
use super::offer::{OfferKind, find_offers};
use super::phrases::{self, says};
use super::render::{RenderError, Template};
use super::texts::texts;
use super::wording::{HowToStop, names_brand, says_how_to_stop};

/// Which automatic text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AutomaticText {
    /// First half of a double opt-in: asks to reply YES.
    OptInRequest,
    /// Sent once when a grant is confirmed.
    Welcome,
    /// Answer to HELP or INFO.
    Help,
    /// Sent once after STOP.
    OptOutConfirmation,
}

impl AutomaticText {
    /// All four.
    pub const ALL: [AutomaticText; 4] = [
        AutomaticText::OptInRequest,
        AutomaticText::Welcome,
        AutomaticText::Help,
        AutomaticText::OptOutConfirmation,
    ];
}

/// What a program tells about itself in its automatic texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramWording<'a> {
    /// The brand's display name.
    pub brand: &'a str,
    /// What the program sends, as in `weekly offers`; no sentence, no final dot.
    pub description: &'a str,
    /// The program sends cart reminders, so every text that describes it says so (carriers require it).
    pub covers_cart_reminders: bool,
    /// Most messages a month; unset: "frequency varies".
    pub messages_per_month: Option<u32>,
    /// A telephone number, e-mail address or page where a person helps.
    pub contact: &'a str,
    /// Address of the terms, shown in the opt-in request.
    pub terms_url: Option<&'a str>,
}

/// Something an automatic text has to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Part {
    /// The brand's name.
    #[error("the brand's name")]
    Brand,
    /// That cart reminders are sent.
    #[error("that the program sends cart reminders")]
    CartReminders,
    /// How often.
    #[error("how often messages come (\"4 msgs/month\", \"frequency varies\")")]
    Frequency,
    /// That rates apply.
    #[error("\"Msg & data rates may apply\"")]
    Rates,
    /// The keyword HELP.
    #[error("how to get HELP")]
    Help,
    /// How to stop.
    #[error("how to STOP")]
    Stop,
    /// Reply YES.
    #[error("to reply YES")]
    Yes,
    /// That no more messages come.
    #[error("that no more messages follow")]
    NoMoreMessages,
    /// The contact.
    #[error("the contact that helps")]
    Contact,
}

/// Why a program's own wording of an automatic text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AutomaticError {
    /// The template is wrong.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A part that carriers require is missing.
    #[error("the text does not say: {0}")]
    Lacks(Part),
    /// It sells, and these texts must not.
    #[error("the text sells ({words}) at character {position}: automatic texts carry no offer")]
    Sells {
        /// The selling words.
        words: String,
        /// Where they begin, in characters from 1.
        position: usize,
    },
}

/// The text to send. `own` is the program's own template (placeholders `brand`, `description`, `frequency`, `contact`,
/// `terms`); without it, ours. Either is checked for everything the kind has to carry, so a program with incomplete
/// wording is refused when it is created and not when a person is waiting for an answer.
pub fn automatic_text(
    kind: AutomaticText,
    wording: &ProgramWording<'_>,
    language: Language,
    own: Option<&str>,
) -> Result<String, Vec<AutomaticError>> {
    let template = match own {
        Some(own) => own.to_owned(),
        None => default_template(kind, language, wording.terms_url.is_some()),
    };
    let text = Template::parse(&template)
        .and_then(|t| t.render(&BTreeMap::new(), &values(wording, language)))
        .map_err(|errors| errors.into_iter().map(AutomaticError::Render).collect::<Vec<_>>())?;
    let mut errors: Vec<AutomaticError> = required(kind, wording)
        .into_iter()
        .filter(|&part| !carries(&text, part, wording))
        .map(AutomaticError::Lacks)
        .collect();
    errors.extend(selling(&text, wording));
    if errors.is_empty() { Ok(text) } else { Err(errors) }
}

/// The notice by which a consent is renewed: who sends, what was agreed to and when, and how to take it back (Network Act
/// art. 50(8), decree art. 62-3). `agreed_on` is a date; `refusal` the sentence that says how to refuse, none: by reply.
pub fn renewal_notice(
    brand: &str,
    description: &str,
    agreed_on: &str,
    refusal: Option<&str>,
    language: Language,
) -> String {
    let texts = texts(language);
    let refusal = refusal.unwrap_or(texts.stop_by_reply);
    let values = [("{{brand}}", brand), ("{{description}}", description), ("{{date}}", agreed_on)];
    // What a seller wrote is put in last, so that no name of theirs is read as a placeholder.
    let (before, after) = texts.renewal.split_once("{{refusal}}").unwrap_or((texts.renewal, ""));
    let filled = values.iter().rev().fold(before.to_owned(), |text, (name, value)| text.replace(name, value));
    format!("{filled}{refusal}{after}")
}

fn values(wording: &ProgramWording<'_>, language: Language) -> BTreeMap<String, String> {
    let texts = texts(language);
    let description = if wording.covers_cart_reminders && !says_carts(wording.description) {
        format!("{} ({})", wording.description, texts.carts)
    } else {
        wording.description.to_owned()
    };
    let frequency = match wording.messages_per_month {
        Some(1) => texts.one_a_month.to_owned(),
        Some(n) => texts.many_a_month.replace("{n}", &n.to_string()),
        None => texts.varies.to_owned(),
    };
    let terms = wording.terms_url.unwrap_or_default().to_owned();
    let pairs = [
        ("brand", wording.brand.to_owned()),
        ("description", description),
        ("frequency", frequency),
        ("contact", wording.contact.to_owned()),
        ("terms", terms),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Our wording.
fn default_template(kind: AutomaticText, language: Language, terms: bool) -> String {
    let texts = texts(language);
    let sentences = match kind {
        AutomaticText::OptInRequest if terms => vec![texts.request, texts.tail, texts.terms],
        AutomaticText::OptInRequest => vec![texts.request, texts.tail],
        AutomaticText::Welcome => vec![texts.welcome, texts.tail],
        AutomaticText::Help => vec![texts.answer, texts.answer_tail],
        AutomaticText::OptOutConfirmation => vec![texts.goodbye],
    };
    sentences.join(texts.gap)
}

fn required(kind: AutomaticText, wording: &ProgramWording<'_>) -> Vec<Part> {
    let mut parts = vec![Part::Brand];
    if wording.covers_cart_reminders && matches!(kind, AutomaticText::OptInRequest | AutomaticText::Welcome) {
        parts.push(Part::CartReminders);
    }
    parts.extend_from_slice(match kind {
        AutomaticText::OptInRequest => &[Part::Frequency, Part::Rates, Part::Help, Part::Stop, Part::Yes][..],
        AutomaticText::Welcome => &[Part::Frequency, Part::Rates, Part::Help, Part::Stop],
        AutomaticText::Help => &[Part::Contact],
        AutomaticText::OptOutConfirmation => &[Part::NoMoreMessages],
    });
    parts
}

fn carries(text: &str, part: Part, wording: &ProgramWording<'_>) -> bool {
    match part {
        Part::Brand => names_brand(text, wording.brand),
        Part::Contact => !wording.contact.trim().is_empty() && text.contains(wording.contact.trim()),
        part => says_part(text, part),
    }
}

/// Whether a text carries a part that is the same for everybody: consent wordings have to carry some of them too.
/// [`Part::Brand`] and [`Part::Contact`] are the seller's own and never found here.
pub fn says_part(text: &str, part: Part) -> bool {
    match part {
        Part::Brand | Part::Contact => false,
        Part::CartReminders => says_carts(text),
        Part::Stop => says_how_to_stop(text, HowToStop::Reply),
        Part::Frequency => says(text, phrases::FREQUENCY),
        Part::Rates => says(text, phrases::RATES),
        Part::Help => says(text, phrases::HELP),
        Part::Yes => says(text, phrases::YES),
        Part::NoMoreMessages => says(text, phrases::NO_MORE),
    }
}

fn says_carts(text: &str) -> bool {
    says(text, phrases::CARTS)
}

/// Selling words, apart from those by which the program describes itself and the mention of carts it has to make.
fn selling(text: &str, wording: &ProgramWording<'_>) -> Vec<AutomaticError> {
    let own = text.find(wording.description).map(|at| {
        let from = text[..at].chars().count() + 1;
        from..from + wording.description.chars().count()
    });
    find_offers(text)
        .into_iter()
        .filter(|offer| {
            offer.kind != OfferKind::Cart && !own.as_ref().is_some_and(|r| r.contains(&offer.position))
        })
        .map(|offer| AutomaticError::Sells { words: offer.words, position: offer.position })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::segments::{Encoding, segment};
    use super::*;

    fn wording() -> ProgramWording<'static> {
        ProgramWording {
            brand: "Acme",
            description: "weekly deals",
            covers_cart_reminders: true,
            messages_per_month: Some(4),
            contact: "help@acme.example",
            terms_url: Some("https://acme.example/terms"),
        }
    }

    #[test]
    fn our_texts_carry_what_they_must_and_stay_short() {
        for &language in Language::ALL {
            for kind in AutomaticText::ALL {
                for (n, terms) in
                    [(Some(1), None), (Some(30), Some("https://acme.example/terms")), (None, None)]
                {
                    let wording = ProgramWording { messages_per_month: n, terms_url: terms, ..wording() };
                    let text = automatic_text(kind, &wording, language, None)
                        .unwrap_or_else(|e| panic!("{language:?} {kind:?}: {e:?}"));
                    let s = segment(&text);
                    assert!(text.starts_with("Acme"), "{text}");
                    if language.is_latin() {
                        assert_eq!(s.encoding, Encoding::Gsm7, "{text} {:?}", s.forcing);
                        assert!(s.parts <= 2, "{} parts: {text}", s.parts);
                    } else {
                        assert!(s.parts <= 4, "{} parts: {text}", s.parts);
                    }
                }
            }
        }
    }

    #[test]
    fn a_notice_of_renewal_says_who_what_when_and_how_to_refuse() {
        for &language in Language::ALL {
            let text = renewal_notice("Acme", "weekly deals", "2024-11-30", None, language);
            for part in ["Acme", "weekly deals", "2024-11-30", texts(language).stop_by_reply] {
                assert!(text.contains(part), "{language:?} {part}: {text}");
            }
            assert!(!text.contains("{{") && names_brand(&text, "Acme"), "{text}");
            assert!(says_how_to_stop(&text, HowToStop::Reply), "{text}");
            assert_eq!(find_offers(&text.replace("weekly deals", "news")).len(), 0, "{text}");
            assert!(!language.is_latin() || segment(&text).encoding == Encoding::Gsm7, "{text}");
        }
        let text =
            renewal_notice("Acme", "소식", "2024-11-30", Some("무료수신거부 080-123-4567"), Language::Ko);
        assert!(text.ends_with("철회: 무료수신거부 080-123-4567"), "{text}");
    }

    #[test]
    fn the_request_reads_well() {
        let text =
            automatic_text(AutomaticText::OptInRequest, &wording(), Language::En, None).expect("complete");
        assert_eq!(
            text,
            "Acme: Reply YES to get weekly deals (incl. cart reminders). Up to 4 msgs/month. Msg & data rates may apply. \
             Reply HELP for help, STOP to opt out. Terms: https://acme.example/terms"
        );
    }

    #[test]
    fn own_wording_is_checked_for_every_part() {
        let lacks = |kind, own: &str| -> Vec<AutomaticError> {
            automatic_text(kind, &wording(), Language::En, Some(own)).expect_err("incomplete")
        };
        use Part::{Brand, CartReminders, Frequency, Help, NoMoreMessages, Rates, Stop, Yes};
        let all = |parts: &[Part]| parts.iter().map(|&p| AutomaticError::Lacks(p)).collect::<Vec<_>>();
        assert_eq!(
            lacks(AutomaticText::OptInRequest, "Confirm?"),
            all(&[Brand, CartReminders, Frequency, Rates, Help, Stop, Yes])
        );
        assert_eq!(lacks(AutomaticText::Help, "{{brand}}: no idea"), all(&[Part::Contact]));
        assert_eq!(lacks(AutomaticText::OptOutConfirmation, "{{brand}}: bye"), all(&[NoMoreMessages]));
        assert_eq!(
            lacks(AutomaticText::OptOutConfirmation, "{{brand}}: no more messages. Flash sale today!"),
            [AutomaticError::Sells { words: "flash sale".into(), position: 25 }]
        );
        assert!(matches!(lacks(AutomaticText::Help, "{{brnd}}")[0], AutomaticError::Render(_)));
        let own = "{{brand}}: help at {{contact}}";
        let text = automatic_text(AutomaticText::Help, &wording(), Language::En, Some(own));
        assert_eq!(text.as_deref(), Ok("Acme: help at help@acme.example"));
    }
}
