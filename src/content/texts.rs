//! Our own words in every language of the packs: the four automatic texts, how to stop, and their parts.
//!
//! Latin scripts keep to GSM-7, without accents that would make a text travel in UCS-2; people who write these
//! languages by text read them so. The words a person is told to send are words the reply reader knows.

mod latin;
mod scripts;

use super::language::Language;

/// One language. `{{…}}` are placeholders of a program's texts, `{n}` is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    /// Words a person is told to send: to confirm, to get help, to stop, to come back.
    pub yes: &'static str,
    pub help: &'static str,
    pub stop: &'static str,
    pub start: &'static str,
    /// Asks for the second step.
    pub request: &'static str,
    /// Greets.
    pub welcome: &'static str,
    /// Ends both: frequency, rates, HELP, STOP.
    pub tail: &'static str,
    /// Where the terms are.
    pub terms: &'static str,
    /// Answers HELP.
    pub answer: &'static str,
    /// Ends the answer: frequency, rates, STOP.
    pub answer_tail: &'static str,
    /// Confirms a STOP.
    pub goodbye: &'static str,
    /// Tells when somebody agreed, and how to take it back: `{{date}}` and `{{refusal}}`.
    pub renewal: &'static str,
    pub one_a_month: &'static str,
    pub many_a_month: &'static str,
    pub varies: &'static str,
    /// That cart reminders are among what is sent; stands in brackets.
    pub carts: &'static str,
    /// The sentence in every marketing text of a sender that can be answered.
    pub stop_by_reply: &'static str,
    /// The same before the address of the opt-out page.
    pub stop_by_link: &'static str,
    /// Before the contact of the brand, where some law wants it in the text.
    pub contact: &'static str,
    /// Between two sentences.
    pub gap: &'static str,
}

/// The words of a language.
pub fn texts(language: Language) -> &'static Texts {
    use Language::*;
    match language {
        En => &latin::EN,
        Es => &latin::ES,
        Fr => &latin::FR,
        De => &latin::DE,
        Pt => &latin::PT,
        It => &latin::IT,
        Nl => &latin::NL,
        Pl => &latin::PL,
        Tr => &latin::TR,
        Sv => &latin::SV,
        Ru => &scripts::RU,
        Ja => &scripts::JA,
        Ko => &scripts::KO,
        ZhHans => &scripts::ZH_HANS,
        ZhHant => &scripts::ZH_HANT,
        Ar => &scripts::AR,
        He => &scripts::HE,
        Hi => &scripts::HI,
    }
}
