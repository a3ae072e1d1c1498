//! What counts after a STOP, and what does not.

use super::*;
use crate::clock::Clock;
use crate::ledger::body::{OptOutLiftedBody, OutcomeBody};
use crate::ledger::entry::{Entry, Public};
use crate::model::BrandId;
use crate::model::facts::AutomaticText;
use crate::writer::ops::intent::Intent;
use crate::writer::ops::send::Send;
use crate::writer::ops::send::tests::{Grant, Stop, request, shop};
use crate::writer::testing::TestWriter;

const NUMBER: &str = "+12125550123";

/// A real hand-over and the real STOP after it.
fn story() -> (Entry, Entry) {
    let mut writer = TestWriter::new();
    writer.set_up(shop());
    writer.run(Grant(NUMBER, ConsentState::Granted)).expect("granted");
    let now = writer.clock.now();
    let sent = writer.run(Send::new(request("first", NUMBER, "c-1", now))).expect("answered");
    writer.run(Intent { message: sent.message.spec.id, stands_in: None }).expect("answered");
    writer.advance(Span::minutes(10));
    writer.run(Stop(NUMBER)).expect("taken");
    let entries = writer.entries();
    let of = |kind| entries.iter().find(|e| e.leaf.kind == kind).expect("written").clone();
    (of(Kind::Intent), of(Kind::OptOut))
}

/// Entries at seconds after a start, in order.
struct Told {
    maker: StatementMaker,
    next: u64,
    start: Instant,
    intent: Entry,
    stop: Entry,
}

impl Told {
    fn new() -> Told {
        let (intent, stop) = story();
        let start = intent.leaf.instant;
        Told { maker: StatementMaker::default(), next: 0, start, intent, stop }
    }

    fn see(&mut self, second: i64, kind: Kind, body: Option<Body>, outcome: &str) -> u64 {
        let instant = self.start + Span::seconds(second);
        let public = Public { outcome: outcome.to_owned(), ..Public::default() };
        let leaf = Leaf { instant, kind, public, ..self.intent.leaf.clone() };
        self.maker.see(self.next, &leaf, body.as_ref());
        self.next += 1;
        self.next - 1
    }

    fn stop(&mut self, second: i64, received: i64, scope: OptOutScope) -> u64 {
        let Body::OptOut(mut body) = self.stop.body.clone() else { panic!("an opt-out") };
        body.opt_out.recorded_at = self.start + Span::seconds(second);
        body.opt_out.received_at = self.start + Span::seconds(received);
        body.opt_out.scope = scope;
        self.see(second, Kind::OptOut, Some(Body::OptOut(body)), "ALL")
    }

    fn send(&mut self, second: i64, change: impl FnOnce(&mut IntentBody)) -> u64 {
        let Body::Intent(mut body) = self.intent.body.clone() else { panic!("an intent") };
        change(&mut body);
        self.see(second, Kind::Intent, Some(Body::Intent(body)), "ADMIT")
    }

    fn automatic(&mut self, second: i64, kind: AutomaticKind, trigger: i64) {
        let trigger = self.start + Span::seconds(trigger);
        let automatic =
            AutomaticText { kind, trigger, by_keyword: false, grant_existed: true, last_sent: None };
        self.send(second, |body| {
            body.inputs.as_mut().expect("recorded").request.automatic = Some(automatic);
        });
    }

    fn said(self) -> Statement {
        self.maker.finish()
    }
}

#[test]
fn nothing_after_a_stop_is_said_with_its_limits() {
    let mut told = Told::new();
    told.send(0, |_| {});
    told.stop(600, 590, OptOutScope::All);
    let said = told.said();
    assert_eq!((said.stops, said.people, said.violations, said.unknown), (1, 1, 0, 0));
    let text = said.to_string();
    assert!(text.contains("nothing was handed over that it covers, up to entry 1"), "{text}");
    assert!(text.contains("not of STOPs recorded before the first"), "{text}");
    assert_eq!(Statement::default().sentence(), "No STOP is among the entries shown.");
}

#[test]
fn a_hand_over_after_a_stop_is_named_with_both_entries() {
    let mut told = Told::new();
    let stop = told.stop(0, 0, OptOutScope::All);
    let sent = told.send(5, |_| {});
    let said = told.said();
    assert_eq!(said.violations, 1);
    assert_eq!((said.listed[0].stop_entry, said.listed[0].intent_entry), (Some(stop), sent));
    assert!(said.to_string().contains("ONE MESSAGE WAS HANDED OVER"), "{said}");
}

#[test]
fn each_reach_covers_what_it_names() {
    let slug = |s: &str| s.parse::<BrandId>().expect("a slug");
    let table = [
        (OptOutScope::All, 1),
        (OptOutScope::Marketing, 1),
        (OptOutScope::Brand(slug("acme")), 1),
        (OptOutScope::Brand(slug("other")), 0),
        (OptOutScope::Program("carts".parse().expect("a slug")), 1),
        (OptOutScope::Program("news".parse().expect("a slug")), 0),
        (OptOutScope::Channel(crate::model::Channel::Push), 0),
    ];
    for (scope, violations) in table {
        let mut told = Told::new();
        told.stop(0, 0, scope.clone());
        told.send(5, |_| {});
        let said = told.said();
        assert_eq!((said.violations, said.not_covered), (violations, 1 - violations), "{scope:?}");
    }
}

