//! A brand's switch for plain characters: set, read, asked, sent, kept and exported.

use prost_types::FieldMask;
use tokio_stream::StreamExt;

use super::messages::{send, to};
use crate::api::testing::{Shop, by};
use crate::model::Span;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::admin_service_client::AdminServiceClient;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::export_audit_response::Part;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;
use crate::pb::consentry::v1::replay_decisions_response::Result as Came;
use crate::pb::consentry::v1::send_message_request::Content;

fn curly(key: &str) -> wire::SendMessageRequest {
    let body = "It’s still here – “your” cart… {{link}}".to_owned();
    wire::SendMessageRequest { content: Some(Content::Body(body)), ..send(key) }
}

#[tokio::test]
async fn texts_are_spelled_as_the_brand_says_and_kept_as_they_leave() {
    let shop = Shop::open().await;
    let mut client = MessageServiceClient::new(shop.channel.clone());
    let off = client.send_message(by("sender", curly("off"))).await.expect("a verdict").into_inner();
    let off = off.message.expect("kept");
    assert!(off.body.contains("It’s still here – “your” cart… http"), "{}", off.body);
    assert_eq!((off.encoding(), off.segments), (wire::Encoding::Ucs2, 2));

    let mut admin = AdminServiceClient::new(shop.channel.clone());
    let read = wire::GetBrandRequest { id: "main".into() };
    let brand = admin.get_brand(by("admin", read.clone())).await.expect("read").into_inner();
    assert!(!brand.plain_typography, "off unless somebody wants it");
    let change = wire::UpdateBrandRequest {
        brand: Some(wire::Brand { plain_typography: true, ..brand }),
        update_mask: Some(FieldMask { paths: vec!["plain_typography".into()] }),
        reason: "cheaper".into(),
    };
    let changed = admin.update_brand(by("admin", change)).await.expect("changed").into_inner();
    let read = admin.get_brand(by("admin", read)).await.expect("read").into_inner();
    assert!(changed.plain_typography && read == changed);

    let asked = wire::CheckMessageRequest { message: Some(curly("on")), at: None };
    let asked = client.check_message(by("sender", asked)).await.expect("a verdict").into_inner();
    let on = client.send_message(by("sender", curly("on"))).await.expect("a verdict").into_inner();
    let on = on.message.expect("kept");
    assert!(on.body.contains("It's still here - \"your\" cart... http"), "{}", on.body);
    assert_eq!((on.encoding(), on.segments), (wire::Encoding::Gsm7, 1));
    assert_eq!((asked.encoding(), asked.segments), (on.encoding(), on.segments));
    assert!(asked.body.contains("It's still here - \"your\" cart... http"), "{}", asked.body);
    let again = client.send_message(by("sender", curly("off"))).await.expect("the first answer").into_inner();
    assert_eq!(again.message.expect("kept").body, off.body, "what was accepted stays");

    let mut audit = AuditServiceClient::new(shop.channel.clone());
    let request = wire::ReplayDecisionsRequest { brand: "main".into(), period: None };
    let answers = audit.replay_decisions(by("auditor", request)).await.expect("a stream").into_inner();
    let answers: Vec<_> = answers.collect::<Result<_, _>>().await.expect("to its end");
    assert_eq!(answers.iter().map(|a| a.result()).collect::<Vec<_>>(), [Came::Equal, Came::Equal]);

    // The next write signs a checkpoint over what was there.
    shop.clock.advance(Span::seconds(5));
    client.send_message(by("sender", curly("later"))).await.expect("a verdict");
    let request = wire::ExportAuditRequest {
        brand: "main".into(),
        subject: to("+12125550123"),
        format: wire::ExportFormat::Jsonl.into(),
        ..wire::ExportAuditRequest::default()
    };
    let mut pieces = audit.export_audit(by("auditor", request)).await.expect("made").into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        if let Some(Part::Chunk(data)) = piece.expect("a piece").part {
            bytes.extend_from_slice(&data);
        }
    }
    let rows: Vec<serde_json::Value> = String::from_utf8(bytes)
        .expect("JSON lines")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for body in [off.body, on.body] {
        assert!(rows.iter().any(|row| row["text"] == body.as_str()), "{body} in {rows:?}");
    }
    shop.close().await;
}
