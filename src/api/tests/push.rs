//! Push over gRPC from the app's report to what Google gets, with lanes running: and what becomes of a message nobody sees.

use std::time::Duration;

use tokio_stream::StreamExt;

use super::devices::{TOKEN, upsert};
use super::messages::to;
use crate::api::convert::timestamp;
use crate::api::testing::{Shop, by, noon};
use crate::dispatch::Carrier;
use crate::ledger::body::{Body, ConsentBody, ConsentCause, ConsentChange, Object};
use crate::model::evidence::Evidence;
use crate::model::facts::SenderKind;
use crate::model::registry::{Connection, Program, Reconcile, Sender, ThrottleGroup, Validity};
use crate::model::{Basis, Category, Channel, Consent, ConsentState, DoubleOptIn, Grade, Method, Span};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use crate::pb::consentry::v1::device_service_client::DeviceServiceClient;
use crate::pb::consentry::v1::event::Event;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;
use crate::provider::faults::peer::{Act, Peer, json};
use crate::provider::faults::push::service_account;
use crate::provider::faults::{self, client};
use crate::provider::registry;
use crate::writer::ops::registry::PutObject;
use crate::writer::{Cx, Op, OpError, Priority};
use secrecy::SecretString;

const PHONE: &str = "+12125550123";

/// An app of the shop at Google, whose push service and token service are peers of ours; texts go to another.
async fn open(google: &Peer, tokens: &Peer, texts: &Peer) -> Shop {
    let shop = Shop::open().await;
    let (mut sender, mut program, mut carrier) = (None, None, None);
    let objects = ["sender", "program", "connection"]
        .map(|kind| shop.gateway.reader.look(|cx| cx.objects(kind, 16)).expect("readable"));
    for row in objects.iter().flatten() {
        match &row.object {
            Object::Sender(found) => sender = Some(found.clone()),
            Object::Program(found) if found.category == Category::Marketing => program = Some(found.clone()),
            Object::Connection(found) => carrier = Some(found.clone()),
            _ => {}
        }
    }
    let (sender, program) = (sender.expect("a sender"), program.expect("a program"));
    let connection = Connection {
        id: "google".parse().expect("a slug"),
        provider: "fcm".to_owned(),
        validity: Validity::Native { min_seconds: 0, max_seconds: 604_800 },
        reconcile: Reconcile::Nothing,
        ..carrier.expect("a connection")
    };
    let app = Sender {
        id: "app".parse().expect("a slug"),
        kind: SenderKind::PushApp,
        address: "app".to_owned(),
        country: String::new(),
        connection: connection.id.clone(),
        throttle: ThrottleGroup { id: "app".to_owned(), ..sender.throttle.clone() },
        ..sender.clone()
    };
    let both = Program {
        channels: vec![Channel::Sms, Channel::Push],
        senders: vec![sender.id.clone(), app.id.clone()],
        ..program
    };
    for op in [
        PutObject::create(Object::Connection(connection.clone()), "test"),
        PutObject::create(Object::Sender(app), "test"),
        PutObject::update(Object::Program(both), "push", "test"),
    ] {
        shop.gateway.writer.call(op).await.expect("taken");
    }
    let clock = std::sync::Arc::new(shop.clock.clone());
    let account = service_account(&format!("{}/token", tokens.url));
    let secret = move |_: &str| Some(SecretString::from(account.clone()));
    let settings = vec![("url".to_owned(), google.url.clone())];
    let connection = Connection { settings, ..connection };
    let fcm = registry::build_over(&connection, &secret, clock.clone(), client()).expect("settings");
    let settings = [("account_sid", "AC1"), ("url", texts.url.as_str())];
    let twilio = faults::connection("twilio", &settings);
    let twilio = registry::build_over(&twilio, &faults::secret, clock, client()).expect("settings");
    let providers = &shop.gateway.providers;
    providers.put("google".parse().expect("a slug"), Carrier { provider: fcm, slots: 4, paused: false });
    providers.put("carrier".parse().expect("a slug"), Carrier { provider: twilio, slots: 4, paused: false });
    shop
}

/// The person's phone agreed long ago; how is other tests' matter.
pub(super) struct PhoneAgreed;

