//! Carts, links, coupons, heads and proofs.

use tonic::Code;

use crate::api::convert::timestamp;
use crate::api::testing::{Shop, by, noon};
use crate::ledger::tree::{InclusionProof, Root};
use crate::model::{EntryHash, Span};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::cart_service_client::CartServiceClient;
use crate::pb::consentry::v1::coupon_service_client::CouponServiceClient;
use crate::pb::consentry::v1::link_service_client::LinkServiceClient;

#[tokio::test]
async fn carts_are_written_closed_and_stay_closed() {
    let shop = Shop::open().await;
    let mut client = CartServiceClient::new(shop.channel.clone());
    let cart = wire::Cart {
        id: "c1".into(),
        checkout_url: "https://shop.example/c1".into(),
        abandoned_at: Some(timestamp(noon() - Span::hours(1))),
        ..wire::Cart::default()
    };
    let upsert = wire::UpsertCartRequest { brand: "main".into(), cart: Some(cart), observed_at: None };
    let open = client.upsert_cart(by("sender", upsert.clone())).await.expect("taken").into_inner();
    assert_eq!((open.state(), open.brand.as_str()), (wire::CartState::Open, "main"));

    let away =
        wire::Cart { checkout_url: "https://evil.example/".into(), ..upsert.cart.clone().expect("set") };
    let away = wire::UpsertCartRequest { cart: Some(away), ..upsert.clone() };
    let refused = client.upsert_cart(by("sender", away)).await.expect_err("another shop's host");
    assert_eq!(refused.code(), Code::InvalidArgument);

    let close = wire::CloseCartRequest {
        brand: "main".into(),
        id: "c1".into(),
        state: wire::CartState::Purchased.into(),
        order_id: "o1".into(),
        closed_at: None,
    };
    let closed = client.close_cart(by("sender", close.clone())).await.expect("closed").into_inner();
    assert_eq!(closed.cart.expect("a cart").state(), wire::CartState::Purchased);
    let still = client.upsert_cart(by("sender", upsert)).await.expect("answered").into_inner();
    assert_eq!((still.state(), still.order_id.as_str()), (wire::CartState::Purchased, "o1"));

    let foreign = wire::GetCartRequest { brand: "main".into(), id: "c1".into() };
    let hidden = client.get_cart(by("side", foreign)).await.expect_err("another brand's");
    assert_eq!(hidden.code(), Code::NotFound);
    let open = wire::CloseCartRequest { state: wire::CartState::Open.into(), ..close };
    assert_eq!(
        client.close_cart(by("sender", open)).await.expect_err("no end").code(),
        Code::InvalidArgument
    );
    shop.close().await;
}

#[tokio::test]
async fn links_lead_to_the_brands_own_hosts() {
    let shop = Shop::open().await;
    let mut client = LinkServiceClient::new(shop.channel.clone());
    let link = |target: &str| wire::CreateLinkRequest {
        link: Some(wire::Link { brand: "main".into(), target_url: target.into(), ..wire::Link::default() }),
        idempotency_key: "l1".into(),
    };
    let made =
        client.create_link(by("sender", link("https://shop.example/x"))).await.expect("made").into_inner();
    assert_eq!(made.url, format!("https://go.main.example/{}", made.code));
    let again =
        client.create_link(by("sender", link("https://shop.example/x"))).await.expect("made").into_inner();
    assert_eq!(again.code, made.code);
    let reused = client.create_link(by("sender", link("https://shop.example/y"))).await.expect_err("reused");
    assert_eq!(reused.code(), Code::AlreadyExists);
    let code = wire::GetLinkRequest { code: made.code.clone() };
    assert_eq!(client.get_link(by("auditor", code.clone())).await.expect("read").into_inner(), made);
    assert_eq!(client.get_link(by("side", code)).await.expect_err("hidden").code(), Code::NotFound);
    let clicks = wire::ListClicksRequest { code: made.code, ..wire::ListClicksRequest::default() };
    let clicks = client.list_clicks(by("auditor", clicks)).await.expect("a page").into_inner();
    assert!(clicks.clicks.is_empty() && clicks.next_page_token.is_empty());
    shop.close().await;
}

