//! A restricted person, looked for through every method of the contract.

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio_stream::StreamExt;
use tonic::{Code, Response, Status};

use super::devices::{TOKEN, upsert};
use super::messages::{send, to};
use super::push::PhoneAgreed;
use crate::api::testing::{Shop, by};
use crate::ledger::body::{Body, InboundBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::model::SubjectId;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::cart_service_client::CartServiceClient;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use crate::pb::consentry::v1::coupon_service_client::CouponServiceClient;
use crate::pb::consentry::v1::device_service_client::DeviceServiceClient;
use crate::pb::consentry::v1::event::Event;
use crate::pb::consentry::v1::explain_decision_request::Target;
use crate::pb::consentry::v1::link_service_client::LinkServiceClient;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;
use crate::pb::consentry::v1::send_message_request::Content;
use crate::writer::{Cx, Op, OpError, Priority};

const PHONE: &str = "+12125550123";

/// What a method is to somebody who asks about a person.
#[derive(Clone, Copy)]
enum Is {
    /// A read: the ordinary key that may call it, if one may, and the officer's.
    Read(Option<&'static str>, &'static str),
    /// A change: it answers with what the caller itself brought or named.
    Change,
    /// It names nobody: objects of the shop, sums, hashes.
    Impersonal,
}

/// Every method that is a read about people, or looks like one. Others begin with a verb of change, or stand in `AdminService`.
const METHODS: [(&str, Is); 28] = [
    ("GetConsent", Is::Read(Some("writer"), "auditor")),
    ("GetSubject", Is::Read(Some("writer"), "auditor")),
    ("CheckConsents", Is::Read(Some("sender"), "auditor")),
    ("ListConsentEvents", Is::Read(None, "admin")),
    ("ListInbound", Is::Read(Some("writer"), "auditor")),
    ("ListConsents", Is::Read(Some("writer"), "auditor")),
    ("ListDevices", Is::Read(Some("sender"), "auditor")),
    ("GetMessage", Is::Read(Some("sender"), "auditor")),
    ("ListMessages", Is::Read(Some("sender"), "auditor")),
    ("WatchEvents", Is::Read(Some("sender"), "auditor")),
    ("GetLink", Is::Read(Some("sender"), "auditor")),
    ("ListClicks", Is::Read(Some("sender"), "auditor")),
    ("GetCoupon", Is::Read(Some("sender"), "auditor")),
    ("ExportAudit", Is::Read(None, "auditor")),
    ("ExplainDecision", Is::Read(None, "auditor")),
    // Hidden texts cannot be decided about, nor hidden messages withdrawn.
    ("ResolveInbound", Is::Change),
    ("CancelMessage", Is::Change),
    // A verdict says of a restricted person what it says of anybody who opted out.
    ("CheckMessage", Is::Impersonal),
    ("GetCart", Is::Impersonal),
    ("GetCouponPool", Is::Impersonal),
    ("GetCheckpoint", Is::Impersonal),
    ("GetInclusionProof", Is::Impersonal),
    ("ReplayDecisions", Is::Impersonal),
    ("CheckShadow", Is::Impersonal),
    ("CheckPolicy", Is::Impersonal),
    ("GetPolicy", Is::Impersonal),
    ("ListWebhooks", Is::Impersonal),
    ("ListDeadLetters", Is::Impersonal),
];

/// Verbs of methods that change something.
const CHANGES: [&str; 21] = [
    "Record", "Confirm", "Reverse", "Import", "Set", "Erase", "Clear", "Upsert", "Delete", "Send", "Close",
    "Create", "Redeem", "Release", "Void", "Update", "Rotate", "Resume", "Replay", "Resolve", "Cancel",
];

#[test]
fn no_method_of_the_contract_is_left_out() {
    let set = FileDescriptorSet::decode(crate::pb::FILE_DESCRIPTOR_SET).expect("descriptors");
    for service in set.file.iter().flat_map(|file| &file.service) {
        for method in service.method.iter().map(|method| method.name()) {
            let listed = METHODS.iter().any(|(name, _)| *name == method);
            let changes = CHANGES.iter().any(|verb| method.starts_with(verb));
            let object = service.name() == "AdminService";
            assert!(listed || changes || object, "{method}: may a restricted person be seen through it?");
        }
    }
}

/// Somebody wrote in.
struct WroteIn;

impl Op for WroteIn {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let digits = crate::model::phone::Digits::received(PHONE, None);
        let address = crate::writer::ops::Target::Phone(digits).addresses().remove(0);
        let subject = cx.subject_for(&address)?;
        let body = InboundBody {
            connection: "carrier".parse().expect("a slug"),
            provider_id: "in1".to_owned(),
            sender: None,
            to: "+18885550100".to_owned(),
            text: "is this about my order?".to_owned(),
            class: "OTHER".to_owned(),
            rule: "test".to_owned(),
            provider_flag: None,
            received_at: cx.now,
            review: true,
            raw: None,
            program: None,
            opt_out: None,
            part: None,
        };
        cx.emit(subject, None, Public::default(), Body::Inbound(body)).map(|_| ())
    }
}

