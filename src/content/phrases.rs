//! Phrases by which a text says something: lists over all languages of the packs, and how a text is looked through.
//!
//! Latin and Cyrillic phrases stand as whole words, `*` at the end of a word for any ending. Those of scripts that do
//! not part their words, or write particles onto them, are looked for anywhere, spaces left out. All folded.

use super::fold::{fold, words};

/// Whether a text says one of the phrases.
pub fn says(text: &str, phrases: &[&str]) -> bool {
    let said = words(text);
    let squeezed: String = fold(text).chars().filter(|c| !c.is_whitespace()).collect();
    phrases.iter().any(|phrase| match is_worded(phrase) {
        true => {
            let phrase: Vec<&str> = phrase.split(' ').collect();
            let fits_at = |at| said.from(at).zip(&phrase).all(|(word, part)| fits(word.text, part));
            (0..=said.len().saturating_sub(phrase.len())).any(|at| said.len() >= phrase.len() && fits_at(at))
        }
        false => {
            let phrase: String = fold(phrase).chars().filter(|c| !c.is_whitespace()).collect();
            squeezed.contains(&phrase)
        }
    })
}

fn fits(word: &str, part: &str) -> bool {
    match part.strip_suffix('*') {
        Some(stem) => word.starts_with(stem),
        None => word == part,
    }
}

/// Whether a phrase is made of words parted by spaces.
fn is_worded(phrase: &str) -> bool {
    phrase.chars().all(|c| c.is_ascii() || matches!(c, '\u{80}'..='\u{24f}' | '\u{400}'..='\u{4ff}'))
}

/// How often messages come.
pub const FREQUENCY: &[&str] = &[
    // English
    "frequency",
    "recurring",
    "msg month",
    "msgs month",
    "msg mo",
    "msgs mo",
    "messages month",
    "per month",
    "a month",
    "per week",
    "msgs week",
    // Spanish, Portuguese, Italian
    "frecuencia",
    "al mes",
    "por mes",
    "por semana",
    "frequencia",
    "ao mes",
    "al mese",
    "a settimana",
    "frequenza",
    "periodicamente",
    // French
    "frequence",
    "par mois",
    "par semaine",
    "mois",
    // German, Dutch, Swedish
    "im monat",
    "pro monat",
    "monatlich",
    "pro woche",
    "wochentlich",
    "haufigkeit",
    "regelmassig*",
    "per maand",
    "per week",
    "maandelijks",
    "frequentie",
    "regelmatig",
    "per manad",
    "i manaden",
    "per vecka",
    "varierar",
    // Polish, Turkish, Russian
    "miesiecznie",
    "w miesiacu",
    "tygodniowo",
    "czestotliwosc",
    "ayda",
    "haftada",
    "sikligi",
    "periyodik",
    "в месяц",
    "ежемесячно",
    "в неделю",
    "частота",
    "регулярн*",
    // Japanese, Korean, Chinese
    "月1",
    "月に",
    "毎月",
    "週に",
    "頻度",
    "定期",
    "월 1",
    "월 최대",
    "매월",
    "횟수",
    "정기",
    "每月",
    "每周",
    "每週",
    "频率",
    "頻率",
    "定期",
    // Arabic, Hebrew, Hindi
    "شهريا",
    "في الشهر",
    "اسبوعيا",
    "متكررة",
    "عدد الرسائل",
    "בחודש",
    "בשבוע",
    "תדירות",
    "महीने में",
    "प्रति माह",
    "हर महीने",
    "संख्या",
];

/// That messages or data may cost something.
pub const RATES: &[&str] = &[
    "data rates",
    "message rates",
    "rates may apply",
    "tarifas",
    "cargos por mensajes",
    "frais",
    "tarifs",
    "kosten fur",
    "gebuhren",
    "custos",
    "cobrancas",
    "costi per",
    "tariffe",
    "kosten voor",
    "tarieven",
    "oplaty",
    "oplata",
    "ucretleri",
    "ucret*",
    "avgift*",
    "плата",
    "тариф*",
    "стоимост*",
    "通信料",
    "料金",
    "요금",
    "费用",
    "資費",
    "資费",
    "费率",
    "費用",
    "رسوم",
    "تعرفة",
    "עלות",
    "עלויות",
    "תעריפ",
    "שלך ספק",
    "शुल्क",
    "दरें",
];

/// How to get help.
pub const HELP: &[&str] = &[
    "help",
    "ayuda",
    "aide",
    "info",
    "hilfe",
    "ajuda",
    "aiuto",
    "hulp",
    "pomoc",
    "yardim",
    "hjalp",
    "помощ*",
    "справк*",
    "ヘルプ",
    "도움말",
    "帮助",
    "幫助",
    "مساعدة",
    "עזרה",
    "मदद",
    "सहायता",
];

/// To reply YES.
pub const YES: &[&str] = &[
    "yes",
    "y",
    "si",
    "oui",
    "ja",
    "sim",
    "tak",
    "evet",
    "да",
    "はい",
    "'네'",
    "‘네’",
    "回复是",
    "回覆是",
    "نعم",
    "כן",
    "हाँ",
];

