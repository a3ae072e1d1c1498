//! A person then and now, over the wire.

use clap::Parser;

use super::*;
use crate::api::testing::{Shop, by, noon, token};
use crate::cli::{Cli, Verb};
use crate::model::Span;

async fn known(shop: &Shop, key: &str, more: &[&str]) -> Result<Known, Failure> {
    let (server, key) = (format!("http://127.0.0.1:{}", shop.port), token(key));
    let words = ["consentry", "person", "--server", &server, "--key", &key, "--phone", "+12125550123"];
    let words: Vec<String> = words.iter().chain(more).map(|word| (*word).to_owned()).collect();
    let asked = tokio::task::spawn_blocking(move || match Cli::try_parse_from(words).expect("parses").verb {
        Verb::Person(args) => ask(args),
        _ => panic!("not person"),
    });
    asked.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_then_is_not_what_is_known_now() {
    let shop = Shop::open().await;
    let mut consents = ConsentServiceClient::new(shop.channel.clone());
    let wishes = pb::SetPreferencesRequest {
        subject: Some(phone("+12125550123".to_owned())),
        preferences: Some(pb::Preferences { max_per_week: Some(1), ..Default::default() }),
    };
    consents.set_preferences(by("writer", wishes)).await.expect("taken");
    shop.clock.advance(Span::hours(1));
    let stop = pb::RecordOptOutRequest {
        brand: "main".to_owned(),
        subject: Some(phone("+12125550123".to_owned())),
        scope: pb::OptOutScope::All.into(),
        source: pb::OptOutSource::PhoneCall.into(),
        idempotency_key: "s".to_owned(),
        ..pb::RecordOptOutRequest::default()
    };
    consents.record_opt_out(by("writer", stop)).await.expect("taken");
    shop.clock.advance(Span::hours(1));

    let before = (noon() + Span::minutes(30)).to_string();
    let then = known(&shop, "auditor", &["--at", &before, "--timeline"]).await.expect("known then");
    assert!(then.opt_outs.is_empty() && then.to_string().contains("no consent and no opt-out"), "{then}");
    let first = then.timeline.as_ref().expect("asked for");
    assert!(first.len() == 1 && first[0].what.contains("wishes"), "{then}");
    let now = known(&shop, "auditor", &["--timeline"]).await.expect("known now");
    assert_eq!((now.opt_outs.len(), now.entries > then.entries), (1, true), "{now}");
    assert!(now.to_string().contains("opt-out   ALL by PHONE_CALL, 2026-06-01T17:"), "{now}");
    let times: Vec<_> = now.timeline.iter().flatten().map(|line| (line.at, line.entry)).collect();
    assert!(times.len() >= 2 && times.is_sorted_by(|a, b| a >= b), "newest first: {now}");
    let earlier = (noon() - Span::hours(1)).to_string();
    assert_eq!(known(&shop, "auditor", &["--at", &earlier]).await.expect_err("nobody then").code, 3);
    assert!(known(&shop, "writer", &["--timeline"]).await.is_err(), "the timeline is an auditor's");
    shop.close().await;
}
