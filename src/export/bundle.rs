//! The bundle: one tar archive that shows what happened and proves it. `docs/bundle.md` describes every byte.
//!
//! ```text
//! bundle.json            format, log, what was asked
//! checkpoint  log.vkey   the signed head everything is proved against, and its public key
//! consistency.json       with --since: the log extends an older checkpoint
//! heads.json             of people: nothing is missing among the first entries of the log
//! anchors.json  anchors/…  what witnesses and time-stamping authorities said about checkpoints
//! disclosures/<sha256>.txt  disclosures/<sha256>.snapshot  policy/<sha256>.json
//! entries/00000.jsonl  rows/00000.csv   and so on: at most 256 entries each
//! statement.json         what followed each STOP, computed from the entries
//! index.html             for people
//! manifest.json          counts, and size and SHA-256 of every part before it
//! ```

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use super::csv::CsvRows;
use super::page::Story;
use super::rows::{ROWS_FORMAT, RowMaker};
use super::run::Export;
use super::select::{Selection, Shown};
use super::{ExportError, page};
use crate::audit::statement::StatementMaker;
use crate::ledger::body::Object;
use crate::ledger::rows::RegistryRow;
use crate::ledger::rows::keys;
use crate::model::BrandId;
use crate::store::embedded::Books;
use crate::writer::Reader;

pub mod anchors;
pub mod archive;
pub mod format;
pub mod heads;
mod proofs;

use anchors::Anchors;
use archive::Archive;
use format::{About, Asked, Consistency, Line, Manifest, names};
use proofs::Proofs;

/// Most entries of one part.
pub const PART_ENTRIES: usize = 256;
/// A part is closed early once its lines have so many bytes.
const PART_BYTES: usize = 4 << 20;
/// Registered wordings read at once.
const WORDINGS_PAGE: usize = 500;

/// Registered disclosure texts by their SHA-256, and the hashes of the snapshots of their pages.
#[derive(Debug, Default)]
pub struct Wordings {
    texts: Vec<([u8; 32], String)>,
    snapshots: BTreeSet<[u8; 32]>,
}

impl Wordings {
    /// Those of a brand, or of all, sorted.
    pub fn registered(reader: &Reader, brand: Option<&BrandId>) -> Result<Wordings, ExportError> {
        let prefix = keys::registry("disclosure", "");
        let mut found = Wordings::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = reader
                .look(|cx| Ok(cx.state.scan::<RegistryRow>(&prefix, after.as_deref(), WORDINGS_PAGE)?))?;
            for (_, row) in &page {
                if let Object::Disclosure(d) = &row.object
                    && brand.is_none_or(|b| *b == d.brand)
                {
                    found.texts.push((d.text_sha256, d.text.clone()));
                    found.snapshots.extend(<[u8; 32]>::try_from(d.snapshot_sha256.as_slice()).ok());
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == WORDINGS_PAGE => after = Some(key.clone()),
                _ => break,
            }
        }
        found.texts.sort();
        found.texts.dedup();
        Ok(found)
    }

    /// As rows look them up.
    pub fn by_hash(&self) -> HashMap<[u8; 32], String> {
        self.texts.iter().cloned().collect()
    }
}

/// Writes the bundle of a planned export; answers how many entries are in it.
pub fn write(
    export: &Export,
    reader: &Reader,
    books: &Books,
    to: &mut impl Write,
) -> Result<u64, ExportError> {
    let mut archive = Archive::new(to);
    let about = about(export, books);
    archive.add(names::ABOUT, &format::json(&about))?;
    archive.add(names::CHECKPOINT, export.checkpoint().note().as_bytes())?;
    let keys = books.verifiers(export.cut().as_of);
    let keys: String = keys.iter().map(|key| format!("{key}\n")).collect();
    archive.add(names::KEY, keys.as_bytes())?;
    let size = export.checkpoint().size();
    if let Some(since) = export.request().since {
        let proof = books.tree().consistency(since, size)?;
        archive.add(names::CONSISTENCY, &format::json(&Consistency::from(&proof)))?;
    }
    if let Some((recorded, found)) = export.completeness() {
        archive.add(names::HEADS, &format::json(&heads::Heads::new(recorded, found)))?;
    }
    let anchors = add_anchors(export, books, &mut archive)?;
    let wordings = Wordings::registered(reader, export.request().brand.as_ref())?;
    for (hash, text) in &wordings.texts {
        archive.add(&names::disclosure(hash), text.as_bytes())?;
    }
    for hash in &wordings.snapshots {
        let kept = books.snapshots().get(hash);
        let kept = kept.map_err(|e| ExportError::Entry(format!("a snapshot cannot be read: {e}")))?;
        // An earlier release kept the hash alone.
        if let Some(snapshot) = kept {
            archive.add(&names::snapshot(hash), &snapshot)?;
        }
    }
    for hash in export.policies() {
        if let Some(canonical) = policy_of(reader, books, hash)? {
            archive.add(&names::policy(hash), &canonical)?;
        }
    }
    let mut parts = Parts {
        archive,
        maker: RowMaker::new(wordings.by_hash()),
        manifest: Manifest::new(),
        story: Story::new(),
        statement: StatementMaker::new(&export.selection().people),
        anchors,
        lines: Vec::new(),
        rows: Vec::new(),
        pending: 0,
    };
    let root = export.checkpoint().root();
    let made = |shown: Vec<Shown>| {
        let proofs = Proofs::new(books.tree(), size, root);
        shown.into_iter().map(|shown| Made::of(shown, &proofs)).collect()
    };
    export.selection().each(books, made, |made| parts.add(&made))?;
    parts.finish(&about)
}

