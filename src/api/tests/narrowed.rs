//! A key that is narrowed to brands sees nobody who has nothing to do with them.

use tonic::Code;

use super::messages::{send, to};
use crate::api::convert::timestamp;
use crate::api::testing::{Shop, by, noon};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;

const PHONE: &str = "+12125550123";

#[tokio::test]
async fn a_key_of_another_brand_is_told_not_found_until_the_person_is_its_own() {
    let shop = Shop::open().await;
    let mut messages = MessageServiceClient::new(shop.channel.clone());
    let mut consents = ConsentServiceClient::new(shop.channel.clone());
    messages.send_message(by("sender", send("a1"))).await.expect("a verdict, and a person is known");

    let asked = || wire::GetSubjectRequest { subject: to(PHONE), ..Default::default() };
    let all = consents.get_subject(by("writer", asked())).await.expect("a key of every brand").into_inner();
    assert!(all.entry_count > 0);
    let hidden = consents.get_subject(by("side", asked())).await.expect_err("nothing of theirs");
    assert_eq!(hidden.code(), Code::NotFound);

    let touch = |brand: &str| wire::RecordExternalSendRequest {
        brand: brand.to_owned(),
        subject: to(PHONE),
        channel: wire::ExternalChannel::Email.into(),
        sent_at: Some(timestamp(noon())),
        idempotency_key: format!("mail of {brand}"),
        ..Default::default()
    };
    messages.record_external_send(by("sender", touch("main"))).await.expect("recorded");
    assert!(consents.get_subject(by("side", asked())).await.is_err(), "the other brand's mail is not theirs");
    messages.record_external_send(by("side", touch("side"))).await.expect("recorded");
    let seen = consents.get_subject(by("side", asked())).await.expect("now it is their person").into_inner();
    let brands: Vec<&str> = seen.recent_sends.iter().map(|sent| sent.brand.as_str()).collect();
    assert_eq!(brands, ["side"], "and only what is theirs is shown");
    shop.close().await;
}

#[tokio::test]
async fn an_auditor_of_one_brand_reads_no_leaf_of_another() {
    let shop = Shop::open().await;
    let mut audits = AuditServiceClient::new(shop.channel.clone());
    let sent = MessageServiceClient::new(shop.channel.clone()).send_message(by("sender", send("a1"))).await;
    sent.expect("a verdict");
    shop.clock.advance(crate::model::Span::seconds(5));
    let leaves = shop.gateway.books.stored().entries(0).map(|stored| stored.expect("sound"));
    let theirs = leaves.into_iter().find(|stored| {
        let leaf = crate::ledger::entry::Leaf::decode(&stored.leaf).expect("a leaf");
        leaf.brand.is_some_and(|brand| brand.as_str() == "main")
    });
    let index = theirs.expect("an entry of main").index;
    while shop.gateway.books.checkpoint().size() <= index {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let ask = wire::GetInclusionProofRequest { index, tree_size: 0 };
    audits.get_inclusion_proof(by("auditor", ask)).await.expect("a key of every brand");
    let hidden =
        audits.get_inclusion_proof(by("sideauditor", ask)).await.expect_err("its leaf tells of main");
    assert_eq!(hidden.code(), Code::NotFound);

    let tiles = |brand: &str| wire::ExportAuditRequest {
        brand: brand.to_owned(),
        format: wire::ExportFormat::Tiles.into(),
        ..Default::default()
    };
    audits.export_audit(by("auditor", tiles("main"))).await.expect("the whole log");
    let refused = audits.export_audit(by("sideauditor", tiles("side"))).await.expect_err("of all brands");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let of_one = wire::ExportAuditRequest { subject: to(PHONE), ..tiles("main") };
    let refused = audits.export_audit(by("auditor", of_one)).await.expect_err("tiles are of nobody");
    assert_eq!(refused.code(), Code::InvalidArgument);
    shop.close().await;
}