impl Op for PhoneAgreed {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let digits = crate::model::phone::Digits::received(PHONE, None);
        let address = crate::writer::ops::Target::Phone(digits).addresses().remove(0);
        let subject = cx.subject_for(&address)?;
        let consent = Consent {
            program: "carts".parse().expect("a slug"),
            brand: "main".parse().expect("a slug"),
            channel: Channel::Sms,
            state: ConsentState::Granted,
            basis: Basis::ExpressWritten,
            basis_date: None,
            grade: Grade::Full,
            method: Method::CheckoutCheckbox,
            act: None,
            captured_at: cx.now,
            recorded_at: cx.now,
            confirmed_at: Some(cx.now),
            double_opt_in: DoubleOptIn::ByText,
            covers_cart: true,
            night: crate::model::consent::Night::No,
            expires_at: None,
            sender: None,
        };
        let body = ConsentBody {
            cause: ConsentCause::OptIn,
            changes: vec![ConsentChange { consent, reasons: Vec::new() }],
            customer: Some("c1".parse().expect("an id")),
            hints: Vec::new(),
            evidence: Evidence::empty(Method::CheckoutCheckbox),
            operation: None,
            actor: "test".to_owned(),
        };
        let public = crate::ledger::entry::Public::default();
        cx.emit(subject, None, public, Body::Consent(body)).map(|_| ())
    }
}

fn device() -> Option<wire::Subject> {
    let key = wire::DeviceKey { app: "app".into(), installation_id: "i1".into() };
    Some(wire::Subject { address: Some(wire::subject::Address::Device(key)) })
}

/// The person switches the app's own switch, beside the wording that the shop shows there.
async fn agrees_in_the_app(shop: &Shop) {
    let mut consents = ConsentServiceClient::new(shop.channel.clone());
    let request = wire::RecordOptInRequest {
        night_only: false,
        brand: "main".into(),
        programs: vec!["carts".into()],
        subject: device(),
        channels: vec![wire::Channel::Push.into()],
        customer_id: "c1".into(),
        evidence: Some(wire::ConsentEvidence {
            wording: Some(wire::consent_evidence::Wording::DisclosureText(
                "Notify me with cart reminders from Fable & Fern. Turn off at any time in settings.".into(),
            )),
            method: wire::ConsentMethod::AppPermission.into(),
            act: wire::ConsentAct::Switched.into(),
            control_default: wire::ControlDefault::Unchecked.into(),
            captured_at: Some(timestamp(noon())),
            source_url: "app://settings/notifications".into(),
            basis: wire::ConsentBasis::Express.into(),
            ..wire::ConsentEvidence::default()
        }),
        idempotency_key: "in the app".into(),
        ..wire::RecordOptInRequest::default()
    };
    let consents =
        consents.record_opt_in(by("writer", request)).await.expect("recorded").into_inner().consents;
    assert_eq!(consents[0].state(), wire::ConsentState::Granted, "{consents:?}");
}

fn notify(key: &str) -> wire::SendMessageRequest {
    wire::SendMessageRequest {
        brand: "main".into(),
        program: "carts".into(),
        subject: Some(wire::Subject { address: Some(wire::subject::Address::CustomerId("c1".into())) }),
        channel: wire::Channel::Push.into(),
        fallback_to_sms: true,
        push: Some(wire::PushContent {
            title: "Still yours".into(),
            body: "Your boots wait.".into(),
            image_url: "https://shop.example/boots.png".into(),
            actions: vec![wire::PushAction {
                id: "buy".into(),
                title: "Finish".into(),
                url: "https://shop.example/cart".into(),
            }],
            ..wire::PushContent::default()
        }),
        cart: Some(wire::Cart {
            id: format!("cart of {key}"),
            checkout_url: "https://shop.example/c/1".into(),
            abandoned_at: Some(timestamp(noon() - Span::hours(2))),
            ..wire::Cart::default()
        }),
        locations: vec![wire::Location {
            source: wire::LocationSource::Billing.into(),
            country: "US".into(),
            region: "NY".into(),
            ..wire::Location::default()
        }],
        idempotency_key: key.into(),
        ..wire::SendMessageRequest::default()
    }
}