/// What the person has left behind.
struct Traces {
    message: String,
    link: String,
    coupon: String,
    text: String,
}

/// A shop with a person who left a trace of every kind.
async fn known() -> (Shop, Traces) {
    let shop = Shop::open().await;
    shop.gateway.writer.call(PhoneAgreed).await.expect("agreed");
    shop.gateway.writer.call(WroteIn).await.expect("heard");
    let mut coupons = CouponServiceClient::new(shop.channel.clone());
    let pool = wire::CouponPool {
        brand: "main".into(),
        pool: "own".into(),
        source: wire::CouponSource::Imported.into(),
        valid_for: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        ..wire::CouponPool::default()
    };
    let create = wire::CreateCouponPoolRequest { coupon_pool: Some(pool) };
    coupons.create_coupon_pool(by("admin", create)).await.expect("made");
    let codes = wire::ImportCouponCodesRequest {
        brand: "main".into(),
        pool: "own".into(),
        codes: vec!["FERN00001".into()],
    };
    coupons.import_coupon_codes(by("admin", codes)).await.expect("taken");
    let mut devices = DeviceServiceClient::new(shop.channel.clone());
    devices.upsert_device(by("writer", upsert("i1", TOKEN))).await.expect("taken");
    let request = wire::SendMessageRequest {
        content: Some(Content::Body("You left something behind: {{link}} with {{coupon}}".into())),
        coupon_pool: "own".into(),
        ..send("a1")
    };
    let mut messages = MessageServiceClient::new(shop.channel.clone());
    let sent = messages.send_message(by("sender", request)).await.expect("a verdict").into_inner();
    let verdict = sent.verdict.expect("a verdict");
    assert_eq!(verdict.outcome(), wire::verdict::Outcome::Admit, "{verdict:?}");
    let message = sent.message.expect("kept");
    let link = message.body.split("go.main.example/").nth(1).expect("a link");
    let link = link.split_whitespace().next().expect("a code").to_owned();
    let texts = shop.gateway.reader.look(|cx| {
        use crate::ledger::rows::InboundTextRow;
        use crate::ledger::state::Row;
        Ok(cx.state.scan::<InboundTextRow>(&[InboundTextRow::TABLE], None, 8)?)
    });
    let key = texts.expect("readable").remove(0).0;
    let text = u64::from_be_bytes(key[1..9].try_into().expect("an index")).to_string();
    (shop, Traces { message: message.id, link, coupon: "FERN00001".into(), text })
}

/// Whether an answer holds one of the person's traces; one that says `NOT_FOUND` holds none.
fn holds<M: prost::Message>(answer: Result<Response<M>, Status>, needles: &[&str]) -> bool {
    match answer {
        Ok(answer) => {
            let bytes = answer.into_inner().encode_to_vec();
            needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
        }
        Err(status) => {
            assert_eq!(status.code(), Code::NotFound, "{status}");
            false
        }
    }
}

