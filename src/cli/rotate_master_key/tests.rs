//! The verb on a real folder: what it refuses, and what the folder opens with afterwards.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Verb, parts};
use crate::gateway::StartError;
use crate::gateway::offline::Offline;
use crate::ledger::LedgerError;
use crate::store::embedded::OpenError;
use crate::writer::EntrySource;

const NEXT: &str = "4242424242424242424242424242424242424242424242424242424242424242";

fn rotate_with(config: &Path, more: &[&str]) -> Result<ExitCode, Failure> {
    let config = config.to_str().expect("UTF-8");
    let words = [&["consentry", "rotate-master-key", "--config", config], more].concat();
    match Cli::try_parse_from(words).expect("parses").verb {
        Verb::RotateMasterKey(args) => run(&args, &Output::new(true)),
        _ => panic!("not rotate-master-key"),
    }
}

/// Opens the folder with the master key `master`; answers how many entries there are.
fn open(config: &Path, master: Option<[u8; 32]>) -> Result<u64, StartError> {
    let config = Config::load(config, &process_env).expect("a configuration").config;
    let mut parts = parts::parts(&config, &process_env).expect("parts");
    if let Some(master) = master {
        parts.secrets.master = MasterKey::from_bytes(master);
    }
    let offline = Offline::open(parts)?;
    let entries = offline.books.size();
    let readable = offline.books.read(0, usize::MAX >> 1).expect("reads").len() as u64;
    assert_eq!(readable, entries, "every entry opens");
    offline.close()?;
    Ok(entries)
}

#[test]
fn the_folder_opens_with_the_next_key_and_tells_the_former_one_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = crate::cli::recover::tests::gateway(dir.path());
    let entries = open(&config, None).expect("opens");
    let next = dir.path().join("next.key");
    std::fs::write(&next, NEXT).expect("written");
    let next = format!("file:{}", next.display());

    let present = Config::load(&config, &process_env).expect("loads").config.keys.master.to_string();
    let same = rotate_with(&config, &["--next", &present]).expect_err("the present key");
    assert!(same.error.contains("is the present master key"), "{}", same.error);
    for bad in ["hunter2", "env:", "file:/no/such/file"] {
        let refused = rotate_with(&config, &["--next", bad]).expect_err(bad);
        assert!(
            refused.error.starts_with("--next") && !refused.error.contains("hunter2"),
            "{}",
            refused.error
        );
    }
    let other = format!("command:echo {}", "77".repeat(32));
    let refused = rotate_with(&config, &["--next", &next, "--present", &other]).expect_err("another");
    assert!(refused.hint.is_some_and(|hint| hint.contains("neither of the two")), "{}", refused.error);
    assert_eq!(open(&config, None).expect("as before"), entries);

    assert_eq!(rotate_with(&config, &["--next", &next]).expect("rotated"), ExitCode::SUCCESS);
    let refused = open(&config, None).expect_err("the former key");
    assert!(
        matches!(&refused, StartError::Open(OpenError::Ledger(LedgerError::OtherMasterKey { .. }))),
        "{refused}"
    );
    assert!(refused.to_string().contains("keys.master"), "{refused}");
    assert_eq!(open(&config, Some([0x42; 32])).expect("the next key"), entries);
    assert_eq!(rotate_with(&config, &["--next", &next]).expect("again"), ExitCode::SUCCESS);
}

#[test]
fn a_running_gateway_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = crate::cli::recover::tests::gateway(dir.path());
    let disk: SharedDisk = Arc::new(RealDisk);
    let held = lock(&disk, &DataDir(dir.path().join("data"))).expect("free");
    let next = format!("command:echo {NEXT}");
    let refused = rotate_with(&config, &["--next", &next]).expect_err("in use");
    assert!(refused.hint.is_some_and(|hint| hint.contains("stop the gateway")), "{}", refused.error);
    drop(held);
    assert!(rotate_with(&config, &["--next", &next]).is_ok());
}
