//! A registered wording and the picture of its page: kept, named by hash, read back, exported, copied.

use tokio_stream::StreamExt;
use tonic::Code;

use crate::api::testing::{Shop, by};
use crate::export::bundle::archive::Parts;
use crate::export::verify::{self, Outcome};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::admin_service_client::AdminServiceClient;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::export_audit_response::Part;
use crate::writer::ops::fixture::WORDING;
use sha2::{Digest, Sha256};

fn wording(snapshot: Vec<u8>) -> wire::CreateDisclosureRequest {
    let disclosure = wire::Disclosure {
        id: "checkout".into(),
        brand: "main".into(),
        program: "carts".into(),
        locale: "en".into(),
        text: WORDING.replace("Shop", "Fable & Fern"),
        control: wire::DisclosureControl::Checkbox.into(),
        control_default: wire::ControlDefault::Unchecked.into(),
        separate_from_terms: true,
        e_sign_text: "You agree to receive this electronically.".into(),
        approved_by: "legal".into(),
        snapshot,
        ..wire::Disclosure::default()
    };
    wire::CreateDisclosureRequest { disclosure: Some(disclosure) }
}

/// Only its hash was kept: a hash of a picture nobody has proves nothing.
#[tokio::test]
async fn the_snapshot_of_a_wording_is_kept_read_back_and_exported() {
    let shop = Shop::open().await;
    let mut client = AdminServiceClient::new(shop.channel.clone());
    let large = client.create_disclosure(by("admin", wording(vec![1; (1 << 20) + 1]))).await;
    let large = large.expect_err("more than 1 MiB");
    assert_eq!(large.code(), Code::InvalidArgument, "{large:?}");
    assert!(format!("{large:?}").contains("snapshot"), "{large:?}");

    let snapshot: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    let sha256: [u8; 32] = Sha256::digest(&snapshot).into();
    let made = client.create_disclosure(by("admin", wording(snapshot.clone()))).await.expect("registered");
    let made = made.into_inner();
    assert_eq!((made.snapshot_sha256.as_slice(), made.snapshot.len()), (&sha256[..], 0));
    for (with_snapshot, expected) in [(false, Vec::new()), (true, snapshot.clone())] {
        let read =
            wire::GetDisclosureRequest { id: "checkout".into(), version: String::new(), with_snapshot };
        let read = client.get_disclosure(by("admin", read)).await.expect("read").into_inner();
        assert!(read.snapshot == expected, "{with_snapshot}: {} bytes", read.snapshot.len());
    }

    shop.clock.advance(crate::model::Span::seconds(5));
    let request = wire::ExportAuditRequest {
        brand: "main".into(),
        format: wire::ExportFormat::Bundle.into(),
        ..Default::default()
    };
    let mut client = AuditServiceClient::new(shop.channel.clone());
    let mut pieces = client.export_audit(by("auditor", request)).await.expect("made").into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        if let Some(Part::Chunk(data)) = piece.expect("a piece").part {
            bytes.extend_from_slice(&data);
        }
    }
    let keys = [shop.gateway.books.verifier().clone()];
    let report = verify::bundle(bytes.as_slice(), &keys, None);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let (mut parts, mut found) = (Parts::new(bytes.as_slice(), 64 << 20), false);
    while let Some((name, content)) = parts.next_part().expect("a bundle") {
        found |= name == format!("disclosures/{}.snapshot", hex::encode(sha256)) && content == snapshot;
    }
    assert!(found, "the picture stands beside its wording");
    // One that is not what its name says is no proof.
    let place = bytes.windows(64).position(|w| w == &snapshot[..64]).expect("it is in there");
    bytes[place] ^= 1;
    let report = verify::bundle(bytes.as_slice(), &keys, None);
    assert_eq!(report.outcome, Outcome::Invalid, "{report}");
    shop.close().await;
}
