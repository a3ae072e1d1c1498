//! The consent to the night over the wire: recorded, looked up as it is and as it was, listed with its evidence, ended.

use prost_types::Timestamp;

use crate::api::convert::timestamp;
use crate::api::testing::{Shop, by, noon};
use crate::model::Span;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::admin_service_client::AdminServiceClient;
use crate::pb::consentry::v1::consent_event::Event;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;

const NIGHT: &str = "(선택) Fable & Fern 야간(21시~08시) 광고성 정보 수신 동의";

fn person() -> Option<wire::Subject> {
    Some(wire::Subject { address: Some(wire::subject::Address::Phone("+821012345678".into())) })
}

fn agreed(
    wording: wire::consent_evidence::Wording,
    night_only: bool,
    at: Timestamp,
) -> wire::RecordOptInRequest {
    wire::RecordOptInRequest {
        brand: "main".into(),
        programs: vec!["carts".into()],
        subject: person(),
        channels: vec![wire::Channel::Sms.into()],
        evidence: Some(wire::ConsentEvidence {
            wording: Some(wording),
            method: wire::ConsentMethod::WebForm.into(),
            act: wire::ConsentAct::Ticked.into(),
            captured_at: Some(at),
            source_url: "https://shop.example/join".into(),
            ..wire::ConsentEvidence::default()
        }),
        night_only,
        idempotency_key: format!("{night_only}"),
        ..wire::RecordOptInRequest::default()
    }
}

fn asked(as_of: Option<Timestamp>) -> wire::GetConsentRequest {
    wire::GetConsentRequest {
        brand: "main".into(),
        program: "carts".into(),
        channel: wire::Channel::Sms.into(),
        subject: person(),
        as_of,
    }
}

#[tokio::test]
async fn the_night_is_recorded_looked_up_and_ended_apart_from_the_day() {
    let shop = Shop::open().await;
    let mut admin = AdminServiceClient::new(shop.channel.clone());
    let disclosure = wire::Disclosure {
        id: "night-box".into(),
        brand: "main".into(),
        program: "carts".into(),
        locale: "ko-KR".into(),
        text: NIGHT.into(),
        control: wire::DisclosureControl::Checkbox.into(),
        control_default: wire::ControlDefault::Unchecked.into(),
        separate_from_terms: true,
        approved_by: "legal".into(),
        night: true,
        ..wire::Disclosure::default()
    };
    let made = wire::CreateDisclosureRequest { disclosure: Some(disclosure) };
    let made = admin.create_disclosure(by("admin", made)).await.expect("registered").into_inner();
    assert!(made.night && made.refusals.is_empty(), "{:?}", made.refusals);

    let mut client = ConsentServiceClient::new(shop.channel.clone());
    let day = "Fable & Fern 장바구니 알림 광고 수신 동의. 그만 받으려면 '수신거부'로 답장".to_owned();
    let day = wire::consent_evidence::Wording::DisclosureText(day);
    let day = agreed(day, false, timestamp(noon()));
    let answer = client.record_opt_in(by("writer", day)).await.expect("recorded").into_inner();
    assert_eq!(answer.consents[0].state(), wire::ConsentState::Granted, "{:?}", answer.consents[0].reasons);
    shop.clock.advance(Span::minutes(1));
    let at = timestamp(noon() + Span::minutes(1));
    let named = wire::DisclosureRef { id: "night-box".into(), version: String::new() };
    let night = agreed(wire::consent_evidence::Wording::Disclosure(named), true, at);
    let answer = client.record_opt_in(by("writer", night.clone())).await.expect("recorded").into_inner();
    let again = client.record_opt_in(by("writer", night)).await.expect("the same").into_inner();
    assert_eq!(answer, again);
    let one = &answer.consents[0];
    assert_eq!(
        (one.state(), one.night, one.night_captured_at),
        (wire::ConsentState::Granted, true, Some(at))
    );

    shop.clock.advance(Span::hours(1));
    let before_the_end = timestamp(noon() + Span::minutes(30));
    let out = wire::RecordOptOutRequest {
        brand: "main".into(),
        subject: person(),
        scope: wire::OptOutScope::Night.into(),
        source: wire::OptOutSource::App.into(),
        idempotency_key: "no night".into(),
        ..wire::RecordOptOutRequest::default()
    };
    client.record_opt_out(by("writer", out)).await.expect("taken");
    let mut nights = Vec::new();
    for as_of in [Some(timestamp(noon())), Some(before_the_end), None] {
        let consent = client.get_consent(by("auditor", asked(as_of))).await.expect("known").into_inner();
        assert_eq!(consent.state(), wire::ConsentState::Granted, "by day it goes on");
        nights.push((consent.night, consent.night_captured_at));
    }
    assert_eq!(nights, [(false, None), (true, Some(at)), (false, None)]);

    let listed = wire::ListConsentEventsRequest { subject: person(), ..Default::default() };
    let events = client.list_consent_events(by("auditor", listed)).await.expect("a page").into_inner().events;
    let acts: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.event {
            Some(Event::Consent(consent)) => consent.evidence.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(acts.len(), 2, "each act has an entry of its own");
    assert!(acts[0].night && !acts[1].night, "newest first");
    assert_ne!(acts[0].wording, acts[1].wording);
    shop.close().await;
}
