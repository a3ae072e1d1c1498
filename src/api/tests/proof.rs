//! Explanations, replays, erasure and complete bundles, asked for as an auditor asks.

use tokio_stream::StreamExt;
use tonic::Code;

use super::messages::{send, to};
use crate::anchor::keeper::Turn;
use crate::api::testing::{Shop, by};
use crate::disk::SimDisk;
use crate::export::verify::{self, Outcome};
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use crate::pb::consentry::v1::explain_decision_request::Target;
use crate::pb::consentry::v1::export_audit_response::Part;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;
use crate::pb::consentry::v1::replay_decisions_response::Result as Came;

/// A shop that refused one message; its id and that of the decision.
async fn refused() -> (Shop, String, String) {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let sent = client.send_message(by("sender", send("a1"))).await.expect("a verdict").into_inner();
    let message = sent.message.expect("kept").id;
    (shop, message, sent.verdict.expect("a verdict").decision_id)
}

#[tokio::test]
async fn a_decision_is_explained_by_rule_place_and_consent() {
    let (shop, message, decision) = refused().await;
    let mut client = AuditServiceClient::new(shop.channel.clone());
    let asked = [Target::MessageId(message.clone()), Target::DecisionId(decision.clone())];
    for target in asked {
        let request = wire::ExplainDecisionRequest { target: Some(target) };
        let told = client.explain_decision(by("auditor", request)).await.expect("explained").into_inner();
        let verdict = told.verdict.expect("as recorded");
        assert_eq!((verdict.decision_id.as_str(), told.message_id.as_str()), (&*decision, &*message));
        let spoke = told
            .rules
            .iter()
            .find(|rule| rule.reason.as_ref().is_some_and(|reason| reason.code == "CONSENT_MISSING"));
        assert_eq!(spoke.expect("the rule that refused").result, "refuse");
        let silent = told.rules.iter().filter(|rule| rule.result == "pass").count();
        assert!(silent > 5, "rules that had nothing against it: {silent}");
        let text = told.sentences.join("\n");
        assert!(text.contains("refused, for good") && text.contains("CONSENT_MISSING forbids it"), "{text}");
        assert!(text.contains("us/ny") && text.contains("America/New_York"), "{text}");
        assert!(text.contains("No consent for program carts"), "{text}");
        assert_eq!((told.consent, told.earliest_lawful_at), (None, None));
        assert_eq!(told.entry_hash.len(), 32);
    }
    for target in [Target::MessageId("00".repeat(16)), Target::DecisionId("0".into())] {
        let request = wire::ExplainDecisionRequest { target: Some(target) };
        let none = client.explain_decision(by("auditor", request)).await.expect_err("nothing there");
        assert_eq!(none.code(), Code::NotFound);
    }
    shop.close().await;
}

#[tokio::test]
async fn decisions_are_made_again_beside_the_running_gateway() {
    let (shop, _, decision) = refused().await;
    let mut client = AuditServiceClient::new(shop.channel.clone());
    let request = wire::ReplayDecisionsRequest { brand: "main".into(), period: None };
    let answers =
        client.replay_decisions(by("auditor", request.clone())).await.expect("a stream").into_inner();
    let answers: Vec<_> = answers.collect::<Result<Vec<_>, _>>().await.expect("to its end");
    let [only] = answers.as_slice() else { panic!("one decision, {} answers", answers.len()) };
    assert_eq!((only.result(), only.decision_id.as_str(), only.checked_count), (Came::Equal, &*decision, 1));
    let elsewhere = wire::ReplayDecisionsRequest { brand: "side".into(), ..request };
    let none = client.replay_decisions(by("auditor", elsewhere)).await.expect("a stream").into_inner();
    assert_eq!(none.collect::<Vec<_>>().await.len(), 0);
    shop.close().await;
}

/// Erases the person of `refused`.
async fn erase(shop: &Shop, key: &str, mode: wire::EraseMode) -> Result<wire::EraseSubjectResponse, Code> {
    let request = wire::EraseSubjectRequest {
        subject: to("+12125550123"),
        mode: mode.into(),
        reason: "asked by letter".into(),
    };
    let answer = ConsentServiceClient::new(shop.channel.clone()).erase_subject(by(key, request)).await;
    answer.map(tonic::Response::into_inner).map_err(|status| status.code())
}

