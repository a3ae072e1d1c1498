//! `AuditService`: heads of the log, proofs, exports, explanations, replays, other senders' logs.

mod explain;
mod replay;
mod shadow;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::auth::Caller;
use super::convert::{audit, subject};
use super::field::{Fields, Lines, TimeRule};
use super::restricted::restricted_people;
use super::service::{Hands, caller};
use super::standing::standing;
use super::status::ApiError;
use crate::anchor;
use crate::audit::heads;
use crate::export::{self, Export, ExportError, Person};
use crate::ledger::body::HoldTarget;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::entry::{Leaf, leaf_hash};
use crate::ledger::rows::{HoldRow, keys};
use crate::ledger::tlog_proof::TlogProof;
use crate::model::{BrandId, MessageId, SubjectId};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::audit_service_server::AuditService;
use crate::pb::consentry::v1::export_audit_response::Part;
use crate::writer::ops::Target;
use crate::writer::ops::access::RecordAccess;

/// What a caller is told to wait when exports are being made already.
const EXPORT_WAIT: Duration = Duration::from_secs(30);
/// A checkpoint is signed at least once a second.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(1);

/// How long a bundle waits for anchors to take its checkpoint.
const ANCHOR_WAIT: Duration = Duration::from_secs(10);
/// Exports made at a time; each reads the ledger as fast as it can.
const EXPORTS_MAX: usize = 2;
/// Pieces of an export that wait for a slow caller.
const PIECES_MAX: usize = 4;

/// The service.
#[derive(Clone)]
pub struct Audits {
    hands: Hands,
    exports: Arc<Semaphore>,
    replays: Arc<Semaphore>,
    shadows: Arc<Semaphore>,
}

impl Audits {
    /// A service with these hands.
    pub fn new(hands: Hands) -> Audits {
        let exports = Arc::new(Semaphore::new(EXPORTS_MAX));
        let one = || Arc::new(Semaphore::new(1));
        Audits { hands, exports, replays: one(), shadows: one() }
    }

    /// Plans an export, so that what is wrong with the question is the call's answer and not the stream's.
    async fn plan(&self, caller: &Caller, question: Question) -> Result<(Export, u64), ApiError> {
        self.account(caller, &question.request).await?;
        if question.resume.is_none() {
            self.freshen(&question.request).await?;
        }
        let books = self.hands.books().clone();
        let reader = self.hands.reader().clone();
        let mut checkpoint = books.checkpoint();
        if question.resume.is_none() && question.request.format == export::Format::Bundle {
            self.hands.anchors().anchor(&checkpoint, ANCHOR_WAIT).await;
            // An anchor that took a newer one meanwhile covers all of it, too: then the bundle goes as far.
            if books.anchors().newest().iter().any(|filed| filed.size > checkpoint.size()) {
                checkpoint = books.checkpoint();
            }
        }
        let planned = tokio::task::spawn_blocking(move || {
            let Question { request, resume, offset, .. } = question;
            let planned = match resume {
                None => Export::plan_at(&reader, &books, request, checkpoint),
                Some(id) => Export::resume(&reader, &books, request, &id),
            };
            planned.map(|export| (export, offset))
        });
        let (export, offset) = planned.await.map_err(failed)?.map_err(export_error)?;
        // Tiles hold leaves, and nothing that was sealed.
        if export.request().person.is_none() && export.request().format != export::Format::Tiles {
            self.count(caller, &export).await?;
        }
        Ok((export, offset))
    }

    /// Whom a legal hold covers; nothing: everybody of the brand.
    fn covered(&self, hold: MessageId, brand: Option<&BrandId>) -> Result<Option<Person>, ApiError> {
        let missing = || ApiError::NotFound { kind: "legal hold of this brand", name: hold.to_string() };
        let row = self.hands.look(|cx| cx.get::<HoldRow>(&keys::hold(&hold)))?.ok_or_else(missing)?;
        match &row.hold.target {
            HoldTarget::Brand(on) if Some(on) == brand => Ok(None),
            HoldTarget::Brand(_) => Err(missing()),
            HoldTarget::Subjects(people) => {
                let addresses = self.hands.look(|cx| {
                    people.iter().map(|id| Ok(cx.subject(id)?.address.clone())).collect::<Result<_, _>>()
                })?;
                Ok(Some(Person::Addresses(addresses)))
            }
        }
    }

