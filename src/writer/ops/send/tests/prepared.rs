//! A send that was thought out early comes out as if it had been thought out in its turn.

use super::*;
use crate::clock::Clock;
use crate::writer::QueuedOp;

fn prepared(writer: &TestWriter, key: &str, cart: &str) -> Send {
    let send = Send::prepared(request(key, "+12125550123", cart, writer.clock.now()), &writer.reader());
    assert!(send.plan.is_some(), "a send looks at single rows alone");
    send
}

fn outcome(writer: &mut TestWriter, send: Send) -> (Outcome, Vec<crate::model::Code>) {
    let answer = writer.run(send).expect("answered");
    writer.check_fold();
    writer.check_replay();
    (answer.verdict.outcome, answer.verdict.reasons.iter().map(|r| r.code.clone()).collect())
}

#[test]
fn nothing_changed_so_the_plan_is_taken_as_it_is() {
    let mut writer = writer();
    let early = prepared(&writer, "k1", "c1");
    let thought_at = writer.clock.now();
    writer.advance(Span::millis(700));
    let answer = writer.run(early).expect("answered");
    assert_eq!((answer.verdict.outcome, answer.repeated), (Outcome::Admit, false));
    assert_eq!(answer.verdict.evaluated_at, thought_at, "it was not thought out again");
    assert!(matches!(writer.run(Intent::of(answer.message.spec.id)), Ok(IntentAnswer::Go(_))));
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn a_stop_meanwhile_is_seen_in_an_earlier_batch_and_in_the_same_one() {
    for together in [false, true] {
        let mut writer = writer();
        let early = prepared(&writer, "k1", "c1");
        let (stop, _) = QueuedOp::new(Stop("+12125550123"));
        let (send, mut told) = QueuedOp::new(early);
        if together {
            writer.run_batch(vec![stop, send]);
        } else {
            writer.run_batch(vec![stop]);
            writer.run_batch(vec![send]);
        }
        let answer = told.try_recv().expect("answered").expect("carried out").answer;
        assert_eq!(answer.verdict.outcome, Outcome::Refuse, "together: {together}");
        assert!(answer.verdict.has(&crate::model::Code::OptedOut));
        writer.check_fold();
        writer.check_replay();
    }
}

#[test]
fn two_plans_of_one_attempt_or_one_person_do_not_pass_each_other() {
    let mut writer = writer();
    let (one, other) = (prepared(&writer, "k1", "c1"), prepared(&writer, "k1", "c1"));
    let (second_cart, same_cart) = (prepared(&writer, "k2", "c2"), prepared(&writer, "k3", "c1"));
    let answers: Vec<SendAnswer> = writer
        .run_together(vec![one, other, second_cart, same_cart])
        .into_iter()
        .map(|answer| answer.expect("answered"))
        .collect();
    assert_eq!([answers[0].repeated, answers[1].repeated], [false, true]);
    let mut patient = super::writer();
    let turns =
        [("k1", "c1"), ("k1", "c1"), ("k2", "c2"), ("k3", "c1")].map(|(k, c)| send(&mut patient, k, c));
    for (early, in_turn) in answers.iter().zip(&turns) {
        assert_eq!(early.verdict.reasons, in_turn.verdict.reasons);
        assert_eq!(early.verdict.outcome, in_turn.verdict.outcome);
    }
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn an_old_plan_another_clock_or_other_policies_count_for_nothing() {
    let mut writer = writer();
    writer.clock.set(Instant::parse("2026-06-02T00:59:58Z").expect("RFC 3339"));
    let at_20_59 = prepared(&writer, "k1", "c1");
    writer.advance(Span::seconds(3));
    assert_eq!(outcome(&mut writer, at_20_59).0, Outcome::Hold, "it is 21:00 now");
    let ahead = prepared(&writer, "k2", "c2");
    writer.clock.set(writer.clock.now() - Span::seconds(1));
    let (_, codes) = outcome(&mut writer, ahead);
    assert!(codes.contains(&crate::model::Code::QuietHours), "{codes:?}");
    let before = prepared(&writer, "k3", "c3");
    writer.env.set_policies((*writer.env.policies()).clone());
    assert_eq!(outcome(&mut writer, before).0, Outcome::Hold);
}

#[test]
fn a_plan_for_somebody_new_makes_them_once() {
    let mut writer = TestWriter::new();
    writer.set_up(shop());
    let both = vec![prepared(&writer, "k1", "c1"), prepared(&writer, "k2", "c2")];
    for answer in writer.run_together(both) {
        assert!(answer.expect("answered").verdict.has(&crate::model::Code::ConsentMissing));
    }
    let made = writer.entries().iter().filter(|e| e.leaf.kind == crate::ledger::entry::Kind::Subject).count();
    assert_eq!(made, 1, "the second plan saw nobody, but the first had made them");
    writer.check_fold();
    writer.check_replay();
}
