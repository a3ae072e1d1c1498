//! Frozen bytes of everything `docs/ledger.md` describes, made again and compared. A change adds a version; these stay.

use serde_json::{Value, json};

use super::checkpoint::{LogKey, Origin, VerifierKey};
use super::entry::{Kind, Leaf, Public, SELLER_CHAIN, leaf_hash};
use super::frame::{FileHeader, FileKind, encode_record, salt_of};
use super::heads::{ChainHead, HeadsBuilder};
use super::keys::{Keys, MasterKey};
use super::seal::{self, DataKey};
use super::segment::{NewEntry, SegmentOptions, Segments, log_id};
use super::tree::{ConsistencyProof, Edge, InclusionProof};
use crate::disk::SimDisk;
use crate::entropy::{Entropy, SharedEntropy};
use crate::model::{EntryHash, Instant, SubjectId};

const FROZEN: &str = include_str!("../../tests/vectors/ledger/v1.json");
const ORIGIN: &str = "gw.shop.example/log/shop/e1";

/// 0, 1, 2, … in place of chance.
struct Counting(parking_lot::Mutex<u8>);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        let mut next = self.0.lock();
        for byte in out {
            *byte = *next;
            *next = next.wrapping_add(1);
        }
    }
}

fn counting() -> SharedEntropy {
    std::sync::Arc::new(Counting(parking_lot::Mutex::new(0)))
}

fn leaves() -> Vec<Leaf> {
    let first = Leaf {
        brand: None,
        subject: SubjectId([7; 16]),
        number: 1,
        previous: None,
        instant: Instant::from_micros(1_780_329_600_000_000),
        kind: Kind::Subject,
        engine: [2; 32],
        seal: [3; 32],
        public: Public::default(),
    };
    let second = Leaf {
        brand: Some("main".parse().expect("a slug")),
        number: 2,
        previous: Some(leaf_hash(&first.encode().expect("small"))),
        kind: Kind::Decision,
        public: Public {
            message_id: vec![9; 16],
            program: "carts".to_owned(),
            channel: "SMS".to_owned(),
            outcome: "HOLD".to_owned(),
            codes: vec!["QUIET_HOURS".to_owned(), "TOUCH_SPACING".to_owned()],
            ..Public::default()
        },
        ..first.clone()
    };
    let heads = Leaf {
        subject: SELLER_CHAIN,
        kind: Kind::Heads,
        public: Public { covered_size: 300, subjects: 2, root: vec![5; 32], ..Public::default() },
        ..first.clone()
    };
    vec![first, second, heads]
}

fn entries() -> Value {
    let shown = leaves().into_iter().map(|leaf| {
        let bytes = leaf.encode().expect("small");
        json!({ "leaf": hex::encode(&bytes), "leaf_hash": hex::encode(leaf_hash(&bytes).0) })
    });
    shown.collect()
}

fn sealed() -> Value {
    let key = DataKey::from_bytes([1; 32]);
    let plaintext = br#"{"Subject":{"address":{"Phone":"12125550123"}}}"#;
    let sealed = seal::seal(&*counting(), &key, plaintext);
    let opened = seal::open(&key, &sealed.commitment, &sealed.blob).expect("our own");
    json!({
        "data_key": hex::encode(key.expose()),
        "r": hex::encode(opened.r),
        "plaintext": String::from_utf8_lossy(plaintext),
        "seal": hex::encode(sealed.commitment),
        "blob": hex::encode(sealed.blob),
    })
}

/// A frame, and a whole file as the writer makes it.
fn files() -> Value {
    let kind = FileKind { magic: b"cstryseg", name: "segment", ending: "seg" };
    let header = FileHeader { number: 3, first: 1_000, log: log_id(ORIGIN) }.encode(kind);
    let mut record = Vec::new();
    encode_record(&mut record, salt_of(&header), (1_001, 1, 2), b"leaf", b"sealed");
    let sim = SimDisk::new(1);
    let dir = std::path::Path::new("/v");
    let (mut segments, _) =
        Segments::open(&sim.shared(), dir, ORIGIN, SegmentOptions::default()).expect("opens");
    segments
        .append(&[NewEntry { leaf: b"one", sealed: b"" }, NewEntry { leaf: b"two", sealed: b"2" }])
        .expect("kept");
    segments.append(&[NewEntry { leaf: b"three", sealed: b"" }]).expect("kept");
    let keys =
        Keys::open(&sim.shared(), dir, "shop", MasterKey::from_bytes([4; 32]), counting()).expect("opens");
    keys.add(&[
        (SubjectId([7; 16]), DataKey::from_bytes([1; 32])),
        (SubjectId([8; 16]), DataKey::from_bytes([2; 32])),
    ])
    .expect("kept");
    let contents = |name: &str| hex::encode(sim.contents(&dir.join(name)).expect("a file"));
    let with_keys = contents("00000000.key");
    keys.destroy(&[SubjectId([7; 16])]).expect("destroyed");
    json!({
        "header": hex::encode(header),
        "record": hex::encode(record),
        "segment": contents("00000000.seg"),
        "keys": with_keys,
        "keys_after_destruction": contents("00000000.key"),
    })
}

