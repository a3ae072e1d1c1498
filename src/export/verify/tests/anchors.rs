//! What anchors prove, to whom, and what happens to receipts that were tampered with.

use super::second::second_with;
use super::*;
use crate::export::bundle::anchors::Anchors;
use crate::export::bundle::format::json;
use crate::ledger::anchor::{Kind, Receipt};
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::cosignature::testing::Hand;
use crate::ledger::timestamp::testing::{Authority, Make};
use crate::ledger::timestamp::{self, TsaRoots, token_of};
use crate::ledger::tlog_policy::TlogPolicy;
use crate::ledger::tree::Root;
use crate::model::{Instant, Span};

/// 2026-09-21T14:13:20Z.
const SECONDS: u64 = 1_790_000_000;

fn witness(n: u8) -> Hand {
    Hand::new(&format!("witness.example/w{n}"), n)
}

fn keep(world: &World, name: &str, kind: Kind, checkpoint: String, proof: Vec<u8>) {
    use crate::clock::Clock;
    let size = checkpoint.lines().nth(1).and_then(|size| size.parse().ok()).expect("a size");
    let receipt =
        Receipt { anchor: name.to_owned(), kind, recorded_at: world.clock.now(), checkpoint, proof };
    world.books.anchors().add(&receipt, size).expect("kept");
}

/// Has witness `n` cosign what is signed now.
fn cosign(world: &World, n: u8, seconds: u64) -> std::sync::Arc<SignedCheckpoint> {
    let head = world.books.checkpoint();
    let line = witness(n).line(&head.checkpoint().text(), seconds);
    keep(world, &format!("w{n}"), Kind::Witness, format!("{}{line}", head.note()), Vec::new());
    head
}

fn believing(witnesses: &[u8]) -> Trust {
    Trust { witnesses: witnesses.iter().map(|n| witness(*n).key()).collect(), ..Trust::default() }
}

fn judged(world: &World, bytes: &[u8], trust: &Trust) -> Report {
    bundle_trusting(bytes, &keys(world), None, trust)
}

/// A world in which a witness cosigned, somebody was written to, and the log went on.
fn anchored() -> World {
    let mut world = World::with_story();
    cosign(&world, 1, SECONDS);
    world.record_heads();
    world.sign();
    world
}

#[test]
fn a_witness_that_is_believed_proves_by_when_and_for_which_entries() {
    let mut world = anchored();
    let covered = world.books.anchors().list()[0].size;
    world.stop_by_text(person(), "main", 9);
    world.sign();
    let bytes = make(&world, request());
    let report = judged(&world, &bytes, &believing(&[1, 2]));
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let text = report.to_string();
    let line = format!(
        "The first {covered} entries of the log were recorded no later than 2026-09-21T14:13:20Z: the witness witness.example/w1"
    );
    assert!(text.contains(&line), "{text}");
    let newer =
        format!("were recorded, those from number {covered} on: no anchor you can check covers them yet");
    assert!(text.contains(&newer) && text.contains("When 3 of the 12 entries shown"), "{text}");
    assert_eq!((report.anchors.len(), report.anchors[0].covers), (1, covered));
    assert_eq!(report.anchors[0].not_after, Some(Instant::from_seconds(SECONDS as i64)));
    for (trust, why) in [
        (Trust::default(), "you gave nothing to check them with"),
        (believing(&[2]), "by a witness or an authority that you believe"),
    ] {
        let report = judged(&world, &bytes, &trust);
        let text = report.to_string();
        assert!(report.outcome == Outcome::Valid && text.contains(why), "{text}");
        assert!(
            text.contains("That rests on the operator's word") && !text.contains("no later than"),
            "{text}"
        );
    }
}

#[test]
fn without_anchors_the_report_and_the_page_say_so() {
    let world = World::with_story();
    let bytes = make(&world, request());
    let text = judged(&world, &bytes, &believing(&[1])).to_string();
    assert!(
        text.contains("no anchor has taken a checkpoint of this log. That rests on the operator's word"),
        "{text}"
    );
    let page = String::from_utf8_lossy(Forge::of(&bytes).content(names::PAGE)).into_owned();
    assert!(page.contains("No anchor has taken a checkpoint of this log"), "{page}");
    keep(&world, "file", Kind::File, world.books.checkpoint().note().to_owned(), b"a.checkpoint".to_vec());
    let bytes = make(&world, request());
    let text = judged(&world, &bytes, &Trust::default()).to_string();
    assert!(text.contains("only files or commands of the operator's own"), "{text}");
    cosign(&world, 1, SECONDS);
    world.clock.advance(Span::hours(25));
    let bytes = make(&world, request());
    assert_eq!(judged(&world, &bytes, &believing(&[1])).outcome, Outcome::Valid);
    let page = String::from_utf8_lossy(Forge::of(&bytes).content(names::PAGE)).into_owned();
    assert!(page.contains("more than a day before this bundle was made"), "{page}");
}

