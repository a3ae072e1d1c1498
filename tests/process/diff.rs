//! `consentry policy diff --data`: what another set of packs would have decided, over what a gateway left behind.

use std::path::Path;

use serde_json::Value;

use super::run::{Sandbox, verb};
use super::{Caller, PEOPLE, text};

/// Florida stops everything, from long ago to long after.
const BAN: &str = r#"
id = "overrides/fl_hurricane"
kind = "ban"
jurisdiction = "us/fl"
layer = "law"
channels = ["sms"]
categories = ["marketing", "transactional", "conversational"]
citation = "a declared emergency"
sources = ["https://example.com/emergency"]
effective_from = "2020-01-01"
confidence = "high"
ship_vs_law = "same"
author = "a test"
last_verified = "2026-11-22"
review_by = "2099-01-01"

[value]
from = "2020-01-01T00:00:00Z"
to = "2099-01-01T00:00:00Z"
reason = "hurricane, declared by a test"
"#;

pub fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the packs") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("its kind").is_dir() {
            true => copied(&entry.path(), &target),
            false => _ = std::fs::copy(entry.path(), &target).expect("copied"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_set_of_packs_is_tried_on_what_a_gateway_left() {
    let root = tempfile::tempdir().expect("a folder");
    let (data, new) = (root.path().join("data"), root.path().join("new"));
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    copied(&old, &new);
    std::fs::create_dir_all(new.join("overrides")).expect("a folder");
    std::fs::write(new.join("overrides/fl_hurricane.toml"), BAN).expect("written");

    let sandbox = Sandbox::start(&data);
    let caller = Caller::of(&sandbox).await;
    let mut sent = Vec::new();
    for n in 0..6 {
        let answer = caller.send(n, PEOPLE[n % 2]).await.expect("answered");
        sent.push(answer.message.expect("a message").id);
    }
    let beside = verb(&["policy", "diff", text(&old), text(&new), "--data", text(&data)]);
    assert_eq!(beside.0, 2, "a gateway runs on it: {}", beside.1);
    drop(caller);
    sandbox.stop();

    let diff = |before: &Path, after: &Path| {
        let (code, said) = verb(&["policy", "diff", text(before), text(after), "--data", text(&data)]);
        assert_eq!(code, 0, "{said}");
        said
    };
    let count = |said: &Value, name: &str| said["data"][name].as_u64().unwrap_or_else(|| panic!("{said}"));

    let same = diff(&old, &old);
    assert_eq!(same["changes"], Value::Array(Vec::new()), "{same}");
    assert!(count(&same, "decisions") >= 6, "{same}");
    assert_eq!((count(&same, "decisions_changed"), count(&same, "waiting_changed")), (0, 0), "{same}");

    let said = diff(&old, &new);
    assert_eq!(said["changes"].as_array().map(Vec::len), Some(1), "{said}");
    assert_eq!(said["changes"][0]["id"], "overrides/fl_hurricane");
    assert_eq!(count(&said, "decisions"), count(&same, "decisions"));
    assert!(count(&said, "decisions_changed") >= 3, "{said}");
    // Every other person lives in Florida, and those alone come out differently.
    let florida: Vec<&String> = sent.iter().skip(1).step_by(2).collect();
    let shown = said["data"]["shown"].as_array().expect("lines");
    for line in shown {
        assert!(florida.iter().any(|id| line["message"] == id.as_str()), "{line}");
        let codes = line["after"]["codes"].to_string();
        assert!(codes.contains("overrides/fl_hurricane"), "{line}");
        assert!(!line["before"]["codes"].to_string().contains("overrides/fl_hurricane"), "{line}");
    }
    assert!(florida.iter().all(|id| shown.iter().any(|line| line["message"] == id.as_str())), "{said}");

    // What was tried leaves no trace: the folder is whole.
    assert_eq!(verb(&["replay", text(&data)]).0, 0);
}
