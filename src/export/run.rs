//! One export from the question to the last byte. Equal questions under one checkpoint give equal bytes, so a stream
//! that broke off is made again and its beginning left out; nothing is kept in between.

use std::io::{self, Write};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::bundle::{self, Wordings};
use super::chunks::Chunks;
use super::csv::CsvRows;
use super::request::{Format, Request};
use super::rows::{Row, RowMaker, Told};
use super::select::{Selection, Shown};
use super::{ExportError, jsonl, select, tiles};
use crate::audit::heads::{self, Recorded, Standing};
use crate::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::ledger::rows::keys;
use crate::model::subject::Subject;
use crate::model::{Instant, SubjectId};
use crate::store::embedded::Books;
use crate::writer::Reader;

/// Entries that are looked at together.
const BATCH: usize = 256;

/// A root is new enough for so long for each entry of the log: a minute where it holds a million, because to make one takes
/// longer the longer the log is, about a second for a million.
const HEADS_AGE_MICROS: i64 = 60;

/// A planned export.
pub struct Export {
    request: Request,
    checkpoint: Arc<SignedCheckpoint>,
    selection: Selection,
    completeness: Option<(Recorded, Vec<(SubjectId, Standing)>)>,
    policies: Vec<[u8; 32]>,
    cut: Cut,
}

/// Where an export stands in what goes on growing beside the log: made again, it takes no more than the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// When it was asked for.
    pub as_of: Instant,
    /// Receipts of anchors that were there, by number.
    pub receipts: u64,
}

/// What an export came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Bytes in all, what a resumed stream left out included.
    pub size: u64,
    /// SHA-256 of all of them.
    pub sha256: [u8; 32],
    /// Rows in all.
    pub rows: u64,
}

impl Export {
    /// Plans an export under the newest checkpoint: entries after it are not part of it.
    pub fn plan(reader: &Reader, books: &Books, request: Request) -> Result<Export, ExportError> {
        Self::plan_at(reader, books, request, books.checkpoint())
    }

    /// Plans an export under a checkpoint of this log, with the receipts there are now.
    pub fn plan_at(
        reader: &Reader,
        books: &Books,
        request: Request,
        checkpoint: Arc<SignedCheckpoint>,
    ) -> Result<Export, ExportError> {
        let cut = Cut { as_of: reader.env().clock.now(), receipts: books.anchors().next_number() };
        Self::under(reader, books, request, checkpoint, cut)
    }

    /// Plans the same export again: under the checkpoint its id names.
    pub fn resume(reader: &Reader, books: &Books, request: Request, id: &str) -> Result<Export, ExportError> {
        let unknown = || ExportError::Resume("is not the id of an export of this log");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(id).map_err(|_| unknown())?;
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or_else(unknown)?;
        let (digest, rest) = rest.split_first_chunk::<16>().ok_or_else(unknown)?;
        let (as_of, rest) = rest.split_first_chunk::<8>().ok_or_else(unknown)?;
        let (receipts, signatures) = rest.split_first_chunk::<8>().ok_or_else(unknown)?;
        if *digest != request.digest() {
            return Err(ExportError::Resume("belongs to another request; everything else must be the same"));
        }
        let size = u64::from_be_bytes(*size);
        let root = books.tree().root_at(size).map_err(|_| unknown())?;
        let text = Checkpoint { origin: books.origin().to_string(), size, root }.text();
        let signatures = std::str::from_utf8(signatures).map_err(|_| unknown())?;
        let keys = std::slice::from_ref(books.verifier());
        let checkpoint =
            SignedCheckpoint::verify(&format!("{text}\n{signatures}"), keys).map_err(|_| unknown())?;
        let as_of = Instant::from_micros(i64::from_be_bytes(*as_of));
        let cut = Cut { as_of, receipts: u64::from_be_bytes(*receipts) };
        Self::under(reader, books, request, Arc::new(checkpoint), cut)
    }

    fn under(
        reader: &Reader,
        books: &Books,
        request: Request,
        checkpoint: Arc<SignedCheckpoint>,
        cut: Cut,
    ) -> Result<Export, ExportError> {
        let size = checkpoint.size();
        if let Some(since) = request.since.filter(|since| *since > size) {
            return Err(ExportError::Since { since, size });
        }
        // The newest root under this checkpoint, so that equal questions under it give equal bytes.
        let wanted = request.format == Format::Bundle && request.person.is_some();
        let recorded = if wanted { heads::newest(&*reader.rows()?, size)? } else { None };
        let selection = match request.format {
            // Of all brands: nothing is looked for.
            Format::Tiles => {
                Selection::of(reader, books, &Request { brand: None, ..request.clone() }, size, None)
            }
            _ => Selection::of(reader, books, &request, size, recorded.map(|r| r.entry)),
        }?;
        let standing = |recorded: &Recorded, subject: &SubjectId| {
            heads::standing_at(reader, books, recorded, subject).map(|standing| (*subject, standing))
        };
        let completeness = match recorded {
            Some(recorded) => {
                let found: Result<Vec<_>, _> =
                    selection.people.iter().map(|subject| standing(&recorded, subject)).collect();
                Some((recorded, found?))
            }
            None => None,
        };
        let policies = match request.format {
            Format::Bundle => selection.policies(reader, size)?,
            _ => Vec::new(),
        };
        Ok(Export { request, checkpoint, selection, completeness, policies, cut })
    }

    /// What shows that nothing of the people asked for is missing, where a root was recorded.
    pub fn completeness(&self) -> Option<(&Recorded, &[(SubjectId, Standing)])> {
        self.completeness.as_ref().map(|(recorded, found)| (recorded, found.as_slice()))
    }

