use super::*;

#[test]
fn lists_and_rule_files_are_sound() {
    assert_eq!(Keywords::parse(KEYWORD_LIST).err(), None);
    assert_eq!(Rules::parse(&RULE_FILES).err(), None);
}

macro_rules! corpus_of {
    ($($language:literal)*) => {
        [$(($language, include_str!(concat!("../../../tests/corpus/replies/", $language, ".tsv")))),*]
    };
}

const CORPUS: [(&str, &str); 17] =
    corpus_of!("ar" "de" "en" "es" "fr" "he" "hi" "it" "ja" "ko" "nl" "pl" "pt" "ru" "sv" "tr" "zh");

/// Guards what docs/replies.md reports of the development texts: English 99 %, elsewhere 97 %, false opt-outs 1 %. What is held
/// out is reported there and guarded by nothing: a score at first sight is what it is.
#[test]
fn the_corpus_is_read_as_its_writers_meant_it() {
    let mut failed = Vec::new();
    let mut total = corpus::Score::default();
    for (language, file) in CORPUS {
        let (scores, misses) = corpus::score(language, &corpus::parse(file).expect("a good file"));
        let all = scores.get("dev").cloned().expect("development texts");
        let least = if language == "en" { 0.99 } else { 0.97 };
        if all.recall() < least || all.false_rate() > 0.015 {
            failed.push(format!("{language}: recall {:.4}, false {:.4}", all.recall(), all.false_rate()));
            failed.extend(misses.iter().map(|miss| format!("  {miss:?}")));
        }
        total.join(&all);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(total.opt_outs >= 1_000 && total.others >= 1_000, "{total:?}");
    assert!(total.false_rate() <= 0.01, "{total:?}");
}

fn read(text: &str, languages: &[&str]) -> String {
    let reading = classify(text, languages);
    format!("{:?} {}", reading.class, reading.rule)
}

#[test]
fn exact_words_of_every_language_stop_for_everyone() {
    for line in crate::content::fold::data_lines(KEYWORD_LIST) {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[1] == "opt-out" {
            for text in [
                fields[2].to_owned(),
                format!(" {}!! ", fields[2].to_lowercase()),
                format!("{} please", fields[2]),
            ] {
                assert!(classify(&text, &["en"]).class.stops(), "{text}: {}", read(&text, &["en"]));
            }
        }
    }
}

#[test]
fn start_help_and_yes_are_words_of_the_persons_languages() {
    for (text, languages, expected) in [
        ("START", &[][..], "OptIn keyword.en.start"),
        ("Unstop", &["en-US"], "OptIn keyword.en.unstop"),
        ("sign me back up please", &[], "OptIn en.sign-up"),
        ("ALTA", &["es-MX"], "OptIn keyword.es.alta"),
        ("ALTA", &["en"], "Other none"),
        ("REPRENDRE", &["fr_CA"], "OptIn keyword.fr.reprendre"),
        ("HELP", &[], "Help keyword.en.help"),
        ("info please", &[], "Help keyword.en.info"),
        ("I need help with my order", &[], "Help en.need-help"),
        ("Ayuda", &["es"], "Help keyword.es.ayuda"),
        ("Ayuda", &["en"], "Other none"),
        ("AIDE", &["fr"], "Help keyword.fr.aide"),
        ("Yes", &[], "Yes keyword.en.yes"),
        ("y", &[], "Yes keyword.en.y"),
        ("YES!!! please", &[], "Yes keyword.en.yes"),
        ("yes i agree", &[], "Yes en.yes"),
        ("Sí", &["es"], "Yes keyword.es.si"),
        ("oui svp", &["fr"], "Yes keyword.fr.oui"),
        ("yes stop", &[], "OptOut en.stop"),
        ("start sending them to my friend", &[], "Other none"),
        ("I want to start a return", &[], "Other none"),
        ("start, no wait, STOP", &[], "OptOut en.stop"),
        ("help me stop these texts", &[], "OptOut en.g-stop-verb"),
    ] {
        assert_eq!(read(text, languages), expected, "{text} {languages:?}");
    }
}

#[test]
fn weak_words_inside_a_sentence_wait_for_a_person() {
    for (text, expected) in [
        ("CANCEL", "OptOut keyword.en.cancel"),
        ("cancel my 3 pm appointment", "Uncertain en.cancel"),
        ("please cancel my order", "Other none"),
        ("cancel my texts", "OptOut en.cancel-texts"),
        ("END", "OptOut keyword.en.end"),
        ("ends in May?", "Other none"),
        ("i want this to end someday", "OptOut en.want-end"),
        ("it will all end badly", "Uncertain en.end"),
        ("QUIT", "OptOut keyword.en.quit"),
        ("I quit my job", "Other none"),
        ("fuck you", "Uncertain en.fuck"),
        ("is this a scam", "Uncertain en.scam"),
        ("TD", "OptOut keyword.zh-hans.td"),
        ("TD bank gift card?", "Other none"),
        ("R", "OptOut keyword.zh-hans.r"),
        ("off", "OptOut keyword.en.off"),
        ("how much off", "Other none"),
    ] {
        assert_eq!(read(text, &["en"]), expected, "{text}");
    }
}

#[test]
fn the_named_traps_of_the_brief() {
    for text in [
        "can't stop laughing",
        "stop by the store",
        "bus stop",
        "non-stop",
        "nonstop",
        "non stop deals",
        "I'll stop by",
        "please don't stop",
        "the zipper stopped working",
        "one-stop shop",
    ] {
        assert_eq!(classify(text, &["en"]).class, ReplyClass::Other, "{text}: {}", read(text, &["en"]));
    }
    for text in [
        "please leave me alone",
        "take me off this list",
        "no more texts",
        "quit texting me",
        "ya no me manden mensajes",
        "ne m'envoyez plus rien",
        "STOOOP",
        "s t o p",
        "st0p",
        "STOP please",
        "can't stop laughing but stop texting me",
    ] {
        assert_eq!(classify(text, &["en"]).class, ReplyClass::OptOut, "{text}: {}", read(text, &["en"]));
    }
}

#[test]
fn a_wrong_number_outweighs_and_never_hides_a_stop() {
    for (text, expected) in [
        ("wrong number", "WrongNumber en.wrong-number"),
        ("You have the wrong number, stop", "WrongNumber en.wrong-number"),
        ("wrong # bro", "WrongNumber en.wrong-number"),
        ("Número equivocado", "WrongNumber es.equivocado"),
        ("vous avez le mauvais numéro", "WrongNumber fr.mauvais-numero"),
        ("wrong number of socks in the box", "Other none"),
        ("this is not Sarah", "Uncertain en.not-that-person"),
        ("this is not working", "Other none"),
        ("no one here by that name", "WrongNumber en.nobody-here"),
    ] {
        assert_eq!(read(text, &["en", "es", "fr"]), expected, "{text}");
    }
}

#[test]
fn readings_name_their_version() {
    let reading = classify("stop", &[]);
    assert_eq!((reading.version, reading.language), (version(), Some("en")));
    assert!(version().starts_with("replies/7+") && version().len() == 22, "{}", version());
    assert_eq!(
        classify("hello", &[]),
        Reading { class: ReplyClass::Other, rule: "none", version: version(), language: None }
    );
}

#[test]
fn the_second_witness_doubts_and_adds_but_never_against_a_short_or_explained_reply() {
    for (text, expected) in [
        // A rule reads an opt-out, the whole sentence weighs like none.
        ("Please stop adding so much plastic packaging", ReplyClass::Uncertain),
        // No rule knows it, it weighs like one.
        ("please make these messages disappear from my life", ReplyClass::OptOut),
        // Too short to weigh.
        ("stop packaging", ReplyClass::OptOut),
        // Explained by a rule, however it weighs.
        ("please do not take me off the list", ReplyClass::Other),
    ] {
        assert_eq!(
            classify(text, &["en"]).class,
            expected,
            "{text}: {:?} {:?}",
            classify(text, &["en"]),
            weigh(text, 5)
        );
    }
    assert!(weigh("stop texting me", 3).pieces.len() == 3);
}

/// Every way the same letters can arrive: fullwidth, mathematical, circled, boxed, small capitals.
fn dressed(word: &str, dress: u8) -> String {
    let letter = |base: u32, c: char| char::from_u32(base + u32::from(c) - u32::from('a')).unwrap_or(c);
    let spelt = |c: char| match dress {
        0 => c.to_string(),
        1 => c.to_ascii_uppercase().to_string(),
        2 => letter(0xff41, c).to_string(),
        3 => letter(0x1d41a, c).to_string(),
        4 => letter(0x24d0, c).to_string(),
        5 => letter(0x1f130, c).to_string(),
        6 => letter(0x1f150, c).to_string(),
        7 => letter(0x1f170, c).to_string(),
        8 => format!("{c}\u{336}"),
        9 => format!("{c}\u{200b}"),
        _ => format!("{c} "),
    };
    word.chars().map(spelt).collect()
}

proptest::proptest! {
    #[test]
    fn any_text_has_a_reading(text in proptest::prelude::any::<String>()) {
        let first = classify(&text, &["es", "zz", ""]);
        proptest::prop_assert_eq!(first, classify(&text, &["es", "zz", ""]));
    }

    /// However STOP is decorated, it stops.
    #[test]
    fn stop_alone_always_stops(
        before in "[ .,!\"'*~_\u{1f600}-\u{1f64f}]{0,8}",
        after in "[ .,!?\"'*~_\u{1f600}-\u{1f64f}]{0,8}",
        dress in 0u8..=10,
        stretch in 1usize..9,
    ) {
        let word = if dress == 10 { "stop".to_owned() } else { format!("st{}p", "o".repeat(stretch)) };
        let text = format!("{before}{}{after}", dressed(&word, dress));
        proptest::prop_assert!(classify(&text, &[]).class.stops(), "{}", text);
    }

    /// Case and width never change what is read; Greek is left out, whose final sigma has no way back.
    #[test]
    fn case_and_width_say_nothing(at in 0usize..100_000) {
        let texts = CORPUS.iter().flat_map(|(language, file)| {
            crate::content::fold::data_lines(file).map(move |line| (*language, line))
        });
        let texts: Vec<_> = texts.collect();
        let (language, line) = texts[at % texts.len()];
        let text = line.splitn(3, '\t').last().unwrap_or_default();
        let wide = |c: char| if c.is_ascii_alphanumeric() { char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c) } else { c };
        let plain = read(text, &[language]);
        proptest::prop_assert_eq!(&read(&text.to_uppercase(), &[language]), &plain, "{}", text);
        proptest::prop_assert_eq!(&read(&text.to_lowercase(), &[language]), &plain, "{}", text);
        proptest::prop_assert_eq!(&read(&text.chars().map(wide).collect::<String>(), &[language]), &plain, "{}", text);
    }
}