#[test]
fn answers_a_person_may_get_are_counted_apart() {
    for (kind, trigger, at, answer) in [
        (AutomaticKind::OptOutConfirmation, 0, 2, true),
        (AutomaticKind::OptOutConfirmation, 0, 301, false),
        (AutomaticKind::Help, 50, 51, true),
        (AutomaticKind::Help, -50, 1, false),
        (AutomaticKind::OptInRequest, 60, 61, true),
        (AutomaticKind::Welcome, 60, 61, false),
    ] {
        let mut told = Told::new();
        told.stop(0, 0, OptOutScope::All);
        told.automatic(at, kind, trigger);
        let said = told.said();
        assert_eq!((said.answers == 1, said.violations == 0), (answer, answer), "{kind:?} at {at}");
    }
}

#[test]
fn a_lifted_stop_covers_nothing_any_more() {
    let mut told = Told::new();
    told.stop(0, 0, OptOutScope::All);
    let lifted = OptOutLiftedBody {
        recorded_at: vec![told.start],
        programs: Vec::new(),
        channel: None,
        cause: "START".to_owned(),
        text: "START".to_owned(),
        operation: None,
        actor: "gateway".to_owned(),
    };
    told.see(60, Kind::OptOutLifted, Some(Body::OptOutLifted(lifted)), "");
    told.send(61, |_| {});
    told.stop(120, 120, OptOutScope::All);
    told.send(130, |_| {});
    let said = told.said();
    assert_eq!((said.stops, said.not_covered, said.violations), (2, 1, 1));
}

#[test]
fn what_was_on_its_way_is_counted_with_its_time() {
    let mut told = Told::new();
    told.send(0, |_| {});
    told.send(40, |_| {});
    told.stop(60, 10, OptOutScope::All);
    let message = match &told.intent.body {
        Body::Intent(body) => body.message,
        _ => panic!("an intent"),
    };
    let outcome = OutcomeBody {
        handed_over_at: Some(told.start + Span::seconds(60) + Span::micros(750_000)),
        ..sample_outcome(message)
    };
    told.see(62, Kind::Outcome, Some(Body::Outcome(outcome)), "SENT");
    let said = told.said();
    assert_eq!((said.violations, said.before_recorded, said.before_recorded_seconds), (0, 1, 30));
    assert_eq!((said.written_after, said.written_after_milliseconds), (1, 750));
}

fn sample_outcome(message: MessageId) -> OutcomeBody {
    let json = serde_json::json!({
        "message": message, "state": "SENT", "provider_ids": [], "error": null, "handed_over_at": null, "due": null,
    });
    serde_json::from_value(json).expect("the fields every release wrote")
}

#[test]
fn what_is_sealed_is_never_called_lawful() {
    let mut told = Told::new();
    told.see(0, Kind::OptOut, None, "ALL");
    told.send(5, |_| {});
    told.see(6, Kind::Intent, None, "ADMIT");
    told.see(7, Kind::OptOutLifted, None, "");
    told.send(8, |_| {});
    told.see(9, Kind::OptOut, None, "PROGRAM");
    let said = told.said();
    assert_eq!((said.violations, said.unknown, said.sealed_stops), (1, 2, 1));
    assert_eq!(said.listed[0].stop_entry, None);
    let mut old = Told::new();
    old.stop(0, 0, OptOutScope::All);
    old.send(5, |body| body.inputs = None);
    assert_eq!(old.said().unknown, 1, "recorded by a release that kept no inputs");
}

#[test]
fn the_sentence_does_not_say_nothing_where_something_cannot_be_told() {
    let mut hidden = Told::new();
    hidden.stop(0, 0, OptOutScope::All);
    hidden.see(5, Kind::Intent, None, "ADMIT");
    let said = hidden.said();
    assert_eq!((said.violations, said.unknown), (0, 1));
    let sentence = said.sentence();
    assert!(!sentence.contains("nothing was handed over"), "{sentence}");
    assert!(sentence.contains("of 1 hand-overs it CANNOT BE TOLD"), "{sentence}");
    let mut sealed = Told::new();
    sealed.see(0, Kind::OptOut, None, "PROGRAM");
    let sentence = sealed.said().sentence();
    assert!(sentence.contains("the reach of 1 STOPs is sealed here"), "{sentence}");
}

#[test]
fn the_addresses_of_one_person_stop_together() {
    let mut told = Told::new();
    let other = SubjectId([9; 16]);
    told.maker = StatementMaker::new(&[told.intent.leaf.subject, other]);
    let leaf = Leaf { subject: other, ..told.stop.leaf.clone() };
    let body = told.stop.body.clone();
    told.maker.see(0, &leaf, Some(&body));
    told.next = 1;
    told.send(900, |_| {});
    let said = told.said();
    assert_eq!((said.people, said.violations), (1, 1));
}