    /// Hashes of the policy sets that judged in it, sorted.
    pub fn policies(&self) -> &[[u8; 32]] {
        &self.policies
    }

    /// Whether a root has to be recorded first, so that a bundle can show that nothing of the person is missing: there is
    /// none, or the person has newer entries, or others have and it is time. Without the last, that nothing came later would
    /// rest on the operator's word for up to a day.
    pub fn needs_heads(reader: &Reader, request: &Request) -> Result<bool, ExportError> {
        let Some(person) = request.person.as_ref().filter(|_| request.format == Format::Bundle) else {
            return Ok(false);
        };
        let Some(recorded) = heads::newest(&*reader.rows()?, u64::MAX)? else { return Ok(true) };
        let size = reader.entries().size();
        if recorded.entry + 1 >= size {
            return Ok(false);
        }
        let aged = reader.env().clock.now().since(recorded.at).as_micros() > HEADS_AGE_MICROS * size as i64;
        Ok(aged || select::newest_of(reader, person)?.is_some_and(|index| index >= recorded.covered))
    }

    /// What to ask with to go on: the checkpoint and the request it stands for.
    pub fn id(&self) -> String {
        let text = self.checkpoint.checkpoint().text();
        let signatures = self.checkpoint.note().get(text.len() + 1..).unwrap_or_default();
        let size = self.checkpoint.size().to_be_bytes();
        let (as_of, receipts) = (self.cut.as_of.as_micros().to_be_bytes(), self.cut.receipts.to_be_bytes());
        let bytes =
            [size.as_slice(), &self.request.digest(), &as_of, &receipts, signatures.as_bytes()].concat();
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether it shows what is sealed about this person.
    pub fn concerns(&self, id: &SubjectId) -> bool {
        self.selection.concerns_person(id)
    }

    /// What was asked.
    pub fn request(&self) -> &Request {
        &self.request
    }
    /// The checkpoint it is made under.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
    /// Where it stands in what grows beside the log.
    pub fn cut(&self) -> Cut {
        self.cut
    }
    /// Which entries.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }
    /// A name for its file.
    pub fn file_name(&self) -> String {
        self.request.file_name(self.checkpoint.size())
    }

    /// Makes the export and delivers it from byte `offset` on, in pieces of at most 64 KiB. Takes long: not for a
    /// runtime worker. An error of `deliver` ends it.
    pub fn run(
        &self,
        reader: &Reader,
        books: &Books,
        offset: u64,
        deliver: impl FnMut(Vec<u8>) -> io::Result<()>,
    ) -> Result<Summary, ExportError> {
        let mut chunks = Chunks::new(offset, deliver);
        let rows = match self.request.format {
            Format::Bundle => bundle::write(self, reader, books, &mut chunks)?,
            Format::Csv => self.csv(reader, books, &mut chunks)?,
            Format::Jsonl => self.jsonl(reader, books, &mut chunks)?,
            Format::Tiles => tiles::write(self, books, &mut chunks)?,
        };
        let (size, sha256) = chunks.finish()?;
        if offset > size {
            Err(ExportError::Offset { offset, size })
        } else {
            Ok(Summary { size, sha256, rows })
        }
    }

    fn csv(&self, reader: &Reader, books: &Books, to: &mut impl Write) -> Result<u64, ExportError> {
        let mut csv = CsvRows::new(to)?;
        let rows = self.rows(reader, books, |row| csv.write(row))?;
        csv.finish()?;
        Ok(rows)
    }

    fn jsonl(&self, reader: &Reader, books: &Books, to: &mut impl Write) -> Result<u64, ExportError> {
        self.rows(reader, books, |row| jsonl::write(to, row))
    }

    /// Rows of everything that was asked for, with addresses from the index where the entries of the period have none.
    fn rows(
        &self,
        reader: &Reader,
        books: &Books,
        mut write: impl FnMut(&Row) -> io::Result<()>,
    ) -> Result<u64, ExportError> {
        let mut maker = RowMaker::new(Wordings::registered(reader, None)?.by_hash());
        let mut batch: Vec<Shown> = Vec::with_capacity(BATCH);
        let mut rows = 0;
        let mut settle = |batch: &mut Vec<Shown>| -> Result<(), ExportError> {
            learn_addresses(reader, &mut maker, batch)?;
            for shown in batch.drain(..) {
                write(&maker.row(shown.told()))?;
                rows += 1;
            }
            Ok(())
        };
        self.selection.each(books, Ok, |shown| {
            if !matches!(shown.inside, Err(super::rows::Closed::Withheld)) {
                batch.push(shown);
            }
            if batch.len() == BATCH { settle(&mut batch) } else { Ok(()) }
        })?;
        settle(&mut batch)?;
        Ok(rows)
    }
}

/// Asks the index whom the ids of a batch stand for.
fn learn_addresses(reader: &Reader, maker: &mut RowMaker, batch: &[Shown]) -> Result<(), ExportError> {
    let unknown = batch.iter().map(|s| s.leaf.subject).filter(|s| !maker.knows(s)).collect::<Vec<_>>();
    if unknown.is_empty() {
        return Ok(());
    }
    let known = reader.look(|cx| {
        let rows = unknown.iter().map(|id| cx.get::<Subject>(&keys::subject(id)));
        rows.collect::<Result<Vec<_>, _>>()
    })?;
    for subject in known.into_iter().flatten() {
        maker.remember(subject.id, &subject.address);
    }
    Ok(())
}

impl Shown {
    /// As rows are made of it.
    pub fn told(&self) -> Told<'_> {
        match &self.inside {
            Ok(inside) => Told::Whole(&inside.entry),
            Err(closed) => Told::Public(*closed, self.index, self.hash, &self.leaf),
        }
    }
}
