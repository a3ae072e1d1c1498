//! The operator's own: folders and programs.

use std::path::Path;

use super::*;
use crate::anchor::command::Program;
use crate::anchor::file::{Folder, file_name};
use crate::disk::{SimDisk, Tear};
use crate::entropy::SeededEntropy;
use crate::ledger::checkpoint::LogKey;

#[tokio::test]
async fn a_folder_gets_one_file_a_checkpoint_and_keeps_it() {
    let mut world = world();
    let sim = SimDisk::new(3);
    let dir = Path::new("/worm/consentry");
    let folder = Folder::new(sim.shared(), dir.to_owned());
    let first = world.books.checkpoint();
    let taken = folder.submit(&first, world.books.tree()).await.expect("written");
    folder.submit(&first, world.books.tree()).await.expect("there already");
    grow(&mut world, 7);
    folder.submit(&world.books.checkpoint(), world.books.tree()).await.expect("written");
    sim.crash(Tear::Lost);
    let path = dir.join(file_name(first.checkpoint()));
    assert_eq!(sim.contents(&path).expect("durable"), first.note().as_bytes());
    assert_eq!(taken.proof, path.file_name().expect("a name").as_encoded_bytes());
    assert_eq!(sim.shared().list(dir).expect("there").len(), 2);
}

#[tokio::test]
async fn a_folder_that_remembers_another_history_raises_the_alarm() {
    let world = world();
    let sim = SimDisk::new(3);
    let dir = Path::new("/worm");
    let folder = Folder::new(sim.shared(), dir.to_owned());
    let head = world.books.checkpoint();
    let other = LogKey::generate(world.books.origin(), &SeededEntropy::new(9))
        .sign(head.size(), crate::ledger::tree::Root([3; 32]));
    folder.submit(&other, world.books.tree()).await.expect("written");
    let error = folder.submit(&head, world.books.tree()).await.expect_err("rewritten");
    assert!(error.to_string().starts_with("ALARM"), "{error}");
    let kept = sim.contents(&dir.join(file_name(head.checkpoint()))).expect("there");
    assert_eq!(kept, other.note().as_bytes(), "what was there stays");
    // A file that a power cut tore is made whole.
    let disk = sim.shared();
    disk.write_whole(&dir.join(file_name(head.checkpoint())), b"gw.shop.ex").expect("written");
    folder.submit(&head, world.books.tree()).await.expect("made whole");
}

fn shell(script: &str, deadline: Duration) -> Program {
    Program::new("sh".to_owned(), vec!["-c".to_owned(), script.to_owned()], deadline)
}

#[tokio::test]
async fn a_command_gets_the_checkpoint_and_its_output_is_the_receipt() {
    let world = world();
    let head = world.books.checkpoint();
    let taken =
        shell("sha256sum; echo kept", DEADLINE).submit(&head, world.books.tree()).await.expect("taken");
    use sha2::Digest;
    let hash = hex::encode(sha2::Sha256::digest(head.note()));
    assert_eq!(String::from_utf8_lossy(&taken.proof), format!("{hash}  -\nkept\n"));
    let blind = shell("echo did not look", DEADLINE).submit(&head, world.books.tree()).await.expect("taken");
    assert_eq!(blind.proof, b"did not look\n");
}

#[tokio::test]
async fn a_command_that_fails_hangs_or_floods_gives_no_receipt() {
    let world = world();
    let head = world.books.checkpoint();
    for (script, why) in [
        ("echo no room >&2; exit 3", "no room"),
        ("yes | head -c 20000", "more than 16384 bytes"),
        ("yes | head -c 5000000 >&2; exit 1", "ended with"),
    ] {
        let error = shell(script, DEADLINE).submit(&head, world.books.tree()).await.expect_err(script);
        assert!(error.to_string().contains(why), "{script}: {error}");
    }
    let missing = Program::new("no-such-program-here".to_owned(), Vec::new(), DEADLINE);
    let error = missing.submit(&head, world.books.tree()).await.expect_err("not there");
    assert!(error.to_string().contains("does not start"), "{error}");
    let hangs = shell("exec sleep 600", Duration::from_millis(50)).submit(&head, world.books.tree()).await;
    assert!(matches!(hangs, Err(AnchorError::Deadline(_))));
}

#[tokio::test]
async fn a_command_does_not_see_the_gateways_secrets() {
    let world = world();
    // Cargo sets this one for every test; it stands for any variable of the gateway's.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let taken =
        shell("env", DEADLINE).submit(&world.books.checkpoint(), world.books.tree()).await.expect("taken");
    let seen = String::from_utf8_lossy(&taken.proof).into_owned();
    assert!(seen.contains("PATH=") && !seen.contains("CARGO_MANIFEST_DIR"), "{seen}");
}