#[test]
fn signs_that_say_stop_without_words() {
    for (text, expected) in [
        ("🛑", "OptOut keyword.und.🛑"),
        ("⛔️", "OptOut keyword.und.🛑"),
        ("🚫🚫", "OptOut keyword.und.🚫"),
        ("🛑 texting me", "OptOut en.g-stop-verb"),
        ("👎", "Uncertain gesture"),
        ("🖕🖕", "Uncertain gesture"),
        ("👍", "Other none"),
        ("🇳🇴", "Other none"),
    ] {
        assert_eq!(read(text, &["en"]), expected, "{text}");
    }
}

/// `red` refuses in Turkish, `dur` is hard in French, `basta` enough in Italian.
#[test]
fn a_word_of_a_language_the_person_does_not_read_is_weighed() {
    for (text, languages, expected) in [
        ("I want the red one", &["en"][..], "Other none"),
        ("te duur", &["nl"], "Other none"),
        ("mesaj atmayın artık", &["en"], "OptOut tr.sendneg"),
        ("不要再发短信给我", &["en"], "OptOut zh.不要发-msg"),
        ("bitte keine Werbung mehr", &["en"], "OptOut de.keine-msg"),
    ] {
        assert_eq!(read(text, languages), expected, "{text}");
    }
}

#[test]
fn a_very_long_text_is_read_at_both_ends() {
    let padding = "lovely weather ".repeat(2_000);
    assert_eq!(classify(&format!("stop {padding}"), &[]).class, ReplyClass::OptOut);
    assert_eq!(classify(&format!("{padding} unsubscribe"), &[]).class, ReplyClass::OptOut);
    assert_eq!(classify(&padding, &[]).class, ReplyClass::Other);
}

