//! The verb on a real folder: it looks, refuses what would lose something, and leads a damaged ledger into a new epoch.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Verb};
use crate::config::{Config, process_env};
use crate::ledger::body::Object;
use crate::model::registry::{ApiKey, Role};
use crate::writer::ops::registry::PutObject;

fn recover(arguments: &str) -> Result<ExitCode, Failure> {
    let words = ["consentry", "recover"].into_iter().map(str::to_owned);
    let words: Vec<String> = words.chain(arguments.split('|').map(str::to_owned)).collect();
    match Cli::try_parse_from(words).expect("parses").verb {
        Verb::Recover(args) => run(&args, &Output::new(true)),
        _ => panic!("not recover"),
    }
}

fn parts(file: &std::path::Path) -> crate::gateway::Parts {
    let config = Config::load(file, &process_env).expect("a configuration").config;
    super::super::parts::parts(&config, &process_env).expect("parts")
}

/// A folder with some keys in its ledger, and its configuration.
pub fn gateway(dir: &std::path::Path) -> PathBuf {
    let file = super::super::key::tests::configuration(dir);
    let mut offline = Offline::open(parts(&file)).map_err(|e| e.to_string()).expect("opens");
    for n in 0..20 {
        let key = ApiKey {
            id: format!("k{n}"),
            label: "a key".to_owned(),
            secret_sha256: Vec::new(),
            roles: vec![Role::Admin],
            brands: Vec::new(),
            created_at: crate::model::Instant::EPOCH,
            expires_at: None,
            revoked_at: None,
        };
        offline.run(PutObject::create(Object::ApiKey(key), "test")).expect("taken");
    }
    offline.close().expect("closes");
    file
}

#[test]
fn a_damaged_ledger_goes_on_in_a_new_epoch_with_what_still_reads() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = gateway(dir.path());
    let config = file.to_str().expect("UTF-8");
    let ask = |more: &str| recover(&format!("--config|{config}{more}"));
    assert_eq!(ask("").expect("looked"), ExitCode::SUCCESS);
    let segment = dir.path().join("data/ledger/00000000.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&segment, bytes).expect("written");

    assert_eq!(ask("").expect("looked"), ExitCode::FAILURE);
    let refused = ask("|--trim-tail").expect_err("it would forget");
    assert_eq!(refused.code, 1, "{}", refused.error);
    assert!(refused.hint.is_some_and(|hint| hint.contains("--from")));
    assert!(
        Cli::try_parse_from(["consentry", "recover", "--config", config, "--new-epoch"]).is_err(),
        "why?"
    );
    assert_eq!(ask("|--new-epoch|--reason|the disk rotted").expect("begun"), ExitCode::SUCCESS);
    assert_eq!(ask("|--new-epoch|--reason|again").expect_err("it is there").code, 2);

    let text = std::fs::read_to_string(&file).expect("a configuration");
    std::fs::write(&file, text.replace("[keys]", "epoch = 2\n[keys]")).expect("written");
    assert_eq!(ask("").expect("looked"), ExitCode::SUCCESS);
    let mut offline = Offline::open(parts(&file)).map_err(|e| e.to_string()).expect("opens");
    let kinds: Vec<Kind> = offline
        .books
        .stored()
        .entries(0)
        .map(|stored| Leaf::decode(&stored.expect("reads").leaf).expect("a leaf").kind)
        .collect();
    let carried = kinds.iter().position(|kind| *kind == Kind::Epoch).expect("written down");
    assert!(carried > 2 && carried < 20, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Epoch).count(), 1);
    // It works on: what was lost can be made again.
    let known = offline.run(Known).expect("reads");
    assert_eq!(known, carried - 1, "all keys that were carried over, after the engine's entry");
    offline.close().expect("closes");
}

struct Known;

impl crate::writer::Op for Known {
    type Answer = usize;
    const PRIORITY: crate::writer::Priority = crate::writer::Priority::Api;
    fn run(self, cx: &mut crate::writer::Cx<'_>) -> Result<usize, crate::writer::OpError> {
        Ok(cx.api_keys(1_000)?.len())
    }
}