fn tree() -> Value {
    let hash = |n: u8| leaf_hash(&[n]);
    let mut edge = Edge::new();
    let mut roots = vec![edge.root().to_string()];
    for n in 0..7 {
        edge.push(hash(n), |_| {});
        roots.push(edge.root().to_string());
    }
    let node =
        |a: EntryHash, b: EntryHash| tlog_tiles::node_hash(tlog_tiles::Hash(a.0), tlog_tiles::Hash(b.0));
    let inclusion = vec![hash(4).0, hash(6).0, {
        let (left, right) = (node(hash(0), hash(1)), node(hash(2), hash(3)));
        tlog_tiles::node_hash(left, right).0
    }];
    let proof = InclusionProof { index: 5, size: 7, hashes: inclusion };
    proof.check(hash(5), edge.root()).expect("a proof by hand");
    let mut old = Edge::new();
    (0..4).for_each(|n| old.push(hash(n), |_| {}));
    let right = tlog_tiles::node_hash(node(hash(4), hash(5)), tlog_tiles::Hash(hash(6).0)).0;
    let grown = ConsistencyProof { old_size: 4, size: 7, hashes: vec![right] };
    grown.check(old.root(), edge.root()).expect("a proof by hand");
    let text = |hashes: &[[u8; 32]]| hashes.iter().map(hex::encode).collect::<Vec<_>>();
    json!({
        "leaves": "the bytes 00 to 06, one each",
        "roots_by_size": roots,
        "inclusion_of_5_in_7": text(&proof.hashes),
        "consistency_of_4_and_7": text(&grown.hashes),
    })
}

fn checkpoint() -> Value {
    let key = LogKey::generate(&ORIGIN.parse::<Origin>().expect("an origin"), &*counting());
    let mut edge = Edge::new();
    (0..7).for_each(|n| edge.push(leaf_hash(&[n]), |_| {}));
    let signed = key.sign(7, edge.root());
    json!({ "log_key": key.expose(), "verifier_key": key.verifier().as_str(), "note": signed.note() })
}

fn heads() -> Value {
    let head =
        |n: u8| ChainHead { subject: SubjectId([n; 16]), count: u64::from(n), last: EntryHash([n; 32]) };
    let mut builder = HeadsBuilder::new(300);
    (1..=3).for_each(|n| assert!(builder.push(&head(n))));
    let tree = builder.finish();
    json!({
        "leaf": hex::encode(head(2).bytes()),
        "leaf_hash": hex::encode(head(2).hash().0),
        "root_of_three": tree.root().to_string(),
        "file": hex::encode(tree.encode()),
    })
}

#[test]
fn everything_on_disk_and_everything_signed_is_as_it_always_was() {
    let made = json!({
        "entries": entries(),
        "sealed": sealed(),
        "files": files(),
        "tree": tree(),
        "checkpoint": checkpoint(),
        "heads": heads(),
    });
    let frozen: Value = serde_json::from_str(FROZEN).expect("JSON");
    assert_eq!(made, frozen, "\n{}", serde_json::to_string_pretty(&made).unwrap_or_default());
}

#[test]
fn frozen_bytes_still_read() {
    let frozen: Value = serde_json::from_str(FROZEN).expect("JSON");
    let text = |path: &str| frozen.pointer(path).and_then(Value::as_str).expect("a text").to_owned();
    for (n, leaf) in leaves().into_iter().enumerate() {
        let bytes = hex::decode(text(&format!("/entries/{n}/leaf"))).expect("hex");
        assert_eq!(Leaf::decode(&bytes), Ok(leaf));
    }
    let key: VerifierKey = text("/checkpoint/verifier_key").parse().expect("a key");
    let note = text("/checkpoint/note");
    let signed = super::checkpoint::SignedCheckpoint::verify(&note, &[key]).expect("signed");
    assert_eq!(signed.size(), 7);
}
