//! Where the sender can be reached: added where a law asks for it and the text does not say it.

use super::*;
use crate::model::Code;
use crate::model::facts::AutomaticKind;

fn ask(writer: &mut TestWriter, key: &str, number: &str, body: &str) -> SendAnswer {
    let now = crate::clock::Clock::now(&writer.clock);
    let words = Words::Body(body.to_owned());
    writer.run(Send::new(SendRequest { words, ..request(key, number, key, now) })).expect("answered")
}

#[test]
fn a_contact_is_added_where_a_law_asks_for_it_and_once() {
    let mut writer = writer();
    let (korea, australia, canada, us) = ("+821023456789", "+61412345678", "+14165550123", "+12125550123");
    for (key, number, body, expected) in [
        ("kr", korea, "20%", "(광고) Acme: 20% Contact: help@acme.example Reply STOP to opt out"),
        ("au", australia, "20% off", "Acme: 20% off Contact: help@acme.example Reply STOP to opt out"),
        (
            "told",
            australia,
            "Acme: 20% off. Mail Help@acme.example",
            "Acme: 20% off. Mail Help@acme.example Reply STOP to opt out",
        ),
        ("ca", canada, "20% off", "Acme: 20% off Contact: help@acme.example Reply STOP to opt out"),
        (
            "site",
            canada,
            "20% off at https://shop.acme.example/x",
            "Acme: 20% off at https://shop.acme.example/x Reply STOP to opt out",
        ),
        ("us", us, "20% off", "Acme: 20% off Reply STOP to opt out"),
    ] {
        let answer = ask(&mut writer, key, number, body);
        assert_eq!(answer.message.spec.preview, expected, "{key}");
        assert!(!answer.verdict.has(&Code::ContactMissing), "{key}: {:?}", answer.verdict.reasons);
    }
    let linked = ask(&mut writer, "short", canada, "20% off {{link}}").message.spec.preview.clone();
    assert!(linked.contains("https://go.acme.example/") && !linked.contains("help@"), "{linked}");
    let linked = ask(&mut writer, "both", australia, "20% off {{link}}").message.spec.preview.clone();
    assert!(linked.contains("https://go.acme.example/") && linked.contains("help@"), "{linked}");
    writer.check_fold();
    writer.check_replay();
}

/// A text that was accepted before the brand moved does not leave with an address that may be dead.
#[test]
fn a_contact_that_is_the_brands_no_more_is_missing() {
    let mut writer = writer();
    writer.run(Grant("+14165550123", ConsentState::Granted)).expect("granted");
    let mut objects = shop();
    for object in &mut objects {
        match object {
            Object::Sender(sender) => sender.country = "CA".to_owned(),
            Object::Brand(brand) => brand.support_contact = "+1 800 555 0100".to_owned(),
            _ => {}
        }
    }
    let moved = objects.remove(0);
    writer.set_up(objects);
    let answer = ask(&mut writer, "k1", "+14165550123", "20% off");
    assert_eq!(answer.verdict.outcome, Outcome::Admit, "{:?}", answer.verdict.reasons);
    writer.set_up([moved]);
    let id = answer.message.spec.id;
    let ended = writer.run(Intent::of(id)).expect("asked");
    assert!(matches!(ended, IntentAnswer::Ended(MessageState::Refused)), "{ended:?}");
    let message =
        writer.look(|state| state.get::<Message>(&keys::message(&id)).expect("readable")).expect("there");
    let last = message.last.as_ref().expect("decided again");
    let reason = last.reasons.iter().find(|reason| reason.code == Code::ContactMissing).expect("the reason");
    assert_eq!((reason.rule.as_str(), reason.citation.starts_with("CASL s. 6(2)")), ("ca/contact", true));
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn what_the_gateway_says_by_itself_tells_it_too() {
    struct Say(AutomaticKind, &'static str);
    impl Op for Say {
        type Answer = Option<MessageId>;
        const PRIORITY: Priority = Priority::Api;
        fn run(self, cx: &mut Cx<'_>) -> Result<Option<MessageId>, OpError> {
            let address = Target::Phone(Digits::received(self.1, None)).addresses().remove(0);
            let wish = AutomaticSend {
                program: "carts".parse().expect("a slug"),
                subject: cx.subject_for(&address)?,
                kind: self.0,
                trigger: cx.now,
                by_keyword: true,
                grant_existed: true,
                sender: None,
            };
            send_automatic(cx, wish)
        }
    }
    let mut writer = writer();
    for (kind, number, told) in [
        (AutomaticKind::OptInRequest, "+61412345678", true),
        (AutomaticKind::Welcome, "+61412345678", true),
        (AutomaticKind::Welcome, "+12125550123", false),
    ] {
        let id = writer.run(Say(kind, number)).expect("decided").expect("new");
        let message = writer.look(|state| state.get::<Message>(&keys::message(&id)).expect("readable"));
        let message = message.expect("there");
        assert_eq!(message.spec.text.contains("help@acme.example"), told, "{}", message.spec.text);
        assert!(!message.first.has(&Code::ContactMissing), "{:?}", message.first.reasons);
    }
    writer.check_replay();
}
