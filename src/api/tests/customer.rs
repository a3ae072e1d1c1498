//! Lists about a customer show all of the customer's addresses.

use crate::api::testing::{Shop, by};
use crate::clock::Clock;
use crate::model::{OptOutScope, OptOutSource};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;
use crate::writer::ops::consent::RecordOptIn;
use crate::writer::ops::fixture::{opt_in, opt_out, ticked};

use super::messages::send;

fn ada() -> Option<wire::Subject> {
    Some(wire::Subject { address: Some(wire::subject::Address::CustomerId("ada".to_owned())) })
}

/// Three phones of one customer, in turns: opt-ins, sends, opt-outs.
async fn told() -> Shop {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let customer = || Some("ada".parse().expect("a name"));
    for n in 1..=3u8 {
        let agrees = opt_in(n, ticked(shop.clock.now()), &format!("in {n}"));
        let agrees = RecordOptIn { customer: customer(), ..agrees };
        shop.gateway.writer.call(agrees).await.expect("taken");
    }
    for round in 0..3 {
        for n in 1..=3u8 {
            let phone = wire::subject::Address::Phone(format!("+121255501{n:02}"));
            let subject = Some(wire::Subject { address: Some(phone) });
            let request = wire::SendMessageRequest { subject, ..send(&format!("{round} {n}")) };
            client.send_message(by("sender", request)).await.expect("a verdict");
            let out = opt_out(n, OptOutScope::All, OptOutSource::Web, &format!("out {round} {n}"));
            shop.gateway.writer.call(out).await.expect("taken");
        }
    }
    shop
}

/// Only the first address was looked at, and nothing said so.
#[tokio::test]
async fn messages_of_a_customer_are_those_of_every_address_newest_first() {
    let shop = told().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    for size in [1, 2, 4, 50] {
        let mut request = wire::ListMessagesRequest {
            subject: ada(),
            page_size: size,
            filter: "program = carts".into(),
            ..Default::default()
        };
        let mut carts = Vec::new();
        loop {
            let page = client.list_messages(by("auditor", request.clone())).await.expect("a page");
            let page = page.into_inner();
            assert!(page.messages.len() <= size as usize);
            carts.extend(page.messages.into_iter().map(|m| m.cart_id).filter(|cart| !cart.is_empty()));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        let expected: Vec<String> =
            (0..3).rev().flat_map(|r| (1..=3).rev().map(move |n| format!("cart of {r} {n}"))).collect();
        assert_eq!(carts, expected, "{size} a page");
    }
    shop.close().await;
}

#[tokio::test]
async fn consent_events_of_a_customer_are_those_of_every_address_newest_first() {
    let shop = told().await;
    let mut client = ConsentServiceClient::new(shop.channel.clone());
    for size in [1, 5, 50] {
        let mut request =
            wire::ListConsentEventsRequest { subject: ada(), page_size: size, ..Default::default() };
        let mut places = Vec::new();
        loop {
            let page = client.list_consent_events(by("auditor", request.clone())).await.expect("a page");
            let page = page.into_inner();
            places.extend(page.events.into_iter().map(|event| event.entry_index));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert!(places.windows(2).all(|two| two[0] > two[1]), "newest first, none twice: {places:?}");
        assert_eq!(places.len(), 3 + 9, "{size} a page: three opt-ins and nine opt-outs: {places:?}");
    }
    shop.close().await;
}