    /// Writes down that the restricted people it names are read. Before the heads are: they are then shown with it.
    async fn account(&self, caller: &Caller, asked: &export::Request) -> Result<(), ApiError> {
        let Some(person) = asked.person.clone() else { return Ok(()) };
        let seen = self.hands.see(caller, "ExportAudit", move |reader, eyes| {
            reader.look(|cx| {
                let people = export::people(cx, &person)?;
                people.iter().try_for_each(|subject| eyes.sees(cx, subject).map(drop))
            })
        });
        seen.await
    }

    /// Writes down how many restricted people an export shows that names nobody.
    async fn count(&self, caller: &Caller, export: &Export) -> Result<(), ApiError> {
        let people = self.hands.look_long(restricted_people).await?;
        let others = people.iter().filter(|id| export.concerns(id)).count() as u64;
        if others == 0 {
            return Ok(());
        }
        let (method, actor) = ("ExportAudit".to_owned(), caller.key.clone());
        self.hands.write(RecordAccess { people: Vec::new(), others, method, actor }).await
    }

    /// Records the heads of all chains first when a bundle about a person would otherwise not show that nothing is missing.
    async fn freshen(&self, request: &export::Request) -> Result<(), ApiError> {
        let (reader, asked) = (self.hands.reader().clone(), request.clone());
        let needed = tokio::task::spawn_blocking(move || Export::needs_heads(&reader, &asked));
        if needed.await.map_err(failed)?.map_err(export_error)? {
            let (reader, books, writer) = (self.hands.reader(), self.hands.books(), self.hands.writer());
            let entry = heads::record(reader, books, writer).await.map_err(failed)?;
            if !heads::signed(books, entry).await {
                tracing::warn!(
                    entry,
                    "no checkpoint over the new heads in time; the bundle shows older ones"
                );
            }
        }
        Ok(())
    }

    /// Makes it on a thread of its own; the caller's pace is the pace.
    fn run(&self, export: Export, offset: u64, turn: OwnedSemaphorePermit) -> Pieces {
        let (send, receive) = mpsc::channel(PIECES_MAX);
        let (reader, books) = (self.hands.reader().clone(), self.hands.books().clone());
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            let say = |said| send.blocking_send(said).map_err(|_| gone());
            let tell = |part| say(Ok(wire::ExportAuditResponse { part: Some(part) }));
            if tell(Part::Header(audit::header(&export))).is_err() {
                return;
            }
            let done = export.run(&reader, &books, offset, |piece| tell(Part::Chunk(piece.into())));
            let last = match done {
                Ok(summary) => tell(Part::Summary(audit::summary(&summary))),
                Err(ExportError::Sink(_)) => return,
                Err(error) => say(Err(export_error(error).into())),
            };
            // The caller is gone after the last piece: nothing is lost by it.
            let _ = last;
        });
        ReceiverStream::new(receive).boxed()
    }

    fn proof(&self, caller: &Caller, index: u64, size: u64) -> Result<wire::InclusionProof, ApiError> {
        let newest = self.hands.checkpoint();
        self.check_range(index, size, &newest)?;
        let books = self.hands.books();
        // What a witness stands behind, for whom asks for nothing else.
        let cosigned = (size == 0).then(|| anchor::cosigned(books, index)).flatten();
        let size = if size == 0 { newest.size() } else { size };
        let stored = books.stored().get(index).map_err(failed)?;
        let stored = stored.ok_or(ApiError::NotFound { kind: "entry", name: index.to_string() })?;
        // The file holds the leaf: a key narrowed to some brands learns nothing of the others.
        let brand = Leaf::decode(&stored.leaf).map_err(failed)?.brand;
        if !brand.map_or(caller.brands.is_empty(), |brand| caller.reaches(&brand)) {
            return Err(ApiError::NotFound { kind: "entry", name: index.to_string() });
        }
        let proof = books.tree().inclusion(index, size).map_err(failed)?;
        let root = books.tree().root_at(size).map_err(failed)?;
        let (covers, note) = cosigned.unwrap_or_else(|| (newest.size(), newest.note().to_owned()));
        let up = books.tree().inclusion(index, covers).map_err(failed)?;
        let file = TlogProof { extra: Some(stored.leaf.clone()), proof: up, note };
        Ok(audit::proof(&proof, leaf_hash(&stored.leaf), root, &newest, &file))
    }

    fn check_range(&self, index: u64, size: u64, newest: &SignedCheckpoint) -> Result<(), ApiError> {
        if index >= self.hands.books().stored().len() {
            return Err(ApiError::NotFound { kind: "entry", name: index.to_string() });
        }
        if size > newest.size() {
            return Err(ApiError::OutOfRange {
                message: format!("the newest head covers {} entries, not {size}", newest.size()),
                oldest: None,
            });
        }
        if size != 0 && index >= size {
            return Err(ApiError::field("tree_size", format!("must be larger than index {index}, or 0")));
        }
        if index >= newest.size() {
            return Err(ApiError::Unavailable {
                message: "the entry is durable but not yet under a signed head".to_owned(),
                retry: CHECKPOINT_WAIT,
            });
        }
        Ok(())
    }
}