/// What our own texts tell a person to send does what they say it does.
#[test]
fn words_our_texts_name_are_understood() {
    use crate::content::Language;
    use crate::content::texts::texts;
    for language in Language::ALL {
        let (told, tag) = (texts(*language), language.tag());
        let class = |word: &str| classify(word, &[tag]).class;
        assert!(class(told.stop).stops(), "{tag} {}", told.stop);
        assert_eq!(class(told.help), ReplyClass::Help, "{tag} {}", told.help);
        assert_eq!(class(told.yes), ReplyClass::Yes, "{tag} {}", told.yes);
        assert_eq!(class(told.start), ReplyClass::OptIn, "{tag} {}", told.start);
        for (word, text) in [
            (told.yes, told.request),
            (told.help, told.tail),
            (told.stop, told.tail),
            (told.stop, told.answer_tail),
            (told.stop, told.stop_by_reply),
            (told.start, told.goodbye),
        ] {
            assert!(text.contains(word), "{tag}: {text:?} does not name {word}");
        }
    }
}

/// Found by round 12: an alias was a dead word inside a pattern, the article hid a word from the lists of topics, a
/// guard inside a longer row of words undid it, and a wish for some messages to go on was not heard.
#[test]
fn what_round_12_found_stays_mended() {
    for (language, text, expected) in [
        ("hi", "ye msg kaise band kare", ReplyClass::OptOut),
        ("sv", "vill inte ha sms", ReplyClass::OptOut),
        ("he", "אבקש להפסיק לאלתר את משלוח ההודעות", ReplyClass::OptOut),
        ("zh", "老是收到這些，麻煩幫我關掉謝謝", ReplyClass::OptOut),
        ("en", "unsubscribe me from the coffee box but keep the texts", ReplyClass::Uncertain),
        ("de", "das Abo für Kaffee pausieren, SMS gerne weiter, sonst kündigen", ReplyClass::Uncertain),
        ("it", "togliete il cappello dall'ordine", ReplyClass::Other),
        ("ru", "ошиблась номером квартиры, правильно 12", ReplyClass::Other),
        ("ru", "ошиблись номером", ReplyClass::WrongNumber),
        ("zh", "請幫我取消", ReplyClass::OptOut),
    ] {
        assert_eq!(classify(text, &[language]).class, expected, "{text}: {}", read(text, &[language]));
    }
}

