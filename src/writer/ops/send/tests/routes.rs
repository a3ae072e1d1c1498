//! Ways out: who stands in, when, and what is recorded of it.

use super::*;
use crate::dispatch::route::{Health, Way, way_of};
use crate::ledger::body::IntentBody;
use crate::model::registry::{Price, TaxIdCap};
use crate::model::{Code, ConnectionId, SenderId};

/// The sender of the shop, and another one at a second provider.
fn with_standby(change: impl FnOnce(&mut Sender, &mut Sender)) -> TestWriter {
    let mut objects = shop();
    let (mut main, mut program, mut connection) = (None, None, None);
    for object in &objects {
        match object {
            Object::Sender(sender) => main = Some(sender.clone()),
            Object::Program(found) => program = Some(found.clone()),
            Object::Connection(found) => connection = Some(found.clone()),
            _ => {}
        }
    }
    let (mut main, connection) = (main.expect("a sender"), connection.expect("a connection"));
    let price = Price { country: "US".to_owned(), currency: "USD".to_owned(), micros_per_part: 7_900 };
    let mut spare = Sender {
        id: "spare".parse().expect("a slug"),
        address: "+13055550100".to_owned(),
        connection: "second".parse().expect("a slug"),
        throttle: ThrottleGroup { id: "spare".to_owned(), ..main.throttle.clone() },
        ..main.clone()
    };
    change(&mut main, &mut spare);
    let senders = vec![main.id.clone(), spare.id.clone()];
    objects.extend([
        Object::Sender(main),
        Object::Sender(spare),
        Object::Connection(Connection {
            id: "second".parse().expect("a slug"),
            prices: vec![price],
            ..connection
        }),
        Object::Program(Program { senders, ..program.expect("a program") }),
    ]);
    let mut writer = TestWriter::new();
    writer.set_up(objects);
    writer.run(Grant("+12125550123", ConsentState::Granted)).expect("granted");
    writer
}

fn failure(class: ErrorClass) -> Failure {
    Failure { class, code: "1".to_owned(), text: String::new() }
}

fn way(writer: &TestWriter, id: &MessageId, health: impl Fn(&str) -> Health) -> Way {
    let way = writer.look(|state| {
        let message = state.get::<Message>(&keys::message(id)).expect("readable").expect("accepted");
        way_of(state, &message, &|connection: &ConnectionId| health(connection.as_str()))
    });
    way.expect("readable").expect("a way")
}

fn intents(writer: &TestWriter) -> Vec<IntentBody> {
    let intent = |e: crate::ledger::entry::Entry| match e.body {
        Body::Intent(body) => Some(*body),
        _ => None,
    };
    writer.entries().into_iter().filter_map(intent).collect()
}

fn leave(writer: &mut TestWriter, id: MessageId, by: &Way) -> IntentAnswer {
    let stands_in = Some(by.sender.id.clone()).filter(|_| by.stands_in);
    writer.run(Intent { message: id, stands_in }).expect("asked")
}

fn say(writer: &mut TestWriter, id: MessageId, handover: Handover) -> MessageState {
    writer.run(RecordOutcome { message: id, handover, handed_over_at: None }).expect("recorded")
}

fn slug(text: &str) -> SenderId {
    text.parse().expect("a slug")
}

const OPEN: fn(&str) -> Health = |_| Health::Open;

