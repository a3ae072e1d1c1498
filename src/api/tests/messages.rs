//! Sending, asking, streams, lists, events.

use tokio_stream::StreamExt;
use tonic::Code;
use tonic_types::StatusExt;

use crate::api::convert::timestamp;
use crate::api::testing::{Shop, by, noon};
use crate::model::Span;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;
use crate::pb::consentry::v1::send_message_request::Content;
use crate::pb::consentry::v1::send_messages_response::Result as Item;

pub(super) fn to(phone: &str) -> Option<wire::Subject> {
    Some(wire::Subject { address: Some(wire::subject::Address::Phone(phone.to_owned())) })
}

pub(super) fn send(key: &str) -> wire::SendMessageRequest {
    wire::SendMessageRequest {
        brand: "main".into(),
        program: "carts".into(),
        subject: to("+1 (212) 555-0123"),
        channel: wire::Channel::Sms.into(),
        content: Some(Content::Body("You left something behind: {{link}}".into())),
        cart: Some(wire::Cart {
            id: format!("cart of {key}"),
            checkout_url: "https://shop.example/c/1".into(),
            abandoned_at: Some(timestamp(noon() - Span::hours(2))),
            ..wire::Cart::default()
        }),
        labels: [("campaign".to_owned(), "spring".to_owned())].into(),
        idempotency_key: key.into(),
        ..wire::SendMessageRequest::default()
    }
}

#[tokio::test]
async fn a_send_without_consent_is_a_verdict_and_stays_refused() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let first = client.send_message(by("sender", send("a1"))).await.expect("a verdict").into_inner();
    let verdict = first.verdict.expect("a verdict");
    assert_eq!(verdict.outcome(), wire::verdict::Outcome::Refuse);
    assert!(verdict.reasons.iter().any(|reason| reason.code == "CONSENT_MISSING"), "{verdict:?}");
    let message = first.message.expect("the attempt is kept");
    assert_eq!(message.state(), wire::MessageState::Refused);
    assert!(message.body.contains("Fable & Fern") && message.body.contains("STOP"), "{}", message.body);

    let again = wire::SendMessageRequest { subject: to("+12125550123"), ..send("a1") };
    let again = client.send_message(by("sender", again)).await.expect("the same number, written otherwise");
    assert_eq!(again.into_inner().message.expect("the message").id, message.id);

    let other = wire::SendMessageRequest { program: "orders".into(), ..send("a1") };
    let reused = client.send_message(by("sender", other)).await.expect_err("one key, one attempt");
    assert_eq!(reused.code(), Code::AlreadyExists);
    let info = reused.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((info.domain.as_str(), info.reason.as_str()), ("consentry", "IDEMPOTENCY_KEY_REUSED"));

    let by_key = wire::GetMessageRequest { idempotency_key: "a1".into(), ..Default::default() };
    let read = client.get_message(by("auditor", by_key)).await.expect("readable").into_inner();
    assert_eq!(read.id, message.id);
    shop.close().await;
}

#[tokio::test]
async fn every_bad_field_is_named_and_nothing_is_written() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let before = shop.gateway.books.stored().len();
    let bad = wire::SendMessageRequest {
        brand: "no good".into(),
        program: String::new(),
        subject: None,
        channel: 9,
        content: None,
        link_url: "http://shop.example".into(),
        on_hold: 77,
        expires_at: Some(timestamp(noon())),
        idempotency_key: "x".repeat(129),
        cart: Some(wire::Cart { id: "c\n1".into(), ..wire::Cart::default() }),
        labels: [("a b".to_owned(), "\u{7}".to_owned())].into(),
        ..wire::SendMessageRequest::default()
    };
    let refused = client.send_message(by("sender", bad)).await.expect_err("malformed");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_details_bad_request().expect("a BadRequest");
    let named: Vec<&str> = details.field_violations.iter().map(|v| v.field.as_str()).collect();
    for field in [
        "idempotency_key",
        "brand",
        "program",
        "subject",
        "channel",
        "cart.id",
        "link_url",
        "on_hold",
        "expires_at",
        "labels",
    ] {
        assert!(named.contains(&field), "{field} is missing in {named:?}");
    }
    assert_eq!(shop.gateway.books.stored().len(), before);
    shop.close().await;
}

#[tokio::test]
async fn a_stream_answers_each_item_and_survives_bad_ones() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let items: Vec<_> = (0..600)
        .map(|n| match n % 3 {
            0 => wire::SendMessageRequest { brand: String::new(), ..send(&format!("k{n}")) },
            1 => wire::SendMessageRequest { brand: "gone".into(), ..send(&format!("k{n}")) },
            _ => send(&format!("k{}", n % 30)),
        })
        .collect();
    let answers = client
        .send_messages(by("sender", tokio_stream::iter(items)))
        .await
        .expect("a stream")
        .into_inner()
        .collect::<Result<Vec<_>, _>>()
        .await
        .expect("no item ends the stream, and half-close drains it");
    assert_eq!(answers.len(), 600);
    let mut codes = [0, 0, 0];
    for answer in answers {
        match answer.result.expect("a result") {
            Item::Response(_) => codes[0] += 1,
            Item::Status(status) if status.code == Code::InvalidArgument as i32 => codes[1] += 1,
            Item::Status(status) if status.code == Code::NotFound as i32 => codes[2] += 1,
            Item::Status(status) => panic!("{status:?}"),
        }
        assert!(answer.idempotency_key.starts_with('k'));
    }
    assert_eq!(codes, [200, 200, 200]);
    shop.close().await;
}