#[test]
fn time_stamps_count_under_roots_that_were_given() {
    let (Some(authority), Some(stranger)) = (Authority::new(Make::EC), Authority::new(Make::EC)) else {
        return;
    };
    let world = World::with_story();
    let head = world.books.checkpoint();
    let stamp =
        |message: &[u8]| token_of(&authority.reply(&timestamp::request(message, [1; 8]).0)).expect("granted");
    keep(&world, "tsa", Kind::Timestamp, head.note().to_owned(), stamp(head.note().as_bytes()));
    let bytes = make(&world, super::request());
    let roots = |of: &Authority| Trust {
        roots: TsaRoots::from_pem(&of.root(), "").expect("PEM"),
        ..Trust::default()
    };
    let report = judged(&world, &bytes, &roots(&authority));
    let text = report.to_string();
    assert_eq!(report.outcome, Outcome::Valid, "{text}");
    assert!(text.contains("time-stamping authority CN=Throwaway Time Stamps"), "{text}");
    assert!(
        text.contains("That no other history of this log was signed: a time stamp does not show that"),
        "{text}"
    );
    for (trust, why) in
        [(roots(&stranger), "that you believe"), (Trust::default(), "nothing to check them with")]
    {
        let text = judged(&world, &bytes, &trust).to_string();
        assert!(text.contains(why) && text.contains("That rests on the operator's word"), "{text}");
    }
    // What a stranger without our program does: unpack, and ask OpenSSL.
    let mut forge = Forge::of(&bytes);
    let (token, note) =
        (forge.content("anchors/00000.tst").clone(), forge.content("anchors/00000.checkpoint").clone());
    assert!(authority.accepts(&token, &note, None));
    for (what, token) in [("another imprint", stamp(b"another checkpoint")), ("garbage", b"garbage".to_vec())]
    {
        *forge.content("anchors/00000.tst") = token;
        let report = judged(&world, &forge.close(), &Trust::default());
        assert_eq!((report.outcome, checks(&report)), (Outcome::Invalid, vec!["anchor"]), "{what}: {report}");
    }
}

/// Changes `anchors.json`, its sentence made to fit.
fn claims(forge: &mut Forge, change: impl FnOnce(&mut Anchors)) {
    let content = forge.content(names::ANCHORS);
    let mut claims: Anchors = serde_json::from_slice(content).expect("JSON");
    change(&mut claims);
    claims.said = crate::export::bundle::anchors::said(claims.as_of, &claims.receipts);
    *content = json(&claims);
}

/// Ways to tamper with receipts, by somebody who holds the log's key but not the witness's.
fn tampered(world: &World, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let forge = |change: &dyn Fn(&mut Forge)| {
        let mut forge = Forge::of(bytes);
        change(&mut forge);
        forge.close()
    };
    let name = "anchors/00000.checkpoint";
    let key = LogKey::generate(&origin(), &SeededEntropy::new(3));
    let old = world.books.anchors().list()[0].size;
    let rewritten = key.sign(old, Root([9; 32]));
    let elsewhere = "other.example/log/shop/e1".parse().expect("an origin");
    let foreign = LogKey::generate(&elsewhere, &SeededEntropy::new(4)).sign(old, Root([9; 32]));
    let line_over = |text: &str| witness(1).line(text, SECONDS);
    let replayed = line_over(&rewritten.checkpoint().text());
    vec![
        (
            "a cosignature of another checkpoint below this one",
            forge(&|f| {
                let note = String::from_utf8_lossy(f.content(name)).into_owned();
                let (own, _) = note.trim_end().rsplit_once('\n').expect("lines");
                *f.content(name) = format!("{own}\n{replayed}").into_bytes();
            }),
        ),
        (
            "an earlier time over the same signature",
            forge(&|f| {
                use base64::Engine as _;
                let coder = base64::prelude::BASE64_STANDARD;
                let note = String::from_utf8_lossy(f.content(name)).into_owned();
                let (rest, blob) = note.trim_end().rsplit_once(' ').expect("a signature");
                let mut blob = coder.decode(blob).expect("base64");
                blob[11] -= 1;
                *f.content(name) = format!("{rest} {}\n", coder.encode(blob)).into_bytes();
            }),
        ),
        (
            "a rewritten history, cosigned",
            forge(&|f| {
                *f.content(name) =
                    format!("{}{}", rewritten.note(), line_over(&rewritten.checkpoint().text())).into_bytes()
            }),
        ),
        (
            "another log, cosigned",
            forge(&|f| {
                *f.content(name) =
                    format!("{}{}", foreign.note(), line_over(&foreign.checkpoint().text())).into_bytes()
            }),
        ),
        ("a claim to cover more", forge(&|f| claims(f, |c| c.receipts[0].size += 1))),
        ("no proof that the log extends it", forge(&|f| claims(f, |c| c.receipts[0].consistency.clear()))),
        ("another proof", forge(&|f| claims(f, |c| c.receipts[0].consistency[0].0[0] ^= 1))),
        ("another kind", forge(&|f| claims(f, |c| c.receipts[0].kind = Kind::File))),
        ("a receipt without files", forge(&|f| claims(f, |c| c.receipts.push(c.receipts[0].clone())))),
        ("files without a receipt", forge(&|f| claims(f, |c| c.receipts.clear()))),
        ("its file left out", forge(&|f| f.0.retain(|(n, _)| n != name))),
        ("the list left out", forge(&|f| f.0.retain(|(n, _)| n != names::ANCHORS && n != name))),
    ]
}