/// Refuses a key that is narrowed to some brands.
fn of_all_brands(caller: &Caller) -> Result<(), ApiError> {
    match caller.brands.is_empty() {
        true => Ok(()),
        false => Err(ApiError::Forbidden { needed: "AUDITOR, with a key for all brands".to_owned() }),
    }
}

/// What to export, read and checked.
struct Question {
    request: export::Request,
    resume: Option<String>,
    offset: u64,
    /// The matter it is about, instead of a person.
    hold: Option<MessageId>,
}

fn question(f: &mut Fields, wire: wire::ExportAuditRequest) -> Option<Question> {
    let brand = f.id::<BrandId>("brand", &wire.brand);
    let person = f.optional("subject", wire.subject, subject::target_within);
    let wire_period = wire.period.is_some();
    let period = f.optional("period", wire.period, |f, range| {
        let start = f.time("start", range.start, TimeRule::Any);
        let end = f.time("end", range.end, TimeRule::Any);
        let (start, end) = (start?, end?);
        match (start, end) {
            (Some(start), Some(end)) if end <= start => f.refuse("end", "must lie after start"),
            range => Some(range),
        }
    });
    let format = f.named("format", wire.format, audit::format);
    let subject_id = match wire.subject_id.as_str() {
        "" => None,
        text => match text.parse::<SubjectId>() {
            Ok(_) if matches!(person, Some(Some(_))) => f.refuse("subject_id", "cannot stand beside subject"),
            Ok(id) => Some(id),
            Err(e) => f.refuse("subject_id", e.to_string()),
        },
    };
    let hold = match wire.legal_hold_id.as_str() {
        "" => None,
        text => match text.parse::<MessageId>() {
            Ok(_) if subject_id.is_some() || matches!(person, Some(Some(_))) => {
                f.refuse("legal_hold_id", "cannot stand beside subject or subject_id")
            }
            Ok(id) => Some(id),
            Err(e) => f.refuse("legal_hold_id", e.to_string()),
        },
    };
    let since = (wire.since_size > 0).then_some(wire.since_size);
    if since.is_some() && format != Some(export::Format::Bundle) {
        f.bad("since_size", "goes with format BUNDLE only");
    }
    let narrower = matches!(person, Some(Some(_))) || subject_id.is_some() || hold.is_some() || wire_period;
    if format == Some(export::Format::Tiles) && narrower {
        f.bad("format", "TILES is the whole log: no subject, period or legal hold");
    }
    let id = f.text("export_id", wire.export_id, 0..=4_096, Lines::One)?;
    if id.is_empty() && wire.offset > 0 {
        f.bad("offset", "needs export_id");
    }
    let (from, to) = period?.unwrap_or_default();
    let person = person?.map(|target| match target {
        Target::Customer(customer) => Person::Customer(customer),
        target => Person::Addresses(target.addresses()),
    });
    let person = person.or(subject_id.map(Person::Subject));
    let request = export::Request { brand: Some(brand?), person, from, to, format: format?, since };
    Some(Question { request, resume: (!id.is_empty()).then_some(id), offset: wire.offset, hold })
}