#[tokio::test]
async fn a_person_is_restricted_held_and_erased() {
    let (shop, message, _) = refused().await;
    let mut consents = ConsentServiceClient::new(shop.channel.clone());
    let about = || wire::GetSubjectRequest { subject: to("+12125550123"), as_of: None };
    let restricted = erase(&shop, "writer", wire::EraseMode::Restrict).await.expect("restricted");
    assert_eq!(restricted.state(), wire::EraseState::Restricted);
    assert!(restricted.erase_after.is_some());
    assert!(restricted.grounds.iter().any(|g| g.code == "RETENTION" && g.rule == "us/retention"));
    let hidden = consents.get_subject(by("writer", about())).await.expect_err("closed to normal reads");
    assert_eq!(hidden.code(), Code::NotFound);
    assert!(consents.get_subject(by("auditor", about())).await.is_ok());

    let hold = wire::SetLegalHoldRequest {
        target: Some(wire::set_legal_hold_request::Target::Subject(to("+12125550123").expect("set"))),
        reason: "Doe v. Fable".into(),
    };
    let hold = consents.set_legal_hold(by("admin", hold)).await.expect("set").into_inner();
    assert_eq!(erase(&shop, "writer", wire::EraseMode::EraseNow).await, Err(Code::PermissionDenied));
    let held = erase(&shop, "admin", wire::EraseMode::EraseNow).await.expect("answered");
    assert_eq!((held.state(), held.grounds[0].code.as_str()), (wire::EraseState::Held, "LEGAL_HOLD"));
    let seen = consents.get_subject(by("auditor", about())).await.expect("read").into_inner();
    assert_eq!(seen.legal_holds, std::slice::from_ref(&hold));
    let clear = wire::ClearLegalHoldRequest { id: hold.id, reason: "settled".into() };
    let cleared = consents.clear_legal_hold(by("admin", clear)).await.expect("cleared").into_inner();
    assert!(cleared.cleared_at.is_some());
    let seen = consents.get_subject(by("auditor", about())).await.expect("read").into_inner();
    assert_eq!(seen.legal_holds, [], "a cleared hold is over");

    let gone = erase(&shop, "admin", wire::EraseMode::EraseNow).await.expect("erased");
    assert_eq!(gone.state(), wire::EraseState::Erased);
    assert!(gone.grounds.iter().any(|g| g.code == "SUPPRESSION"), "{gone:?}");
    assert_eq!(erase(&shop, "admin", wire::EraseMode::EraseNow).await, Err(Code::NotFound));
    let read = wire::GetMessageRequest { id: message, ..Default::default() };
    let lost = MessageServiceClient::new(shop.channel.clone()).get_message(by("auditor", read)).await;
    assert_eq!(lost.expect_err("it went with the person").code(), Code::NotFound);
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let again = client.send_message(by("sender", send("a2"))).await.expect("a verdict").into_inner();
    let verdict = again.verdict.expect("a verdict");
    assert!(verdict.reasons.iter().any(|reason| reason.code == "SUPPRESSED"), "{verdict:?}");
    shop.close().await;
}

#[tokio::test]
async fn holds_are_shown_with_the_person_and_the_matter_to_whom_it_concerns() {
    let (shop, _, _) = refused().await;
    let mut consents = ConsentServiceClient::new(shop.channel.clone());
    for brand in ["main", "side"] {
        let hold = wire::SetLegalHoldRequest {
            target: Some(wire::set_legal_hold_request::Target::Brand(brand.into())),
            reason: format!("inquiry at {brand}"),
        };
        consents.set_legal_hold(by("admin", hold)).await.expect("set");
    }
    let stop = wire::RecordOptOutRequest {
        brand: "main".into(),
        subject: to("+12125550123"),
        scope: wire::OptOutScope::Brand.into(),
        source: wire::OptOutSource::PhoneCall.into(),
        idempotency_key: "stop".into(),
        ..Default::default()
    };
    consents.record_opt_out(by("writer", stop)).await.expect("taken");
    let about = || wire::GetSubjectRequest { subject: to("+12125550123"), as_of: None };
    let brands = |view: &wire::SubjectView| -> Vec<(Option<wire::legal_hold::Target>, String)> {
        view.legal_holds.iter().map(|hold| (hold.target.clone(), hold.reason.clone())).collect()
    };
    let main = || Some(wire::legal_hold::Target::Brand("main".into()));
    let auditor = consents.get_subject(by("auditor", about())).await.expect("read").into_inner();
    assert_eq!(brands(&auditor), [(main(), "inquiry at main".to_owned())], "who never met the other brand");
    let writer = consents.get_subject(by("writer", about())).await.expect("read").into_inner();
    assert_eq!(brands(&writer), [(main(), String::new())], "that there is one, not what it is about");
    assert!(writer.legal_holds[0].set_by.is_none());
    let side = consents.get_subject(by("side", about())).await.expect_err("whose brand it is not");
    assert_eq!(side.code(), Code::NotFound);
    shop.close().await;
}

#[tokio::test]
async fn a_bundle_asked_for_records_what_shows_it_complete() {
    let (shop, _, _) = refused().await;
    let report = bundle(&shop).await;
    assert!(report.to_string().contains("Nothing is missing of 1 person"), "{report}");
    shop.close().await;
}

/// A bundle about the person of `refused`, checked.
async fn bundle(shop: &Shop) -> verify::Report {
    let subject = to("+12125550123");
    bundle_of(shop, wire::ExportAuditRequest { subject, ..Default::default() }).await.expect("a stream")
}

