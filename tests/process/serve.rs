//! `consentry serve` against a provider we play ourselves: opt-in, send, receipt, STOP, refusal; a provider that is down is
//! stood in for; the shop is told.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use consentry::pb::consentry::v1 as pb;
use pb::admin_service_client::AdminServiceClient;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use crate::provider::{AUTH_TOKEN, PUBLIC_URL, Provider, SHOP_KEY};
use crate::run::{Gateway, verb_with};

pub const PHONE: &str = "+12125550123";
pub const MAIN: &str = "+12125550100";
const PATH_TOKEN: &str = "b1946ac92492d2347c6235b4d2611184";
pub const WORDING: &str = "I agree to get order updates by text from Fernhill at this number. Consent is not a condition \
    of purchase. Message frequency varies. Msg & data rates may apply. Reply STOP to opt out, HELP for help.";

fn configuration(dir: &Path, provider: &str) -> PathBuf {
    let account = |id: &str, url: &str| {
        format!(
            r#"
            [[connections]]
            id = "{id}"
            provider = "twilio"
            public_url = "{PUBLIC_URL}"
            path_token = "env:PATH_TOKEN"
            allow_private_addresses = true
            test_numbers = ["{PHONE}"]
            [connections.prices]
            US = "0.0079 USD"
            [connections.settings]
            account_sid = "AC00000000000000000000000000000001"
            url = "{url}"
            [connections.secrets]
            auth_token = "env:AUTH_TOKEN"
            "#
        )
    };
    // Nobody listens on the first port.
    let connections = account("down", "http://127.0.0.1:1") + &account("main", provider);
    let text = format!(
        r#"
        data_dir = "data"
        [listen]
        grpc = "127.0.0.1:0"
        http = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [seller]
        id = "main"
        legal_name = "Fernhill Outfitters LLC"
        host = "gw.fernhill.example"
        [keys]
        master = "env:MASTER_KEY"
        pepper = "env:PEPPER"
        coupons = "env:COUPON_KEY"
        {connections}
        [[webhooks]]
        id = "shop"
        url = "{provider}/events"
        secret = "env:SHOP_SECRET"
        kinds = ["message", "opt_out"]
        allow_private_addresses = true
        "#
    );
    let path = dir.join("consentry.toml");
    std::fs::write(&path, text).expect("writable");
    path
}

pub fn variables() -> Vec<(&'static str, String)> {
    let secret = format!("whsec_{}", base64::prelude::BASE64_STANDARD.encode(SHOP_KEY));
    vec![
        ("MASTER_KEY", "11".repeat(32)),
        ("PEPPER", "22".repeat(32)),
        ("COUPON_KEY", "33".repeat(32)),
        ("AUTH_TOKEN", AUTH_TOKEN.to_owned()),
        ("PATH_TOKEN", PATH_TOKEN.to_owned()),
        ("SHOP_SECRET", secret),
    ]
}

pub struct Operator {
    pub channel: Channel,
    pub key: String,
}