fn export_error(error: ExportError) -> ApiError {
    match error {
        ExportError::UnknownPerson => ApiError::NotFound { kind: "person", name: "as named".to_owned() },
        ExportError::Offset { .. } | ExportError::Since { .. } => {
            ApiError::OutOfRange { message: error.to_string(), oldest: None }
        }
        ExportError::Resume(why) => ApiError::field("export_id", why),
        error => failed(error),
    }
}

fn failed(error: impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "the ledger failed under a call");
    ApiError::Unavailable { message: "the ledger failed".to_owned(), retry: CHECKPOINT_WAIT }
}

type Pieces = BoxStream<'static, Result<wire::ExportAuditResponse, Status>>;
type Replay = BoxStream<'static, Result<wire::ReplayDecisionsResponse, Status>>;
type Shadow = BoxStream<'static, Result<wire::CheckShadowResponse, Status>>;

#[tonic::async_trait]
impl AuditService for Audits {
    type ExportAuditStream = Pieces;

    async fn export_audit(
        &self,
        request: Request<wire::ExportAuditRequest>,
    ) -> Result<Response<Pieces>, Status> {
        let (caller, standing) = (caller(&request)?, standing(&request)?);
        let mut f = self.hands.fields();
        let read = question(&mut f, request.into_inner());
        let mut question = f.finish(read)?;
        if let Some(brand) = &question.request.brand {
            caller.check_brand(brand)?;
            let known = self.hands.look(|cx| cx.brand(brand.as_str()))?;
            known.ok_or(ApiError::NotFound { kind: "brand", name: brand.to_string() })?;
        }
        if question.request.format == export::Format::Tiles {
            of_all_brands(&caller)?;
        }
        if let Some(hold) = question.hold {
            question.request.person = self.covered(hold, question.request.brand.as_ref())?;
        }
        let turn = Arc::clone(&self.exports).try_acquire_owned();
        let turn = turn.map_err(|_| ApiError::Overloaded { retry: EXPORT_WAIT })?;
        let (export, offset) = self.plan(&caller, question).await?;
        Ok(Response::new(standing.guard(self.run(export, offset, turn))))
    }

    async fn get_checkpoint(
        &self,
        request: Request<wire::GetCheckpointRequest>,
    ) -> Result<Response<wire::Checkpoint>, Status> {
        caller(&request)?;
        let newest = self.hands.checkpoint();
        let wanted = request.get_ref().min_size;
        if wanted > self.hands.books().stored().len() {
            let message = format!("the log has {} entries, not {wanted}", self.hands.books().stored().len());
            return Err(ApiError::OutOfRange { message, oldest: None }.into());
        }
        if wanted > newest.size() {
            let message = format!("the newest signed head covers {} entries so far", newest.size());
            return Err(ApiError::Unavailable { message, retry: CHECKPOINT_WAIT }.into());
        }
        Ok(Response::new(audit::checkpoint(&newest)))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<wire::GetInclusionProofRequest>,
    ) -> Result<Response<wire::InclusionProof>, Status> {
        let caller = caller(&request)?;
        let (service, request) = (self.clone(), request.into_inner());
        let proof =
            tokio::task::spawn_blocking(move || service.proof(&caller, request.index, request.tree_size));
        let proof = proof.await.map_err(failed)?;
        Ok(Response::new(proof?))
    }

    async fn explain_decision(
        &self,
        request: Request<wire::ExplainDecisionRequest>,
    ) -> Result<Response<wire::DecisionExplanation>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.explain(&caller, request.into_inner()).await?))
    }

    type ReplayDecisionsStream = Replay;

    async fn replay_decisions(
        &self,
        request: Request<wire::ReplayDecisionsRequest>,
    ) -> Result<Response<Self::ReplayDecisionsStream>, Status> {
        let (caller, standing) = (caller(&request)?, standing(&request)?);
        Ok(Response::new(standing.guard(self.replay(&caller, request.into_inner())?)))
    }

    type CheckShadowStream = Shadow;

    async fn check_shadow(
        &self,
        request: Request<Streaming<wire::CheckShadowRequest>>,
    ) -> Result<Response<Shadow>, Status> {
        caller(&request)?;
        Ok(Response::new(self.shadow(request.into_inner())?))
    }
}