#[test]
fn what_was_certainly_not_taken_goes_by_the_standby_decided_again() {
    let mut writer = with_standby(|_, _| {});
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    let own = way(&writer, &id, OPEN);
    assert_eq!((own.sender.id.clone(), own.stands_in, own.has_others), (slug("main"), false, true));
    assert!(matches!(leave(&mut writer, id, &own), IntentAnswer::Go(_)));
    let not_taken = Handover::NotTaken { failure: failure(ErrorClass::Retryable), after_seconds: Some(60) };
    assert_eq!(say(&mut writer, id, not_taken), MessageState::Queued);
    writer.advance(Span::seconds(1));

    let other = way(&writer, &id, OPEN);
    assert_eq!((other.sender.id.clone(), other.stands_in), (slug("spare"), true), "at once, not in a minute");
    let IntentAnswer::Go(draft) = leave(&mut writer, id, &other) else { panic!("it may leave") };
    assert_eq!((draft.from.as_str(), draft.connection.as_str()), ("+13055550100", "second"));
    assert_eq!(say(&mut writer, id, Handover::Accepted { ids: vec!["p1".to_owned()] }), MessageState::Sent);

    let recorded = intents(&writer);
    assert_eq!(recorded[0].stands_in_for, None);
    assert_eq!(recorded[1].stands_in_for, Some(slug("main")));
    assert_eq!(recorded[1].cost.as_ref().map(|c| c.amount()), Some("0.0079".to_owned()));
    assert_eq!(recorded[0].cost, None, "nobody said what the first one costs");
    let message = writer.look(|s| s.get::<Message>(&keys::message(&id)).expect("readable")).expect("there");
    assert_eq!(message.sender(), Some(&slug("spare")));
    let routes = ["virtual", "second"].map(|c| message.went_through(&c.parse().expect("a slug")));
    assert_eq!(routes, [true, true], "a late word of the first is still about this message");
    writer.check_fold();
    writer.check_replay();

    // The person stays with the number they know.
    writer.advance(Span::days(2));
    let next = send(&mut writer, "k2", "c2").message;
    assert_eq!(next.spec.sender, Some(slug("main")));
}

#[test]
fn what_may_have_been_taken_never_goes_elsewhere() {
    let mut writer = with_standby(|_, _| {});
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    let own = way(&writer, &id, OPEN);
    leave(&mut writer, id, &own);
    assert_eq!(
        say(&mut writer, id, Handover::Unclear(failure(ErrorClass::Ambiguous))),
        MessageState::Sending
    );
    writer.advance(Span::minutes(10));
    let spare = Intent { message: id, stands_in: Some(slug("spare")) };
    assert!(matches!(writer.run(spare).expect("asked"), IntentAnswer::NotWaiting));
}

#[test]
fn only_a_fault_of_the_sender_sends_a_refused_message_elsewhere() {
    use ErrorClass::{OptedOut, PermanentContent, PermanentRecipient, PermanentSender};
    for (class, goes_on) in
        [(PermanentSender, true), (PermanentContent, false), (PermanentRecipient, false), (OptedOut, false)]
    {
        let mut writer = with_standby(|_, _| {});
        let id = send(&mut writer, "k1", "c1").message.spec.id;
        let own = way(&writer, &id, OPEN);
        leave(&mut writer, id, &own);
        let state = say(&mut writer, id, Handover::Rejected(failure(class)));
        assert_eq!(state == MessageState::Queued, goes_on, "{class:?}");
        if !goes_on {
            continue;
        }
        writer.advance(Span::seconds(2));
        let rests = |c: &str| if c == "second" { Health::Rests } else { Health::Open };
        let other = way(&writer, &id, rests);
        assert_eq!(
            other.sender.id,
            slug("spare"),
            "the refused one is not asked again, however long it takes"
        );
        leave(&mut writer, id, &other);
        let last = say(&mut writer, id, Handover::Rejected(failure(class)));
        assert_eq!(last, MessageState::Rejected, "nobody is left");
    }
}

#[test]
fn a_resting_provider_is_stood_in_for_and_a_deaf_one_is_not() {
    let mut writer = with_standby(|_, _| {});
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    let by = |own: Health, other: Health| {
        let way = way(&writer, &id, |c: &str| if c == "second" { other } else { own });
        (way.sender.id.as_str().to_owned(), way.stands_in)
    };
    assert_eq!(by(Health::Rests, Health::Open), ("spare".to_owned(), true));
    assert_eq!(by(Health::Rests, Health::Rests), ("main".to_owned(), false), "it waits for its own");
    assert_eq!(by(Health::Rests, Health::Paused), ("main".to_owned(), false));
    // A STOP may lie at the first provider, unheard.
    assert_eq!(by(Health::Paused, Health::Open), ("main".to_owned(), false));
}