/// Found by round 13: a size, a day or a courier is sent with goods; who came off by mistake, wants less or speaks for a
/// friend is no opt-out; and a listed word of a script without spaces may be said of a parcel.
#[test]
fn what_round_13_found_stays_mended() {
    for (language, text, expected) in [
        ("he", "אל תשלחו עם השליח ההוא שוב, הוא זרק את החבילה בגינה", ReplyClass::Uncertain),
        ("de", "die Rechnung nicht per Mail schicken, legt sie ins Paket", ReplyClass::Uncertain),
        ("ru", "Не присылайте 42, у меня 43 размер", ReplyClass::Uncertain),
        ("ru", "больше не присылайте ничего ни сегодня ни завтра", ReplyClass::OptOut),
        ("en", "I unsubscribed by mistake, how do I get back on", ReplyClass::Uncertain),
        ("en", "I gave you my number by mistake, remove me", ReplyClass::OptOut),
        ("ko", "실수로 수신거부 눌렀는데 다시 받을 수 있나요", ReplyClass::Uncertain),
        (
            "nl",
            "Mijn vriendin wil zich uitschrijven voor de mail, waar doet ze dat? Ik blijf hoor",
            ReplyClass::Uncertain,
        ),
        ("pt", "cancelem o email mas o sms pode continuar", ReplyClass::Uncertain),
        ("zh", "快递被拒收了,能重新寄吗", ReplyClass::Other),
        ("zh", "拒收", ReplyClass::OptOut),
        ("ja", "滑り止めは付いてますか", ReplyClass::Other),
        ("ja", "まだ届かないんですが", ReplyClass::Other),
        ("pl", "Wypiszcie mi fakturę na firmę", ReplyClass::Other),
        ("ru", "ne pishite bolshe", ReplyClass::OptOut),
    ] {
        assert_eq!(classify(text, &[language]).class, expected, "{text}: {}", read(text, &[language]));
    }
}
