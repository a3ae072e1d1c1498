//! `aics-witness`, a C2SP witness in Python that we did not write: it must take our checkpoints and proofs, and we its
//! cosignatures.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::anchor::witness::Witness;
use crate::entropy::SeededEntropy;
use crate::ledger::checkpoint::LogKey;
use crate::ledger::cosignature::WitnessKey;

/// Which Python; `.ci/run` names one that has what `tests/peers/witness.txt` asks for.
const PYTHON: &str = "CONSENTRY_PYTHON";
/// Set where a missing witness is a failure.
const REQUIRED: &str = "CONSENTRY_REQUIRE_WITNESS";

struct Peer {
    child: Child,
    url: Uri,
    key: WitnessKey,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(dir: &Path, arguments: &[&str]) -> Command {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.args(["-B", "-m", "aics_witness"]).args(arguments);
    command.env("AICS_WITNESS_CONFIG", dir.join("witness.json")).stdin(Stdio::null());
    command
}

impl Peer {
    /// Starts one that knows the log of `world`; none, loudly, where it is not installed.
    fn start(dir: &Path, world: &World) -> Option<Peer> {
        let made = program(dir, &["init", "--name", "witness.example/w1"]).output();
        let made = made.ok().filter(|made| made.status.success());
        let Some(made) = made else {
            let missing = "aics-witness is not installed (tests/peers/witness.txt)";
            assert!(std::env::var_os(REQUIRED).is_none(), "{missing}");
            // Past the test harness, which keeps to itself what passing tests print.
            let _ = writeln!(std::io::stderr(), "\n  SKIPPED: {missing}; no foreign witness was tried.\n");
            return None;
        };
        let key: WitnessKey = String::from_utf8_lossy(&made.stdout).parse().expect("it prints its key");
        let log = world.books.verifier();
        let trusted = program(dir, &["add-log", "--origin", log.name(), "--vkey", log.as_str()]).output();
        assert!(trusted.expect("it ran before").status.success());
        let mut child = program(dir, &["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it ran before");
        let told = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = told.lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listening on ")).expect("it says where it listens");
        let url =
            line.split("listening on ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
        let url = url.parse().expect("an address");
        // What it says later is read and dropped, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Peer { child, url, key })
    }

    fn client(&self) -> Witness {
        Witness::new(client(), self.url.clone(), self.key.clone(), DEADLINE)
    }
}

#[tokio::test]
async fn a_witness_we_did_not_write_cosigns_a_growing_log() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut world = world();
    let Some(peer) = Peer::start(dir.path(), &world) else { return };
    let witness = peer.client();
    for n in 7..12 {
        let head = world.books.checkpoint();
        let taken = witness.submit(&head, world.books.tree()).await.expect("cosigned");
        let at = peer.key.cosigned(&taken.checkpoint).expect("sound").expect("there");
        let now = crate::clock::Clock::now(&crate::clock::SystemClock);
        assert!(now.since(at) < crate::model::Span::minutes(5) && at <= now, "{at}");
        grow(&mut world, n);
    }
    // A client that has forgotten everything asks with size 0, is told the size, and goes on.
    let again = peer.client().submit(&world.books.checkpoint(), world.books.tree()).await.expect("cosigned");
    assert!(peer.key.cosigned(&again.checkpoint).expect("sound").is_some());
}

#[tokio::test]
async fn a_witness_we_did_not_write_refuses_two_histories_and_strangers() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut world = world();
    let Some(peer) = Peer::start(dir.path(), &world) else { return };
    let witness = peer.client();
    let early = world.books.checkpoint();
    grow(&mut world, 7);
    witness.submit(&world.books.checkpoint(), world.books.tree()).await.expect("cosigned");
    let rolled_back =
        peer.client().submit(&early, world.books.tree()).await.expect_err("an older checkpoint");
    assert!(rolled_back.to_string().starts_with("ALARM"), "{rolled_back}");
    // The operator's own key over another history of the same length.
    let mut other = World::new();
    for n in 1..4 {
        other.person(crate::model::SubjectId([n; 16]), &format!("1212555014{n}"), "main", n);
    }
    other.sign();
    assert_eq!(other.books.verifier().as_str(), world.books.verifier().as_str());
    let forked =
        peer.client().submit(&other.books.checkpoint(), other.books.tree()).await.expect_err("a fork");
    assert!(forked.to_string().starts_with("ALARM"), "{forked}");
    let stranger = LogKey::generate(world.books.origin(), &SeededEntropy::new(99));
    let head = world.books.checkpoint();
    let forged = stranger.sign(head.size(), head.root());
    let refused = peer.client().submit(&forged, world.books.tree()).await.expect_err("another key");
    assert!(refused.to_string().contains("under another key"), "{refused}");
    let unknown =
        crate::ledger::checkpoint::Origin::new("other.example", &"shop".parse().expect("a slug"), 1)
            .expect("an origin");
    let unknown = LogKey::generate(&unknown, &SeededEntropy::new(98)).sign(head.size(), head.root());
    let refused = peer.client().submit(&unknown, world.books.tree()).await.expect_err("another log");
    assert!(refused.to_string().contains("does not know the log"), "{refused}");
}
