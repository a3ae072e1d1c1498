//! The JSON in a bundle. Written and read by these types alone; a reader demands the very bytes they write.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::export::rows::Closed;
use crate::export::select::Shown;
use crate::ledger::entry::{Leaf, SELLER_CHAIN};
use crate::ledger::tree::{ConsistencyProof, InclusionProof};
use crate::model::Instant;

/// Version of the bundle written by this release, and the newest it reads. 1: without `heads.json`; 2: with the policy set of
/// the day it was made, not with those that judged, and without `statement.json`; 3: without anchors; 4: without snapshots of
/// wordings.
pub const BUNDLE_FORMAT: u32 = 5;

/// Names of the parts.
pub mod names {
    pub const ABOUT: &str = "bundle.json";
    pub const CHECKPOINT: &str = "checkpoint";
    pub const KEY: &str = "log.vkey";
    pub const CONSISTENCY: &str = "consistency.json";
    pub const HEADS: &str = "heads.json";
    pub const STATEMENT: &str = "statement.json";
    pub const ANCHORS: &str = "anchors.json";
    pub const PAGE: &str = "index.html";
    pub const MANIFEST: &str = "manifest.json";

    pub fn disclosure(sha256: &[u8; 32]) -> String {
        format!("disclosures/{}.txt", hex::encode(sha256))
    }
    /// A snapshot of the page that a wording was shown on.
    pub fn snapshot(sha256: &[u8; 32]) -> String {
        format!("disclosures/{}.snapshot", hex::encode(sha256))
    }
    pub fn policy(hash: &[u8; 32]) -> String {
        format!("policy/{}.json", hex::encode(hash))
    }
    pub fn entries(number: u32) -> String {
        format!("entries/{number:05}.jsonl")
    }
    pub fn rows(number: u32) -> String {
        format!("rows/{number:05}.csv")
    }
}

/// Bytes as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}
impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        crate::model::text::read_with(from, |text| BASE64_STANDARD.decode(text).map(Base64))
    }
}

/// `bundle.json`: what this is. Claims of whoever made it, but for `origin` and `tree_size`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    pub format: u32,
    /// Release of the program that wrote it.
    pub release: String,
    /// Version of the list of columns in `rows/`.
    pub rows_format: u32,
    pub origin: String,
    pub tree_size: u64,
    pub asked: Asked,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub brand: Option<String>,
    /// Ids of the people asked for; empty: everybody.
    pub people: Vec<String>,
    pub from: Option<Instant>,
    pub to: Option<Instant>,
    pub since: Option<u64>,
}

/// One entry: a line of `entries/…`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub index: u64,
    pub leaf: Base64,
    /// What the leaf's seal commits to; or, in its place, why it is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Opened>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// Hashes from the leaf up to the root of the checkpoint.
    pub proof: Vec<Base64>,
}

/// An opening: `seal = SHA-256("consentry/seal/v1" ‖ r ‖ plaintext)`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    pub r: Base64,
    pub plaintext: Base64,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} bytes)", self.plaintext.0.len())
    }
}

impl Line {
    /// The line of an entry.
    pub fn new(shown: &Shown, proof: InclusionProof) -> Line {
        let opening = shown.inside.as_ref().ok().map(|inside| Opened {
            r: Base64(inside.opening.r.to_vec()),
            plaintext: Base64(inside.opening.plaintext.clone()),
        });
        Line {
            index: shown.index,
            leaf: Base64(shown.bytes.clone()),
            opening,
            closed: shown.inside.as_ref().err().copied(),
            proof: proof.hashes.iter().map(|h| Base64(h.to_vec())).collect(),
        }
    }
}

/// `consistency.json`: the log extends an older one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    pub old_size: u64,
    pub size: u64,
    pub proof: Vec<Base64>,
}

impl From<&ConsistencyProof> for Consistency {
    fn from(proof: &ConsistencyProof) -> Self {
        let hashes = proof.hashes.iter().map(|h| Base64(h.to_vec())).collect();
        Consistency { old_size: proof.old_size, size: proof.size, proof: hashes }
    }
}

/// How many entries of what sort.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub total: u64,
    pub opened: u64,
    pub withheld: u64,
    pub erased: u64,
}

/// Size and hash of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

/// `manifest.json`: everything before it, counted and hashed. It guards against accidents; what guards against
/// forgers is the checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    pub entries: Counts,
    /// Entries by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Index of the first and the last entry.
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub parts: Vec<Part>,
}