/// Asks a method about the person with a key; answers whether anything was shown.
async fn shows(shop: &Shop, key: &str, method: &str, traces: &Traces) -> bool {
    let channel = || shop.channel.clone();
    let (mut consents, mut messages) =
        (ConsentServiceClient::new(channel()), MessageServiceClient::new(channel()));
    let (mut links, mut audits) = (LinkServiceClient::new(channel()), AuditServiceClient::new(channel()));
    let (brand, program, sms) = ("main".to_owned(), "carts".to_owned(), i32::from(wire::Channel::Sms));
    match method {
        "GetConsent" => {
            let ask =
                wire::GetConsentRequest { brand, program, channel: sms, subject: to(PHONE), as_of: None };
            holds(consents.get_consent(by(key, ask)).await, &[PHONE])
        }
        "GetSubject" => {
            let ask = wire::GetSubjectRequest { subject: to(PHONE), as_of: None };
            holds(consents.get_subject(by(key, ask)).await, &[PHONE])
        }
        "CheckConsents" => {
            let ask = |phone: &str| wire::CheckConsentsRequest {
                brand: brand.clone(),
                program: program.clone(),
                channel: sms,
                subjects: to(phone).into_iter().collect(),
            };
            let told = consents.check_consents(by(key, ask(PHONE))).await.expect("checked").into_inner();
            let unknown =
                consents.check_consents(by(key, ask("+13125550145"))).await.expect("checked").into_inner();
            told != unknown
        }
        "ListConsentEvents" => {
            let ask = wire::ListConsentEventsRequest { subject: to(PHONE), ..Default::default() };
            holds(consents.list_consent_events(by(key, ask)).await, &[PHONE])
        }
        "ListInbound" => {
            let needles = [PHONE, "my order"];
            let all = wire::ListInboundRequest::default();
            let own = wire::ListInboundRequest { subject: to(PHONE), ..all.clone() };
            let all = holds(consents.list_inbound(by(key, all)).await, &needles);
            assert_eq!(holds(consents.list_inbound(by(key, own)).await, &needles), all);
            all
        }
        "ListConsents" => {
            let ask = wire::ListConsentsRequest { brand, ..Default::default() };
            holds(consents.list_consents(by(key, ask)).await, &[PHONE])
        }
        "ListDevices" => {
            let mut devices = DeviceServiceClient::new(channel());
            let app = wire::ListDevicesRequest { app: "app".into(), ..Default::default() };
            let own = wire::ListDevicesRequest { customer_id: "c1".into(), ..Default::default() };
            let all = holds(devices.list_devices(by(key, app)).await, &["i1"]);
            assert_eq!(holds(devices.list_devices(by(key, own)).await, &["i1"]), all);
            all
        }
        "GetMessage" => {
            let by_id = wire::GetMessageRequest { id: traces.message.clone(), ..Default::default() };
            let by_key = wire::GetMessageRequest { idempotency_key: "a1".into(), ..Default::default() };
            let shown = holds(messages.get_message(by(key, by_id)).await, &[&traces.message]);
            assert_eq!(holds(messages.get_message(by(key, by_key)).await, &[&traces.message]), shown);
            shown
        }
        "ListMessages" => {
            let all = wire::ListMessagesRequest::default();
            let own = wire::ListMessagesRequest { subject: to(PHONE), ..all.clone() };
            let all = holds(messages.list_messages(by(key, all)).await, &[PHONE, &traces.message]);
            assert_eq!(holds(messages.list_messages(by(key, own)).await, &[PHONE, &traces.message]), all);
            all
        }
        "WatchEvents" => watched(shop, key).await,
        "GetLink" => {
            let ask = wire::GetLinkRequest { code: traces.link.clone() };
            holds(links.get_link(by(key, ask)).await, &[&traces.link])
        }
        "ListClicks" => {
            let ask = wire::ListClicksRequest { code: traces.link.clone(), ..Default::default() };
            links.list_clicks(by(key, ask)).await.is_ok()
        }
        "GetCoupon" => {
            let ask = wire::GetCouponRequest { brand, code: traces.coupon.clone() };
            let answer = CouponServiceClient::new(channel()).get_coupon(by(key, ask)).await;
            holds(answer, &[&traces.message])
        }
        "ExplainDecision" => {
            let target = Some(Target::MessageId(traces.message.clone()));
            let answer = audits.explain_decision(by(key, wire::ExplainDecisionRequest { target })).await;
            holds(answer, &[&traces.message])
        }
        "ExportAudit" => {
            let csv = wire::ExportFormat::Csv.into();
            let all = wire::ExportAuditRequest { brand, format: csv, ..Default::default() };
            let own = wire::ExportAuditRequest { subject: to(PHONE), ..all.clone() };
            exported(shop, key, all).await && exported(shop, key, own).await
        }
        other => panic!("{other} is in the table and not asked"),
    }
}

/// Whether an export holds the number.
async fn exported(shop: &Shop, key: &str, ask: wire::ExportAuditRequest) -> bool {
    // Until a checkpoint covers everything there is now; one is signed with a commit, at most once a second.
    let size = shop.gateway.books.stored().len();
    while shop.gateway.books.checkpoint().size() < size {
        shop.clock.advance(crate::model::Span::seconds(2));
        mark(shop, "signed").await;
    }
    let mut client = AuditServiceClient::new(shop.channel.clone());
    let mut pieces = client.export_audit(by(key, ask)).await.expect("a stream").into_inner();
    let mut shown = false;
    while let Some(piece) = pieces.next().await {
        let bytes = piece.expect("to its end").encode_to_vec();
        shown |= bytes.windows(PHONE.len()).any(|window| window == PHONE.as_bytes());
    }
    shown
}

