//! A bundle, from first byte to last, with memory that does not grow with its entries.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

use parking_lot::RwLock;
use sha2::{Digest, Sha256};

use super::anchored::Anchored;
use super::entries::Entries;
use super::heads::Completeness;
use super::lines::{Examined, Seen, examine};
use super::receipts::Receipts;
use super::{Outcome, Report, Trust};
use crate::audit::again::Engines;
use crate::audit::ahead;
use crate::audit::statement::Statement;
use crate::export::bundle::anchors::Anchors;
use crate::export::bundle::archive::{ArchiveError, Parts};
use crate::export::bundle::format::{About, Asked, BUNDLE_FORMAT, Consistency, Manifest, Part, json, names};
use crate::export::bundle::heads::Heads;
use crate::export::bundle::table;
use crate::export::page::{self, Story};
use crate::export::rows::{ROWS_FORMAT, Row, RowMaker};
use crate::ledger::checkpoint::{SignedCheckpoint, VerifierKey};
use crate::ledger::tree::ConsistencyProof;
use crate::model::Zones;
use crate::policy::set::policy_hash;

/// The largest part read, in bytes; ours have about 8 MiB at most.
const PART_MAX: u64 = 64 << 20;

/// Checks a bundle. `keys` are public keys of the log from a source the verifier trusts; `since` is a checkpoint the
/// verifier has kept, as text.
pub fn bundle(from: impl Read, keys: &[VerifierKey], since: Option<&str>) -> Report {
    bundle_trusting(from, keys, since, &Trust::default())
}

/// Checks a bundle; what outside anchors said counts as far as `trust` goes.
pub fn bundle_trusting(from: impl Read, keys: &[VerifierKey], since: Option<&str>, trust: &Trust) -> Report {
    let mut parts = Parts::new(from, PART_MAX);
    let mut report = Report::new("bundle");
    let since = match since.map(|note| SignedCheckpoint::verify(note, keys)).transpose() {
        Ok(since) => since,
        Err(e) => return report.unreadable("the checkpoint to start from", e.to_string()),
    };
    let mut checker = match begin(&mut parts, (keys, trust), since, &mut report) {
        Ok(checker) => checker,
        Err(Begin::NoBundle(why)) => return report.unreadable("bundle", why),
        Err(Begin::Wrong) => return report.conclude(),
    };
    let (head, engines) = (checker.head.clone(), checker.engines.clone());
    let look = |(name, content): (String, Vec<u8>)| examine(name, content, &head, &engines.read());
    let read = ahead::in_order(
        || parts.next_part(),
        look,
        |examined| {
            checker.part(examined, &mut report);
            !report.is_full()
        },
    );
    match read {
        Ok(true) => checker.end(&mut report),
        Ok(false) => {}
        Err(ArchiveError::Read(e)) => return report.unreadable("bundle", format!("cannot be read: {e}")),
        Err(e) => report.fail(None, "bundle", "form", e.to_string()),
    }
    report.conclude()
}

/// The key a bundle brings along. It proves nothing: a forger brings a key of their own.
pub fn key_within(from: impl Read) -> Result<VerifierKey, String> {
    let mut parts = Parts::new(from, PART_MAX);
    while let Some((name, content)) = parts.next_part().map_err(|e| e.to_string())? {
        if name == names::KEY {
            let text = String::from_utf8(content).map_err(|_| "the key in it is not UTF-8")?;
            // The first is the newest; while a key is rotated, the one before it follows.
            let newest = text.lines().next().unwrap_or_default();
            return newest.parse().map_err(|e| format!("the key in it: {e}"));
        }
    }
    Err("it holds no key".to_owned())
}

/// What a heads tree cannot show.
const ONE_ID: &str = "That a telephone number has one id only: the tree speaks of ids. That rests on the operator's word, or on an expert who is \
     given the pepper.";

/// What no bundle about a brand or a period can show.
const EVERYBODY: &str = "That everybody is here who belongs: who was left out with all entries is not missed in a bundle about no person by name. \
     Ask for a bundle about the person, which shows that it is whole.";

enum Begin {
    /// It is something else, or of a later format.
    NoBundle(String),
    /// It is a bundle, and wrong.
    Wrong,
}

