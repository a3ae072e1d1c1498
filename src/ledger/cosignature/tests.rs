//! The specification's example, and everything a forger might try.

use super::testing::Hand;
use super::*;
use crate::entropy::SeededEntropy;
use crate::ledger::checkpoint::{LogKey, Origin};
use crate::ledger::tree::Root;

fn checkpoint(size: u64) -> (String, String) {
    let origin: Origin = "gw.shop.example/log/shop/e1".parse().expect("an origin");
    let signed = LogKey::generate(&origin, &SeededEntropy::new(5)).sign(size, Root([size as u8; 32]));
    (signed.checkpoint().text(), signed.note().to_owned())
}

#[test]
fn what_is_signed_is_what_the_specification_shows() {
    // C2SP tlog-cosignature, "Ed25519 signed message".
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let expected = "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n\
                    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    assert_eq!(message(1_679_315_147, text.as_bytes()), expected.as_bytes());
}

#[test]
fn a_cosignature_tells_its_time() {
    let (text, note) = checkpoint(7);
    let witness = Hand::new("witness.example/w1", 1);
    let line = witness.line(&text, 1_790_000_000);
    let cosigned = format!("{note}{line}");
    let at = Instant::from_seconds(1_790_000_000);
    assert_eq!(witness.key().cosigned(&cosigned), Ok(Some(at)));
    assert_eq!(witness.key().cosigned(&note), Ok(None), "not signed yet");
    let answer = format!("{}{line}", Hand::new("witness.example/w2", 2).line(&text, 1));
    assert_eq!(witness.key().pick(&answer, &text), Ok(Some((line, at))));
    assert_eq!(Hand::new("witness.example/w3", 3).key().pick(&answer, &text), Ok(None));
}

#[test]
fn forged_replayed_and_dated_cosignatures_are_refused() {
    let (text, note) = checkpoint(7);
    let (other, _) = checkpoint(8);
    let witness = Hand::new("witness.example/w1", 1);
    let good = witness.line(&text, 1_790_000_000);
    let replayed = witness.line(&other, 1_790_000_000);
    let timeless = witness.line(&text, 0);
    // The same name and id over another key's signature, and another time over the same signature.
    let mut blob =
        BASE64_STANDARD.decode(good.trim_end().rsplit(' ').next().expect("base64")).expect("base64");
    blob[11] ^= 1;
    let dated = format!("— witness.example/w1 {}\n", BASE64_STANDARD.encode(&blob));
    let cut = format!("— witness.example/w1 {}\n", BASE64_STANDARD.encode(&blob[..70]));
    for (what, line) in [("replayed", replayed), ("timeless", timeless), ("dated", dated), ("cut", cut)] {
        let forged = Err(CosignatureError::Forged { name: "witness.example/w1".to_owned() });
        assert_eq!(witness.key().cosigned(&format!("{note}{line}")), forged, "{what}");
        assert!(witness.key().pick(&line, &text).is_err(), "{what}");
    }
    let stranger = Hand::new("witness.example/w1", 9).line(&text, 1_790_000_000);
    assert_eq!(witness.key().cosigned(&format!("{note}{stranger}")), Ok(None), "another id is another key");
}

#[test]
fn keys_are_read_strictly() {
    let key = Hand::new("witness.example/w1", 1).key();
    assert_eq!(key.as_str().parse::<WitnessKey>().expect("itself").as_str(), key.as_str());
    let (_, note) = checkpoint(1);
    assert!(note.contains("gw.shop.example"));
    let origin: Origin = "gw.shop.example/log/shop/e1".parse().expect("an origin");
    let log = LogKey::generate(&origin, &SeededEntropy::new(5));
    assert_eq!(log.verifier().as_str().parse::<WitnessKey>(), Err(CosignatureError::LogKey));
    let weak = [&[COSIGNATURE_V1][..], &[1], &[0; 31]].concat();
    let weak = format!("w+{:08x}+{}", key_id("w", &weak), BASE64_STANDARD.encode(&weak));
    let renamed = key.as_str().replacen("w1", "w2", 1);
    for bad in
        ["", "w", "w+00000000+", "w+00000000+BAAA", "a b+00000000+BAAA", weak.as_str(), renamed.as_str()]
    {
        assert_eq!(bad.parse::<WitnessKey>(), Err(CosignatureError::Key), "{bad}");
    }
}