/// A bundle of the brand, checked.
async fn bundle_of(shop: &Shop, about: wire::ExportAuditRequest) -> Result<verify::Report, Code> {
    // A checkpoint is due again, so that one covers the root that is about to be recorded.
    shop.clock.advance(crate::model::Span::seconds(5));
    let request =
        wire::ExportAuditRequest { brand: "main".into(), format: wire::ExportFormat::Bundle.into(), ..about };
    let mut client = AuditServiceClient::new(shop.channel.clone());
    let mut pieces = client.export_audit(by("auditor", request)).await.map_err(|e| e.code())?.into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        if let Some(Part::Chunk(chunk)) = piece.expect("to its end").part {
            bytes.extend_from_slice(&chunk);
        }
    }
    let report = verify::bundle(bytes.as_slice(), &[shop.gateway.books.verifier().clone()], None);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    Ok(report)
}

#[tokio::test]
async fn a_bundle_is_made_for_a_legal_matter() {
    let (shop, _, _) = refused().await;
    let mut consents = ConsentServiceClient::new(shop.channel.clone());
    let mut held = Vec::new();
    for target in [
        wire::set_legal_hold_request::Target::Subject(to("+12125550123").expect("set")),
        wire::set_legal_hold_request::Target::Brand("main".into()),
        wire::set_legal_hold_request::Target::Brand("side".into()),
    ] {
        let hold = wire::SetLegalHoldRequest { target: Some(target), reason: "Doe v. Fable".into() };
        held.push(consents.set_legal_hold(by("admin", hold)).await.expect("set").into_inner().id);
    }
    let about = |id: &str| wire::ExportAuditRequest { legal_hold_id: id.into(), ..Default::default() };
    let person = bundle_of(&shop, about(&held[0])).await.expect("made");
    assert!(person.to_string().contains("Nothing is missing of 1 person"), "{person}");
    assert!(bundle_of(&shop, about(&held[1])).await.is_ok(), "everybody of the brand");
    assert_eq!(bundle_of(&shop, about(&held[2])).await.err(), Some(Code::NotFound), "another brand's");
    assert_eq!(bundle_of(&shop, about("nonsense")).await.err(), Some(Code::InvalidArgument));
    let both = wire::ExportAuditRequest { subject: to("+12125550123"), ..about(&held[0]) };
    assert_eq!(bundle_of(&shop, both).await.err(), Some(Code::InvalidArgument));
    shop.close().await;
}

#[tokio::test]
async fn each_bundle_is_anchored_as_it_is_made() {
    let (shop, _, _) = refused().await;
    let without = bundle(&shop).await;
    assert!(without.anchors.is_empty() && without.to_string().contains("rests on the operator's word"));
    let folder = crate::anchor::default_file(std::path::Path::new("/worm"), &SimDisk::new(5).shared());
    let (books, env) = (shop.gateway.books.clone(), &shop.gateway.env);
    shop.gateway.anchors.put(Turn::new(folder, books, env.clock.clone(), env.entropy.clone()));
    let mut sizes = Vec::new();
    for key in ["a2", "a3"] {
        MessageServiceClient::new(shop.channel.clone())
            .send_message(by("sender", send(key)))
            .await
            .expect("taken");
        let report = bundle(&shop).await;
        let newest = report.anchors.iter().map(|anchor| anchor.covers).max();
        assert_eq!(newest, Some(report.tree_size), "the very checkpoint of the bundle: {report}");
        sizes.push(report.tree_size);
    }
    assert!(sizes[0] < sizes[1], "again within the hour: {sizes:?}");
    shop.close().await;
}

#[tokio::test]
async fn one_entry_is_proved_in_one_file() {
    let (shop, _, _) = refused().await;
    shop.clock.advance(crate::model::Span::seconds(5));
    let mut client = AuditServiceClient::new(shop.channel.clone());
    let request = wire::GetInclusionProofRequest { index: 0, tree_size: 0 };
    let answer = client.get_inclusion_proof(by("auditor", request)).await.expect("proved").into_inner();
    let keys = [shop.gateway.books.verifier().clone()];
    let report = verify::tlog_proof(&answer.tlog_proof, &keys, &verify::Trust::default());
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    assert_eq!(report.tree_size, answer.tree_size);
    shop.close().await;
}

#[tokio::test]
async fn who_watches_is_given_a_checkpoint_to_keep() {
    let (shop, _, _) = refused().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let keys = [shop.gateway.books.verifier().clone()];
    let mut kept = Vec::new();
    for _ in 0..2 {
        // Of what happens from now on: nothing does, and a checkpoint comes all the same.
        let watch = client.watch_events(by("sender", wire::WatchEventsRequest::default())).await;
        let event = watch.expect("a stream").into_inner().message().await.expect("alive").expect("an event");
        let Some(wire::event::Event::Heartbeat(beat)) = event.event else { panic!("{event:?}") };
        let note = beat.checkpoint.expect("rides in it").note;
        kept.push(SignedCheckpoint::verify(&note, &keys).expect("signed by the log"));
        client.send_message(by("sender", send("a2"))).await.expect("taken");
        bundle(&shop).await;
    }
    let (first, second) = (&kept[0], &kept[1]);
    assert!(first.size() < second.size(), "the newest of its time");
    let proof = shop.gateway.books.tree().consistency(first.size(), second.size()).expect("proved");
    proof.check(first.root(), second.root()).expect("what was kept convicts a log that was rewritten");
    shop.close().await;
}
