//! Typographic characters: as written, or plain where the brand wants it and a part is spared.

use super::*;
use crate::model::facts::Encoding;

/// Takes two parts of 70 characters as it is, one of 160 in plain characters.
const CURLY: &str = "It’s still here – “your” cart… {{link}}";

fn shop_of(change: impl FnOnce(&mut Brand)) -> Vec<Object> {
    let mut objects = shop();
    let brand = objects.iter_mut().find_map(|object| match object {
        Object::Brand(brand) => Some(brand),
        _ => None,
    });
    change(brand.expect("a brand"));
    objects
}

fn spelling(plain: bool) -> TestWriter {
    let mut writer = TestWriter::new();
    writer.set_up(shop_of(|brand| brand.plain_typography = plain));
    writer.run(Grant("+12125550123", ConsentState::Granted)).expect("granted");
    writer
}

fn ask(writer: &mut TestWriter, key: &str, number: &str, body: &str) -> SendAnswer {
    let now = crate::clock::Clock::now(&writer.clock);
    let words = Words::Body(body.to_owned());
    writer.run(Send::new(SendRequest { words, ..request(key, number, key, now) })).expect("answered")
}

/// The text of the newest intent, as it is kept in the ledger.
fn left(writer: &TestWriter) -> String {
    let texts = writer.entries().into_iter().rev().filter_map(|entry| match entry.body {
        Body::Intent(intent) => Some(intent.text),
        _ => None,
    });
    texts.take(1).collect()
}

#[test]
fn plain_characters_spare_a_part_and_are_what_is_kept_and_replayed() {
    let mut writer = spelling(true);
    let answer = ask(&mut writer, "k1", "+12125550123", CURLY);
    let spec = &answer.message.spec;
    assert!(
        spec.preview.starts_with("Acme: It's still here - \"your\" cart... https://go.acme"),
        "{}",
        spec.preview
    );
    assert!(spec.preview.ends_with(" Reply STOP to opt out"), "{}", spec.preview);
    assert_eq!((spec.encoding, spec.parts, answer.verdict.outcome), (Encoding::Gsm7, 1, Outcome::Admit));
    // What was accepted leaves, whatever the brand says by then.
    writer.set_up(shop_of(|_| {}));
    let IntentAnswer::Go(draft) = writer.run(Intent::of(spec.id)).expect("asked") else {
        panic!("it may leave")
    };
    assert_eq!((&draft.text, draft.parts, left(&writer)), (&spec.preview, 1, spec.preview.clone()));
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn without_the_switch_a_text_leaves_as_written() {
    let mut writer = spelling(false);
    let answer = ask(&mut writer, "k1", "+12125550123", CURLY);
    let spec = &answer.message.spec;
    assert!(
        spec.preview.starts_with("Acme: It’s still here – “your” cart… https://go.acme"),
        "{}",
        spec.preview
    );
    assert_eq!((spec.encoding, spec.parts), (Encoding::Ucs2, 2));
    writer.run(Intent::of(spec.id)).expect("asked");
    assert_eq!(left(&writer), spec.preview);
    writer.check_replay();
}

#[test]
fn what_spares_nothing_stays() {
    let mut writer = spelling(true);
    for (key, number, body, kept) in [
        // The label makes it 16 bits a character anyway.
        ("label", "+821023456789", CURLY, "(광고) Acme: It’s still here – “your” cart… "),
        ("letters", "+12125550123", "Ça n’est pas fini… {{link}}", "Acme: Ça n’est pas fini… "),
        // One letter of Greek small type keeps the whole text.
        ("greek", "+12125550123", "It’s α {{link}}", "Acme: It’s α "),
        // 16 bits would do in one part, too.
        ("short", "+12125550123", "It’s on", "Acme: It’s on"),
        (
            "link",
            "+12125550123",
            "See https://acme.example/a–b or {{link}}",
            "Acme: See https://acme.example/a–b or ",
        ),
    ] {
        let answer = ask(&mut writer, key, number, body);
        let text = &answer.message.spec.preview;
        let plain = key == "letters";
        let kept = if plain { kept.replace('’', "'").replace('…', "...") } else { kept.to_owned() };
        assert!(text.starts_with(&kept), "{key}: {text}");
    }
    writer.check_replay();
}

#[test]
fn a_ledger_entry_says_so_only_where_it_is_on() {
    for plain in [false, true] {
        let mut objects = shop_of(|brand| brand.plain_typography = plain);
        let body = Body::Registry(crate::ledger::body::RegistryBody {
            object: objects.remove(0),
            reason: String::new(),
            actor: "test".to_owned(),
        });
        let bytes = body.encode().expect("encodes");
        let text = String::from_utf8(bytes.clone()).expect("JSON");
        assert_eq!(text.contains("plain_typography"), plain, "{text}");
        assert_eq!(Body::decode(body.kind(), &bytes).expect("decodes"), body);
        let writer = spelling(plain);
        let kept = writer.look(|state| {
            let key = keys::registry("brand", "acme");
            state
                .get::<crate::ledger::rows::RegistryRow>(&key)
                .expect("readable")
                .expect("there")
                .object
                .clone()
        });
        let Object::Brand(brand) = kept else { panic!("a brand") };
        assert_eq!(brand.plain_typography, plain);
        writer.check_fold();
    }
}
