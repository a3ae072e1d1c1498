//! The specification's form, to the letter.

use super::*;

fn note() -> String {
    format!(
        "example.com/fancylog\n109482\n{}\n\n— example.com/fancylog hI2DJwAA\n",
        BASE64_STANDARD.encode([7; 32])
    )
}

fn proof(extra: Option<&[u8]>) -> TlogProof {
    let hashes = vec![[1; 32], [2; 32]];
    TlogProof {
        extra: extra.map(<[u8]>::to_vec),
        proof: InclusionProof { index: 73_894, size: 109_482, hashes },
        note: note(),
    }
}

#[test]
fn a_file_looks_as_the_specification_shows() {
    let (one, two) = (BASE64_STANDARD.encode([1; 32]), BASE64_STANDARD.encode([2; 32]));
    let text = format!("c2sp.org/tlog-proof@v1\nextra bGVhZg==\nindex 73894\n{one}\n{two}\n\n{}", note());
    assert_eq!(proof(Some(b"leaf")).encode(), text);
    assert_eq!(TlogProof::parse(&text), Ok(proof(Some(b"leaf"))));
    assert_eq!(TlogProof::parse(&proof(None).encode()), Ok(proof(None)));
    let alone =
        TlogProof { proof: InclusionProof { index: 0, size: 109_482, hashes: Vec::new() }, ..proof(None) };
    assert_eq!(TlogProof::parse(&alone.encode()), Ok(alone));
}

#[test]
fn other_spellings_are_refused() {
    let good = proof(Some(b"leaf")).encode();
    for bad in [
        String::new(),
        good.replace("@v1", "@v2"),
        good.replace("index 73894", "index 073894"),
        good.replace("index 73894", "index x"),
        good.replace("index 73894\n", ""),
        good.replace("bGVhZg==", "bGVhZg"),
        good.replace("\n\n", "\n"),
        good.replacen("AQEB", "AQE", 1),
        good.replace("109482", "many"),
        good.replace('\n', "\r\n"),
        format!("{}{}", good, "x".repeat(BYTES_MAX)),
    ] {
        assert!(TlogProof::parse(&bad).is_err(), "{bad}");
    }
}