/// Reads what everything else rests on: what it is, the signed head, the key.
fn begin<'t>(
    parts: &mut Parts<impl Read>,
    (keys, trust): (&'t [VerifierKey], &'t Trust),
    since: Option<SignedCheckpoint>,
    report: &mut Report,
) -> Result<Checker<'t>, Begin> {
    let no_bundle = |why: &str| Begin::NoBundle(why.to_owned());
    let mut seen = Vec::new();
    let mut take = |name: &str| match parts.next_part() {
        Ok(Some((found, content))) if found == name => {
            seen.push(part(name, &content));
            Ok(content)
        }
        Ok(_) => Err(Begin::NoBundle(format!("it does not begin as a bundle does: {name} is missing"))),
        Err(e) => Err(Begin::NoBundle(e.to_string())),
    };
    let bytes = take(names::ABOUT)?;
    let format = serde_json::from_slice::<serde_json::Value>(&bytes).ok().and_then(|v| v["format"].as_u64());
    match format {
        Some(n) if n > u64::from(BUNDLE_FORMAT) => {
            return Err(Begin::NoBundle(format!(
                "it has format {n}; this release reads up to {BUNDLE_FORMAT}"
            )));
        }
        Some(1..) => {}
        _ => return Err(no_bundle("bundle.json names no format")),
    }
    let about: Option<About> = strict(names::ABOUT, &bytes, report);
    let about = about.ok_or(Begin::Wrong)?;
    let note = take(names::CHECKPOINT)?;
    let key = take(names::KEY)?;
    let note = std::str::from_utf8(&note).map_err(|_| no_bundle("the checkpoint is not UTF-8"))?;
    let head = SignedCheckpoint::verify(note, keys).map_err(|e| {
        report.fail(None, names::CHECKPOINT, "signature", e.to_string());
        Begin::Wrong
    })?;
    report.signed(&head);
    if !names_one_of(keys, &key, about.format) {
        report.fail(None, names::KEY, "signature", "it is not a key you gave");
    }
    if (about.origin.as_str(), about.tree_size) != (head.checkpoint().origin.as_str(), head.size()) {
        report.fail(None, names::ABOUT, "signature", "origin or tree_size are not those of the checkpoint");
    }
    let manifest = Manifest::of(about.format);
    Ok(Checker {
        entries: Entries::new(&about),
        engines: Arc::new(RwLock::new(Engines::new(Zones::bundled()))),
        comparable: about.release == env!("CARGO_PKG_VERSION") && about.rows_format == ROWS_FORMAT,
        about,
        head,
        since,
        extends: false,
        seen,
        stage: Stage::Texts,
        next_part: 0,
        wordings: HashMap::new(),
        maker: RowMaker::default(),
        policies: Vec::new(),
        unworded: BTreeSet::new(),
        rows: Vec::new(),
        manifest,
        story: Story::new(),
        statement: None,
        keys,
        trust,
        receipts: None,
        anchored: Anchored::default(),
    })
}

/// Whether `log.vkey` holds a key that was given: one a line, two while a key is rotated; one only before format 4.
fn names_one_of(keys: &[VerifierKey], file: &[u8], format: u32) -> bool {
    let lines = std::str::from_utf8(file).ok().and_then(|text| text.strip_suffix('\n'));
    let lines: Vec<&str> = lines.map(|text| text.split('\n').collect()).unwrap_or_default();
    let formed = lines.iter().all(|line| line.parse::<VerifierKey>().is_ok_and(|key| key.as_str() == *line));
    formed && (format >= 4 || lines.len() == 1) && keys.iter().any(|key| lines.contains(&key.as_str()))
}

/// How far the reading has come: parts have one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Texts,
    Policies,
    Entries,
    Rows,
    Statement,
    Page,
    Manifest,
}