impl Manifest {
    /// Nothing counted yet.
    pub fn new() -> Manifest {
        Manifest::of(BUNDLE_FORMAT)
    }

    /// Nothing counted yet, of a bundle in an older format.
    pub fn of(format: u32) -> Manifest {
        let (entries, kinds, parts) = (Counts::default(), BTreeMap::new(), Vec::new());
        Manifest { format, entries, kinds, first: None, last: None, parts }
    }

    /// Takes note of an entry.
    pub fn count(&mut self, leaf: &Leaf, index: u64, closed: Option<Closed>) {
        self.entries.total += 1;
        match closed {
            None => self.entries.opened += 1,
            Some(Closed::Withheld) => self.entries.withheld += 1,
            Some(Closed::Erased) => self.entries.erased += 1,
        }
        *self.kinds.entry(leaf.kind.as_str_name().to_owned()).or_default() += 1;
        // Declarations of engines may come first, from before the period.
        if leaf.subject != SELLER_CHAIN || self.first.is_none() {
            self.first = Some(self.first.map_or(index, |first| first.min(index)));
        }
        self.last = Some(self.last.map_or(index, |last| last.max(index)));
    }
}

impl Default for Manifest {
    fn default() -> Self {
        Self::new()
    }
}

/// A document: indented, with a line end.
pub fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("texts and numbers always encode");
    bytes.push(b'\n');
    bytes
}

/// One line: the JSON that serde makes of it. Written by hand because it is nearly all base64, which holds nothing to
/// escape, and a log has millions of them.
pub fn json_line(line: &Line) -> Vec<u8> {
    let inside = line.opening.as_ref().map_or(0, |opening| opening.plaintext.0.len());
    let mut json = String::with_capacity((line.leaf.0.len() + inside) * 4 / 3 + 48 * line.proof.len() + 160);
    let mut add = |before: &str, bytes: &Base64| {
        json.push_str(before);
        BASE64_STANDARD.encode_string(&bytes.0, &mut json);
    };
    add(&format!("{{\"index\":{},\"leaf\":\"", line.index), &line.leaf);
    if let Some(opening) = &line.opening {
        add("\",\"opening\":{\"r\":\"", &opening.r);
        add("\",\"plaintext\":\"", &opening.plaintext);
    }
    json.push_str(if line.opening.is_some() { "\"}" } else { "\"" });
    if let Some(closed) = &line.closed {
        json.push_str(",\"closed\":");
        json.push_str(&serde_json::to_string(closed).expect("a word"));
    }
    json.push_str(",\"proof\":[");
    for (n, hash) in line.proof.iter().enumerate() {
        json.push_str(if n == 0 { "\"" } else { ",\"" });
        BASE64_STANDARD.encode_string(&hash.0, &mut json);
        json.push('"');
    }
    json.push_str("]}\n");
    json.into_bytes()
}

/// Reads a line: the inverse of [`json_line`], and nothing for any other bytes. By hand for the same reason.
pub fn read_line(line: &[u8]) -> Option<Line> {
    let mut rest = Rest(std::str::from_utf8(line).ok()?);
    rest.literal("{\"index\":")?;
    let index = rest.number()?;
    rest.literal(",\"leaf\":")?;
    let leaf = rest.base64()?;
    let opening = match rest.literal(",\"opening\":{\"r\":") {
        Some(()) => {
            let r = rest.base64()?;
            rest.literal(",\"plaintext\":")?;
            let plaintext = rest.base64()?;
            rest.literal("}")?;
            Some(Opened { r, plaintext })
        }
        None => None,
    };
    let closed = match rest.literal(",\"closed\":") {
        Some(()) => Some(serde_json::from_str(rest.quoted()?).ok()?),
        None => None,
    };
    rest.literal(",\"proof\":[")?;
    let mut proof = Vec::with_capacity(rest.0.len() / 47);
    while rest.literal("]}\n").is_none() {
        if !proof.is_empty() {
            rest.literal(",")?;
        }
        proof.push(rest.base64()?);
    }
    rest.0.is_empty().then_some(Line { index, leaf, opening, closed, proof })
}