impl Operator {
    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let key = format!("Bearer {}", self.key).parse().expect("ASCII");
        request.metadata_mut().insert("authorization", key);
        request
    }

    /// A brand, numbers at their providers, and a program that prefers the first.
    pub async fn set_up(&self, senders: &[(&str, &str, &str)]) {
        let mut admin = AdminServiceClient::new(self.channel.clone());
        let brand = pb::Brand {
            id: "main".into(),
            display_name: "Fernhill".into(),
            short_domain: "go.fernhill.example".into(),
            target_domains: vec!["fernhill.example".into()],
            support_contact: "help@fernhill.example".into(),
            locale: "en".into(),
            ..pb::Brand::default()
        };
        admin.create_brand(self.ask(pb::CreateBrandRequest { brand: Some(brand) })).await.expect("a brand");
        for (id, address, connection) in senders.iter().copied() {
            let sender = pb::Sender {
                id: id.into(),
                kind: pb::SenderKind::TenDlc.into(),
                address: address.into(),
                country: "US".into(),
                registered: true,
                connection: connection.into(),
                throttle_group: Some(pb::ThrottleGroup { segments_per_second: 50.0, ..Default::default() }),
                ..pb::Sender::default()
            };
            let made = admin.create_sender(self.ask(pb::CreateSenderRequest { sender: Some(sender) })).await;
            made.expect("a sender");
        }
        let program = pb::Program {
            id: "orders".into(),
            brand: "main".into(),
            display_name: "order updates".into(),
            category: pb::Category::Transactional.into(),
            channels: vec![pb::Channel::Sms.into()],
            senders: senders.iter().map(|(id, ..)| (*id).to_owned()).collect(),
            frequency: "as you order".into(),
            terms_url: "https://fernhill.example/terms".into(),
            privacy_url: "https://fernhill.example/privacy".into(),
            ..pb::Program::default()
        };
        let made = admin.create_program(self.ask(pb::CreateProgramRequest { program: Some(program) })).await;
        made.expect("a program");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_opt_in_to_stop_through_a_provider_that_stands_in() {
    let dir = tempfile::tempdir().expect("a folder");
    let over = CancellationToken::new();
    let (provider, address) = Provider::start(over.clone()).await;
    let config = configuration(dir.path(), &address);
    let config = config.to_str().expect("UTF-8").to_owned();
    let variables = variables();
    let run = |arguments: Vec<String>| {
        let variables = variables.clone();
        async move {
            let run = move || {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                verb_with(&variables, &arguments)
            };
            tokio::task::spawn_blocking(run).await.expect("it does not panic")
        }
    };
    let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();

    let (code, report) = run(words(&["check-config", &config])).await;
    assert_eq!(code, 0, "{report}");
    let mut made = vec!["key", "create", "--offline", "--config", &config, "--name", "all"];
    ["admin", "sender", "consent-writer", "auditor"].iter().for_each(|role| made.extend(["--role", role]));
    let (code, key) = run(words(&made)).await;
    assert_eq!(code, 0, "{key}");
    let key = key["secret"].as_str().expect("a secret").to_owned();

    let gateway = Gateway::serve(&variables, &config);
    provider.calls_back(&gateway.http);
    let channel = Endpoint::from_shared(gateway.grpc.clone()).expect("an address");
    let operator = Operator { channel: channel.connect().await.expect("it listens"), key: key.clone() };
    operator.set_up(&[("first", "+13055550100", "down"), ("second", MAIN, "main")]).await;
    let by = |text: &[&str]| words(&[text, &["--server", &gateway.grpc, "--key", &key]].concat());
    let text = ["--phone", PHONE, "--program", "orders", "--body"];

    // Nobody is texted before they agreed.
    let (code, refused) = run(by(&[&["send"], &text[..], &["Your order is packed."]].concat())).await;
    assert_eq!((code, &refused["verdict"]["outcome"]), (1, &"REFUSE".into()), "{refused}");
    let agreed = [
        "opt-in",
        "--phone",
        PHONE,
        "--program",
        "orders",
        "--disclosure-text",
        WORDING,
        "--source-url",
        "https://fernhill.example/checkout",
    ];
    let (code, agreed) = run(by(&agreed)).await;
    assert_eq!((code, &agreed["consents"][0]["state"]), (0, &"GRANTED".into()), "{agreed}");

    // Its own provider is down, so the second carries it; the receipt comes before or after the answer, as it likes.
    let (code, sent) = run(by(&[&["send"], &text[..], &["Your order is packed."]].concat())).await;
    assert_eq!((code, &sent["verdict"]["outcome"]), (0, &"ADMIT".into()), "{sent}");
    provider.until("the peer has it", |p| p.messages().len() == 1).await;
    let (credentials, form) = provider.messages().remove(0);
    let basic = format!("AC00000000000000000000000000000001:{AUTH_TOKEN}");
    assert_eq!(credentials, format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(basic)));
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default();
    assert_eq!((field("To"), field("From")), (PHONE.to_owned(), MAIN.to_owned()));
    assert!(field("Body").contains("Fernhill") && field("Body").contains("packed"), "{}", field("Body"));
    let callback = format!("{PUBLIC_URL}/webhooks/main/{PATH_TOKEN}");
    assert!(field("StatusCallback").starts_with(&callback), "{}", field("StatusCallback"));
    provider.until("the shop is told", |p| p.events().contains(&"message.delivered".to_owned())).await;

    // The operator's own test takes the same way, and only to a listed number.
    let test = |phone: &str, connection: &str, sender: &str| {
        let named = ["--connection", connection, "--sender", sender, "--program", "orders", "--phone", phone];
        by(&[&["provider", "test", "--config", &config, "--wait", "30"], &named[..]].concat())
    };
    let (code, tested) = run(test(PHONE, "main", "second")).await;
    assert_eq!((code, &tested["state"]), (0, &"DELIVERED".into()), "{tested}");
    assert_eq!(run(test("+12125550199", "main", "second")).await.0, 2, "not a listed number");
    assert_eq!(run(test(PHONE, "main", "first")).await.0, 2, "that sender is another account's");
    let (code, listed) = run(by(&["provider", "list"])).await;
    let health = |id: &str| {
        let all = listed["connections"].as_array().expect("a list");
        all.iter().find(|c| c["id"] == id).map(|c| c["health"].clone()).unwrap_or_default()
    };
    assert_eq!((code, health("main")), (0, Value::from("OPEN")), "{listed}");

    // STOP is heard at the number that texted, confirmed once, and holds.
    let path = format!("/webhooks/main/{PATH_TOKEN}");
    let stop = [
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("Body", "STOP"),
        ("From", PHONE),
        ("MessageSid", "SM1"),
        ("To", MAIN),
    ];
    assert_eq!(provider.call(&path, &stop).await, 200);
    let forged = path.replace(PATH_TOKEN, "another");
    assert_eq!(provider.call(&forged, &stop).await, 401, "whoever lacks the token is not heard");
    provider.until("it is confirmed", |p| p.messages().len() == 3).await;
    let (_, confirmation) = provider.messages().remove(2);
    let said = confirmation.iter().find(|(n, _)| n == "Body").map(|(_, v)| v.as_str()).unwrap_or_default();
    assert!(said.contains("opted out"), "{said}");
    let (code, refused) = run(by(&[&["send"], &text[..], &["Your order has left."]].concat())).await;
    assert_eq!(code, 1, "{refused}");
    let reasons = refused["verdict"]["reasons"].as_array().expect("reasons");
    assert!(reasons.iter().any(|r| r["code"] == "OPTED_OUT"), "{refused}");
    provider.until("the shop is told", |p| p.events().contains(&"opt_out.recorded".to_owned())).await;
    let (code, webhooks) = run(by(&["webhook", "list"])).await;
    assert_eq!((code, &webhooks["webhooks"][0]["dead"]), (0, &0.into()), "{webhooks}");
    gateway.stop();
    assert_eq!(provider.messages().len(), 3, "nothing left after STOP");

    // What was spent stands in the export, and the folder still verifies, decision by decision.
    let (code, replayed) = run(words(&["replay", "--config", &config])).await;
    assert_eq!((code, &replayed["differences"]), (0, &0.into()), "{replayed}");
    over.cancel();
}
