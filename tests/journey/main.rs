//! The newcomer's story against the built program: one abandoned cart won back, then STOP, then the night, then the
//! evidence. Over gRPC, HTTP and the command line, as a person or another service would; nothing of the library's inside.

mod http;
mod python;
mod sandbox;
mod serve;

use consentry::pb::consentry::v1 as pb;
use pb::audit_service_client::AuditServiceClient;
use pb::coupon_service_client::CouponServiceClient;
use pb::link_service_client::LinkServiceClient;
use pb::message_service_client::MessageServiceClient;
use sandbox::{Sandbox, eventually};
use serde_json::json;

const DANA: &str = "+12125550123";
const MAE: &str = "+15125550125";
const PHONE_BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                             (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_cart_is_won_back_lawfully() {
    let sandbox = Sandbox::start().await;
    let (status, health) = sandbox.admin("/healthz").await;
    assert_eq!((status, health.as_str()), (200, "ok\n"));
    sandbox.set_clock(json!({"zone": "America/New_York", "time": "12:00"})).await;

    let message = a_text_arrives(&sandbox).await;
    its_link_leads_to_the_checkout(&sandbox, &message).await;
    its_coupon_is_redeemed_once(&sandbox, &message).await;
    stop_is_heard_and_holds(&sandbox).await;
    the_night_is_respected(&sandbox).await;
    an_opt_out_page_stops_too(&sandbox).await;
    the_evidence_verifies(&sandbox).await;

    let (status, metrics) = sandbox.admin("/metrics").await;
    assert!(status == 200 && metrics.lines().any(|l| l.starts_with("consentry_")), "{metrics}");
    sandbox.stop().await;
}

/// Sent over gRPC, read on the virtual phone.
async fn a_text_arrives(sandbox: &Sandbox) -> pb::Message {
    let mut messages = MessageServiceClient::new(sandbox.channel());
    let request = reminder(sandbox, DANA, "cart-1");
    let answer = messages.send_message(request.clone()).await.expect("an answer").into_inner();
    let verdict = answer.verdict.expect("a verdict");
    assert_eq!(verdict.outcome(), pb::verdict::Outcome::Admit, "{:?}", verdict.reasons);
    let id = answer.message.expect("a message").id;

    let again = messages.send_message(request).await.expect("an answer").into_inner();
    assert_eq!(again.message.expect("a message").id, id, "one key names one message");

    let message = eventually("the text is delivered", async || {
        let ask = pb::GetMessageRequest { id: id.clone(), ..Default::default() };
        let message = messages.get_message(ask).await.expect("a message").into_inner();
        (message.state() == pb::MessageState::Delivered).then_some(message)
    })
    .await;
    let thread = sandbox.texts_on(DANA).await;
    assert_eq!(thread, [format!("outbound {}", message.body)]);
    assert!(message.body.starts_with("Acme Outfitters: ") && message.body.ends_with("Reply STOP to opt out"));
    assert!(
        message.body.contains(&message.link) && message.body.contains(&message.coupon),
        "{}",
        message.body
    );
    message
}

/// A person's tap is counted as one, a messenger's preview is not.
async fn its_link_leads_to_the_checkout(sandbox: &Sandbox, message: &pb::Message) {
    let checkout = format!("{}/shop/checkout?cart=cart-1", sandbox.page());
    for agent in [PHONE_BROWSER, "WhatsApp/2.23.20.0"] {
        let tapped = sandbox.follow(&message.link, agent).await;
        assert_eq!((tapped.status, tapped.location.as_str()), (302, checkout.as_str()), "{agent}");
    }
    let (status, page) = sandbox.get("/shop/checkout?cart=cart-1").await;
    assert!(status == 200 && page.contains("Place order"), "{page}");
    let code = message.link.rsplit('/').next().expect("a code").to_owned();
    let mut links = LinkServiceClient::new(sandbox.channel());
    let link = eventually("both clicks are counted", async || {
        let ask = pb::GetLinkRequest { code: code.clone() };
        let link = links.get_link(ask).await.expect("a link").into_inner();
        (link.raw_clicks == 2).then_some(link)
    })
    .await;
    assert_eq!((link.human_clicks, link.message_id.as_str()), (1, message.id.as_str()));
    let unknown = sandbox.follow(&message.link.replace(&code, "nosuchcode1"), PHONE_BROWSER).await;
    assert_ne!(unknown.location, checkout, "an unknown code leads nowhere near a checkout");
}

async fn its_coupon_is_redeemed_once(sandbox: &Sandbox, message: &pb::Message) {
    let mut coupons = CouponServiceClient::new(sandbox.channel());
    let redeem = |order: &str| pb::RedeemCouponRequest {
        brand: "acme".into(),
        code: message.coupon.clone(),
        order_id: order.into(),
        cart_id: "cart-1".into(),
        channel: pb::Channel::Sms.into(),
        idempotency_key: format!("redeem-{order}"),
        ..Default::default()
    };
    let mut results = Vec::new();
    for order in ["order-1", "order-1", "order-2"] {
        results.push(coupons.redeem_coupon(redeem(order)).await.expect("an answer").into_inner().result());
    }
    use pb::RedeemResult::{AlreadyRedeemed, Redeemed};
    assert_eq!(results, [Redeemed, Redeemed, AlreadyRedeemed]);
}

/// STOP is typed on the phone, comes in as a signed webhook, is confirmed once, and nothing leaves after it.
async fn stop_is_heard_and_holds(sandbox: &Sandbox) {
    sandbox.type_on(DANA, "STOP").await;
    let thread = eventually("the opt-out is confirmed", async || {
        let thread = sandbox.texts_on(DANA).await;
        (thread.len() == 3).then_some(thread)
    })
    .await;
    assert_eq!(thread[1], "inbound STOP");
    assert!(thread[2].contains("You are opted out"), "{}", thread[2]);

    let mut messages = MessageServiceClient::new(sandbox.channel());
    let refused =
        messages.send_message(reminder(sandbox, DANA, "cart-2")).await.expect("an answer").into_inner();
    assert_eq!(refused.message.expect("a message").state(), pb::MessageState::Refused);
    assert!(codes(&refused.verdict.expect("a verdict")).contains(&"OPTED_OUT".to_owned()));

    let sent = sandbox.cli(&["send", "--phone", DANA, "--body", "Come back"]).await;
    assert_eq!((sent.code, &sent.json["verdict"]["outcome"]), (1, &json!("REFUSE")), "{}", sent.json);
    assert_eq!(sandbox.texts_on(DANA).await.len(), 3, "nothing left after STOP");
}

/// 21:04 in Phoenix is 22:04 for Mae in Austin: every rule that speaks of it is named, and the text leaves by morning.
async fn the_night_is_respected(sandbox: &Sandbox) {
    sandbox.set_clock(json!({"zone": "America/Phoenix", "time": "21:04"})).await;
    let checkout = format!("{}/shop/checkout?cart=cart-3", sandbox.page());
    let text =
        ["--phone", MAE, "--cart", "cart-3", "--checkout-url", &checkout, "--body", "Still here: {{link}}"];
    let checked = sandbox.cli(&[&["check"], &text[..]].concat()).await;
    let held = sandbox.cli(&[&["send"], &text[..]].concat()).await;
    for answer in [&checked, &held] {
        assert_eq!((answer.code, &answer.json["verdict"]["outcome"]), (0, &json!("HOLD")), "{}", answer.json);
        let rules: Vec<&str> = answer.json["verdict"]["reasons"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|r| r["rule"].as_str())
            .collect();
        for rule in ["house/quiet_hours", "us/quiet_hours", "us/tx/quiet_hours"] {
            assert!(rules.contains(&rule), "{rule} is not among {rules:?}");
        }
    }
    assert_eq!(sandbox.texts_on(MAE).await, [""; 0], "nothing leaves by night");

    // On to the hour it was held until and over a quarter of an hour more: those who wait for one hour leave spread over it.
    let until = held.json["verdict"]["hold_until"].as_str().expect("an instant");
    let now = sandbox.now().await;
    let until: jiff::Timestamp = until.parse().expect("an instant");
    let seconds = until.as_second() - now.as_second() + 1_000;
    sandbox.set_clock(json!({ "seconds": seconds })).await;
    eventually("the held text leaves by morning", async || {
        (sandbox.texts_on(MAE).await.len() == 1).then_some(())
    })
    .await;
}

/// The page behind `{{opt_out_link}}`: looking changes nothing, pressing does.
async fn an_opt_out_page_stops_too(sandbox: &Sandbox) {
    let ask = ["check", "--phone", MAE, "--body", "News"];
    let page = sandbox.opt_out_link_for(MAE).await;
    let looked = sandbox.follow(&page, PHONE_BROWSER).await;
    assert!(looked.status == 200 && looked.body.contains("<form"), "{}", looked.body);
    assert!(!sandbox.cli(&ask).await.codes().contains(&"OPTED_OUT".to_owned()), "looking changes nothing");
    assert_eq!(sandbox.press(&page).await.status, 200);
    assert!(sandbox.cli(&ask).await.codes().contains(&"OPTED_OUT".to_owned()));
    let by_call = sandbox.cli(&["opt-out", "--phone", "+14015550126", "--source", "phone-call"]).await;
    assert_eq!((by_call.code, &by_call.json["scope"]), (0, &json!("ALL")));
}

/// The bundle of one person is exported, verifies, and does not once a byte of it is changed.
async fn the_evidence_verifies(sandbox: &Sandbox) {
    let mut audit = AuditServiceClient::new(sandbox.channel());
    let head = audit.get_checkpoint(pb::GetCheckpointRequest::default()).await.expect("a head").into_inner();
    assert!(head.size > 20 && head.note.starts_with(&head.origin), "{}", head.note);

    let file = sandbox.dir().join("dana.tar");
    let path = file.to_str().expect("UTF-8");
    let exported =
        sandbox.cli(&["export", "--brand", "acme", "--phone", DANA, "--format", "bundle", "-o", path]).await;
    assert_eq!(exported.code, 0, "{}", exported.json);
    let key = sandbox.verifier_key();
    let verified = sandbox.cli(&["verify", path, "--key", &key]).await;
    assert_eq!(verified.code, 0, "{}", verified.json);

    let mut bytes = std::fs::read(&file).expect("the bundle");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let forged = sandbox.cli(&["verify", path, "--key", &key]).await;
    assert_eq!(forged.code, 1, "a changed byte is found: {}", forged.json);
}

fn codes(verdict: &pb::Verdict) -> Vec<String> {
    verdict.reasons.iter().map(|r| r.code.clone()).collect()
}

fn reminder(sandbox: &Sandbox, phone: &str, cart: &str) -> pb::SendMessageRequest {
    let body = "Your cart waits. Code {{coupon}}: {{link}}".to_owned();
    let cart_told = pb::Cart {
        id: cart.into(),
        checkout_url: format!("{}/shop/checkout?cart={cart}", sandbox.page()),
        ..Default::default()
    };
    pb::SendMessageRequest {
        brand: "acme".into(),
        program: "cart-reminders".into(),
        subject: Some(pb::Subject { address: Some(pb::subject::Address::Phone(phone.into())) }),
        channel: pb::Channel::Sms.into(),
        cart: Some(cart_told),
        content: Some(pb::send_message_request::Content::Body(body)),
        coupon_pool: "comeback".into(),
        idempotency_key: format!("journey-{cart}"),
        ..Default::default()
    }
}