#[test]
fn receipts_that_were_tampered_with_are_found_by_both_checkers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let world = anchored();
    let bytes = make(&world, request());
    let key = world.books.verifier().as_str().to_owned();
    let believed = witness(1).key();
    let more = ["--witness", believed.as_str()];
    let python = second_with(dir.path(), &bytes, &key, &more);
    if let Some((code, said)) = &python {
        assert_eq!(*code, 0, "{said}");
        assert!(
            said.contains("were recorded no later than 2026-09-21T14:13:20Z, by the word of a witness"),
            "{said}"
        );
        let (code, said) = second_with(dir.path(), &bytes, &key, &[]).expect("it ran before");
        assert!(code == 0 && said.contains("rests on the operator's word"), "{said}");
    }
    for (what, bytes) in tampered(&world, &bytes) {
        let report = judged(&world, &bytes, &believing(&[1]));
        assert_eq!(report.outcome, Outcome::Invalid, "{what}: {report}");
        if python.is_some() {
            let (code, said) = second_with(dir.path(), &bytes, &key, &more).expect("it ran before");
            assert!(code == 1 && !said.contains("Traceback"), "{what}: {said}");
        }
    }
    // The sentence is made again from the receipts; only ours does that.
    let mut forge = Forge::of(&bytes);
    let content = forge.content(names::ANCHORS);
    *content = String::from_utf8_lossy(content).replace("A witness or", "All witnesses and").into_bytes();
    assert!(checks(&judged(&world, &forge.close(), &Trust::default())).contains(&"anchor"));
}

#[test]
fn a_log_rolled_back_behind_its_anchors_contradicts_them() {
    let mut world = anchored();
    let late = cosign(&world, 1, SECONDS + 60);
    let note = format!("{}{}", late.note(), witness(1).line(&late.checkpoint().text(), SECONDS + 60));
    // The operator goes back to an older copy and writes another story from there on.
    let mut other = World::with_story();
    keep(&other, "w1", Kind::Witness, note.clone(), Vec::new());
    other.stop_by_text(person(), "main", 5);
    other.record_heads();
    other.sign();
    world.stop_by_text(person(), "main", 5);
    world.sign();
    assert!(other.books.checkpoint().size() >= late.size());
    let report = judged(&other, &make(&other, request()), &believing(&[1]));
    assert!(checks(&report).contains(&"anchor"), "{report}");
    assert!(report.to_string().contains("two histories were signed"), "{report}");
}

#[test]
fn a_policy_must_be_met() {
    let mut world = World::with_story();
    let first = cosign(&world, 1, SECONDS).size();
    world.stop_by_text(person(), "main", 5);
    world.sign();
    let second = cosign(&world, 2, SECONDS + 60).size();
    let bytes = make(&world, request());
    let text = |quorum: &str| {
        let (one, two, three) = (witness(1).key(), witness(2).key(), witness(3).key());
        format!(
            "log {}\nwitness A {one}\nwitness B {two}\nwitness C {three}\n{quorum}\n",
            world.books.verifier()
        )
    };
    let with = |quorum: &str| {
        let policy = TlogPolicy::parse(&text(quorum)).expect("sound");
        let mut trust = Trust::default();
        let logs = policy.logs().to_vec();
        trust.set_policy(policy);
        bundle_trusting(bytes.as_slice(), &logs, None, &trust)
    };
    for (quorum, size) in
        [("quorum B", second), ("group g 2 A B C\nquorum g", first), ("group g any A B\nquorum g", second)]
    {
        let report = with(quorum);
        assert_eq!(report.outcome, Outcome::Valid, "{report}");
        let line = format!("The quorum of your policy is met for the first {size} entries");
        assert!(report.to_string().contains(&line), "{quorum}: {report}");
    }
    for quorum in ["quorum C", "group g all A B C\nquorum g"] {
        let report = with(quorum);
        assert_eq!(
            (report.outcome, checks(&report)),
            (Outcome::Invalid, vec!["anchor"]),
            "{quorum}: {report}"
        );
    }
    assert_eq!(with("quorum none").outcome, Outcome::Valid);
}