/// A policy set by its hash; none: it was in force before sets were kept, and is not now.
fn policy_of(reader: &Reader, books: &Books, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, ExportError> {
    let now = reader.env().policies();
    if now.engine.policy().hash() == *hash {
        return Ok(Some(now.engine.policy().canonical().to_vec()));
    }
    books.policies().get(hash).map_err(|e| ExportError::Entry(format!("a policy set cannot be read: {e}")))
}

/// Adds what outside anchors gave.
fn add_anchors(
    export: &Export,
    books: &Books,
    archive: &mut Archive<&mut impl Write>,
) -> Result<Anchors, ExportError> {
    let (cut, size) = (export.cut(), export.checkpoint().size());
    let chosen = anchors::choose(&books.anchors().list(), cut.receipts, size, &export.selection().spans());
    let files = anchors::collect(books, &chosen, size)?;
    let receipts: Vec<_> = files.iter().map(|one| one.about.clone()).collect();
    let anchors = Anchors { as_of: cut.as_of, said: anchors::said(cut.as_of, &receipts), receipts };
    archive.add(names::ANCHORS, &format::json(&anchors))?;
    for (n, one) in files.iter().enumerate() {
        archive.add(&anchors::checkpoint_name(n), one.checkpoint.as_bytes())?;
        if let (Some(name), Some(proof)) = (anchors::proof_name(n, one.about.kind), &one.proof) {
            archive.add(&name, proof)?;
        }
    }
    Ok(anchors)
}

fn about(export: &Export, books: &Books) -> About {
    let request = export.request();
    About {
        format: format::BUNDLE_FORMAT,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        rows_format: ROWS_FORMAT,
        origin: books.origin().to_string(),
        tree_size: export.checkpoint().size(),
        asked: Asked {
            brand: request.brand.as_ref().map(|b| b.to_string()),
            people: people(export.selection()),
            from: request.from,
            to: request.to,
            since: request.since,
        },
    }
}

fn people(selection: &Selection) -> Vec<String> {
    selection.people.iter().map(|s| s.to_string()).collect()
}

/// An entry and its line.
struct Made {
    shown: Shown,
    line: Vec<u8>,
}

impl Made {
    fn of(shown: Shown, proofs: &Proofs<'_>) -> Result<Made, ExportError> {
        let proof = proofs.inclusion(shown.index, shown.hash)?;
        let line = format::json_line(&Line::new(&shown, proof));
        Ok(Made { shown, line })
    }
}

/// The part of the bundle that repeats.
struct Parts<W: Write> {
    archive: Archive<W>,
    maker: RowMaker,
    manifest: Manifest,
    story: Story,
    statement: StatementMaker,
    anchors: Anchors,
    lines: Vec<u8>,
    rows: Vec<super::rows::Row>,
    pending: u32,
}

impl<W: Write> Parts<W> {
    fn add(&mut self, made: &Made) -> Result<(), ExportError> {
        let shown = &made.shown;
        self.lines.extend_from_slice(&made.line);
        let row = self.maker.row(shown.told());
        self.manifest.count(&shown.leaf, shown.index, shown.inside.as_ref().err().copied());
        self.story.tell(&row);
        self.statement.see(shown.index, &shown.leaf, shown.inside.as_ref().ok().map(|i| &i.entry.body));
        self.rows.push(row);
        if self.rows.len() == PART_ENTRIES || self.lines.len() >= PART_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes the entries so far as one part, and their rows as another.
    fn flush(&mut self) -> Result<(), ExportError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.archive.add(&names::entries(self.pending), &self.lines)?;
        self.archive.add(&names::rows(self.pending), &table(&self.rows)?)?;
        self.pending += 1;
        self.lines.clear();
        self.rows.clear();
        Ok(())
    }

    fn finish(mut self, about: &About) -> Result<u64, ExportError> {
        self.flush()?;
        let statement = self.statement.finish();
        self.archive.add(names::STATEMENT, &format::json(&statement))?;
        let page = page::render(about, &self.manifest, &self.story, Some(&statement), &self.anchors.said);
        self.archive.add(names::PAGE, page.as_bytes())?;
        let entries = self.manifest.entries.total;
        self.archive.finish(self.manifest)?;
        Ok(entries)
    }
}

/// Rows as the table of one part.
pub fn table(rows: &[super::rows::Row]) -> std::io::Result<Vec<u8>> {
    let mut csv = CsvRows::new(Vec::new())?;
    rows.iter().try_for_each(|row| csv.write(row))?;
    csv.finish()
}