#[tokio::test]
async fn coupon_pools_take_codes_once() {
    let shop = Shop::open().await;
    let mut client = CouponServiceClient::new(shop.channel.clone());
    let pool = wire::CouponPool {
        brand: "main".into(),
        pool: "own".into(),
        source: wire::CouponSource::Imported.into(),
        valid_for: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        ..wire::CouponPool::default()
    };
    let create = wire::CreateCouponPoolRequest { coupon_pool: Some(pool) };
    client.create_coupon_pool(by("admin", create.clone())).await.expect("made");
    let twice = client.create_coupon_pool(by("admin", create)).await.expect_err("in use");
    assert_eq!(twice.code(), Code::AlreadyExists);
    let import = wire::ImportCouponCodesRequest {
        brand: "main".into(),
        pool: "own".into(),
        codes: (0..2_500).map(|n| format!("FERN{n:05}")).collect(),
    };
    let imported = client.import_coupon_codes(by("admin", import.clone())).await.expect("taken").into_inner();
    assert_eq!((imported.added, imported.skipped), (2_500, 0));
    let again = client.import_coupon_codes(by("admin", import)).await.expect("harmless").into_inner();
    assert_eq!((again.added, again.skipped), (0, 2_500));
    let redeem = wire::RedeemCouponRequest {
        brand: "main".into(),
        code: "fern00001".into(),
        order_id: "o1".into(),
        idempotency_key: "r1".into(),
        ..wire::RedeemCouponRequest::default()
    };
    let early = client.redeem_coupon(by("sender", redeem.clone())).await.expect("answered").into_inner();
    assert_eq!(early.result(), wire::RedeemResult::NotIssued);
    let unknown = wire::RedeemCouponRequest { code: "NOPE".into(), idempotency_key: "r2".into(), ..redeem };
    let unknown = client.redeem_coupon(by("sender", unknown)).await.expect("answered").into_inner();
    assert_eq!((unknown.result(), unknown.coupon), (wire::RedeemResult::UnknownCode, None));
    shop.close().await;
}

#[tokio::test]
async fn proofs_lead_to_the_signed_head() {
    let shop = Shop::open().await;
    let mut client = AuditServiceClient::new(shop.channel.clone());
    let size = loop {
        let head = client.get_checkpoint(by("auditor", wire::GetCheckpointRequest::default())).await;
        let head = head.expect("a head").into_inner();
        if head.size > 3 {
            assert!(head.note.starts_with(&head.origin));
            break head.size;
        }
        // The writer signs between batches, at most once a second of the test's clock.
        shop.clock.advance(Span::seconds(2));
        let touch = wire::GetCartRequest { brand: "main".into(), id: "c".into() };
        let _ = CartServiceClient::new(shop.channel.clone()).get_cart(by("sender", touch)).await;
    };
    let ask = wire::GetInclusionProofRequest { index: 2, tree_size: 0 };
    let proof = client.get_inclusion_proof(by("auditor", ask)).await.expect("a proof").into_inner();
    let hashes = proof.path.iter().map(|hash| hash.as_slice().try_into().expect("32 bytes")).collect();
    let checked = InclusionProof { index: proof.index, size: proof.tree_size, hashes };
    let leaf = EntryHash(proof.leaf_hash.as_slice().try_into().expect("32 bytes"));
    let root = Root(proof.root_hash.as_slice().try_into().expect("32 bytes"));
    checked.check(leaf, root).expect("the proof holds");
    assert!(proof.tree_size >= size);
    let beyond = wire::GetInclusionProofRequest { index: 1 << 40, tree_size: 0 };
    let missing = client.get_inclusion_proof(by("auditor", beyond)).await.expect_err("beyond the log");
    assert_eq!(missing.code(), Code::NotFound);
    let small = wire::GetInclusionProofRequest { index: 2, tree_size: 2 };
    let refused = client.get_inclusion_proof(by("auditor", small)).await.expect_err("outside that tree");
    assert_eq!(refused.code(), Code::InvalidArgument);
    shop.close().await;
}