#[test]
fn an_export_made_again_holds_the_same_receipts() {
    let world = anchored();
    let export = Export::plan(&world.reader, &world.books, request()).expect("planned");
    let whole = collect(&world, &export, 0);
    cosign(&world, 2, SECONDS + 60);
    world.clock.advance(Span::days(3));
    let again =
        Export::resume(&world.reader, &world.books, request(), &export.id()).expect("the same export");
    assert_eq!(collect(&world, &again, 0), whole);
}

#[test]
fn a_data_folder_is_judged_with_its_anchors() {
    let world = anchored();
    let key = world.books.verifier().clone();
    let covered = world.books.anchors().list()[0].size;
    let (sim, dir) = world.stop();
    let look = |sim: &crate::disk::SimDisk, trust: &Trust| {
        directory_trusting(&sim.shared(), &dir, &key, None, None, trust)
    };
    let text = look(&sim, &believing(&[1])).to_string();
    assert!(
        text.contains(&format!("The first {covered} entries of the log were recorded no later than")),
        "{text}"
    );
    assert!(look(&sim, &Trust::default()).to_string().contains("That rests on the operator's word"));
    let name = sim.shared().list(&dir.join("anchors/e1")).expect("there").remove(0);
    let path = dir.join("anchors/e1").join(name);
    let len = sim.contents(&path).expect("there").len();
    let (sound, mut found) = (look(&sim, &believing(&[1])), 0);
    for at in (0..len).step_by(7) {
        let other = sim.fork(1);
        assert!(other.flip_bit(&path, at as u64, (at % 7) as u8));
        let report = look(&other, &believing(&[1]));
        // Free are the bits that say whose signature it is: the log is shown to extend the checkpoint anyhow, and a
        // witness nobody knows proves nothing. What stays valid never proves more than before.
        let verified = report.anchors.iter().filter(|one| one.not_after.is_some());
        let no_more = verified.into_iter().all(|one| sound.anchors.contains(one));
        assert!(report.outcome != Outcome::Valid || no_more, "byte {at}: {report}");
        found += usize::from(report.outcome != Outcome::Valid);
    }
    assert!(found > len / 7 * 4 / 5, "{found} of {}", len / 7);
}

#[test]
fn a_tlog_proof_shows_one_entry_and_who_stands_behind_it() {
    use crate::ledger::tlog_proof::TlogProof;

    let mut world = World::with_story();
    let head = cosign(&world, 1, SECONDS);
    world.stop_by_text(person(), "main", 5);
    world.sign();
    let (covers, note) = crate::anchor::cosigned(&world.books, 7).expect("cosigned");
    assert_eq!(covers, head.size());
    assert_eq!(crate::anchor::cosigned(&world.books, covers), None, "an entry that is newer");
    let leaf = world.books.stored().get(7).expect("reads").expect("there").leaf;
    let proof = world.books.tree().inclusion(7, covers).expect("a proof");
    let file = TlogProof { extra: Some(leaf), proof, note };
    let look = |file: &TlogProof, trust: &Trust| tlog_proof(&file.encode(), &keys(&world), trust);
    let report = look(&file, &believing(&[1]));
    let text = report.to_string();
    assert_eq!(report.outcome, Outcome::Valid, "{text}");
    assert!(
        text.contains("Entry 7 is in that log, unchanged")
            && text.contains("no later than 2026-09-21T14:13:20Z"),
        "{text}"
    );
    let alone = look(&file, &Trust::default()).to_string();
    assert!(alone.contains("That rests on the operator's word"), "{alone}");
    let change = |change: fn(&mut TlogProof)| {
        let mut other = file.clone();
        change(&mut other);
        look(&other, &believing(&[1])).outcome
    };
    assert_eq!(change(|f| f.proof.index += 1), Outcome::Invalid);
    assert_eq!(change(|f| f.proof.hashes[0][0] ^= 1), Outcome::Invalid);
    assert_eq!(change(|f| f.extra.as_mut().expect("a leaf")[20] ^= 1), Outcome::Invalid);
    assert_eq!(change(|f| f.note = f.note.replacen("\n21\n", "\n20\n", 1)), Outcome::Invalid);
    assert_eq!(change(|f| f.extra = None), Outcome::Unreadable);
    let mut policy = believing(&[]);
    let text = format!("witness A {}\nquorum A\n", witness(2).key());
    policy.set_policy(TlogPolicy::parse(&text).expect("sound"));
    assert_eq!(look(&file, &policy).outcome, Outcome::Invalid, "the quorum is not met");
}