#[test]
fn nobody_stands_in_who_could_not_speak_for_the_sender() {
    let table: [(&str, fn(&mut Sender)); 6] = [
        ("another country", |s| s.country = "CA".to_owned()),
        ("the same provider", |s| s.connection = "virtual".parse().expect("a slug")),
        ("paused", |s| s.paused = true),
        ("unregistered", |s| s.registered = false),
        ("another brand's", |s| s.brands = vec!["other".parse().expect("a slug")]),
        ("deaf", |s| (s.kind, s.address) = (SenderKind::Alphanumeric, "Acme".to_owned())),
    ];
    for (why, change) in table {
        let mut writer = with_standby(|_, spare| change(spare));
        let id = send(&mut writer, "k1", "c1").message.spec.id;
        assert!(!way(&writer, &id, OPEN).has_others, "{why}");
        let forced = writer.run(Intent { message: id, stands_in: Some(slug("spare")) }).expect("asked");
        assert!(!matches!(forced, IntentAnswer::Go(_)), "{why}: {forced:?}");
        writer.check_replay();
    }
}

#[test]
fn an_opt_out_between_two_providers_ends_it() {
    let mut writer = with_standby(|_, _| {});
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    let own = way(&writer, &id, OPEN);
    leave(&mut writer, id, &own);
    say(&mut writer, id, Handover::NotTaken { failure: failure(ErrorClass::Retryable), after_seconds: None });
    writer.run(Stop("+12125550123")).expect("recorded");
    writer.advance(Span::seconds(2));
    let other = way(&writer, &id, OPEN);
    assert!(other.stands_in);
    let ended = leave(&mut writer, id, &other);
    assert!(matches!(ended, IntentAnswer::Ended(MessageState::Cancelled)), "{ended:?}");
    writer.check_replay();
}

#[test]
fn a_person_keeps_their_number_of_a_pool() {
    let pool = |s: &mut Sender| s.pool = "us".to_owned();
    let mut writer = with_standby(|main, spare| {
        pool(main);
        pool(spare);
    });
    let mut given = std::collections::BTreeSet::new();
    for n in 0..24 {
        let number = format!("+121255501{n:02}");
        let now = crate::clock::Clock::now(&writer.clock);
        let ask = |key: &str| Send::new(request(&format!("{key}{n}"), &number, &format!("c{key}{n}"), now));
        let first = writer.run(ask("a")).expect("answered").message.spec.sender.clone();
        let second = writer.run(ask("b")).expect("answered").message.spec.sender.clone();
        assert_eq!(first, second, "{number}");
        given.extend(first);
    }
    assert_eq!(given.len(), 2, "both numbers have people");
    writer.check_replay();
}

#[test]
fn a_tax_id_is_counted_over_all_its_senders() {
    let cap =
        TaxIdCap { tax_id: "12-345".into(), parts_per_day: 2_000, reset_zone: "America/New_York".into() };
    let mut writer = with_standby(|main, spare| {
        (main.tax_id_cap, spare.tax_id_cap) = (Some(cap.clone()), Some(cap));
    });
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    let own = way(&writer, &id, OPEN);
    leave(&mut writer, id, &own);
    let key = keys::throttle_day(&keys::tax_id_group("12-345"), "2026-06-01");
    let counted = writer.look(|s| s.get::<ThrottleDay>(&key).expect("readable"));
    assert_eq!(counted.map(|day| day.parts), Some(1));
    writer.check_fold();
}

