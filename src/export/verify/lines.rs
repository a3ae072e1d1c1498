//! What can be checked of one entry alone: form, place in the log, opening, and whether its decision comes out again.
//! Needs no other entry, so parts are examined on all cores while the next ones are read.

use sha2::{Digest, Sha256};

use super::Failure;
use crate::audit::again::{Again, Engines};
use crate::export::bundle::format::{Line, Part, read_line};
use crate::export::rows::Closed;
use crate::ledger::body::Body;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::entry::{Leaf, leaf_hash};
use crate::ledger::seal::commitment;
use crate::ledger::tree::InclusionProof;
use crate::model::{EntryHash, Outcome};

/// A part of a bundle, looked at alone.
pub struct Examined {
    /// As the manifest must list it.
    pub part: Part,
    /// Its bytes; empty for parts of entries, which were read.
    pub content: Vec<u8>,
    /// Parts of entries: each line, or nothing where it is not as we write it.
    pub lines: Vec<Option<Seen>>,
}

/// An entry, looked at alone.
pub struct Seen {
    pub index: u64,
    pub closed: Option<Closed>,
    pub hash: EntryHash,
    /// None: it cannot be read.
    pub leaf: Option<Leaf>,
    /// None: closed, or not what the leaf commits to.
    pub body: Option<Body>,
    /// Its decision made again; none: it holds none, or its engine is not known yet.
    pub again: Option<Again>,
    pub failures: Vec<Failure>,
}

/// Looks at a part. `head` is the checkpoint that entries must be under.
pub fn examine(name: String, content: Vec<u8>, head: &SignedCheckpoint, engines: &Engines) -> Examined {
    let sha256 = hex::encode(Sha256::digest(&content));
    let is_entries = name.starts_with("entries/");
    let part = Part { name, bytes: content.len() as u64, sha256 };
    if !is_entries {
        return Examined { part, content, lines: Vec::new() };
    }
    let ends = content.iter().filter(|b| **b == b'\n').count();
    let mut lines = Vec::with_capacity(ends + 1);
    for bytes in content.split_inclusive(|b| *b == b'\n') {
        lines.push(read_line(bytes).map(|line| see(&line, head, engines)));
    }
    Examined { part, content: Vec::new(), lines }
}

fn see(line: &Line, head: &SignedCheckpoint, engines: &Engines) -> Seen {
    let hash = leaf_hash(&line.leaf.0);
    let mut seen = Seen {
        index: line.index,
        closed: line.closed,
        hash,
        leaf: None,
        body: None,
        again: None,
        failures: Vec::new(),
    };
    seen.included(line, head);
    match Leaf::decode(&line.leaf.0) {
        Ok(leaf) => {
            seen.open(line, &leaf);
            seen.decision(&leaf, engines);
            seen.leaf = Some(leaf);
        }
        Err(e) => seen.fail("leaf", "form", e.to_string()),
    }
    seen
}

impl Seen {
    fn fail(&mut self, field: &str, check: &'static str, why: impl Into<String>) {
        let (entry, field) = (Some(self.index), field.to_owned());
        self.failures.push(Failure { entry, field, check, why: why.into() });
    }

    fn included(&mut self, line: &Line, head: &SignedCheckpoint) {
        let hashes: Result<Vec<[u8; 32]>, _> = line.proof.iter().map(|h| h.0.as_slice().try_into()).collect();
        let Ok(hashes) = hashes else {
            return self.fail("proof", "form", "a hash is not 32 bytes long");
        };
        let proof = InclusionProof { index: line.index, size: head.size(), hashes };
        if let Err(e) = proof.check(self.hash, head.root()) {
            self.fail("leaf", "inclusion", format!("it is not in the signed log: {e}"));
        }
    }

    /// Opens an entry from what the bundle gives: it must be what the leaf committed to.
    fn open(&mut self, line: &Line, leaf: &Leaf) {
        let opening = match (&line.opening, line.closed) {
            (Some(opening), None) => opening,
            (None, Some(_)) => return,
            _ => return self.fail("opening", "form", "an entry is either open or closed"),
        };
        let Ok(r) = <[u8; 32]>::try_from(opening.r.0.as_slice()) else {
            return self.fail("opening.r", "form", "it is not 32 bytes long");
        };
        if commitment(&r, &opening.plaintext.0) != leaf.seal {
            return self.fail("opening.plaintext", "opening", "it is not what the leaf's seal commits to");
        }
        match Body::decode(leaf.kind, &opening.plaintext.0) {
            Ok(body) => self.body = Some(body),
            Err(e) => self.fail("opening.plaintext", "form", e.to_string()),
        }
    }

    /// The leaf must say what was decided, and the decision must come out again.
    fn decision(&mut self, leaf: &Leaf, engines: &Engines) {
        let Some(decided) = self.body.as_ref().and_then(Body::decided) else { return };
        let outcome = match decided.verdict.outcome {
            Outcome::Admit => "ADMIT",
            Outcome::Hold => "HOLD",
            Outcome::Refuse => "REFUSE",
        };
        let mut wrong = Vec::new();
        if leaf.public.outcome != outcome {
            wrong.push((
                "leaf.public.outcome",
                format!("it says {}, the decision {outcome}", leaf.public.outcome),
            ));
        }
        if leaf.public.message_id != decided.message.0 {
            wrong.push(("leaf.public.message_id", "the decision is about another message".to_owned()));
        }
        let again = engines.knows(&leaf.engine).then(|| engines.again(leaf, &decided));
        for (field, why) in wrong {
            self.fail(field, "public", why);
        }
        self.again = again;
    }
}
