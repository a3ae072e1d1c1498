//! The second checker, in another language, must come to the same result. Without `python3` this says so and passes.

use std::path::Path;
use std::process::Command;

use super::tamper::{all, sample};
use super::*;

/// Runs `docs/check_bundle.py`; its exit code and what it printed. None without Python.
fn second(dir: &Path, bytes: &[u8], key: &str, since: Option<&str>) -> Option<(i32, String)> {
    let kept = dir.join("kept");
    if let Some(note) = since {
        std::fs::write(&kept, note).expect("a temporary file");
    }
    let kept = kept.to_str().expect("UTF-8");
    let more: &[&str] = if since.is_some() { &[kept] } else { &[] };
    second_with(dir, bytes, key, more)
}

/// The same with further arguments.
pub fn second_with(dir: &Path, bytes: &[u8], key: &str, more: &[&str]) -> Option<(i32, String)> {
    let bundle = dir.join("bundle.tar");
    std::fs::write(&bundle, bytes).expect("a temporary file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check_bundle.py");
    let mut command = Command::new("python3");
    command.arg("-I").arg(script).arg(&bundle).arg(key).args(more);
    match command.output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some((output.status.code()?, String::from_utf8_lossy(&said).into_owned()))
        }
        Err(e) => {
            println!("SKIPPED: the second checker was not run, python3 does not start: {e}");
            None
        }
    }
}

#[test]
fn both_checkers_agree_on_good_and_on_tampered_bundles() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (world, bytes) = sample();
    let key = world.books.verifier().as_str().to_owned();
    let Some((code, said)) = second(dir.path(), &bytes, &key, None) else { return };
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nothing is missing"), "{said}");
    for tampering in all(&world, &bytes) {
        let ours = check(&world, &tampering.bytes).outcome.exit_code();
        let (code, said) = second(dir.path(), &tampering.bytes, &key, None).expect("it ran before");
        assert_eq!(code, i32::from(ours), "{}: {said}", tampering.what);
        assert!(!said.contains("Traceback"), "{}: {said}", tampering.what);
    }
}

#[test]
fn both_find_flipped_bits_cuts_and_other_keys() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (world, bytes) = sample();
    let key = world.books.verifier().as_str().to_owned();
    if second(dir.path(), &bytes, &key, None).is_none() {
        return;
    }
    for n in 0..24 {
        let at = n * (bytes.len() - 1) / 23;
        let mut other = bytes.clone();
        other[at] ^= 1 << (n % 8);
        let ours = check(&world, &other).outcome;
        let (code, said) = second(dir.path(), &other, &key, None).expect("it ran before");
        assert!(ours != Outcome::Valid && code != 0, "byte {at}: {ours:?}, {said}");
    }
    let (code, said) = second(dir.path(), &bytes[..bytes.len() - 512], &key, None).expect("it ran before");
    assert_eq!(code, 1, "{said}");
    let stranger = LogKey::generate(&origin(), &SeededEntropy::new(99));
    let (code, said) = second(dir.path(), &bytes, stranger.verifier().as_str(), None).expect("it ran before");
    assert_eq!(code, 1, "{said}");
    assert_eq!(second(dir.path(), b"no tar at all", &key, None).expect("it ran before").0, 2);
}

#[test]
fn both_follow_growth_from_a_kept_checkpoint_and_absence() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut world = World::with_story();
    let old = world.books.checkpoint();
    world.record_heads();
    world.sign();
    let key = world.books.verifier().as_str().to_owned();
    let grown = make(&world, Request { since: Some(old.size()), ..request() });
    let Some((code, said)) = second(dir.path(), &grown, &key, Some(old.note())) else { return };
    assert!(code == 0 && said.contains("extends"), "{said}");
    let other = World::new().books.checkpoint();
    let (code, said) = second(dir.path(), &grown, &key, Some(other.note())).expect("it ran before");
    let ours = bundle(grown.as_slice(), &keys(&world), Some(other.note())).outcome;
    assert_eq!(code, i32::from(ours.exit_code()), "kept before the first entry: {said}");
    let rewritten = world_of(&[(SubjectId([6; 16]), "13125550145", 2), (person(), "12125550123", 1)]);
    let note = rewritten.books.checkpoint();
    let (code, _) = second(dir.path(), &grown, &key, Some(note.note())).expect("it ran before");
    assert_ne!(code, 0);
    for person in [None, Some(Person::Subject(SubjectId([4; 16])))] {
        let bytes = make(&world, Request { person, ..request() });
        let (code, said) = second(dir.path(), &bytes, &key, None).expect("it ran before");
        assert_eq!((code, check(&world, &bytes).outcome), (0, Outcome::Valid), "{said}");
    }
}
