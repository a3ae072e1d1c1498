//! A consent wording, judged once when it is registered: what it must say, and what it must not be bundled with.

use crate::content::automatic::{Part, says_part};
use crate::content::fold::words;
use crate::content::wording::{HowToStop, names_brand, says_how_to_stop};
use crate::model::registry::{Brand, Control, ControlDefault, Disclosure, Program};
use crate::model::{Category, Code};

/// Everything wrong with a disclosure, sorted; empty: every consent may rest on it.
pub fn check_disclosure(disclosure: &Disclosure, brand: &Brand, program: &Program) -> Vec<Code> {
    let mut found = Vec::new();
    let mut refuse = |wrong: bool, code: Code| {
        if wrong {
            found.push(code);
        }
    };
    let for_us = is_for_us(&disclosure.locale) && disclosure.control != Control::AppSwitch;
    refuse(disclosure.brand != brand.id || program.brand != brand.id, Code::DisclosureMismatch);
    refuse(disclosure.approved_by.trim().is_empty(), Code::DisclosureUnapproved);
    refuse(disclosure.control_default == ControlDefault::Prechecked, Code::PrecheckedBox);
    refuse(disclosure.condition_of_purchase, Code::ConditionOfPurchase);
    refuse(!disclosure.separate_from_terms, Code::BundledTerms);
    // Where written consent is taken electronically, one court asked for the E-SIGN disclosures (Bradley v. Dentalplans).
    let electronic = matches!(disclosure.control, Control::Checkbox | Control::Button | Control::Keyword);
    let marketing = program.category == Category::Marketing;
    refuse(marketing && for_us && electronic && disclosure.e_sign_text.trim().is_empty(), Code::ESignMissing);
    found.extend(check_text(&disclosure.text, brand, program, for_us));
    found.sort();
    found.dedup();
    found
}

/// Everything a wording does not say although it must. `for_us`: a text message to people in the United States.
pub fn check_text(text: &str, brand: &Brand, program: &Program, for_us: bool) -> Vec<Code> {
    let mut missing = Vec::new();
    let mut demand = |said: bool, code: Code| {
        if !said {
            missing.push(code);
        }
    };
    demand(names_brand(text, &brand.display_name), Code::DisclosureLacksBrand);
    if program.category != Category::Marketing {
        return missing;
    }
    demand(says_stop(text, for_us), Code::StopWordingMissing);
    demand(!program.covers_cart_reminders || names_carts(text), Code::CartWordingMissing);
    if for_us {
        demand(says_no_condition(text), Code::ConditionOfPurchase);
        demand(says_part(text, Part::Rates), Code::RatesWordingMissing);
        demand(says_part(text, Part::Frequency), Code::FrequencyWordingMissing);
        demand(says_part(text, Part::Help), Code::HelpWordingMissing);
    }
    missing.sort();
    missing
}

/// Whether the wording names cart reminders.
pub fn names_carts(text: &str) -> bool {
    says_part(text, Part::CartReminders)
}

/// Whether a wording of this locale may meet people in the United States: it says so, or it is English or Spanish of no
/// country.
pub fn is_for_us(locale: &str) -> bool {
    let mut parts = locale.split(['-', '_']);
    let language = parts.next().unwrap_or_default().to_ascii_lowercase();
    let region = parts.find(|p| p.len() == 2).map(str::to_ascii_uppercase);
    match region.as_deref() {
        Some(region) => matches!(region, "US" | "PR" | "GU" | "VI" | "AS" | "MP"),
        None => matches!(language.as_str(), "" | "en" | "es"),
    }
}

/// How to stop: by keyword in the US, in any words that tell the way out elsewhere (GDPR art. 7(3)).
fn says_stop(text: &str, for_us: bool) -> bool {
    const WAYS_OUT: [&str; 18] = [
        "opt out",
        "optout",
        "unsubscribe",
        "withdraw",
        "turn off",
        "turn them off",
        "switch off",
        "any time in settings",
        "darte de baja",
        "darse de baja",
        "cancelar",
        "retirar",
        "desabonner",
        "desinscrire",
        "abmelden",
        "widerrufen",
        "afmelden",
        "disiscriverti",
    ];
    says_how_to_stop(text, HowToStop::Reply) || !for_us && says_one_of(text, &WAYS_OUT)
}

