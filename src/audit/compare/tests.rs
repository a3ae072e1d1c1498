//! Two sets over one ledger: what each would have said, and nothing else.

use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::model::facts::OnHold;
use crate::model::{Channel, Code, Span, Zones};
use crate::policy::embedded;
use crate::store::{KvOptions, kv};
use crate::writer::ops::fixture::{carts, main_brand, opt_in, person, text_shop, ticked};
use crate::writer::ops::send::{Send, SendRequest, Words};
use crate::writer::testing::TestWriter;

fn engine(change: impl Fn(&str, String) -> String) -> Engine {
    let files = embedded::files()
        .map(|(path, bytes)| (path, change(path, String::from_utf8_lossy(bytes).into_owned())));
    let set = crate::policy::compile(files).expect("compiles");
    Engine::new(Arc::new(set), Zones::bundled()).expect("zones fit")
}

fn send(writer: &mut TestWriter, key: &str) -> Arc<Verdict> {
    let asked = SendRequest {
        idempotency_key: key.to_owned(),
        request_sha256: [7; 32],
        brand: main_brand(),
        program: carts().id,
        target: person(1),
        channel: Channel::Sms,
        fallback_to_sms: false,
        sender: None,
        cart: None,
        words: Words::Body("New in the shop".to_owned()),
        variables: Vec::new(),
        link_url: String::new(),
        coupon_pool: None,
        hints: Vec::new(),
        on_hold: OnHold::Hold,
        expires_at: None,
        labels: Vec::new(),
        actor: "test".to_owned(),
    };
    writer.run(Send::new(asked)).expect("answered").verdict
}

fn compared(writer: &TestWriter, before: &Engine, after: &Engine) -> (Totals, Vec<Changed>) {
    let scratch: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
    let mut changed = Vec::new();
    let pair = Pair { before, after };
    let options = Options::default();
    let now = writer.clock.now();
    let totals = compare(&writer.env, &writer.log, &scratch, &options, &pair, now, |c| changed.push(c))
        .expect("it folds");
    (totals, changed)
}

#[test]
fn past_decisions_and_waiting_messages_are_judged_under_both() {
    let mut writer = text_shop();
    writer.run(opt_in(1, ticked(writer.clock.now()), "in")).expect("taken");
    let admitted = send(&mut writer, "noon");
    assert_eq!(admitted.outcome, Outcome::Admit, "{:?}", admitted.reasons);
    writer.advance(Span::hours(10));
    let held = send(&mut writer, "night");
    assert_eq!(held.outcome, Outcome::Hold, "{:?}", held.reasons);

    let shipped = engine(|_, text| text);
    let (totals, changed) = compared(&writer, &shipped, &shipped);
    assert_eq!(changed, []);
    let judged = Totals { decisions: totals.decisions, waiting: totals.waiting, ..Totals::default() };
    assert_eq!(totals, judged);
    assert!(totals.decisions >= 2 && totals.waiting >= 2, "{totals:?}");

    // Texts may leave from 15:00 on Mondays, and from 10:00 on Tuesdays; the house opens at 9:00.
    let later =
        engine(|path, text| match path {
            "us/quiet_hours.toml" => text
                .replacen("mon = \"08:00-21:00\"", "mon = \"15:00-21:00\"", 1)
                .replacen("tue = \"08:00-21:00\"", "tue = \"10:00-21:00\"", 1),
            _ => text,
        });
    let (totals, changed) = compared(&writer, &shipped, &later);
    let of_log = |c: &&Changed| c.entry.is_some();
    let noon = changed.iter().filter(of_log).find(|c| c.before.outcome == Outcome::Admit).expect("noon");
    assert_eq!(noon.after.outcome, Outcome::Hold);
    assert!(noon.after.has(&Code::QuietHours));
    let night = changed.iter().find(|c| c.state == Some(MessageState::Held)).expect("it waits");
    let open = |c: &Verdict| c.hold_until.expect("a lawful instant");
    assert_eq!(open(&night.after).since(open(&night.before)), Span::hours(1));
    assert_eq!(totals.decisions_changed as usize, changed.iter().filter(of_log).count());
    assert_eq!(totals.waiting_changed as usize, changed.len() - totals.decisions_changed as usize);
    writer.check_replay();
}
