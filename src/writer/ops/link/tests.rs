use proptest::prelude::*;

use super::*;
use crate::model::MessageId;
use crate::writer::op::CallError;
use crate::writer::ops::fixture::{Accept, key, main_brand, shop};
use crate::writer::testing::TestWriter;

fn create(target: &str, name: &str) -> CreateLink {
    CreateLink {
        brand: main_brand(),
        target: target.to_owned(),
        expires_at: None,
        idempotency: key("CreateLink", name),
        actor: "test".to_owned(),
    }
}

fn click(writer: &TestWriter, human: bool) -> Click {
    let class = if human { "human" } else { "scanner" }.to_owned();
    let at = crate::clock::Clock::now(&writer.clock);
    Click { at, human, class, classifier: 1, user_agent: "é".repeat(300) }
}

fn link(writer: &TestWriter, code: &LinkCode) -> Arc<Link> {
    writer.look(|s| s.get::<Link>(&keys::link(code))).expect("memory").expect("the link")
}

#[test]
fn a_link_leads_only_to_the_brand_and_repeats_answer_the_same() {
    let mut writer = shop();
    let made = writer.run(create("https://shop.example/sale", "k1")).expect("made");
    assert_eq!(made.url, format!("https://go.main.example/{}", made.link.code));
    assert_eq!(made.link.expires_at, made.link.created_at + Span::days(30));
    let again = writer.run(create("https://shop.example/sale", "k1")).expect("the same");
    assert_eq!(again.link, made.link);
    let other = CreateLink {
        idempotency: Idempotency { request_sha256: [9; 32], ..key("CreateLink", "k1") },
        ..create("https://shop.example/other", "k1")
    };
    assert!(matches!(writer.run(other), Err(CallError::Refused(OpError::KeyReused))));
    for target in ["https://evil.example/", "http://shop.example/", "https://shop.example@evil.example/", ""]
    {
        let refused = writer.run(create(target, "k2"));
        assert!(matches!(refused, Err(CallError::Refused(OpError::Problems(_)))), "{target}");
    }
    for expires_at in [made.link.created_at, made.link.created_at + Span::days(401)] {
        let op = CreateLink { expires_at: Some(expires_at), ..create("https://shop.example/", "k3") };
        assert!(matches!(writer.run(op), Err(CallError::Refused(OpError::Problems(_)))), "{expires_at}");
    }
    writer.check_fold();
}

#[test]
fn a_sandbox_on_this_machine_links_without_tls() {
    let code: LinkCode = "abc".parse().expect("a slug");
    assert_eq!(short_url("go.localhost:8080", &code), "http://go.localhost:8080/abc");
    assert_eq!(short_url("go.localhost.example", &code), "https://go.localhost.example/abc");
    assert_eq!(opt_out_url("go.x.example", &code), "https://go.x.example/opt-out/abc");
}

#[test]
fn codes_are_long_and_do_not_repeat() {
    let mut writer = shop();
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..200 {
        let made = writer.run(create("https://shop.example/", &format!("k{n}"))).expect("made");
        assert_eq!(made.link.code.as_str().len(), 11);
        assert!(seen.insert(made.link.code.clone()));
    }
}

#[test]
fn twenty_clicks_and_the_first_human_one_are_chained_and_all_are_counted() {
    let mut writer = shop();
    let message = MessageId([7; 16]);
    let target = Some("https://shop.example/cart");
    let accept = Accept { id: message, to: 1, cart: None, pool: None, link: target };
    let spec = writer.run(accept).expect("accepted");
    let code = spec.link.expect("a link").code;
    let machines = vec![click(&writer, false); 25];
    let record = |clicks: Vec<Click>, uncounted| RecordClicks {
        links: vec![LinkClicks { code: code.clone(), clicks, uncounted }],
    };
    assert_eq!(writer.run(record(machines, (0, 0))).expect("counted"), 25);
    let row = link(&writer, &code);
    assert_eq!((row.raw_clicks, row.human_clicks, row.chained), (25, 0, 20));

    writer.advance(Span::minutes(3));
    let people = vec![click(&writer, false), click(&writer, true), click(&writer, true)];
    assert_eq!(writer.run(record(people.clone(), (2, 5))).expect("counted"), 8);
    let row = link(&writer, &code);
    assert_eq!((row.raw_clicks, row.human_clicks, row.chained), (33, 4, 21));
    assert_eq!(row.first_human_at, Some(people[1].at), "though the first twenty were machines");

    let last = writer.entries().pop().expect("entries");
    assert_eq!(last.leaf.subject, spec.subject, "a click on somebody's link is in their chain");
    let Body::Click(body) = last.body else { panic!("a click") };
    assert_eq!(body.clicks[0].user_agent.chars().count(), USER_AGENT_MAX);
    writer.check_fold();
}

#[test]
fn clicks_on_nothing_are_left_out_and_a_batch_is_bounded() {
    let mut writer = shop();
    let lost = LinkClicks { code: "nosuch".parse().expect("a slug"), clicks: Vec::new(), uncounted: (1, 1) };
    assert_eq!(writer.run(RecordClicks { links: vec![lost.clone()] }).expect("nothing"), 0);
    let many = RecordClicks { links: vec![lost; LINKS_A_BATCH + 1] };
    assert!(writer.run(many).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn counts_add_up_however_clicks_are_cut(cuts in proptest::collection::vec(
        (proptest::collection::vec(any::<bool>(), 0..15), 0u64..4, 0u64..4), 1..8)) {
        let mut writer = shop();
        let code = writer.run(create("https://shop.example/", "k")).expect("made").link.code.clone();
        let (mut human, mut raw) = (0, 0);
        for (clicks, more_human, more) in cuts {
            human += clicks.iter().filter(|h| **h).count() as u64 + more_human;
            raw += clicks.len() as u64 + more_human + more;
            let clicks = clicks.into_iter().map(|h| click(&writer, h)).collect();
            let uncounted = (more_human, more_human + more);
            writer.run(RecordClicks { links: vec![LinkClicks { code: code.clone(), clicks, uncounted }] }).expect("counted");
        }
        let row = link(&writer, &code);
        prop_assert_eq!((row.human_clicks, row.raw_clicks), (human, raw));
        prop_assert!(row.chained <= CLICKS_CHAINED + 1);
        writer.check_fold();
    }
}

/// One text in half a million was refused for tobacco because chance had written `juul…` into its link.
#[test]
fn a_code_never_reads_as_a_word_that_is_looked_for() {
    for code in ["JuUl3xY9Kq2", "porn0000000", "CasinoAb3xY", "Descuento99"] {
        let read = !find_prohibited(code).is_empty() || !find_offers(code).is_empty();
        assert_eq!(says_nothing(code), !read, "{code}");
    }
    assert!(!says_nothing("JuUl3xY9Kq2") && says_nothing("Ab3xY9Kq2Lm"));
}
