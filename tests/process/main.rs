//! The program itself, killed and started again: what it acknowledged is there, and its verbs work on what it left.

mod diff;
mod keys;
mod provider;
mod review;
mod run;
mod serve;
mod smpp;
mod smsc;

use std::path::Path;

use consentry::pb::consentry::v1 as pb;
use consentry::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use consentry::pb::consentry::v1::message_service_client::MessageServiceClient;
use run::{Sandbox, verb};
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

/// Two who opted in, and one who says STOP in between.
const PEOPLE: [&str; 2] = ["+12125550123", "+13055550124"];
const STOPPED: &str = "+15125550125";

struct Caller {
    channel: Channel,
    key: String,
}

impl Caller {
    async fn of(sandbox: &Sandbox) -> Caller {
        let endpoint = Endpoint::from_shared(sandbox.grpc.clone()).expect("an address");
        Caller { channel: endpoint.connect().await.expect("it listens"), key: sandbox.key.clone() }
    }

    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let key = format!("Bearer {}", self.key).parse().expect("ASCII");
        request.metadata_mut().insert("authorization", key);
        request
    }

    /// Asks for the n-th message; none when the gateway went away before its answer.
    async fn send(&self, n: usize, phone: &str) -> Option<pb::SendMessageResponse> {
        let request = pb::SendMessageRequest {
            brand: "acme".to_owned(),
            program: "orders".to_owned(),
            subject: Some(phone_of(phone)),
            channel: pb::Channel::Sms.into(),
            content: Some(pb::send_message_request::Content::Body(format!("Your order {n} is on its way."))),
            idempotency_key: format!("k{n}"),
            ..pb::SendMessageRequest::default()
        };
        let answer = MessageServiceClient::new(self.channel.clone()).send_message(self.ask(request)).await;
        answer.ok().map(tonic::Response::into_inner)
    }

    async fn stop(&self) -> bool {
        let request = pb::RecordOptOutRequest {
            brand: "acme".to_owned(),
            subject: Some(phone_of(STOPPED)),
            scope: pb::OptOutScope::All.into(),
            source: pb::OptOutSource::PhoneCall.into(),
            idempotency_key: "stop".to_owned(),
            ..pb::RecordOptOutRequest::default()
        };
        ConsentServiceClient::new(self.channel.clone()).record_opt_out(self.ask(request)).await.is_ok()
    }

    /// Demands that every acknowledged message is there with the verdict it was acknowledged with.
    async fn demand(&self, acknowledged: &[pb::SendMessageResponse]) {
        for answer in acknowledged {
            let before = answer.message.as_ref().expect("a message");
            let request = pb::GetMessageRequest { id: before.id.clone(), ..Default::default() };
            let found = MessageServiceClient::new(self.channel.clone()).get_message(self.ask(request)).await;
            let found = found.expect("what was acknowledged is there").into_inner();
            assert_eq!((&found.id, &found.body), (&before.id, &before.body));
        }
        for (n, answer) in acknowledged.iter().enumerate().take(3) {
            let again = self.send(n, PEOPLE[n % 2]).await.expect("answered");
            assert_eq!(again.verdict, answer.verdict, "a repeat gets the first verdict");
        }
        let refused = self.send(9_000, STOPPED).await.expect("answered").verdict.expect("a verdict");
        assert_eq!(refused.outcome(), pb::verdict::Outcome::Refuse);
        assert!(refused.reasons.iter().any(|r| r.code == "OPTED_OUT"), "{refused:?}");
    }
}

fn phone_of(number: &str) -> pb::Subject {
    pb::Subject { address: Some(pb::subject::Address::Phone(number.to_owned())) }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_without_its_index_it_has_everything_it_acknowledged() {
    let root = tempfile::tempdir().expect("a folder");
    let (data, copy) = (root.path().join("data"), root.path().join("copy"));

    let sandbox = Sandbox::start(&data);
    let caller = Caller::of(&sandbox).await;
    assert!(caller.stop().await, "an opt-out is always taken");
    let mut acknowledged = Vec::new();
    for n in 0..12 {
        acknowledged.push(caller.send(n, PEOPLE[n % 2]).await.expect("answered"));
    }
    // More are under way when it dies; whichever were answered count.
    let under_way: Vec<_> = (12..40)
        .map(|n| {
            let caller = Caller { channel: caller.channel.clone(), key: caller.key.clone() };
            tokio::spawn(async move { caller.send(n, PEOPLE[n % 2]).await })
        })
        .collect();
    sandbox.kill();
    for one in under_way {
        acknowledged.extend(one.await.expect("no panic"));
    }
    std::fs::remove_dir_all(data.join("index")).expect("the index is there, and disposable");

    let sandbox = Sandbox::start(&data);
    let verifier = sandbox.verifier_key.clone();
    let caller = Caller::of(&sandbox).await;
    caller.demand(&acknowledged).await;

    // Beside the running gateway: a copy, and the check of copy and folder. What needs the folder alone is refused.
    let (code, made) = verb(&["backup", text(&data), "--to", text(&copy), "--with-secrets"]);
    assert_eq!(code, 0, "{made}");
    assert_eq!(made["verifier_key"], verifier);
    let (code, report) = verb(&["verify", text(&copy), "--key", &verifier]);
    assert_eq!((code, &report["outcome"]), (0, &"valid".into()), "{report}");
    for refused in ["rebuild", "replay"] {
        assert_eq!(verb(&[refused, text(&data)]).0, 2, "{refused}: the gateway runs on it");
    }
    drop(caller);
    sandbox.stop();

    let (code, report) = verb(&["verify", text(&data), "--key", &verifier]);
    assert_eq!(code, 0, "{report}");
    let (code, rebuilt) = verb(&["rebuild", text(&data)]);
    assert_eq!((code, &rebuilt["entries"]), (0, &report["entries"]), "{rebuilt}");
    let (code, replayed) = verb(&["replay", text(&data)]);
    assert_eq!((code, &replayed["differences"]), (0, &0.into()), "{replayed}");
    assert!(replayed["replayed"].as_u64().is_some_and(|n| n >= acknowledged.len() as u64), "{replayed}");

    // The copy is a whole gateway: it opens, and has everything.
    let sandbox = Sandbox::start(&copy);
    assert_eq!(sandbox.verifier_key, verifier);
    Caller::of(&sandbox).await.demand(&acknowledged).await;
    sandbox.stop();

    // One flipped bit is named; a folder that is none cannot be read.
    let segment = data.join("ledger/00000000.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let (code, report) = verb(&["verify", text(&data), "--key", &verifier]);
    assert_eq!((code, &report["outcome"]), (1, &"invalid".into()), "{report}");
    assert_eq!(verb(&["verify", text(&root.path().join("nothing")), "--key", &verifier]).0, 2);
}