/// That agreeing is no condition of buying (47 CFR 64.1200(f)(9)(i)(B)).
fn says_no_condition(text: &str) -> bool {
    const WAYS: [&str; 16] = [
        "not a condition",
        "not condition",
        "no condition",
        "not required to buy",
        "not required to purchase",
        "not required for purchase",
        "not required to make",
        "isnt a condition",
        "isnt required",
        "no purchase necessary",
        "no purchase required",
        "no es condicion",
        "no es una condicion",
        "no es requisito",
        "no es un requisito",
        "pas une condition",
    ];
    says_one_of(text, &WAYS)
}

fn says_one_of(text: &str, phrases: &[&str]) -> bool {
    let said: Vec<String> = words(text).into_iter().map(|w| w.text).collect();
    let said = format!(" {} ", said.join(" "));
    phrases.iter().any(|phrase| said.contains(&format!(" {phrase} ")))
}

#[cfg(test)]
mod tests {
    use super::super::evidence::tests::{brand, disclosure, program};
    use super::*;

    #[test]
    fn a_complete_wording_is_taken() {
        assert_eq!(check_disclosure(&disclosure(), &brand(), &program()), []);
    }

    #[test]
    fn each_thing_missing_has_its_own_code() {
        type Break = fn(&mut Disclosure);
        let cases: [(Break, Code); 13] = [
            (|d| d.text = d.text.replace("Acme", "We"), Code::DisclosureLacksBrand),
            (|d| d.text = d.text.replace("Reply STOP to opt out", ""), Code::StopWordingMissing),
            (|d| d.text = d.text.replace("Msg & data rates may apply", ""), Code::RatesWordingMissing),
            (|d| d.text = d.text.replace("Recurring", "Some"), Code::FrequencyWordingMissing),
            (|d| d.text = d.text.replace(", HELP for help", ""), Code::HelpWordingMissing),
            (|d| d.text = d.text.replace("cart", ""), Code::CartWordingMissing),
            (|d| d.text = d.text.replace("not a condition", "a term"), Code::ConditionOfPurchase),
            (|d| d.condition_of_purchase = true, Code::ConditionOfPurchase),
            (|d| d.separate_from_terms = false, Code::BundledTerms),
            (|d| d.control_default = ControlDefault::Prechecked, Code::PrecheckedBox),
            (|d| d.approved_by = " ".to_owned(), Code::DisclosureUnapproved),
            (|d| d.e_sign_text = String::new(), Code::ESignMissing),
            (|d| d.brand = "other".parse().expect("a slug"), Code::DisclosureMismatch),
        ];
        for (number, (spoil, code)) in cases.into_iter().enumerate() {
            let mut spoilt = disclosure();
            spoil(&mut spoilt);
            assert_eq!(check_disclosure(&spoilt, &brand(), &program()), [code], "case {number}");
        }
    }

    #[test]
    fn american_demands_stay_in_america() {
        let text = "Yes, I want cart reminders from Acme. I can withdraw at any time.";
        for (locale, good) in
            [("en-GB", true), ("de-DE", true), ("en-US", false), ("en", false), ("es-PR", false)]
        {
            let mut d = disclosure();
            (d.locale, d.text) = (locale.to_owned(), text.to_owned());
            assert_eq!(check_disclosure(&d, &brand(), &program()).is_empty(), good, "{locale}");
        }
    }

    #[test]
    fn a_switch_in_an_app_is_no_text_message() {
        let mut d = disclosure();
        d.control = Control::AppSwitch;
        d.text = "Cart reminders from Acme. You can turn them off at any time in settings.".to_owned();
        d.e_sign_text = String::new();
        assert_eq!(check_disclosure(&d, &brand(), &program()), []);
    }

    #[test]
    fn facts_about_orders_need_the_brand_alone() {
        let mut p = program();
        p.category = Category::Transactional;
        let mut d = disclosure();
        d.text = "Acme may text me about my order".to_owned();
        d.e_sign_text = String::new();
        assert_eq!(check_disclosure(&d, &brand(), &p), []);
    }
}
