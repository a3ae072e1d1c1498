//! Keys made, listed, rotated and revoked over the wire, and the first one of all without a gateway.

use clap::Parser;

use super::*;
use crate::api::testing::{Shop, token};
use crate::cli::{Cli, Verb as Top};

fn parse(arguments: &[&str]) -> Verb {
    let cli = Cli::try_parse_from([&["consentry", "key"], arguments].concat()).expect("parses");
    match cli.verb {
        Top::Key(args) => args.verb,
        _ => panic!("not a key verb"),
    }
}

/// Runs a verb on a thread of its own, as `main` does, and answers its answer as JSON.
async fn ask(arguments: Vec<String>) -> Result<serde_json::Value, Failure> {
    let asked = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let json = |answer: &dyn erased::Json| answer.json();
        match parse(&arguments) {
            Verb::Create(args) if args.offline => create_offline(args).map(|made| json(&made)),
            Verb::Create(args) => create(args).map(|made| json(&made)),
            Verb::List(args) => list(&args).map(|listed| json(&listed)),
            other => run(Args { verb: other }, &Output::new(true)).map(|_| serde_json::Value::Null),
        }
    });
    asked.await.expect("no panic")
}

mod erased {
    /// Anything that serializes, behind a reference.
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).expect("JSON")
        }
    }
}

fn words(text: &str, server: &str, key: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    words.extend(["--server", server, "--key", key].map(str::to_owned));
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_shown_once_rotated_and_revoked() {
    let shop = Shop::open().await;
    let server = format!("http://127.0.0.1:{}", shop.port);
    let admin = token("admin");
    let made =
        ask(words("create --name backend --role sender --role consent-writer --brand main", &server, &admin));
    let made = made.await.expect("made");
    let id = made["id"].as_str().expect("an id").to_owned();
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with(&format!("csk_{id}_")), "{made}");
    assert_eq!(made["roles"], serde_json::json!(["SENDER", "CONSENT_WRITER"]));

    let listed = ask(words("list", &server, &admin)).await.expect("listed");
    let listed_ids: Vec<&str> =
        listed["keys"].as_array().expect("a list").iter().filter_map(|k| k["id"].as_str()).collect();
    assert!(listed_ids.contains(&id.as_str()) && listed_ids.contains(&"admin"), "{listed}");
    assert!(!listed.to_string().contains(secret.rsplit('_').next().expect("a secret")));

    let refused = ask(words("list", &server, &secret)).await.expect_err("it is no admin");
    assert!(refused.hint.is_some_and(|hint| hint.contains("role")), "{}", refused.error);
    let reason = "--reason test";
    ask(words(&format!("rotate {id} --keep-old {reason}"), &server, &admin)).await.expect("rotated");
    ask(words(&format!("revoke {id} {reason}"), &server, &admin)).await.expect("revoked");
    let listed = ask(words("list", &server, &admin)).await.expect("listed");
    assert!(!listed.to_string().contains(&id), "it is dead");
    let all = ask(words("list --all", &server, &admin)).await.expect("listed");
    let dead = all["keys"].as_array().expect("a list").iter().find(|k| k["id"] == id.as_str());
    let dead = dead.expect("still known");
    assert!(dead["revoked_at"].is_string() && dead["secrets"] == 2, "{dead}");
    let again = ask(words(&format!("rotate {id} {reason}"), &server, &admin)).await;
    assert_eq!(again.expect_err("dead for good").code, 3);
    shop.close().await;
}

/// A configuration with its keys in a folder.
pub fn configuration(dir: &std::path::Path) -> PathBuf {
    for name in ["master", "pepper", "coupons"] {
        std::fs::write(dir.join(name), "07".repeat(32)).expect("written");
    }
    let text = "data_dir = \"data\"\n\
                [seller]\nid = \"main\"\nlegal_name = \"Shop LLC\"\nhost = \"gw.shop.example\"\n\
                [keys]\nmaster = \"file:master\"\npepper = \"file:pepper\"\ncoupons = \"file:coupons\"\n\
                allow_beside_data = true\n[store]\ncache_mib = 16\n";
    let file = dir.join("consentry.toml");
    std::fs::write(&file, text).expect("written");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_is_written_while_no_gateway_runs_and_opens_the_door_of_the_next() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = configuration(dir.path());
    let file = file.to_str().expect("UTF-8");
    let create = |more: &str| {
        let text = format!("create --offline --config {file} --name first {more}");
        ask(text.split(' ').map(str::to_owned).collect())
    };
    let made = create("--role admin --id first").await.expect("made");
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let twice = create("--role admin --role sender --id first").await.expect_err("the id is taken");
    assert!(twice.error.contains("exists already"), "{}", twice.error);
    let unknown = create("--role admin --brand nobodys").await.expect_err("no such brand");
    assert!(unknown.error.contains("brands[0]: does not exist"), "{}", unknown.error);

    let config = Config::load(std::path::Path::new(file), &process_env).expect("a configuration").config;
    let gateway =
        crate::gateway::Gateway::start(parts(&config, &process_env).expect("parts")).expect("starts");
    let busy = create("--role admin").await.expect_err("it runs");
    assert!(busy.hint.is_some_and(|hint| hint.contains("stop the gateway")), "{}", busy.error);
    let keys = crate::api::keys::KeyTable::load(&gateway.reader).expect("reads");
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {secret}").parse().expect("ASCII"));
    let caller = crate::api::auth::authenticate(&headers, &*keys, SystemClock.now()).expect("it is taken");
    assert_eq!(caller.key, "first");
    gateway.stop().await.expect("ends well");
}
