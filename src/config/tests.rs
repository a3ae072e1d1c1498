//! The sample file, everything wrong at once, and what is checked around a configuration.

use std::collections::BTreeSet;
use std::path::Path;

use tempfile::TempDir;

use super::read::Document;
use super::*;

const SAMPLE: &str = include_str!("../../docs/consentry.sample.toml");

/// Every variable holds a key of the form its name asks for.
fn keys(name: &str) -> Option<String> {
    // Base64 of 32 bytes.
    let base64 = "A".repeat(43) + "=";
    Some(match name {
        "SHOP_WEBHOOK_SIGNING_KEY" => format!("whsk_{base64}"),
        name if name.starts_with("SHOP_WEBHOOK_SECRET") => format!("whsec_{base64}"),
        _ => "5a".repeat(32),
    })
}

fn load(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigError> {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("consentry.toml");
    std::fs::write(&path, text).expect("written");
    Config::load(&path, env)
}

fn problems(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    load(text, env).expect_err("problems").problems.iter().map(Problem::to_string).collect()
}

/// The sample with every optional key taken out of its comment.
fn whole_sample() -> String {
    let uncomment = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', '`'])) => {
            rest.to_owned()
        }
        Some("[[anchors]]") => "[[anchors]]".to_owned(),
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_webhook_that_the_ledger_cannot_keep_is_not_configured() {
    let with = |bytes: usize| {
        let line = format!("http_body_bytes = {bytes}");
        SAMPLE.replace("http_body_bytes = 262144", &line)
    };
    assert!(load(&with(crate::ledger::body::RAW_BYTES_MAX), &keys).is_ok());
    let told = problems(&with(crate::ledger::body::RAW_BYTES_MAX + 1), &keys);
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert!(told.contains("limits.http_body_bytes: must be 16384 to 524288"), "{told}");
    assert!(told.contains("kept whole in one entry of the ledger"), "{told}");
}

#[test]
fn the_sample_is_a_good_configuration() {
    let loaded = load(SAMPLE, &keys).expect("no problem");
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.connections.len(), 1);
}

#[test]
fn the_sample_shows_every_key_and_each_default_as_it_is() {
    let whole = whole_sample();
    let document = Document::new(&whole);
    assert!(sections::root(document.root(), Path::new("/")).is_some());
    let known = document.keys();
    let findings = document.into_findings();
    assert_eq!(findings.problems, [], "{whole}");
    let generic = |k: &String| (0..9).fold(k.clone(), |k, n| k.replace(&format!("[{n}]"), "[]"));
    let shown: BTreeSet<String> = findings.lines.keys().map(generic).collect();
    assert_eq!(known.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new(), "the sample lacks keys");

    let bare = "data_dir = \"data\"\n[seller]\nid = \"main\"\nlegal_name = \"x\"\nhost = \"h\"\n\
                [keys]\nmaster = \"env:A\"\npepper = \"env:B\"\ncoupons = \"env:C\"\n";
    let (bare, _) = sections::read(bare, Path::new("/"));
    let (sample, _) = sections::read(SAMPLE, Path::new("/"));
    let (bare, sample) = (bare.expect("complete"), sample.expect("complete"));
    assert_eq!((bare.listen, bare.store, bare.limits), (sample.listen, sample.store, sample.limits));
    assert_eq!((bare.policy, bare.log, bare.retention), (sample.policy, sample.log, sample.retention));
}

#[test]
fn every_problem_is_told_at_once_with_line_and_key() {
    let text = r#"
data_dir = 5
[listen]
grpc = "0.0.0.0:50051"
http = "nonsense"
admin = "127.0.0.1:8080"
[seller]
id = "has space"
host = "UPPER"
[store]
engine = "rocksdb"
cahce_mib = 64
[keys]
master = "hunter2"
pepper = "env:P"
[log]
filter = "=,="
[limits]
batch = 0
[[connections]]
id = "a"
provider = "carrier-pigeon"
public_url = "https://x.example/path"
[[connections]]
id = "a"
provider = "twilio"
public_url = "https://x.example"
path_token = "env:T"
[connections.settings]
account = "AC1"
[connections.secrets]
auth_token = "plain"
"#;
    let told = problems(text, &keys);
    let expected = [
        "line 2: data_dir: ",
        "line 4: listen.grpc: would speak plain text off loopback",
        "line 5: listen.http: must be an address",
        "line 6: listen.admin: is the same address",
        "line 7: seller.legal_name: is required",
        "line 8: seller.id: must be 1 to 64 characters",
        "line 9: seller.host: must be a host name",
        "line 11: store.engine: must be fjall, sled or memory",
        "line 12: store.cahce_mib: is not a known key; did you mean `cache_mib`?",
        "line 13: keys.coupons: is required",
        "line 14: keys.master: must be env:NAME, file:PATH or command:PROGRAM",
        "line 17: log.filter: ",
        "line 19: limits.batch: must be 1 to 4096",
        "line 20: connections[0].path_token: is required",
        "line 22: connections[0].provider: is not known; this release has apns, aws, bandwidth, bird, fcm, infobip, messagebird, plivo, sandbox, sinch, smpp, telnyx, twilio, vonage, web_push",
        "line 23: connections[0].public_url: must be scheme and host only",
        "line 25: connections[1].id: `a` is already another connection's",
        "line 29: connections[1].settings.account_sid: is required",
        "line 30: connections[1].settings.account: is unknown here; there are account_sid",
        "line 32: connections[1].secrets.auth_token: must be env:NAME or file:PATH",
    ];
    for start in expected {
        assert!(told.iter().any(|p| p.starts_with(start)), "`{start}` is missing from\n{}", told.join("\n"));
    }
    assert!(!told.iter().any(|p| p.contains("hunter2") || p.contains("plain\"")), "{told:?}");
}

#[test]
fn what_the_file_names_must_exist() {
    let text = whole_sample().replace("cert = \"tls/chain.pem\"", "cert = \"gone.pem\"");
    let told = problems(&text, &|name| (name == "CONSENTRY_PEPPER").then(|| "short".to_owned()));
    for start in [
        "line 27: tls.cert: ",
        "line 29: tls.key: ",
        "line 31: tls.client_ca: ",
        "keys.master: the environment has no CONSENTRY_MASTER_KEY",
        "keys.pepper: must be a key of 32 bytes",
        "connections[0].path_token: the environment has no TWILIO_PATH_TOKEN",
        "connections[0].secrets.auth_token: the environment has no TWILIO_AUTH_TOKEN",
        "webhooks[0].signing_key: the environment has no SHOP_WEBHOOK_SIGNING_KEY",
    ] {
        assert!(told.iter().any(|p| p.contains(start)), "`{start}` is missing from\n{}", told.join("\n"));
    }
}

/// A configuration with these anchors.
fn with_anchors(anchors: &str) -> String {
    SAMPLE.replace("# Provider accounts. More", &format!("{anchors}\n# Provider accounts. More"))
}

#[test]
fn what_anchors_need_is_told_by_kind_with_line_and_key() {
    let text = "[[anchors]]\nname = \"a\"\nkind = \"witness\"\nroots = \"x.pem\"\nkey = \"w+00000000+BAAA\"\n\
                [[anchors]]\nname = \"a\"\nkind = \"timestamp\"\nurl = \"tsa.example\"\n\
                [[anchors]]\nname = \"Capital\"\nkind = \"notary\"\n\
                [[anchors]]\nname = \"f\"\nkind = \"file\"\nevery_minutes = 0\n\
                [[anchors]]\nname = \"c\"\nkind = \"command\"\ncommand = []\nadress = \"x\"\n";
    let told = problems(&with_anchors(text), &keys);
    for part in [
        "anchors[0].roots: does not belong to an anchor of kind witness",
        "anchors[0].url: is required",
        "anchors[0].key: this is no witness key",
        "anchors[1].name: `a` is already another anchor's",
        "anchors[1].url: must be an address",
        "anchors[1].roots: is required",
        "anchors[2].name: must have 1 to 32 small letters",
        "anchors[2].kind: must be witness, timestamp, file or command",
        "anchors[3].path: is required",
        "anchors[3].every_minutes: must be 1 to 1440",
        "anchors[4].command: must be a list that begins with a program",
        "anchors[4].adress: is not a known key",
    ] {
        assert!(told.iter().any(|p| p.contains(part)), "`{part}` is missing from\n{}", told.join("\n"));
    }
}

#[test]
fn what_anchors_name_must_exist() {
    let anchor = |lines: &str| with_anchors(&format!("[[anchors]]\nname = \"a\"\n{lines}\n"));
    let missing = anchor("kind = \"timestamp\"\nurl = \"https://tsa.example\"\nroots = \"gone.pem\"");
    assert!(problems(&missing, &keys)[0].contains("anchors[0].roots: "));
    let missing = anchor("kind = \"command\"\ncommand = [\"no-such-program-here\"]");
    assert!(problems(&missing, &keys)[0].contains("no-such-program-here is no program"));
    let beside = load(&anchor("kind = \"file\"\npath = \"checkpoints\""), &keys).expect("good");
    assert!(
        beside.warnings[0].to_string().contains("lies on the volume of the data"),
        "{:?}",
        beside.warnings
    );
    let key = "witness.example/w1+0e5f8f3e+BCD+LeQdUG8CrpP8Ihun+ojbbTdrIfdPhY+YAzlzLqKn";
    let witness = anchor(&format!("kind = \"witness\"\nurl = \"https://w.example\"\nkey = \"{key}\""));
    let config = load(&witness, &keys).expect("good").config;
    assert!(matches!(&config.anchors[0].target, AnchorTarget::Witness { private: false, .. }));
    assert_eq!(config.anchors[0].every.as_secs(), 3_600);
}

#[test]
fn adapters_and_ears_are_tried_without_sending() {
    let vendor = |provider: &str, settings: &str, secrets: &str| {
        let (head, _) = SAMPLE.split_once("[connections.settings]").expect("the sample has a connection");
        let head = head.replace("provider = \"twilio\"", &format!("provider = \"{provider}\""));
        let head = head.replace("validity_seconds = 36000", "");
        format!("{head}[connections.settings]\n{settings}\n[connections.secrets]\n{secrets}\n")
    };
    let env = |name: &str| match name {
        "GOOD_KEY" => Some("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=".to_owned()),
        "TWILIO_PATH_TOKEN" => Some("00112233445566778899aabbccddeeff".to_owned()),
        "TEXT" => Some("text".to_owned()),
        other => keys(other),
    };
    let telnyx =
        |key: &str| vendor("telnyx", "", &format!("api_key = \"env:TEXT\"\npublic_key = \"env:{key}\""));
    let sinch = |region: &str| {
        let settings = format!("service_plan_id = \"p\"\nregion = \"{region}\"");
        vendor("sinch", &settings, "api_token = \"env:TEXT\"\nwebhook_secret = \"env:TEXT\"")
    };
    for good in [telnyx("GOOD_KEY"), sinch("eu")] {
        let told = load(&good, &env).err().map(|e| e.problems);
        assert_eq!(told, None, "{good}");
    }
    for (bad, told) in [
        (telnyx("TEXT"), "connections[0].secrets.public_key: must be the account's public key"),
        (sinch("mars"), "connections[0].settings.region: is none of the choices"),
        (sinch("eu\"\nwebhook_auth = \"none"), "connections[0].settings.webhook_auth: must be hmac or basic"),
    ] {
        let said = problems(&bad, &env).join("\n");
        assert!(said.contains(told), "`{told}` is missing from `{said}`");
    }
}

#[test]
fn plain_text_off_loopback_must_be_meant() {
    let open = |plain: &str| {
        SAMPLE.replace("http = \"127.0.0.1:8080\"", "http = \"0.0.0.0:8080\"").replace(
            "allow_plaintext_off_loopback = []",
            &format!("allow_plaintext_off_loopback = [{plain}]"),
        )
    };
    assert!(problems(&open(""), &keys)[0].contains("listen.http: would speak plain text"));
    assert!(problems(&open("\"grpc\""), &keys)[0].contains("listen.http: would speak plain text"));
    assert!(load(&open("\"http\""), &keys).is_ok());
    let told = problems(&open("\"htpp\""), &keys).join("\n");
    assert!(told.contains("may name grpc, http and admin"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_master_key_beside_its_data_must_be_meant() {
    use std::os::unix::fs::PermissionsExt;

    let dir = TempDir::new().expect("a folder");
    let key = dir.path().join("master");
    std::fs::write(&key, "5a".repeat(32)).expect("written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("set");
    let text = SAMPLE.replace("env:CONSENTRY_MASTER_KEY", &format!("file:{}", key.display()));
    let text = text.replace("data_dir = \"data\"", &format!("data_dir = {:?}", dir.path().join("data")));
    assert!(problems(&text, &keys).iter().any(|p| p.contains("lies on the volume of the data")));
    let meant = text.replace("allow_beside_data = false", "allow_beside_data = true");
    let warnings = load(&meant, &keys).expect("meant").warnings;
    assert!(warnings[0].to_string().contains("warning: keys.master"), "{warnings:?}");
}

#[test]
fn debug_shows_references_and_no_secret() {
    let shown = |name: &str| if name.starts_with("SHOP") { keys(name) } else { Some("ee".repeat(32)) };
    let config = load(SAMPLE, &shown).expect("good").config;
    let shown = format!("{config:?}");
    assert!(shown.contains("CONSENTRY_MASTER_KEY") && !shown.contains("eeee"), "{shown}");
}

#[test]
fn a_connection_becomes_a_registry_record() {
    let connection = &load(SAMPLE, &keys).expect("good").config.connections[0];
    let record = connection.to_registry(&keys).expect("a token");
    let secret = |name: &str, at: &str| (name.to_owned(), at.to_owned());
    assert_eq!(
        record.secrets,
        [secret("auth_token", "env:TWILIO_AUTH_TOKEN"), secret("path_token", "env:TWILIO_PATH_TOKEN")]
    );
    assert_eq!((record.slots, record.provider.as_str()), (16, "twilio"));
    assert!(connection.to_registry(&|_| None).is_err());
}

#[test]
fn no_file_is_told_too() {
    let error = Config::load(Path::new("nowhere/consentry.toml"), &keys).expect_err("no file");
    assert!(
        error.to_string().starts_with("nowhere/consentry.toml has 1 problem\n  cannot be read: "),
        "{error}"
    );
}

#[test]
fn a_file_named_without_a_folder_counts_from_where_we_are() {
    let here = std::env::current_dir().expect("a folder");
    assert_eq!(base_of(Path::new("consentry.toml")).expect("a folder"), here);
    assert_eq!(base_of(Path::new("etc/consentry.toml")).expect("a folder"), here.join("etc"));
    assert_eq!(base_of(Path::new("/etc/consentry.toml")).expect("a folder"), Path::new("/etc"));
}

/// A push service calls nobody back, and its keys are proven without sending.
#[test]
fn push_services_need_no_webhook_and_show_what_is_wrong_with_their_keys() {
    use crate::provider::faults::push::{P8, VAPID_PRIVATE, VAPID_PUBLIC, service_account};
    let dir = tempfile::tempdir().expect("a folder");
    let text = |key_id: &str, public_key: &str| {
        format!(
            r#"
data_dir = "{}"
[seller]
id = "main"
legal_name = "X"
host = "gw.shop.example"
[keys]
master = "env:M"
pepper = "env:P"
coupons = "env:C"
[[connections]]
id = "apple"
provider = "apns"
settings = {{ team_id = "DEF123GHIJ", key_id = "{key_id}" }}
secrets = {{ private_key = "env:P8" }}
[[connections]]
id = "google"
provider = "fcm"
secrets = {{ service_account = "env:ACCOUNT" }}
[[connections]]
id = "browsers"
provider = "web_push"
settings = {{ subject = "mailto:ops@shop.example", public_key = "{public_key}" }}
secrets = {{ private_key = "env:VAPID" }}
"#,
            dir.path().display()
        )
    };
    let env = |account: String| {
        move |name: &str| {
            Some(match name {
                "P8" => P8.to_owned(),
                "ACCOUNT" => account.clone(),
                "VAPID" => VAPID_PRIVATE.to_owned(),
                _ => "ab".repeat(32),
            })
        }
    };
    let good = env(service_account("https://oauth2.googleapis.com/token"));
    load(&text("ABC123DEFG", VAPID_PUBLIC), &good).expect("no problem");
    let told = problems(&text("ABC", "AAAA"), &env("{}".to_owned()));
    for (place, why) in [
        ("connections[0].settings.key_id", "10 letters and digits"),
        ("connections[1].secrets.service_account", "JSON file of a service account"),
        ("connections[2].settings.public_key", "applicationServerKey"),
    ] {
        let found = told.iter().any(|p| p.contains(place) && p.contains(why));
        assert!(found, "{place} is missing from\n{}", told.join("\n"));
    }
    let heard = text("ABC123DEFG", VAPID_PUBLIC).replace(
        "[[connections]]\nid = \"apple\"",
        "[[connections]]\npath_token = \"env:T\"\nid = \"apple\"",
    );
    let told = problems(&heard, &good);
    assert!(told.iter().any(|p| p.contains("connections[0].path_token")), "{told:?}");
}

/// An SMSC is bound to, so that it needs no webhook; who keeps texts for us is the operator's to say.
#[test]
fn an_smsc_needs_no_webhook_and_says_how_gaps_are_closed() {
    use crate::model::registry::Reconcile;
    let dir = tempfile::tempdir().expect("a folder");
    let text = |more: &str| {
        format!(
            r#"
data_dir = "{}"
[seller]
id = "main"
legal_name = "X"
host = "gw.shop.example"
[keys]
master = "env:M"
pepper = "env:P"
coupons = "env:C"
[[connections]]
id = "smsc"
provider = "smpp"
settings = {{ url = "smpps://smsc.example", system_id = "shop"{more} }}
secrets = {{ password = "env:PASSWORD" }}
"#,
            dir.path().display()
        )
    };
    let env = |name: &str| Some(if name == "PASSWORD" { "secret08".to_owned() } else { "ab".repeat(32) });
    for (more, reconcile) in [("", Reconcile::Operator), (r#", mo_while_unbound = "kept""#, Reconcile::List)]
    {
        let loaded = load(&text(more), &env).expect("no problem");
        let connection = &loaded.config.connections[0];
        assert_eq!((connection.reconcile, &connection.path_token), (reconcile, &None), "{more}");
    }
    let told = problems(&text(r#", window = "0", opted_out_codes = "no""#), &env);
    assert!(told.iter().any(|p| p.contains("connections[0].settings.")), "{told:?}");
}
