//! Words that tell people how to stop, in the languages of the packs, and the labels that stand before everything.
//! All folded (`super::fold`): lower case, without Latin accents.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::fold::{Words, fold};

/// A list asked at every word of every text.
type List = LazyLock<HashSet<&'static str, foldhash::fast::RandomState>>;

static KEYWORD_SET: List = LazyLock::new(|| KEYWORDS.iter().copied().collect());
static VERB_SET: List = LazyLock::new(|| VERBS.iter().copied().collect());

/// Whether a folded word is one that a person sends to stop.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORD_SET.contains(word)
}

/// Whether a folded word tells to send one.
pub(super) fn is_verb(word: &str) -> bool {
    VERB_SET.contains(word)
}

/// Words a person sends.
pub(super) const KEYWORDS: &[&str] = &[
    "stop",
    "stopall",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "optout",
    "unsub",
    "revoke",
    "baja",
    "alto",
    "parar",
    "cancelar",
    "salir",
    "arret",
    "stopp",
    "sair",
    "pare",
    "descadastrar",
    "abmelden",
    "abbestellen",
    "afmelden",
    "cancellami",
    "rezygnuje",
    "wypisz",
    "avsluta",
    "berhenti",
    "стоп",
    "отписка",
    "ret",
    "batal",
];
/// Words that tell to send one.
pub(super) const VERBS: &[&str] = &[
    "reply",
    "text",
    "txt",
    "send",
    "respond",
    "type",
    "replying",
    "texting",
    "responde",
    "responda",
    "envia",
    "envie",
    "manda",
    "mande",
    "escribe",
    "escriba",
    "contesta",
    "conteste",
    "repondez",
    "reponds",
    "repondre",
    "envoyez",
    "envoie",
    "tapez",
    "textez",
    "texte",
    "antworte",
    "antworten",
    "antwort",
    "sende",
    "senden",
    "schick",
    "schicke",
    "schreib",
    "schreibe",
    "rispondi",
    "rispondere",
    "invia",
    "inviare",
    "scrivi",
    "antwoord",
    "stuur",
    "sms",
    "odpisz",
    "wyslij",
    "napisz",
    "odpowiedz",
    "digite",
    "svara",
    "svar",
    "skicka",
    "skriv",
    "ответьте",
    "отправьте",
    "напишите",
    "пришлите",
    "balas",
    "kirim",
    "ketik",
    "hantar",
    "soan",
    "nhan",
];
/// Words that may stand between the two.
pub(super) const FILLERS: &[&str] = &[
    "with",
    "the",
    "word",
    "con",
    "la",
    "palabra",
    "par",
    "mit",
    "das",
    "wort",
    "met",
    "med",
    "parola",
    "слово",
];
/// What stands behind the word and says what it is for.
pub(super) const PURPOSES: &[&[&str]] = &[
    &["to", "opt"],
    &["to", "end"],
    &["to", "stop"],
    &["to", "unsub"],
    &["to", "unsubscribe"],
    &["to", "cancel"],
    &["to", "quit"],
    &["2", "end"],
    &["2", "stop"],
    &["2", "opt"],
    &["2", "quit"],
    &["to", "leave"],
    &["to", "optout"],
    &["para", "cancelar"],
    &["para", "salir"],
    &["para", "sair"],
    &["para", "no", "recibir"],
    &["para", "nao", "receber"],
    &["para", "dejar"],
    &["para", "darte", "de", "baja"],
    &["pour", "ne", "plus"],
    &["pour", "se", "desabonner"],
    &["pour", "vous", "desabonner"],
    &["pour", "te", "desabonner"],
    &["pour", "se", "desinscrire"],
    &["pour", "vous", "desinscrire"],
    &["pour", "arreter"],
    &["zum", "abmelden"],
    &["zur", "abmeldung"],
    &["per", "annullare"],
    &["per", "cancellarti"],
    &["per", "disiscriverti"],
    &["om", "je", "af"],
    &["om", "af", "te"],
    &["aby", "zrezygnowac"],
    &["for", "att", "avsluta"],
    &["yazip"],
    &["yazin"],
    &["чтобы", "отписаться"],
    &["для", "отписки"],
    &["for", "att", "avregistrera"],
    &["po", "rezygnacje"],
    &["yaz"],
];
/// Phrases of scripts that do not part their words, or put the verb last; spaces do not count.
const PHRASES: &[&str] = &[
    "수신거부",
    "拒收请回复",
    "退订回",
    "回t退订",
    "回td退订",
    "回复t退订",
    "回复td退订",
    "退订请回",
    "拒收回",
    "退訂請回",
    "退訂回",
    "回复退订",
    "回覆退訂",
    "拒收請回覆",
    "取消訂閱請",
    "拒收請回",
    "配信停止",
    "停止と返信",
    "停止を返信",
    "停止」と返信",
    "להסרה",
    "הסר",
    "לביטול",
    "لالغاءالاشتراك",
    "لإلغاءالاشتراك",
    "لايقاف",
    "لإيقاف",
    "रोकनेकेलिए",
    "बंदकरनेकेलिए",
    "tuchoi:",
];
/// Labels of advertising that some law wants before everything else.
const LABELS: [&str; 5] = ["(광고)", "[QC]", "[AD]", "<ADV>", "פרסומת"];