/// Follows a message over the events of the log until it stands there.
async fn becomes(shop: &Shop, id: &str, state: wire::MessageState) -> wire::Message {
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let from = wire::WatchEventsRequest { from_beginning: true, ..Default::default() };
    let mut events = client.watch_events(by("sender", from)).await.expect("a stream").into_inner();
    let found = async {
        while let Some(event) = events.next().await {
            if let Some(Event::Message(message)) = event.expect("an event").event
                && message.id == id
                && message.state() == state
            {
                return message;
            }
        }
        panic!("the stream ended")
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("it gets there")
}

async fn peers(google: Vec<Act>) -> (Peer, Peer, Peer) {
    let granted = Act::Say(json(200, "", r#"{"access_token":"ya29.x","expires_in":3599}"#));
    let taken = Act::Say(json(201, "", r#"{"sid":"SM1","status":"queued","error_code":null}"#));
    (Peer::plays(google).await, Peer::plays(vec![granted]).await, Peer::plays(vec![taken]).await)
}

#[tokio::test]
async fn a_notification_reaches_google_and_its_way_stands_in_the_log() {
    let taken = Act::Say(json(200, "", r#"{"name":"projects/fable-shop/messages/0:1"}"#));
    let (google, tokens, texts) = peers(vec![taken]).await;
    let shop = open(&google, &tokens, &texts).await;
    let mut devices = DeviceServiceClient::new(shop.channel.clone());
    devices.upsert_device(by("writer", upsert("i1", TOKEN))).await.expect("taken");
    agrees_in_the_app(&shop).await;
    let mut client = MessageServiceClient::new(shop.channel.clone());

    let asked = wire::CheckMessageRequest { message: Some(notify("k1")), at: None };
    let dry = client.check_message(by("sender", asked)).await.expect("a verdict").into_inner();
    assert_eq!(dry.verdict.expect("one").outcome(), wire::verdict::Outcome::Admit);
    assert_eq!(
        (dry.push.expect("shown").title.as_str(), dry.body.as_str(), dry.segments),
        ("Still yours", "", 0)
    );

    let answer = client.send_message(by("sender", notify("k1"))).await.expect("a verdict").into_inner();
    let message = answer.message.expect("kept");
    let shown = message.push.clone().expect("the notification");
    assert!(shown.deep_link.starts_with("https://go.main.example/"), "{shown:?}");
    assert_eq!(message.channel(), wire::Channel::Push);
    let sent = becomes(&shop, &message.id, wire::MessageState::Sent).await;
    assert_eq!(sent.provider_message_ids, ["projects/fable-shop/messages/0:1"]);
    assert!(sent.delivered_at.is_none(), "push services tell nothing of delivery");
    let request = google.seen().remove(0);
    for part in [TOKEN, "Still yours", &shown.deep_link, "https://go.main.example/opt-out/", "collapse_key"] {
        assert!(request.contains(part), "{part} is missing in {request}");
    }
    assert!(texts.seen().is_empty());
    shop.close().await;
}

#[tokio::test]
async fn a_message_whose_installation_is_gone_reaches_the_phone_once() {
    let gone = r#"{"error":{"status":"NOT_FOUND","message":"Requested entity was not found.","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}"#;
    let (google, tokens, texts) = peers(vec![Act::Say(json(404, "", gone))]).await;
    let shop = open(&google, &tokens, &texts).await;
    let mut devices = DeviceServiceClient::new(shop.channel.clone());
    devices.upsert_device(by("writer", upsert("i1", TOKEN))).await.expect("taken");
    agrees_in_the_app(&shop).await;
    shop.gateway.writer.call(PhoneAgreed).await.expect("granted");
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let answer = client.send_message(by("sender", notify("k1"))).await.expect("a verdict").into_inner();
    let message = answer.message.expect("kept");
    assert_eq!(message.channel(), wire::Channel::Push);
    // Google says that the token is dead: the feedback is recorded, and a second later the message is due again.
    let died = async {
        loop {
            let listed = wire::ListDevicesRequest { app: "app".into(), ..Default::default() };
            let listed = devices.list_devices(by("auditor", listed)).await.expect("a page").into_inner();
            if listed.devices[0].token_dead_at.is_some() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), died).await.expect("it is told");
    shop.clock.advance(Span::seconds(2));
    let sent = becomes(&shop, &message.id, wire::MessageState::Sent).await;
    assert_eq!((sent.channel(), sent.subject), (wire::Channel::Sms, to(PHONE)));
    assert!(
        sent.body.contains("Still yours. Your boots wait.") && sent.body.contains("STOP"),
        "{}",
        sent.body
    );
    assert_eq!(sent.verdict, answer.verdict, "the first verdict stays the answer to the key");
    assert_eq!((google.seen().len(), texts.seen().len()), (1, 1), "told once each");

    let asked = wire::GetConsentRequest {
        brand: "main".into(),
        program: "carts".into(),
        subject: device(),
        channel: wire::Channel::Push.into(),
        ..Default::default()
    };
    let mut consents = ConsentServiceClient::new(shop.channel.clone());
    let consent = consents.get_consent(by("auditor", asked)).await.expect("known").into_inner();
    assert_eq!(consent.state(), wire::ConsentState::Granted, "it is no word of the person");
    shop.close().await;
}
