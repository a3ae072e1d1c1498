//! The master key rotated under a gateway's folder, and a folder lost and put back from a backup older than an erasure.

use std::path::{Path, PathBuf};

use consentry::pb::consentry::v1 as pb;
use pb::admin_service_client::AdminServiceClient;
use pb::consent_service_client::ConsentServiceClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::diff::copied;
use super::run::{Gateway, refusal, verb_with};
use super::{phone_of, text};

const STAYS: &str = "+12125550123";
const ERASED: &str = "+12125550124";

type Variables = Vec<(&'static str, String)>;

fn variables(master: &str) -> Variables {
    vec![
        ("MASTER_KEY", master.repeat(32)),
        ("FORMER_KEY", "11".repeat(32)),
        ("NEXT_KEY", "44".repeat(32)),
        ("PEPPER", "22".repeat(32)),
        ("COUPON_KEY", "33".repeat(32)),
    ]
}

fn configuration(dir: &Path, epoch: u32) -> PathBuf {
    std::fs::create_dir_all(dir.join("far")).expect("a folder");
    let text = format!(
        r#"
        data_dir = "data"
        [listen]
        grpc = "127.0.0.1:0"
        http = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [seller]
        id = "main"
        legal_name = "Fernhill Outfitters LLC"
        host = "gw.fernhill.example"
        epoch = {epoch}
        [keys]
        master = "env:MASTER_KEY"
        pepper = "env:PEPPER"
        coupons = "env:COUPON_KEY"
        [retention]
        erasures = "far/erasures"
        "#
    );
    let path = dir.join("consentry.toml");
    std::fs::write(&path, text).expect("writable");
    path
}

fn first_key(variables: &Variables, config: &str) -> String {
    let mut made = vec!["key", "create", "--offline", "--config", config, "--name", "all"];
    ["admin", "consent-writer", "auditor"].iter().for_each(|role| made.extend(["--role", role]));
    let (code, key) = verb_with(variables, &made);
    assert_eq!(code, 0, "{key}");
    key["secret"].as_str().expect("a secret").to_owned()
}

struct Officer {
    channel: Channel,
    key: String,
}

impl Officer {
    async fn of(gateway: &Gateway, key: &str) -> Officer {
        let endpoint = Endpoint::from_shared(gateway.grpc.clone()).expect("an address");
        Officer { channel: endpoint.connect().await.expect("it listens"), key: key.to_owned() }
    }

    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let key = format!("Bearer {}", self.key).parse().expect("ASCII");
        request.metadata_mut().insert("authorization", key);
        request
    }

    async fn brand(&self) {
        let brand = pb::Brand {
            id: "main".into(),
            display_name: "Fernhill".into(),
            short_domain: "go.fernhill.example".into(),
            target_domains: vec!["fernhill.example".into()],
            support_contact: "help@fernhill.example".into(),
            locale: "en".into(),
            ..pb::Brand::default()
        };
        let request = self.ask(pb::CreateBrandRequest { brand: Some(brand) });
        AdminServiceClient::new(self.channel.clone()).create_brand(request).await.expect("a brand");
    }

    async fn stop(&self, phone: &str) {
        let request = pb::RecordOptOutRequest {
            brand: "main".into(),
            subject: Some(phone_of(phone)),
            scope: pb::OptOutScope::All.into(),
            source: pb::OptOutSource::PhoneCall.into(),
            idempotency_key: format!("stop {phone}"),
            ..pb::RecordOptOutRequest::default()
        };
        let mut consents = ConsentServiceClient::new(self.channel.clone());
        consents.record_opt_out(self.ask(request)).await.expect("an opt-out is always taken");
    }

    async fn look(&self, phone: &str) -> Result<pb::SubjectView, Code> {
        let request = pb::GetSubjectRequest { subject: Some(phone_of(phone)), as_of: None };
        let found = ConsentServiceClient::new(self.channel.clone()).get_subject(self.ask(request)).await;
        found.map(tonic::Response::into_inner).map_err(|status| status.code())
    }

    async fn erase(&self, phone: &str) {
        let request = pb::EraseSubjectRequest {
            subject: Some(phone_of(phone)),
            mode: pb::EraseMode::EraseNow.into(),
            reason: "asked by letter".into(),
        };
        let done = ConsentServiceClient::new(self.channel.clone()).erase_subject(self.ask(request)).await;
        assert_eq!(done.expect("answered").into_inner().state(), pb::EraseState::Erased);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_the_next_master_key_opens_everything_and_the_former_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let config = configuration(dir.path(), 1);
    let config = text(&config);
    let former = variables("11");
    let key = first_key(&former, config);
    let gateway = Gateway::serve(&former, config);
    let officer = Officer::of(&gateway, &key).await;
    officer.brand().await;
    officer.stop(STAYS).await;
    officer.stop(ERASED).await;
    officer.erase(ERASED).await;
    let before = officer.look(STAYS).await.expect("known");
    let (code, said) = refusal(&former, &["rotate-master-key", "--config", config, "--next", "env:NEXT_KEY"]);
    assert!(code == 2 && said.contains("stop the gateway first"), "{code}: {said}");
    let (code, copied) = verb_with(&former, &["backup", "--config", config, "--to", text(&copy)]);
    assert_eq!(code, 0, "{copied}");
    gateway.stop();

    let rotate = ["rotate-master-key", "--config", config, "--next", "env:NEXT_KEY"];
    let (code, done) = verb_with(&former, &rotate);
    assert_eq!((code, &done["destroyed"], &done["already"]), (0, &1.into(), &0.into()), "{done}");
    // The person who stays, and the seller's own chain.
    assert!(done["wrapped"].as_u64().is_some_and(|n| n >= 2), "{done}");
    let ids = [&done["former_key"], &done["next_key"]].map(|id| id.as_str().expect("an id").to_owned());
    let (code, said) = refusal(&former, &["serve", "--config", config]);
    assert!(code == 2 && said.contains("keys.master"), "{code}: {said}");
    assert!(ids.iter().all(|id| said.contains(id)), "which is given and which is wanted: {said}");

    let next = variables("44");
    let gateway = Gateway::serve(&next, config);
    let officer = Officer::of(&gateway, &key).await;
    let after = officer.look(STAYS).await.expect("known");
    assert_eq!((&after.subject_id, &after.opt_outs), (&before.subject_id, &before.opt_outs));
    assert_eq!(officer.look(ERASED).await.err(), Some(Code::NotFound), "whoever was erased stays so");
    officer.stop("+12125550125").await;
    gateway.stop();
    let verifier = copied["verifier_key"].as_str().expect("a key");
    let (code, report) = verb_with(&next, &["verify", text(&data), "--key", verifier, "--config", config]);
    assert_eq!((code, &report["outcome"]), (0, &"valid".into()), "{report}");

    // Asked again, nothing is left to do; the backup of before opens with the former key, and no other.
    let again =
        ["rotate-master-key", "--config", config, "--present", "env:FORMER_KEY", "--next", "env:NEXT_KEY"];
    let (code, done) = verb_with(&next, &again);
    assert_eq!((code, &done["wrapped"]), (0, &0.into()), "{done}");
    assert_eq!(copied["master_key"], ids[0]);
    let check = ["verify", text(&copy), "--key", verifier, "--config", config];
    assert_eq!(verb_with(&former, &check).0, 0);
    assert_eq!(verb_with(&next, &check).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_erased_after_the_backup_is_erased_again_after_the_restore() {
    let dir = tempfile::tempdir().expect("a folder");
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let config = configuration(dir.path(), 1);
    let config = text(&config).to_owned();
    let variables = variables("11");
    let key = first_key(&variables, &config);
    let gateway = Gateway::serve(&variables, &config);
    let officer = Officer::of(&gateway, &key).await;
    officer.brand().await;
    officer.stop(STAYS).await;
    officer.stop(ERASED).await;
    let id = officer.look(ERASED).await.expect("known").subject_id;
    let (code, made) = verb_with(&variables, &["backup", "--config", &config, "--to", text(&copy)]);
    assert_eq!(code, 0, "{made}");
    officer.erase(ERASED).await;
    let list = dir.path().join("far/erasures");
    let listed = || std::fs::read_to_string(&list).expect("the list").matches(&id).count();
    assert_eq!(listed(), 1, "it stands outside before the answer leaves");
    gateway.stop();

    // The volume is gone; so is the key that signs, which was in no backup.
    std::fs::remove_dir_all(&data).expect("lost");
    copied(&copy, &data);
    let (code, said) = refusal(&variables, &["serve", "--config", &config]);
    assert!(code == 2 && said.contains("consentry recover"), "{code}: {said}");
    let (code, report) = verb_with(&variables, &["recover", "--config", &config]);
    assert_eq!((code, &report["sound"]), (1, &false.into()), "{report}");
    let reason = "the data volume was lost; restored from the backup of last night";
    let recover = ["recover", "--config", &config, "--new-epoch", "--reason", reason];
    let (code, report) = verb_with(&variables, &recover);
    assert_eq!(code, 0, "{report}");
    assert!(report["done"].to_string().contains("1 people whom the list of erasures names"), "{report}");

    let config = configuration(dir.path(), 2);
    let gateway = Gateway::serve(&variables, text(&config));
    let officer = Officer::of(&gateway, &key).await;
    let stays = officer.look(STAYS).await.expect("what the backup has is there");
    assert_eq!(stays.opt_outs.len(), 1, "{stays:?}");
    assert_eq!(officer.look(ERASED).await.err(), Some(Code::NotFound));
    gateway.stop();
    assert_eq!(listed(), 1);
}