#[tokio::test]
async fn lists_page_newest_first_and_filter() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    for n in 0..7 {
        client.send_message(by("sender", send(&format!("k{n}")))).await.expect("a verdict");
    }
    let mut request = wire::ListMessagesRequest {
        brand: "main".into(),
        filter: "state = REFUSED AND label.campaign = spring".into(),
        page_size: 3,
        ..wire::ListMessagesRequest::default()
    };
    let mut carts = Vec::new();
    loop {
        let page = client.list_messages(by("auditor", request.clone())).await.expect("a page").into_inner();
        carts.extend(page.messages.into_iter().map(|m| m.cart_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let expected: Vec<String> = (0..7).rev().map(|n| format!("cart of k{n}")).collect();
    assert_eq!(carts, expected);

    let whose = wire::ListMessagesRequest { subject: to("2125550199"), ..Default::default() };
    let none = client.list_messages(by("sender", whose)).await.expect("a page").into_inner();
    assert!(none.messages.is_empty() && none.next_page_token.is_empty());
    let other = client.list_messages(by("side", wire::ListMessagesRequest::default())).await.expect("a page");
    assert!(other.into_inner().messages.is_empty(), "a narrowed key sees its own brand only");
    shop.close().await;
}

#[tokio::test]
async fn a_dry_run_records_nothing() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let before = shop.gateway.books.stored().len();
    let message = wire::SendMessageRequest { idempotency_key: String::new(), ..send("") };
    let request = wire::CheckMessageRequest { message: Some(message), at: None };
    let checked = client.check_message(by("sender", request)).await.expect("a verdict").into_inner();
    assert_eq!(checked.verdict.expect("a verdict").outcome(), wire::verdict::Outcome::Refuse);
    assert!(checked.segments >= 1 && checked.body.contains("STOP"));
    assert_eq!(shop.gateway.books.stored().len(), before);
    shop.close().await;
}

#[tokio::test]
async fn events_come_in_order_from_any_position() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    for n in 0..4 {
        client.send_message(by("sender", send(&format!("k{n}")))).await.expect("a verdict");
    }
    let request = wire::WatchEventsRequest {
        kinds: vec![wire::EventKind::Message.into()],
        from_beginning: true,
        ..wire::WatchEventsRequest::default()
    };
    let mut events = client.watch_events(by("sender", request.clone())).await.expect("a stream").into_inner();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(events.message().await.expect("alive").expect("an event"));
    }
    client.send_message(by("sender", send("k4"))).await.expect("a verdict");
    let fifth = loop {
        let event = events.message().await.expect("alive").expect("what happens while watching");
        if !matches!(event.event, Some(wire::event::Event::Heartbeat(_))) {
            break event;
        }
    };
    let resumed =
        wire::WatchEventsRequest { after: seen[1].position.clone(), from_beginning: false, ..request };
    let mut resumed = client.watch_events(by("sender", resumed)).await.expect("a stream").into_inner();
    let third = resumed.message().await.expect("alive").expect("an event");
    assert_eq!(third.position, seen[2].position);
    assert!(![&seen[3].position, &seen[0].position].contains(&&fifth.position));

    let beyond = wire::WatchEventsRequest { after: "999999.0".into(), ..Default::default() };
    let refused = client.watch_events(by("sender", beyond)).await.expect_err("beyond the log");
    assert_eq!(refused.code(), Code::OutOfRange);
    drop((events, resumed, client));
    shop.close().await;
}

#[tokio::test]
async fn a_touch_of_another_tool_is_recorded_once() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let touch = wire::RecordExternalSendRequest {
        brand: "main".into(),
        subject: to("+12125550123"),
        channel: wire::ExternalChannel::Email.into(),
        source: "newsletter".into(),
        idempotency_key: "t1".into(),
        ..wire::RecordExternalSendRequest::default()
    };
    let first = client.record_external_send(by("sender", touch.clone())).await.expect("taken").into_inner();
    shop.clock.advance(Span::hours(1));
    let again = client.record_external_send(by("sender", touch.clone())).await.expect("taken").into_inner();
    assert_eq!(first, again, "a repeat answers the first");
    let late = wire::RecordExternalSendRequest {
        sent_at: Some(timestamp(noon() - Span::days(31))),
        idempotency_key: "t2".into(),
        ..touch
    };
    let refused = client.record_external_send(by("sender", late)).await.expect_err("too late");
    assert_eq!(refused.get_details_bad_request().expect("a BadRequest").field_violations[0].field, "sent_at");
    shop.close().await;
}

#[tokio::test]
async fn an_opt_out_that_lay_too_long_says_so_and_holds() {
    use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
    let shop = Shop::open().await;
    let mut client = ConsentServiceClient::new(shop.channel.clone());
    for (days, late) in [(3, false), (20, true)] {
        let letter = wire::RecordOptOutRequest {
            subject: to("+12125550123"),
            source: wire::OptOutSource::Letter.into(),
            received_at: Some(timestamp(noon() - Span::days(days))),
            idempotency_key: format!("letter {days}"),
            ..wire::RecordOptOutRequest::default()
        };
        let told = client.record_opt_out(by("writer", letter)).await.expect("never refused").into_inner();
        let codes: Vec<&str> = told.remarks.iter().map(|r| r.code.as_str()).collect();
        assert_eq!(codes, if late { vec!["OPT_OUT_LATE"] } else { vec![] }, "{days} days");
        assert!(told.effective_at.is_some());
    }
    shop.close().await;
}