/// Writes a cart of nobody's.
async fn mark(shop: &Shop, id: &str) {
    let cart = wire::Cart {
        id: id.to_owned(),
        checkout_url: "https://shop.example/end".into(),
        abandoned_at: Some(crate::api::convert::timestamp(crate::api::testing::noon())),
        ..wire::Cart::default()
    };
    let cart = wire::UpsertCartRequest { brand: "main".into(), cart: Some(cart), observed_at: None };
    CartServiceClient::new(shop.channel.clone()).upsert_cart(by("sender", cart)).await.expect("taken");
}

/// Whether the person's past is told to who listens from the beginning; that they opted out may be, without their words.
async fn watched(shop: &Shop, key: &str) -> bool {
    let end = format!("end-{}", shop.gateway.books.stored().len());
    mark(shop, &end).await;
    let ask = wire::WatchEventsRequest { from_beginning: true, ..Default::default() };
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let mut events = client.watch_events(by(key, ask)).await.expect("a stream").into_inner();
    let mut shown = false;
    while let Some(event) = events.next().await {
        match event.expect("to the end").event.expect("an event") {
            Event::Cart(cart) if cart.id == end => return shown,
            Event::OptOut(opt_out) => assert!(opt_out.text.is_empty() || key == "auditor", "in their words"),
            Event::Cart(_) | Event::Lane(_) | Event::Heartbeat(_) | Event::CouponPoolLow(_) => {}
            _ => shown = true,
        }
    }
    panic!("the stream ended")
}

/// Reads of restricted people that the ledger knows: whose chain, method, how many, by which key.
fn accesses(shop: &Shop) -> Vec<(SubjectId, String, u64, String)> {
    let entries = shop.gateway.reader.entries();
    let all = (0..entries.size()).filter_map(|index| entries.entry(index).expect("readable"));
    all.filter_map(|entry| match entry.body {
        Body::Access(body) => Some((entry.leaf.subject, body.method, body.people, body.actor)),
        _ => None,
    })
    .collect()
}

#[tokio::test]
async fn a_restricted_person_is_hidden_from_every_ordinary_read_and_every_other_is_written_down() {
    let (shop, traces) = known().await;
    for (method, is) in METHODS {
        if let Is::Read(ordinary, officer) = is {
            for key in ordinary.into_iter().chain([officer]) {
                assert!(shows(&shop, key, method, &traces).await, "{method} by {key}, before");
            }
        }
    }
    assert_eq!(accesses(&shop), [], "nobody was restricted");

    let device = wire::DeviceKey { app: "app".into(), installation_id: "i1".into() };
    let device = Some(wire::Subject { address: Some(wire::subject::Address::Device(device)) });
    let mut consents = ConsentServiceClient::new(shop.channel.clone());
    for subject in [to(PHONE), device] {
        let request = wire::EraseSubjectRequest { subject, mode: 0, reason: "asked by letter".into() };
        consents.erase_subject(by("writer", request)).await.expect("restricted");
    }
    for (method, is) in METHODS {
        let Is::Read(ordinary, officer) = is else { continue };
        let before = accesses(&shop).len();
        if let Some(key) = ordinary {
            assert!(!shows(&shop, key, method, &traces).await, "{method} by {key} shows a restricted person");
            assert_eq!(accesses(&shop).len(), before, "{method}: nothing was read");
        }
        assert!(shows(&shop, officer, method, &traces).await, "{method} by {officer}");
        let written = accesses(&shop).split_off(before);
        assert!(!written.is_empty(), "{method} by {officer} left nothing behind");
        for (chain, by_method, people, actor) in written {
            assert_eq!((by_method.as_str(), actor.as_str()), (method, officer));
            assert!(people == 1 || (method == "ExportAudit" && people == 2 && chain == SELLER_CHAIN));
        }
    }

    let resolve = wire::ResolveInboundRequest {
        id: traces.text.clone(),
        resolution: wire::InboundResolution::NotOptOut.into(),
        reason: "a question".into(),
        officer: "Ada".into(),
    };
    let hidden = consents.resolve_inbound(by("writer", resolve.clone())).await.expect_err("hidden");
    assert_eq!(hidden.code(), Code::NotFound);
    consents.resolve_inbound(by("admin", resolve)).await.expect("an officer decides");
    let cancel = wire::CancelMessageRequest { id: traces.message.clone(), ..Default::default() };
    let mut messages = MessageServiceClient::new(shop.channel.clone());
    assert_eq!(
        messages.cancel_message(by("sender", cancel)).await.expect_err("hidden").code(),
        Code::NotFound
    );
    shop.close().await;
}
