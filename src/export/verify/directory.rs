//! A data folder: every checksum, every leaf, every chain, the root under `HEAD`; with the master key, every seal.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::all_heads::{self, Claim};
use super::anchored::{Anchored, Claim as AnchorClaim};
use super::policies;
use super::receipts::stated;
use super::{Report, Trust};
use crate::disk::{DirLock, SharedDisk};
use crate::entropy::SeededEntropy;
use crate::export::bundle::anchors::choose;
use crate::ledger::anchor::{Receipt, Shelf};
use crate::ledger::body::Body;
use crate::ledger::checkpoint::{Checkpoint, CheckpointError, Origin, SignedCheckpoint, VerifierKey};
use crate::ledger::entry::Leaf;
use crate::ledger::keys::{Keys, MasterKey};
use crate::ledger::seal;
use crate::ledger::segment::{Reader, Stored};
use crate::ledger::verify::{ChainLink, Verified, VerifyError, verify};
use crate::store::embedded::DataDir;

const HEAD_BYTES_MAX: usize = 100_000;

/// Checks the data folder `dir` of the log that `key` signs for. Changes nothing and may run beside the gateway; with
/// `master`, the folder is taken for the time of the check, because reading keys repairs their files.
/// `since` is a checkpoint the verifier has kept, as text.
pub fn directory(
    disk: &SharedDisk,
    dir: &Path,
    key: &VerifierKey,
    master: Option<MasterKey>,
    since: Option<&str>,
) -> Report {
    directory_trusting(disk, dir, key, master, since, &Trust::default())
}

/// The same; what outside anchors said counts as far as `trust` goes.
pub fn directory_trusting(
    disk: &SharedDisk,
    dir: &Path,
    key: &VerifierKey,
    master: Option<MasterKey>,
    since: Option<&str>,
    trust: &Trust,
) -> Report {
    let dir = DataDir(dir.to_owned());
    let mut report = Report::new("data directory");
    let keys = std::slice::from_ref(key);
    let mut checkpoints: Vec<Checkpoint> = Vec::new();
    match since.map(|note| SignedCheckpoint::verify(note, keys)).transpose() {
        Ok(since) => checkpoints.extend(since.map(|since| since.checkpoint().clone())),
        Err(e) => return report.unreadable("the checkpoint to start from", e.to_string()),
    }
    let head = match disk.read_whole(&dir.head(), HEAD_BYTES_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return report.unreadable("HEAD", "it is missing: no data folder, or one that lost its head");
        }
        Err(e) => return report.unreadable("HEAD", e.to_string()),
    };
    match SignedCheckpoint::verify(&String::from_utf8_lossy(&head), keys) {
        Ok(head) => {
            report.signed(&head);
            checkpoints.push(head.checkpoint().clone());
        }
        Err(e) => {
            report.fail(None, "HEAD", "signature", e.to_string());
            return report.conclude();
        }
    }
    let reader = match Reader::open(disk, &dir.ledger(), key.name(), true) {
        Ok((reader, _)) => reader,
        Err(e) => {
            report.fail(None, "ledger/", "form", e.to_string());
            return report.conclude();
        }
    };
    let mut seals = match Seals::open(disk, &dir, key, master) {
        Ok(seals) => seals,
        Err(why) => return report.unreadable("keys/", why),
    };
    let entries = reader.entries(0).inspect(|stored| {
        if let (Ok(stored), Some(seals)) = (stored, &mut seals) {
            seals.check(stored);
        }
    });
    let kept = checkpoints.len() > 1;
    let receipts = receipts(disk, &dir, key, &mut report);
    checkpoints.extend(receipts.iter().map(|(checkpoint, _)| checkpoint.clone()));
    let mut recorded = Vec::new();
    let verified = verify(entries, &checkpoints, |index, leaf| link(index, leaf, &mut recorded));
    for (index, why) in seals.iter().flat_map(|s| &s.wrong) {
        report.fail(Some(*index), "sealed blob", "opening", why);
    }
    match verified {
        Ok(found) => {
            say(&mut report, &found, kept, seals.as_ref());
            all_heads::check(&reader, recorded, &mut report);
            policies::check(disk, &dir, seals.as_ref().map(|seals| &seals.judged), &mut report);
            anchored(&receipts, trust, &mut report);
            report
                .not_proved
                .push("That the rules were applied rightly: decisions were not made again.".to_owned());
        }
        Err(e) => fail(&mut report, &e),
    }
    report.conclude()
}

