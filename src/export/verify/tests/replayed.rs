//! Decisions of a bundle are made again from what they recorded, with the policy set that judged then.

use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::decide::Engine;
use crate::ledger::body::{Body, RegistryBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::model::{ConsentState, Span, Verdict, Zones};
use crate::policy::from_canonical;
use crate::writer::Policies;
use crate::writer::ops::intent::Intent;
use crate::writer::ops::send::Send;
use crate::writer::ops::send::tests::{Grant, Stop, request as reminder, shop};

const NUMBER: &str = "+12125550123";

/// A reminder that leaves under one policy set; one that is refused after STOP, under the next.
fn world() -> World {
    let mut world = World::new();
    for object in shop() {
        let body = RegistryBody { object, reason: String::new(), actor: "operator".to_owned() };
        world.emit(SELLER_CHAIN, None, Public::default(), Body::Registry(body));
    }
    world.run(Grant(NUMBER, ConsentState::Granted));
    let sent = world.run(Send::new(reminder("first", NUMBER, "c-1", world.clock.now())));
    world.run(Intent { message: sent.message.spec.id, stands_in: None });
    world.env.set_policies(next_policies(&world));
    world.clock.advance(Span::hours(1));
    world.run(Stop(NUMBER));
    let refused = world.run(Send::new(reminder("second", NUMBER, "c-2", world.clock.now())));
    assert!(refused.verdict.has(&crate::model::Code::OptedOut));
    world.record_heads();
    world.sign();
    world
}

/// The set in force with another version: another hash, another engine.
fn next_policies(world: &World) -> Policies {
    let now = world.env.policies();
    let text = String::from_utf8(now.engine.policy().canonical().to_vec()).expect("JSON");
    let version = format!("\"version\":\"{}\"", now.engine.policy().version());
    assert!(text.contains(&version));
    let set = from_canonical(text.replace(&version, "\"version\":\"next\"").as_bytes()).expect("compiles");
    Policies::new(Engine::new(std::sync::Arc::new(set), Zones::bundled()).expect("zones fit"))
}

fn of_acme() -> Request {
    Request { brand: Some("acme".parse().expect("a slug")), ..request() }
}

#[test]
fn decisions_of_two_policy_sets_come_out_as_recorded() {
    let world = world();
    let bytes = make(&world, of_acme());
    let sets = Forge::of(&bytes).0.iter().filter(|(name, _)| name.starts_with("policy/")).count();
    assert_eq!(sets, 2, "the set in force and the one before it");
    let report = check(&world, &bytes);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    assert!(report.proved.iter().any(|line| line.starts_with("3 decisions come out")), "{report}");
    for brand in [None, of_acme().brand] {
        let report = check(&world, &make(&world, Request { person: None, brand, ..request() }));
        assert!(report.proved.iter().any(|line| line.starts_with("3 decisions come out")), "{report}");
    }
}

#[test]
fn without_its_policy_set_a_decision_is_told_apart_and_not_called_equal() {
    let world = world();
    let mut forge = Forge::of(&make(&world, of_acme()));
    forge.0.retain(|(name, _)| !name.starts_with("policy/"));
    let report = check(&world, &forge.close());
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    assert!(!report.proved.iter().any(|line| line.contains("come out")), "{report}");
    assert!(report.not_proved.iter().any(|line| line.contains("3 decisions were made rightly")), "{report}");
}

/// Somebody who holds the log's key records a verdict that the rules do not give.
#[test]
fn a_verdict_its_inputs_do_not_give_is_found() {
    let mut world = world();
    let changes: [(&str, fn(&mut Verdict)); 3] = [
        ("verdict.outcome", |v| v.outcome = crate::model::Outcome::Admit),
        ("verdict.reasons", |v| v.reasons.clear()),
        ("verdict.zones_considered", |v| v.zones_considered.clear()),
    ];
    let last = world.reader.entries().size();
    let mut decisions = (0..last).filter_map(|index| world.reader.entries().entry(index).expect("reads"));
    let honest = decisions.rfind(|e| matches!(e.body, Body::Decision(_))).expect("a decision");
    for (field, change) in changes {
        let Body::Decision(mut body) = honest.body.clone() else { panic!("a decision") };
        change(Arc::make_mut(&mut body.verdict));
        let about = Public {
            outcome: format!("{:?}", body.verdict.outcome).to_uppercase(),
            ..honest.leaf.public.clone()
        };
        let index = world.emit(honest.leaf.subject, Some("acme"), about, Body::Decision(body));
        world.record_heads();
        world.sign();
        let report = check(&world, &make(&world, of_acme()));
        let found = report.failures.iter().find(|f| f.entry == Some(index)).expect("found");
        assert_eq!((found.check, found.field.contains(field)), ("replay", true), "{report}");
    }
}

#[test]
fn inputs_are_sealed_with_the_verdict() {
    let world = world();
    let bytes = make(&world, of_acme());
    let report = forged(&world, &bytes, |lines| {
        for opened in lines.iter_mut().filter_map(|line| line.opening.as_mut()) {
            let text = String::from_utf8_lossy(&opened.plaintext.0);
            opened.plaintext.0 = text.replace("\"suppressed\":false", "\"suppressed\":true").into_bytes();
        }
    });
    assert_eq!(checks(&report)[0], "opening", "{report}");
}

#[test]
fn a_folder_is_replayed_on_all_cores_from_what_it_recorded() {
    use crate::audit::again::Skip;
    use crate::audit::recorded::replay;
    use crate::audit::replay::Options;
    let mut world = world();
    let run = |world: &World, options: &Options, instead| {
        replay(&world.env, &world.books, options, instead, 1).expect("replayed")
    };
    let report = run(&world, &Options::default(), None);
    assert_eq!((report.replayed, report.skipped, report.different), (3, 0, 0), "two policy sets, both kept");
    let nobody = Options { brand: Some("other".parse().expect("a slug")), ..Options::default() };
    assert_eq!(run(&world, &nobody, None).replayed, 0);
    let now = world.env.policies().engine.clone();
    assert_eq!(run(&world, &Options::default(), Some(now)).different, 0, "the same rules under another name");
    for path in world.disk.list(&world.dir.join("policies")).expect("a folder") {
        assert!(world.sim.flip_bit(&world.dir.join("policies").join(path), 9, 1));
    }
    let without = run(&world, &Options::default(), None);
    assert_eq!((without.replayed, without.because.get(&Skip::NoPolicy)), (1, Some(&2)), "{without:?}");
    let honest = (0..world.reader.entries().size())
        .filter_map(|index| world.reader.entries().entry(index).expect("reads"))
        .find(|e| matches!(&e.body, Body::Decision(d) if d.verdict.has(&crate::model::Code::OptedOut)));
    let honest = honest.expect("a refusal");
    let Body::Decision(mut body) = honest.body else { panic!("a decision") };
    Arc::make_mut(&mut body.verdict).reasons.clear();
    world.emit(honest.leaf.subject, Some("acme"), honest.leaf.public, Body::Decision(body));
    let report = run(&world, &Options::default(), None);
    assert_eq!((report.different, report.differences.len()), (1, 1), "{report:?}");
}

/// Equal means the very bytes: the engine an entry names has written them.
#[test]
fn a_verdict_written_otherwise_is_another_one() {
    use crate::audit::again::{Again, Engines};
    use crate::ledger::body::SealedDecision;
    use crate::ledger::entry::{Kind, LeafView};
    let world = world();
    let entry = (0..world.reader.entries().size())
        .filter_map(|index| world.reader.entries().entry(index).expect("reads"))
        .rfind(|entry| matches!(&entry.body, Body::Decision(_)))
        .expect("a decision");
    let policies = world.env.policies();
    let mut engines = Engines::new(policies.engine.zones().clone());
    engines.add(&policies);
    let (leaf, plaintext) = (entry.leaf.encode().expect("small"), entry.body.encode().expect("small"));
    let plaintext = String::from_utf8(plaintext).expect("JSON");
    let leaf = LeafView::decode(&leaf).expect("canonical");
    let again = |plaintext: &str, engines: &Engines| {
        let sealed = SealedDecision::read(Kind::Decision, plaintext.as_bytes()).expect("a decision");
        engines.again_sealed(&leaf, &sealed).expect("readable")
    };
    assert_eq!(again(&plaintext, &engines), Again::Equal);
    let spaced = plaintext.replacen("\"verdict\":{", "\"verdict\":{ ", 1);
    let Again::Different(different) = again(&spaced, &engines) else { panic!("other bytes") };
    assert_eq!((different.fields, different.recorded), (vec!["verdict".to_owned()], different.replayed));
    let instead = Engines::instead(policies.engine.clone());
    assert_eq!(again(&spaced, &instead), Again::Equal, "what would change: nothing");
    for (from, to, field) in [
        ("\"suppressed\":false", "\"suppressed\":true", "verdict.reasons"),
        ("\"request\":{\"message\":\"", "\"request\":{\"message\":\"00", "inputs.request.message"),
        (
            "\"facts\":{\"brand\":{\"id\":\"acme\"",
            "\"facts\":{\"brand\":{\"id\":\"other\"",
            "inputs.facts.brand.id",
        ),
    ] {
        let mut changed = plaintext.replacen(from, to, 1);
        if field == "inputs.request.message" {
            // As many digits as before.
            let at = changed.find(to).expect("put there") + to.len();
            changed.replace_range(at..at + 2, "");
        }
        assert_ne!(changed, plaintext, "{from}");
        let Again::Different(different) = again(&changed, &engines) else { panic!("{field}") };
        assert!(different.fields.iter().any(|name| name == field), "{field}: {:?}", different.fields);
    }
    assert!(SealedDecision::read(Kind::Intent, plaintext.as_bytes()).is_err(), "the leaf says otherwise");
    assert!(SealedDecision::read(Kind::Decision, &plaintext.as_bytes()[1..]).is_err());
    assert!(LeafView::decode(&entry.leaf.encode().expect("small")[1..]).is_err());
}
