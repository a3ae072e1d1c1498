//! A consent wording, judged once when it is registered: what it must say, and what it must not be bundled with.

use super::night::check_night_text;
use crate::content::automatic::{Part, says_part};
use crate::content::phrases::{self, says};
use crate::content::wording::{HowToStop, names_brand, says_how_to_stop};
use crate::model::registry::{Brand, Control, ControlDefault, Disclosure, Program};
use crate::model::{Category, Code};

/// Everything wrong with a disclosure, sorted; empty: every consent may rest on it, or every consent to the night where it
/// asks for that.
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
    let marketing = program.category == Category::Marketing && !disclosure.night;
    refuse(marketing && for_us && electronic && disclosure.e_sign_text.trim().is_empty(), Code::ESignMissing);
    found.extend(match disclosure.night {
        true => check_night_text(&disclosure.text, brand),
        false => check_text(&disclosure.text, brand, program, for_us),
    });
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
    says_how_to_stop(text, HowToStop::Reply) || !for_us && says(text, phrases::WAYS_OUT)
}

/// That agreeing is no condition of buying (47 CFR 64.1200(f)(9)(i)(B)).
fn says_no_condition(text: &str) -> bool {
    says(text, phrases::NO_CONDITION)
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

    /// A complete wording in each language of the packs, and the same without each of its parts.
    #[test]
    fn every_language_of_the_packs_is_read() {
        let table: [(&str, [&str; 5]); 18] = [
            (
                "en",
                [
                    "cart reminders",
                    "4 msgs/month",
                    "Consent is not a condition of purchase",
                    "Msg & data rates may apply",
                    "Reply STOP to opt out",
                ],
            ),
            (
                "es",
                [
                    "recordatorios de carrito",
                    "4 mensajes al mes",
                    "El consentimiento no es condición de compra",
                    "Pueden aplicarse tarifas",
                    "Responde STOP para cancelar",
                ],
            ),
            (
                "fr",
                [
                    "rappels de panier",
                    "4 messages par mois",
                    "Ce n’est pas une condition d’achat",
                    "Des frais peuvent s’appliquer",
                    "Répondez STOP pour vous désabonner",
                ],
            ),
            (
                "de",
                [
                    "Erinnerungen an den Warenkorb",
                    "4 Nachrichten im Monat",
                    "Dies ist keine Bedingung für einen Kauf",
                    "Es können Gebühren anfallen",
                    "STOP zum Abmelden",
                ],
            ),
            (
                "pt",
                [
                    "lembretes de carrinho",
                    "4 mensagens por mês",
                    "O consentimento não é condição de compra",
                    "Podem aplicar-se tarifas",
                    "Responda SAIR para cancelar",
                ],
            ),
            (
                "it",
                [
                    "promemoria del carrello",
                    "4 messaggi al mese",
                    "Il consenso non è una condizione di acquisto",
                    "Possono applicarsi costi per messaggi",
                    "Rispondi STOP per cancellarti",
                ],
            ),
            (
                "nl",
                [
                    "winkelmandherinneringen",
                    "4 berichten per maand",
                    "Toestemming is geen voorwaarde voor een aankoop",
                    "Er kunnen kosten voor sms gelden",
                    "Antwoord STOP om je af te melden",
                ],
            ),
            (
                "pl",
                [
                    "przypomnienia o koszyku",
                    "4 wiadomości miesięcznie",
                    "Zgoda nie jest warunkiem zakupu",
                    "Mogą obowiązywać opłaty",
                    "Odpisz STOP, aby zrezygnować",
                ],
            ),
            (
                "tr",
                [
                    "sepet hatırlatmaları",
                    "ayda 4 mesaj",
                    "Onay satın alma şartı değildir",
                    "Mesaj ücretleri uygulanabilir",
                    "İptal için RET yazın",
                ],
            ),
            (
                "sv",
                [
                    "påminnelser om varukorgen",
                    "4 meddelanden per månad",
                    "Samtycke är inget villkor för köp",
                    "Avgifter kan tillkomma",
                    "Svara STOPP för att avsluta",
                ],
            ),
            (
                "ru",
                [
                    "напоминания о корзине",
                    "4 сообщения в месяц",
                    "Согласие не является условием покупки",
                    "Возможна плата за сообщения",
                    "Ответьте СТОП, чтобы отписаться",
                ],
            ),
            (
                "ja",
                [
                    "カートのお知らせ",
                    "月に最大4通",
                    "同意は購入の条件ではありません",
                    "通信料がかかる場合があります",
                    "配信停止は「停止」と返信",
                ],
            ),
            (
                "ko",
                [
                    "장바구니 알림",
                    "월 최대 4건",
                    "동의는 구매 조건이 아닙니다",
                    "데이터 요금이 부과될 수 있습니다",
                    "그만 받으려면 '수신거부'로 답장",
                ],
            ),
            (
                "zh-Hans",
                ["购物车提醒", "每月最多4条", "同意不是购买的条件", "可能产生短信费用", "拒收请回复 退订"],
            ),
            (
                "zh-Hant",
                ["購物車提醒", "每月最多4則", "同意不是購買的條件", "可能產生簡訊費用", "拒收請回覆 退訂"],
            ),
            (
                "ar",
                [
                    "تذكيرات سلة التسوق",
                    "حتى 4 رسائل شهريا",
                    "الموافقة ليست شرطا للشراء",
                    "قد تطبق رسوم الرسائل",
                    "لإلغاء الاشتراك أرسل ايقاف",
                ],
            ),
            (
                "he",
                [
                    "תזכורות עגלה",
                    "עד 4 הודעות בחודש",
                    "ההסכמה אינה תנאי לרכישה",
                    "ייתכנו עלויות הודעות",
                    "להסרה השיבו הסר",
                ],
            ),
            (
                "hi",
                [
                    "कार्ट रिमाइंडर",
                    "महीने में 4 संदेश",
                    "सहमति खरीद की शर्त नहीं है",
                    "संदेश शुल्क लग सकता है",
                    "रोकने के लिए STOP भेजें",
                ],
            ),
        ];
        let codes = [
            Code::CartWordingMissing,
            Code::FrequencyWordingMissing,
            Code::ConditionOfPurchase,
            Code::RatesWordingMissing,
            Code::StopWordingMissing,
        ];
        for (language, parts) in table {
            let found = |parts: &[&str]| {
                let text = format!("Acme. {}. HELP", parts.join(". "));
                check_text(&text, &brand(), &program(), true)
            };
            assert_eq!(found(&parts), [], "{language}");
            for (left_out, code) in codes.iter().enumerate() {
                let rest: Vec<&str> =
                    (0..5).filter(|part| *part != left_out).map(|part| parts[part]).collect();
                assert_eq!(
                    found(&rest),
                    std::slice::from_ref(code),
                    "{language} without {:?}",
                    parts[left_out]
                );
            }
        }
    }
}