#[test]
fn a_one_way_sender_without_a_link_gets_the_opt_out_link() {
    let deaf = |s: &mut Sender| {
        (s.kind, s.address, s.country) = (SenderKind::Alphanumeric, "Acme".to_owned(), "GB".to_owned());
    };
    let mut writer = with_standby(|main, spare| {
        deaf(main);
        deaf(spare);
    });
    writer.run(Grant("+447700900123", ConsentState::Granted)).expect("granted");
    let now = crate::clock::Clock::now(&writer.clock);
    let asked = |key: &str, words: &str| {
        let asked = request(key, "+447700900123", "c1", now);
        Send::new(SendRequest { cart: None, words: Words::Body(words.to_owned()), ..asked })
    };
    let plain = writer.run(asked("k1", "New shoes are in.")).expect("answered");
    let spec = &plain.message.spec;
    let link = spec.link.as_ref().expect("a way out");
    let url = format!("https://go.acme.example/opt-out/{}", link.code);
    assert!(link.opt_out && spec.preview.ends_with(&format!("Opt out: {url}")), "{}", spec.preview);
    for code in [Code::OptOutWordingMissing, Code::LinkDomain] {
        assert!(!plain.verdict.has(&code), "{:?}", plain.verdict.reasons);
    }
    let placed = writer.run(asked("k2", "No more? {{opt_out_link}} Acme shoes")).expect("answered");
    assert!(placed.message.spec.preview.contains("No more? https://go.acme.example/opt-out/"));
    // Nothing is behind {{link}} but the way out, so it is not offered as one.
    let wrong = writer.run(asked("k3", "Shoes: {{link}}")).expect_err("no link");
    assert!(wrong.to_string().contains("link"), "{wrong}");
    writer.check_replay();
}

/// A number shared by brands says nothing of which one a STOP means, so it means all of them.
#[test]
fn a_stop_to_a_shared_number_stops_every_brand_it_may_mean() {
    let mut objects = shop();
    let others = objects.iter().find_map(|object| match object {
        Object::Program(program) => Some(program.clone()),
        _ => None,
    });
    let brand = objects.iter().find_map(|object| match object {
        Object::Brand(brand) => Some(brand.clone()),
        _ => None,
    });
    objects.extend([
        Object::Brand(Brand {
            id: "bravo".parse().expect("a slug"),
            display_name: "Bravo".to_owned(),
            short_domain: "go.bravo.example".to_owned(),
            ..brand.expect("a brand")
        }),
        Object::Program(Program {
            id: "sale".parse().expect("a slug"),
            brand: "bravo".parse().expect("a slug"),
            ..others.expect("a program")
        }),
    ]);
    let mut writer = TestWriter::new();
    writer.set_up(objects);
    writer.run(Grant("+12125550123", ConsentState::Granted)).expect("granted");
    let now = crate::clock::Clock::now(&writer.clock);
    let ask = |key: &str, brand: &str, program: &str| {
        let asked = request(key, "+12125550123", &format!("cart {key}"), now);
        Send::new(SendRequest {
            brand: brand.parse().expect("a slug"),
            program: program.parse().expect("a slug"),
            ..asked
        })
    };
    let before = writer.run(ask("k1", "bravo", "sale")).expect("answered").verdict;
    assert!(!before.has(&Code::OptedOut), "{:?}", before.reasons);

    let text = crate::inbound::event::InboundText {
        provider_id: "in1".to_owned(),
        from: "12125550123".to_owned(),
        to: "12125550100".to_owned(),
        text: "STOP".to_owned(),
        provider_flag: None,
        received_at: None,
        weak: false,
    };
    let events = vec![crate::inbound::event::InboundEvent::Text(text)];
    let connection = "virtual".parse().expect("a slug");
    let delivery = crate::writer::ops::webhook::Delivery { connection, raw: None, events, listening: false };
    let heard = writer.run(crate::writer::ops::webhook::ReceiveTexts(delivery)).expect("taken");
    assert_eq!(heard.stopped, 1);
    for (key, brand, program) in [("k2", "acme", "carts"), ("k3", "bravo", "sale")] {
        let after = writer.run(ask(key, brand, program)).expect("answered").verdict;
        assert!(after.has(&Code::OptedOut), "{brand}: {:?}", after.reasons);
    }
    writer.check_fold();
    writer.check_replay();
}