struct Checker<'t> {
    keys: &'t [VerifierKey],
    trust: &'t Trust,
    /// Receipts of anchors, with their files as they come.
    receipts: Option<Receipts>,
    anchored: Anchored,
    about: About,
    head: SignedCheckpoint,
    since: Option<SignedCheckpoint>,
    /// The log was shown to extend `since`.
    extends: bool,
    entries: Entries,
    /// What judges again.
    engines: Arc<RwLock<Engines>>,
    /// Written by this release: tables and page can be made again.
    comparable: bool,
    seen: Vec<Part>,
    stage: Stage,
    next_part: u32,
    wordings: HashMap<[u8; 32], String>,
    maker: RowMaker,
    policies: Vec<String>,
    /// Wordings that consents name and the bundle lacks.
    unworded: BTreeSet<String>,
    rows: Vec<Row>,
    manifest: Manifest,
    story: Story,
    statement: Option<Statement>,
}

fn persons(count: usize) -> String {
    format!("{count} {}", if count == 1 { "person" } else { "people" })
}

impl Checker<'_> {
    /// Which stage a part belongs to, if it may come now.
    fn stage_of(&self, name: &str) -> Option<Stage> {
        let folder = name.split_once('/').map_or(name, |(folder, _)| folder);
        let in_table = self.stage == Stage::Entries;
        let stage = match folder {
            names::CONSISTENCY if self.seen.len() == 3 => Stage::Texts,
            names::HEADS if self.heads_may_come() => Stage::Texts,
            names::ANCHORS if self.anchors_may_come() => Stage::Texts,
            "anchors" if self.receipts.as_ref().is_some_and(|receipts| receipts.wants(name)) => Stage::Texts,
            // From format 4 on what anchors said stands before everything else, whole.
            _ if self.about.format >= 4 && !self.receipts.as_ref().is_some_and(Receipts::is_whole) => {
                return None;
            }
            "disclosures" => Stage::Texts,
            "policy" => Stage::Policies,
            "entries" if name == names::entries(self.next_part) && !in_table => Stage::Entries,
            "rows" if name == names::rows(self.next_part) && in_table => Stage::Rows,
            names::STATEMENT if self.about.format > 2 && !in_table && self.stage < Stage::Statement => {
                Stage::Statement
            }
            names::PAGE if self.about.format > 2 && self.stage != Stage::Statement => return None,
            names::PAGE if !in_table && self.stage < Stage::Page => Stage::Page,
            names::MANIFEST if self.stage == Stage::Page => Stage::Manifest,
            _ => return None,
        };
        let next_entries = stage == Stage::Entries && self.stage == Stage::Rows;
        (stage >= self.stage || next_entries).then_some(stage)
    }

    /// Only right after what comes first, and only in bundles about people.
    fn heads_may_come(&self) -> bool {
        let after = self.seen.len() == 3 || self.seen.len() == 4 && self.seen[3].name == names::CONSISTENCY;
        after && self.about.format >= 2 && !self.about.asked.people.is_empty()
    }

    /// Once, right after what comes first.
    fn anchors_may_come(&self) -> bool {
        let first = |part: &Part| part.name == names::CONSISTENCY || part.name == names::HEADS;
        self.about.format >= 4 && self.receipts.is_none() && self.seen.iter().skip(3).all(first)
    }

    /// `anchors.json`, or one of its files; with the last of them every receipt is checked.
    fn anchor(&mut self, name: &str, content: Vec<u8>, report: &mut Report) {
        if name == names::ANCHORS {
            let read = strict::<Anchors>(names::ANCHORS, &content, report);
            self.receipts = read.map(|claims| Receipts::new(claims, report));
        } else if let Some(receipts) = &mut self.receipts {
            receipts.take(content, report);
        }
        if let Some(receipts) = self.receipts.as_ref().filter(|receipts| receipts.is_whole()) {
            receipts.check(self.keys, &self.head, self.trust, &mut self.anchored, report);
        }
    }

    fn part(&mut self, examined: Examined, report: &mut Report) {
        let Examined { part, content, lines } = examined;
        let name = part.name.clone();
        let name = name.as_str();
        let Some(stage) = self.stage_of(name) else {
            return report.fail(None, name, "form", "this part does not belong here");
        };
        self.stage = stage;
        self.seen.push(part);
        match stage {
            Stage::Texts if name == names::CONSISTENCY => self.consistency(&content, report),
            Stage::Texts if name == names::HEADS => {
                if let Some(heads) = strict::<Heads>(names::HEADS, &content, report) {
                    let people = &self.about.asked.people;
                    self.entries.demand(Completeness::new(heads, people, report));
                }
            }
            Stage::Texts if name == names::ANCHORS || name.starts_with("anchors/") => {
                self.anchor(name, content, report);
            }
            Stage::Texts => self.wording(name, content, report),
            Stage::Policies => self.policy(name, content, report),
            Stage::Entries => self.lines(name, lines, report),
            Stage::Rows => self.table(name, &content, report),
            Stage::Statement => self.statement(&content, report),
            Stage::Page => self.page(&content, report),
            Stage::Manifest => {
                self.seen.pop();
                self.manifest(&content, report);
            }
        }
    }

    fn consistency(&mut self, content: &[u8], report: &mut Report) {
        let Some(read) = strict::<Consistency>(names::CONSISTENCY, content, report) else { return };
        let hashes: Result<Vec<[u8; 32]>, _> = read.proof.iter().map(|h| h.0.as_slice().try_into()).collect();
        let Ok(hashes) = hashes else {
            return report.fail(None, names::CONSISTENCY, "form", "a hash is not 32 bytes long");
        };
        let proof = ConsistencyProof { old_size: read.old_size, size: read.size, hashes };
        let Some(since) = &self.since else { return };
        if (proof.old_size, proof.size) != (since.size(), self.head.size()) {
            return;
        }
        match proof.check(since.root(), self.head.root()) {
            Ok(()) => self.extends = true,
            Err(e) => {
                let why = format!("the log does not extend the checkpoint you kept: {e}");
                report.fail(None, names::CONSISTENCY, "consistency", why);
            }
        }
    }

    fn wording(&mut self, name: &str, content: Vec<u8>, report: &mut Report) {
        let hash: [u8; 32] = Sha256::digest(&content).into();
        if self.about.format >= 5 && names::snapshot(&hash) == name {
            return;
        }
        match String::from_utf8(content) {
            Ok(text) if names::disclosure(&hash) == name => {
                self.wordings.insert(hash, text);
            }
            _ => report.fail(None, name, "hash", "the wording is not the one its name stands for"),
        }
    }

    fn policy(&mut self, name: &str, content: Vec<u8>, report: &mut Report) {
        let hash = policy_hash(&content);
        if names::policy(&hash) == name {
            self.policies.push(hex::encode(hash));
            self.engines.write().offer(content);
        } else {
            report.fail(None, name, "hash", "the policy set is not the one its name stands for");
        }
    }

    fn lines(&mut self, name: &str, lines: Vec<Option<Seen>>, report: &mut Report) {
        if self.next_part == 0 {
            self.maker = RowMaker::new(std::mem::take(&mut self.wordings));
        }
        if lines.is_empty() {
            report.fail(None, name, "form", "it is empty");
        }
        for seen in lines {
            if report.is_full() {
                return;
            }
            let Some(seen) = seen else {
                let after = self.manifest.last.map(|last| format!(" after entry {last}")).unwrap_or_default();
                report.fail(None, name, "form", format!("a line{after} is not an entry as we write it"));
                continue;
            };
            if let Some(checked) = self.entries.check(seen, &self.engines, &mut self.maker, report) {
                self.anchored.see(checked.index);
                self.manifest.count(&checked.leaf, checked.index, checked.closed);
                self.story.tell(&checked.row);
                if checked.row.disclosure_text.is_empty() && !checked.row.disclosure_sha256.is_empty() {
                    self.unworded.insert(checked.row.disclosure_sha256.clone());
                }
                self.rows.push(checked.row);
            }
        }
    }

    fn table(&mut self, name: &str, content: &[u8], report: &mut Report) {
        let rows = std::mem::take(&mut self.rows);
        self.next_part += 1;
        if self.comparable && !table(&rows).is_ok_and(|made| made == content) {
            report.fail(None, name, "table", "the table does not say what the entries say");
        }
    }

    /// It must be what the entries give; then its words are the report's own.
    fn statement(&mut self, content: &[u8], report: &mut Report) {
        let made = self.entries.statement();
        let Some(read) = strict::<Statement>(names::STATEMENT, content, report) else { return };
        if read != made {
            report.fail(None, names::STATEMENT, "statement", "it does not say what the entries say");
        }
        self.statement = Some(made);
    }

    fn page(&mut self, content: &[u8], report: &mut Report) {
        let anchored = self.receipts.as_ref().map_or(page::NOT_ANCHORED, Receipts::said);
        let statement = self.statement.as_ref();
        let made = || page::render(&self.about, &self.manifest, &self.story, statement, anchored);
        if self.comparable && made().as_bytes() != content {
            report.fail(None, names::PAGE, "page", "the page does not say what the entries say");
        }
    }

    fn manifest(&mut self, content: &[u8], report: &mut Report) {
        let Some(mut read) = strict::<Manifest>(names::MANIFEST, content, report) else { return };
        let parts = std::mem::take(&mut read.parts);
        if let Some((_, found)) = parts.iter().zip(&self.seen).find(|(a, b)| a != b) {
            report.fail(None, &found.name, "hash", "size, SHA-256 or place differ from the manifest");
        } else if parts.len() != self.seen.len() {
            report.fail(None, names::MANIFEST, "count", "parts are missing or were added");
        }
        if read != self.manifest {
            report.fail(None, names::MANIFEST, "count", "the counts are not those of the entries");
        }
    }

    fn end(mut self, report: &mut Report) {
        if self.stage != Stage::Manifest {
            report.fail(None, names::MANIFEST, "form", "it is missing: the bundle was cut short");
        }
        if self.about.format >= 4 && self.receipts.is_none() {
            report.fail(None, names::ANCHORS, "form", "it is missing");
        }
        self.entries.end(report);
        if self.about.format > 2 {
            let named = |hash: &String| self.entries.engines().any(|e| e.policy_sha256 == *hash);
            for hash in self.policies.iter().filter(|hash| !named(hash)) {
                let why = "no engine shown judged by it: it was put in another's place";
                report.fail(None, format!("policy/{hash}.json"), "engine", why);
            }
        }
        self.older(report);
        report.entries = self.manifest.entries.total;
        self.say(report);
    }

    /// The checkpoint the verifier kept.
    fn older(&mut self, report: &mut Report) {
        let Some(since) = &self.since else { return };
        let (old, new) = (since.size(), self.head.size());
        let why = if since.checkpoint().origin != self.head.checkpoint().origin {
            "the checkpoint you kept is of another log or epoch".to_owned()
        } else if old > new {
            format!("it covers {new} entries, the checkpoint you kept {old}: rolled back, or simply older")
        } else if old == new && since.root() != self.head.root() {
            "as many entries as in the one you kept, and another root: two histories were signed".to_owned()
        } else if old == new || self.extends {
            self.extends = true;
            return;
        } else {
            if report.outcome == Outcome::Valid {
                let why = format!("no proof from {old} entries on is in it: make it with `export --since`");
                report.fail(None, names::CONSISTENCY, "consistency", why);
                report.outcome = Outcome::Unreadable;
            }
            return;
        };
        report.fail(None, names::CHECKPOINT, "consistency", why);
    }

    /// What stays closed, and why, as far as that can be told.
    fn say_of_closed(&self, not: &mut Vec<String>) {
        let counts = &self.manifest.entries;
        if counts.withheld > 0 {
            not.push(format!(
                "What is in {} entries that stay closed, because they lie outside what the bundle says it was asked for: {}.",
                counts.withheld,
                asked_words(&self.about.asked)
            ));
        }
        if counts.erased > 0 {
            not.push(format!("What was in {} entries that nobody can open any more: erased.", counts.erased));
        }
        let unseen = self.entries.erased_unseen();
        if unseen > 0 {
            not.push(format!(
                "THAT {unseen} OF THE ENTRIES CALLED ERASED WERE: no entry shown records that their person was forgotten. Either that \
                 came after the last entry shown, or the key was lost, or they were closed to hide what is in them."
            ));
        }
    }

    fn say(&self, report: &mut Report) {
        self.say_of_entries(report);
        self.anchored.end(self.trust, report);
        self.anchored.say(self.trust, report);
    }

    fn say_of_entries(&self, report: &mut Report) {
        let counts = &self.manifest.entries;
        let (origin, people) = (&self.head.checkpoint().origin, self.entries.people());
        let first = if self.entries.begins_at_the_first() { "first one recorded" } else { "first one shown" };
        report.proved = vec![
            format!(
                "The key of {origin} signed that the log has {} entries with this root.",
                self.head.size()
            ),
            format!("All {} entries shown are in that log, unchanged, at the places given.", counts.total),
            format!("The {} entries shown open say what was sealed when they were recorded.", counts.opened),
            format!("Of {} no entry is missing from the {first} to the last one shown.", persons(people)),
        ];
        let not = &mut report.not_proved;
        if self.comparable {
            report.proved.push("Tables and page say what the entries say.".to_owned());
        } else {
            not.push(format!(
                "Tables and page: only the release that wrote them, {}, can make them again.",
                self.about.release
            ));
        }
        if let Some(since) = self.since.as_ref().filter(|_| self.extends) {
            let line =
                format!("The log extends the one of {} entries whose checkpoint you kept.", since.size());
            report.proved.push(line);
        } else {
            let line = "That the log extends an earlier one: keep this checkpoint, and pass it with --since next time.";
            not.push(line.to_owned());
        }
        match self.entries.complete() {
            Some(complete) => {
                if complete.people > 0 {
                    report.proved.push(format!(
                        "Nothing is missing of {}: all they had among the first {} entries of the log is here, \
                         by the heads of all {} chains in entry {}, recorded {}.",
                        persons(complete.people), complete.covered, complete.subjects, complete.entry, complete.at
                    ));
                }
                if complete.absent > 0 {
                    report.proved.push(format!(
                        "{} ids asked for had no entry among the first {}.",
                        complete.absent, complete.covered
                    ));
                }
                not.push(format!(
                    "That nothing was recorded of these people after entry {}.",
                    complete.covered.saturating_sub(1)
                ));
                not.push(ONE_ID.to_owned());
            }
            None => {
                not.push("That nothing was recorded of these people after the last entry shown.".to_owned());
            }
        }
        if self.about.format < BUNDLE_FORMAT {
            not.push(format!(
                "What newer bundles show besides: this one says that it has format {}, the newest is {BUNDLE_FORMAT}. Ask for it anew.",
                self.about.format
            ));
        }
        if self.about.asked.people.is_empty() {
            not.push(EVERYBODY.to_owned());
        }
        self.say_of_closed(not);
        if !self.unworded.is_empty() {
            let missing: Vec<&String> = self.unworded.iter().collect();
            not.push(super::policies::wordings_lacking(&missing));
        }
        let engines = self.entries.engines().map(|e| &e.policy_sha256);
        let mut lacking: Vec<&String> = engines.filter(|hash| !self.policies.contains(hash)).collect();
        lacking.sort();
        lacking.dedup();
        if !lacking.is_empty() {
            not.push(super::policies::lacking(&lacking, "policy/"));
        }
        self.entries.replays().say(&mut report.proved, not);
        report.statement.clone_from(&self.statement);
    }
}

/// What was asked for, in words; the bundle's own claim.
fn asked_words(asked: &Asked) -> String {
    let mut words = Vec::new();
    words.extend(asked.brand.as_ref().map(|brand| format!("brand {brand}")));
    words.extend(asked.from.map(|at| format!("from {at}")));
    words.extend(asked.to.map(|at| format!("before {at}")));
    if words.is_empty() { "every brand and time".to_owned() } else { words.join(", ") }
}

fn part(name: &str, content: &[u8]) -> Part {
    let sha256 = hex::encode(Sha256::digest(content));
    Part { name: name.to_owned(), bytes: content.len() as u64, sha256 }
}

/// Reads JSON that must be written the one way we write it.
fn strict<T: serde::Serialize + serde::de::DeserializeOwned>(
    name: &str,
    content: &[u8],
    report: &mut Report,
) -> Option<T> {
    let why = match serde_json::from_slice::<T>(content) {
        Ok(read) if json(&read) == content => return Some(read),
        Ok(_) => "it is not written as we write it".to_owned(),
        Err(e) => e.to_string(),
    };
    report.fail(None, name, "form", why);
    None
}