/// That no more messages follow.
pub const NO_MORE: &[&str] = &[
    "no more",
    "opted out",
    "unsubscribed",
    "not receive",
    "wont receive",
    "no longer receive",
    "not get",
    "wont get",
    "removed",
    "ya no",
    "no recibiras",
    "no recibira",
    "no mas mensajes",
    "de baja",
    "ne recevrez plus",
    "desabonne",
    "desabonnee",
    "desinscrit",
    "plus de messages",
    "aucun message",
    "keine weiteren",
    "keine nachrichten mehr",
    "abgemeldet",
    "deixa de receber",
    "nao recebera",
    "nao receberas",
    "mais mensagens",
    "cancelad*",
    "non riceverai",
    "non ricevera",
    "annullata",
    "geen berichten meer",
    "afgemeld",
    "nie otrzymasz",
    "wypisan*",
    "zrezygnowano",
    "almayacaksiniz",
    "gonderilmeyecek",
    "inga fler",
    "avregistrerad",
    "больше не получите",
    "больше не будете",
    "отписан*",
    "届きません",
    "停止しました",
    "配信を停止",
    "더 이상",
    "수신거부되",
    "不会再收到",
    "已退订",
    "不會再收到",
    "已退訂",
    "لن تصلك",
    "تم إلغاء",
    "לא תקבלו",
    "הוסרתם",
    "कोई संदेश नहीं",
    "बंद कर दिए",
];

/// Cart reminders.
pub const CARTS: &[&str] = &[
    "cart",
    "carts",
    "carrito",
    "carritos",
    "cesta",
    "panier",
    "paniers",
    "basket",
    "warenkorb*",
    "einkaufswagen",
    "carrinho*",
    "carrello",
    "carrelli",
    "winkelmand*",
    "winkelwagen*",
    "koszyk*",
    "sepet*",
    "varukorg*",
    "корзин*",
    "カート",
    "장바구니",
    "购物车",
    "購物車",
    "سلة",
    "عربة التسوق",
    "עגלה",
    "עגלת",
    "סל קניות",
    "कार्ट",
];

/// That agreeing is no condition of buying (47 CFR 64.1200(f)(9)(i)(B)).
pub const NO_CONDITION: &[&str] = &[
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
    "pas obligatoire pour acheter",
    "sans obligation d achat",
    "keine bedingung",
    "keine voraussetzung",
    "nicht bedingung",
    "nao e condicao",
    "nao e uma condicao",
    "nao e obrigatorio",
    "non e una condizione",
    "non e condizione",
    "non e obbligatorio",
    "geen voorwaarde",
    "niet verplicht",
    "nie jest warunkiem",
    "nie jest wymagan*",
    "sarti degil*",
    "kosulu degil*",
    "zorunlu degil*",
    "inget villkor",
    "inte ett villkor",
    "inget krav",
    "не является условием",
    "не условие",
    "条件ではありません",
    "条件ではない",
    "購入の条件",
    "조건이 아닙니다",
    "조건이 아님",
    "구매 조건",
    "不是购买",
    "并非购买",
    "不以购买",
    "不是購買",
    "並非購買",
    "不以購買",
    "ليست شرطا",
    "ليس شرطا",
    "لا تشترط",
    "אינה תנאי",
    "אינו תנאי",
    "לא תנאי",
    "शर्त नहीं",
];

/// The way out, in any words (GDPR art. 7(3)): enough where no law wants a keyword.
pub const WAYS_OUT: &[&str] = &[
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
    "abbestellen",
    "afmelden",
    "uitschrijven",
    "intrekken",
    "disiscriverti",
    "cancellarti",
    "revocare",
    "descadastrar",
    "revogar",
    "zrezygnowac",
    "wycofac",
    "cofnac",
    "wypisac",
    "vazgecebil*",
    "iptal",
    "geri alabil*",
    "avregistrera",
    "avsluta",
    "aterkalla",
    "avanmala",
    "отписаться",
    "отозвать",
    "отказаться",
    "配信停止",
    "解除",
    "撤回",
    "수신거부",
    "철회",
    "退订",
    "撤回",
    "退訂",
    "取消订阅",
    "取消訂閱",
    "إلغاء الاشتراك",
    "سحب",
    "להסיר",
    "הסרה",
    "לבטל",
    "सदस्यता समाप्त",
    "बंद कर सकते",
    "वापस ले",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worded_phrase_is_folded_already() {
        for phrase in [FREQUENCY, RATES, HELP, YES, NO_MORE, CARTS, NO_CONDITION, WAYS_OUT].concat() {
            if is_worded(phrase) {
                let folded = fold(phrase);
                assert_eq!(folded, *phrase, "{phrase}");
            }
        }
    }

    #[test]
    fn words_are_whole_and_scripts_without_spaces_are_searched() {
        assert!(says("up to 4 msgs/month", FREQUENCY));
        assert!(!says("a monthly thing", &["month"]));
        assert!(says("Warenkorberinnerungen", &["warenkorb*"]));
        assert!(says("毎月 1 通", FREQUENCY) && says("購入の条件ではありません", NO_CONDITION));
        assert!(!says("", FREQUENCY));
    }
}