/// What anchors gave for this log, with the checkpoints they took. The entries have still to lead to each.
fn receipts(
    disk: &SharedDisk,
    dir: &DataDir,
    key: &VerifierKey,
    report: &mut Report,
) -> Vec<(Checkpoint, Receipt)> {
    let Ok(origin) = key.name().parse::<Origin>() else { return Vec::new() };
    let shelf = match Shelf::open(disk, &dir.anchors(origin.epoch())) {
        Ok(shelf) => shelf,
        Err(e) => {
            report.fail(None, "anchors/", "form", e.to_string());
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    let whole = 0..report.tree_size;
    for filed in choose(&shelf.list(), u64::MAX, report.tree_size, std::slice::from_ref(&whole)) {
        let read = shelf.read(&filed).map_err(|e| e.to_string());
        let read = read.and_then(|receipt| {
            let stated = stated(&receipt.checkpoint, std::slice::from_ref(key))?;
            match stated.origin == key.name() && stated.size == filed.size {
                true => Ok((stated, receipt)),
                false => Err("its checkpoint is not the one its name speaks of".to_owned()),
            }
        });
        match read {
            Ok(one) => found.push(one),
            Err(why) => report.fail(None, format!("anchors/, number {}", filed.number), "anchor", why),
        }
    }
    found
}

/// What the anchors' word is worth, once the entries led to every checkpoint.
fn anchored(receipts: &[(Checkpoint, Receipt)], trust: &Trust, report: &mut Report) {
    let mut anchored = Anchored::default();
    for (checkpoint, receipt) in receipts {
        let claim = AnchorClaim {
            anchor: &receipt.anchor,
            kind: receipt.kind,
            size: checkpoint.size,
            checkpoint: &receipt.checkpoint,
            proof: &receipt.proof,
            field: format!("anchors/, {} over {} entries", receipt.anchor, checkpoint.size),
        };
        anchored.check(&claim, trust, report);
    }
    anchored.end(trust, report);
    anchored.say(trust, report);
}

/// The keys, and what opening with them came to.
struct Seals {
    keys: Keys,
    opened: u64,
    erased: u64,
    wrong: Vec<(u64, String)>,
    /// Hashes of the policy sets that engines name.
    judged: BTreeSet<String>,
    _lock: Box<dyn DirLock>,
}

impl Seals {
    fn open(
        disk: &SharedDisk,
        dir: &DataDir,
        key: &VerifierKey,
        master: Option<MasterKey>,
    ) -> Result<Option<Seals>, String> {
        let Some(master) = master else { return Ok(None) };
        let lock = disk.lock_dir(&dir.0).map_err(|e| match e.is_locked() {
            true => {
                "the gateway is running; stop it to check seals, or check without the master key".to_owned()
            }
            false => e.to_string(),
        })?;
        // Nothing is wrapped here, so nothing random is needed.
        let entropy = Arc::new(SeededEntropy::new(0));
        let origin: Origin = key.name().parse().map_err(|e: CheckpointError| e.to_string())?;
        let keys =
            Keys::open(disk, &dir.keys(), origin.seller(), master, entropy).map_err(|e| e.to_string())?;
        Ok(Some(Seals {
            keys,
            opened: 0,
            erased: 0,
            wrong: Vec::new(),
            judged: BTreeSet::new(),
            _lock: lock,
        }))
    }

    fn check(&mut self, stored: &Stored) {
        let Ok(leaf) = Leaf::decode(&stored.leaf) else { return };
        let opened = match self.keys.get(&leaf.subject) {
            Ok(None) if self.keys.is_destroyed(&leaf.subject) => {
                self.erased += 1;
                return;
            }
            Ok(None) => Err("the key it is sealed under is gone, and no erasure destroyed it".to_owned()),
            Ok(Some(key)) => seal::open(&key, &leaf.seal, &stored.sealed).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        let read = opened.and_then(|o| Body::decode(leaf.kind, &o.plaintext).map_err(|e| e.to_string()));
        match read {
            Ok(body) => {
                self.opened += 1;
                if let Body::Engine(engine) = body {
                    self.judged.insert(engine.policy_sha256);
                }
            }
            Err(why) if self.wrong.len() < super::FAILURES_MAX => self.wrong.push((stored.index, why)),
            Err(_) => {}
        }
    }
}

/// What a leaf says about its chain; refuses every form but the one. Takes note of roots that are to be made again.
fn link(index: u64, leaf: &[u8], recorded: &mut Vec<Claim>) -> Result<ChainLink, String> {
    let leaf = Leaf::decode(leaf).map_err(|e| e.to_string())?;
    recorded.extend(Claim::of(index, &leaf));
    Ok(ChainLink { subject: leaf.subject, number: leaf.number, previous: leaf.previous })
}

fn fail(report: &mut Report, error: &VerifyError) {
    let (entry, field, check) = match error {
        VerifyError::Ledger(_) => (None, "ledger/", "form"),
        VerifyError::Order { expected, .. } => (Some(*expected), "ledger/", "order"),
        VerifyError::Leaf { index, .. } => (Some(*index), "leaf", "form"),
        VerifyError::Chain { index, .. } => (Some(*index), "leaf.number", "chain"),
        VerifyError::OtherRoot { .. } | VerifyError::Missing { .. } => (None, "HEAD", "consistency"),
    };
    report.fail(entry, field, check, error.to_string());
}

fn say(report: &mut Report, found: &Verified, since: bool, seals: Option<&Seals>) {
    let entries = found.entries;
    report.entries = entries;
    report.proved = vec![
        format!("All {entries} entries are as written: checksums, form and order."),
        format!("The chains of {} subjects have no gap.", found.subjects),
        format!("The first {} entries are those that the key of {} signed.", report.tree_size, report.origin),
    ];
    if since {
        report.proved.push("The log extends the one whose checkpoint you kept.".to_owned());
    }
    if entries > report.tree_size {
        let rest = entries - report.tree_size;
        report.not_proved.push(format!("The newest {rest} entries: no checkpoint was signed over them yet."));
    }
    match seals {
        Some(seals) => {
            report
                .proved
                .push(format!("{} sealed entries open to what their leaves commit to.", seals.opened));
            if seals.erased > 0 {
                let line = format!("What was in {} entries whose keys were destroyed.", seals.erased);
                report.not_proved.push(line);
            }
        }
        None => {
            let line = "What is sealed: no master key was given, so no seal was opened.";
            report.not_proved.push(line.to_owned());
        }
    }
}
