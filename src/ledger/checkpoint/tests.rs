//! Checkpoints against the vectors of the formats they claim to be.

use super::*;
use crate::entropy::SeededEntropy;

/// Key and signature of the Go `sumdb/note` documentation, which C2SP `signed-note` describes.
const PETER_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER_PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

/// The example of the C2SP `tlog-checkpoint` specification.
const SPECIFICATION: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa \
    Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

fn origin() -> Origin {
    Origin::new("gateway.example", &"main".parse().expect("a slug"), 1).expect("an origin")
}

fn key(seed: u64) -> LogKey {
    LogKey::generate(&origin(), &SeededEntropy::new(seed))
}

#[test]
fn published_keys_and_signatures_come_out_the_same() {
    let peter: LogKey = PETER_SECRET.parse().expect("a published key");
    assert_eq!(peter.verifier().as_str(), PETER_PUBLIC);
    assert_eq!(peter.expose(), PETER_SECRET);
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let mut note = Note::new(text.as_bytes(), &[]).expect("a note");
    note.add_sigs(&[&peter.signer]).expect("signed");
    let signature =
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    assert_eq!(String::from_utf8_lossy(&note.to_bytes()), format!("{text}\n— PeterNeumann {signature}\n"));
}

#[test]
fn the_specifications_example_parses_and_needs_its_key() {
    let text = SPECIFICATION.split_once("\n\n").map(|(text, _)| format!("{text}\n")).expect("two parts");
    let checkpoint = Checkpoint::parse(text.as_bytes()).expect("the example parses");
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.text(), text, "and encodes back to the same bytes");
    let unsigned = SignedCheckpoint::verify(SPECIFICATION, &[key(1).verifier().clone()]);
    assert_eq!(unsigned, Err(CheckpointError::Unsigned { origin: "example.com/behind-the-sofa".to_owned() }));
}

#[test]
fn signed_checkpoints_verify_with_their_key_only() {
    let (ours, other) = (key(1), key(2));
    let signed = ours.sign(20_852_163, Root([7; 32]));
    let keys = |keys: &[&LogKey]| keys.iter().map(|k| k.verifier().clone()).collect::<Vec<_>>();
    assert_eq!(SignedCheckpoint::verify(signed.note(), &keys(&[&ours])), Ok(signed.clone()));
    assert_eq!(SignedCheckpoint::verify(signed.note(), &keys(&[&other, &ours, &ours])), Ok(signed.clone()));
    let unknown = SignedCheckpoint::verify(signed.note(), &keys(&[&other]));
    assert!(matches!(unknown, Err(CheckpointError::Unsigned { .. })));
    let larger = signed.note().replace("20852163", "20852164");
    assert!(matches!(
        SignedCheckpoint::verify(&larger, &keys(&[&ours])),
        Err(CheckpointError::Forged { .. })
    ));
    let elsewhere =
        signed.note().replacen("gateway.example/log/main/e1\n", "gateway.example/log/main/e2\n", 1);
    assert!(matches!(
        SignedCheckpoint::verify(&elsewhere, &keys(&[&ours])),
        Err(CheckpointError::Unsigned { .. })
    ));
    let with_witness = format!("{}— witness.example AAAAAQEBAQEBAQEBAQEBAQEBAQ==\n", signed.note());
    let verified =
        SignedCheckpoint::verify(&with_witness, &keys(&[&ours])).expect("cosignatures are welcome");
    assert_eq!(verified.checkpoint(), signed.checkpoint());
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let ours = key(1);
    let note = ours.sign(5, Root::EMPTY).note().to_owned();
    let bad = [
        String::new(),
        "\n\n".to_owned(),
        note.replace("\n5\n", "\n05\n"),
        note.replace("\n5\n", "\n-5\n"),
        note.replace("\n5\n", "\n5\n5\n"),
        note.replacen('=', "", 1),
        note.replace("\n\n", "\nextension\n\n"),
        note.trim_end().to_owned(),
        note.replace('—', "-"),
        format!("{note}{}", "x".repeat(CHECKPOINT_BYTES_MAX)),
    ];
    for text in bad {
        let refused = SignedCheckpoint::verify(&text, &[ours.verifier().clone()]);
        assert!(matches!(refused, Err(CheckpointError::Text(_))), "{text:?}: {refused:?}");
    }
}

#[test]
fn keys_survive_their_text_and_hide_their_secret() {
    let ours = key(3);
    let again: LogKey = format!(" {}\n", ours.expose()).parse().expect("it parses");
    assert_eq!(again.verifier().as_str(), ours.verifier().as_str());
    assert_eq!(again.sign(1, Root::EMPTY), ours.sign(1, Root::EMPTY));
    let shown = format!("{ours:?}");
    let secret = ours.expose().rsplit('+').next().expect("a last part");
    assert!(!shown.contains(secret) && shown.contains("gateway.example"), "{shown}");
    for bad in ["", "PRIVATE+KEY", "PRIVATE+KEY+x+00000000+AQ==", PETER_PUBLIC] {
        assert!(bad.parse::<LogKey>().is_err(), "{bad}");
    }
    let other_id = ours.verifier().as_str().replacen("e1+", "e2+", 1);
    assert!(other_id.parse::<VerifierKey>().is_err(), "the id binds the name");
}

#[test]
fn origins_name_host_seller_and_epoch() {
    assert_eq!(origin().as_str(), "gateway.example/log/main/e1");
    let again: Origin = "gateway.example/log/main/e12".parse().expect("an origin");
    assert_eq!(again.epoch(), 12);
    for bad in [
        "",
        "x/log/main/e0",
        "x/log/main/e01",
        "x/log//e1",
        "a b/log/main/e1",
        "a+b/log/main/e1",
        "/log/main/e1",
    ] {
        assert!(bad.parse::<Origin>().is_err(), "{bad}");
    }
}