/// Those a text of ASCII alone can hold.
static ASCII: LazyLock<Vec<&str>> =
    LazyLock::new(|| FOLDED.iter().map(String::as_str).filter(|phrase| phrase.is_ascii()).collect());

/// Whether a folded phrase stands in a text, whatever its case and white space.
fn stands_in_ascii(text: &[u8], phrase: &[u8]) -> bool {
    let bare = |from: usize| text[from..].iter().filter(|b| !char::from(**b).is_whitespace());
    let same =
        |from: usize| bare(from).map(u8::to_ascii_lowercase).take(phrase.len()).eq(phrase.iter().copied());
    phrase
        .first()
        .is_some_and(|first| (0..text.len()).any(|at| text[at].eq_ignore_ascii_case(first) && same(at)))
}

static FOLDED: LazyLock<Vec<String>> = LazyLock::new(|| PHRASES.iter().map(|phrase| fold(phrase)).collect());

/// Whether one of the phrases is in the text.
pub(super) fn says_phrase(text: &str) -> bool {
    if text.is_ascii() {
        return ASCII.iter().any(|phrase| stands_in_ascii(text.as_bytes(), phrase.as_bytes()));
    }
    let mut text = fold(text);
    text.retain(|c| !c.is_whitespace());
    FOLDED.iter().any(|phrase| text.contains(phrase))
}

/// `STOP au 36111`, `STOP 36111`, `STOP SMS 36111`: the word, then the number to send it to (5 digits or more: four may be a year).
pub(super) fn names_number(words: &Words, at: usize) -> bool {
    let mut rest =
        words.from(at + 1).skip_while(|word| matches!(word.text, "au" | "sms" | "al" | "an" | "to"));
    words.get(at).is_some_and(|word| word.text == "stop")
        && rest
            .next()
            .is_some_and(|word| word.text.len() >= 5 && word.text.bytes().all(|b| b.is_ascii_digit()))
}

/// Where the text proper begins, in bytes: behind a label and the spaces after it.
pub(super) fn label_end(text: &str) -> usize {
    let rest = LABELS.iter().find_map(|label| text.strip_prefix(label));
    rest.map_or(0, |rest| text.len() - rest.trim_start().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ascii_holds_a_phrase_as_everything_else_does(
            before in "[ -~\\n]{0,12}",
            inside in "(t ?u ?C\\tho ?i ?:)?",
            after in "[ -~]{0,12}",
        ) {
            let text = format!("{before}{inside}{after}");
            let mut folded = fold(&text);
            folded.retain(|c| !c.is_whitespace());
            prop_assert_eq!(says_phrase(&text), FOLDED.iter().any(|phrase| folded.contains(phrase)));
        }
    }

    #[test]
    fn every_word_is_folded_already() {
        let words = KEYWORDS.iter().chain(VERBS).chain(FILLERS).chain(PURPOSES.iter().copied().flatten());
        for word in words {
            assert_eq!(fold(word), *word);
        }
    }
}