/// What of a line is not read yet. Each step gives nothing where the text is not as [`json_line`] writes it.
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    fn literal(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.0.find(|c: char| !c.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at(end);
        let number = digits.parse().ok()?;
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.0 = rest;
        Some(number)
    }

    /// A text up to its closing quote, quotes included. None of ours holds an escaped one.
    fn quoted(&mut self) -> Option<&'t str> {
        let end = self.0.strip_prefix('"')?.find('"')? + 2;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(text)
    }

    fn base64(&mut self) -> Option<Base64> {
        let quoted = self.quoted()?;
        // The decoder takes one encoding of any bytes: no white space, no bits left over, no padding missing.
        BASE64_STANDARD.decode(&quoted[1..quoted.len() - 1]).ok().map(Base64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(most: usize) -> impl Strategy<Value = Base64> {
        prop::collection::vec(any::<u8>(), 0..most).prop_map(Base64)
    }

    prop_compose! {
        fn lines()(
            index in prop_oneof![any::<u64>(), 0u64..20],
            leaf in bytes(80),
            opening in prop::option::of((bytes(40), bytes(200))),
            closed in prop::option::of(prop_oneof![Just(Closed::Withheld), Just(Closed::Erased)]),
            proof in prop::collection::vec(bytes(40), 0..5),
        ) -> Line {
            let opening = opening.map(|(r, plaintext)| Opened { r, plaintext });
            Line { index, leaf, opening, closed, proof }
        }
    }

    /// What a text may be broken with: what JSON and base64 are made of.
    const PIECES: [&str; 22] = [
        "",
        "0",
        "1",
        "-",
        "+",
        ".",
        "e1",
        "A",
        "B",
        "/",
        "=",
        "==",
        "\"",
        "\\",
        "\\u0041",
        " ",
        "\n",
        ",",
        "}",
        "]",
        "\u{e9}",
        "\"closed\":\"erased\",",
    ];

    proptest! {
        #[test]
        fn a_line_is_what_serde_makes_of_it(line in lines()) {
            let mut expected = serde_json::to_vec(&line).expect("encodes");
            expected.push(b'\n');
            prop_assert_eq!(String::from_utf8(json_line(&line)), String::from_utf8(expected));
        }

        #[test]
        fn a_line_reads_back(line in lines()) {
            prop_assert_eq!(read_line(&json_line(&line)), Some(line));
        }

        #[test]
        fn other_bytes_are_no_line(
            line in lines(),
            other in lines(),
            place in any::<prop::sample::Index>(),
            cut in 0usize..4,
            piece in prop::sample::select(&PIECES[..]),
            tail in prop::bool::weighted(0.1),
            byte in prop::option::weighted(0.3, any::<u8>()),
        ) {
            let mut bytes = json_line(&line);
            let at = place.index(bytes.len() + 1);
            let end = if tail { bytes.len() } else { (at + cut).min(bytes.len()) };
            let put = match (tail, byte) {
                (true, _) => json_line(&other).split_off(at.min(json_line(&other).len())),
                (false, Some(byte)) => vec![byte],
                (false, None) => piece.as_bytes().to_vec(),
            };
            bytes.splice(at..end, put);
            let slow = serde_json::from_slice::<Line>(&bytes).ok().filter(|read| json_line(read) == bytes);
            prop_assert_eq!(read_line(&bytes), slow);
        }
    }

    #[test]
    fn what_json_allows_and_we_do_not_write_is_no_line() {
        let sound = r#"{"index":7,"leaf":"AA==","proof":[]}"#;
        let with = |json: &str| read_line(format!("{json}\n").as_bytes());
        assert!(with(sound).is_some());
        for (from, to) in [
            ("7", "07"),
            ("7", "+7"),
            ("7", "7.0"),
            ("7", "18446744073709551616"),
            ("7", ""),
            ("AA==", "AA"),
            ("AA==", "AB=="),
            ("AA==", "A\\u0041=="),
            ("AA==", "AA==AA=="),
            (",", ", "),
            ("[]", "[\"\",]"),
            ("[]", "[,\"\"]"),
            ("[]", "[]]"),
            (r#""leaf":"AA==""#, r#""leaf":"AA==","opening":null"#),
            (r#""leaf":"AA==""#, r#""leaf":"AA==","closed":null"#),
            (r#""leaf":"AA==""#, r#""leaf":"AA==","closed":"else""#),
            (r#""leaf":"AA==""#, r#""leaf":"AA==","leaf":"AA==""#),
            (r#"{"index":7,"leaf":"AA==""#, r#"{"leaf":"AA==","index":7"#),
        ] {
            assert!(sound.contains(from), "{from}");
            assert_eq!(with(&sound.replacen(from, to, 1)), None, "{to}");
        }
        assert_eq!(read_line(sound.as_bytes()), None, "without its end");
        assert_eq!(read_line(format!("{sound}\n\n").as_bytes()), None);
    }
}