pub(super) fn receipt(id: &str, state: MessageState) -> crate::writer::ops::webhook::ReceiveReceipts {
    let told = crate::inbound::event::Receipt {
        message: None,
        provider_id: id.to_owned(),
        state,
        error: None,
        carrier_at: None,
    };
    let events = vec![crate::inbound::event::InboundEvent::Receipt(told)];
    let connection = "virtual".parse().expect("a slug");
    crate::writer::ops::webhook::ReceiveReceipts(crate::writer::ops::webhook::Delivery {
        connection,
        raw: None,
        events,
        listening: false,
    })
}

/// A receipt may be faster than the answer that tells the provider's id, and receipts overtake each other.
#[test]
fn a_receipt_waits_for_its_message_and_ranks_decide() {
    let mut writer = writer();
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    writer.run(Intent::of(id)).expect("asked");
    let early = writer.run(receipt("p1", MessageState::Delivered)).expect("taken");
    assert_eq!((early.parked, early.new), (1, 1));
    let again = writer.run(receipt("p1", MessageState::Delivered)).expect("taken");
    assert_eq!((again.parked, again.known), (0, 1), "parked once");
    say(&mut writer, id, Handover::Accepted { ids: vec!["p1".to_owned()] });
    assert_eq!(state_of(&writer, &id), MessageState::Delivered, "it was there before its message");
    for late in [MessageState::Sent, MessageState::Failed, MessageState::Expired, MessageState::Unknown] {
        assert_eq!(writer.run(receipt("p1", late)).expect("taken").known, 1, "{late:?}");
        assert_eq!(state_of(&writer, &id), MessageState::Delivered, "{late:?}");
    }

    writer.run(Grant("+13055550124", ConsentState::Granted)).expect("granted");
    let now = crate::clock::Clock::now(&writer.clock);
    let next =
        writer.run(Send::new(request("k2", "+13055550124", "c2", now))).expect("answered").message.spec.id;
    assert!(matches!(writer.run(Intent::of(next)).expect("asked"), IntentAnswer::Go(_)));
    say(&mut writer, next, Handover::Accepted { ids: vec!["p2".to_owned()] });
    for (told, then) in [
        (MessageState::Expired, MessageState::Expired),
        (MessageState::Sent, MessageState::Expired),
        (MessageState::Delivered, MessageState::Delivered),
    ] {
        writer.run(receipt("p2", told)).expect("taken");
        assert_eq!(state_of(&writer, &next), then, "after {told:?}");
    }
    writer.check_fold();
}

/// TDRA's register: advertising comes from names that begin with `AD-`.
#[test]
fn a_name_is_judged_by_the_register_of_the_country() {
    let emirates = |name: &'static str| {
        with_standby(move |s, _| {
            (s.kind, s.address, s.country) = (SenderKind::Alphanumeric, name.to_owned(), "AE".to_owned());
        })
    };
    for (name, refused) in [("Acme", true), ("AD-Acme", false)] {
        let mut writer = emirates(name);
        let now = crate::clock::Clock::now(&writer.clock);
        let answer = writer.run(Send::new(request("k1", "+971501234567", "c1", now))).expect("decided");
        let reasons = &answer.verdict.reasons;
        let reason = reasons.iter().find(|reason| reason.code == Code::SenderName);
        assert_eq!(reason.map(|r| r.rule.as_str()), refused.then_some("ae/sender_name"), "{reasons:?}");
        assert!(
            reason.is_none_or(|r| r.detail == "the sender's name Acme must begin with AD-"),
            "{reasons:?}"
        );
        writer.check_replay();
    }
}
