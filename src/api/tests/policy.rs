//! Another policy set, judged without being put in force.

use crate::api::testing::{Shop, by};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::admin_service_client::AdminServiceClient;
use crate::policy::embedded;

fn shipped(change: impl Fn(&str, String) -> Option<String>) -> Vec<wire::PolicyFile> {
    let files = embedded::files().filter_map(|(path, bytes)| {
        let content = change(path, String::from_utf8_lossy(bytes).into_owned())?.into_bytes();
        Some(wire::PolicyFile { path: path.to_owned(), content })
    });
    files.collect()
}

#[tokio::test]
async fn a_set_is_judged_whole_and_says_what_it_would_change() {
    let shop = Shop::open().await;
    let mut client = AdminServiceClient::new(shop.channel.clone());
    let mut ask = async |files| {
        let request = wire::CheckPolicyRequest { files };
        client.check_policy(by("admin", request)).await.map(tonic::Response::into_inner)
    };
    let same = ask(shipped(|_, text| Some(text))).await.expect("judged");
    assert_eq!((same.problems.len(), same.changed_rules.len()), (0, 0));
    assert!(same.policy.expect("it compiles").rules.len() > 300);

    let without =
        ask(shipped(|path, text| (path != "us/fl/cap.toml").then_some(text))).await.expect("judged");
    assert_eq!(without.changed_rules, ["us/fl/cap"]);

    let broken = shipped(|path, text| match path {
        "us/fl/cap.toml" => Some(format!("nonsense = 1\n{text}")),
        _ => Some(text),
    });
    let broken = ask(broken).await.expect("judged");
    assert!(broken.policy.is_none());
    assert_eq!(broken.problems[0].path, "us/fl/cap.toml");
    assert_eq!(broken.problems[0].line, 1, "{:?}", broken.problems[0]);

    let away = vec![wire::PolicyFile { path: "../us.toml".into(), content: Vec::new() }];
    let refused = ask(away).await.expect_err("leads away");
    assert!(refused.message().contains("files[0].path"), "{}", refused.message());
    shop.close().await;
}
