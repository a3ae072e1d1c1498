//! One bound TCP connection: writes requests within its window, matches responses, answers the peer, notices when it dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rusmpp_core::pdus::owned::{
    BindReceiver, BindTransceiver, BindTransmitter, DataSmResp, DeliverSmResp, Pdu, SubmitSm,
};
use rusmpp_core::types::owned::COctetString;
use rusmpp_core::values::{Npi, Ton};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::dial::Stream;
use super::ids::IdFormat;
use super::pending::{Answer, Pending, Ticket};
use super::settings::{Credentials, Role, Settings, Waits};
use super::status::{self, OptedOut};
use super::wire::{self, Frame, FrameError, Frames, id};
use crate::provider::line::Listener;

/// Questions whether it lives that a peer may leave unanswered.
const MISSES_MAX: u32 = 2;
const SEQUENCE_MAX: u32 = 0x7fff_ffff;

/// Why a bind did not come about.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The SMSC said no.
    #[error("bind refused: {} {}", status::shown(*.0), status::words(*.0))]
    Refused(u32),
    /// It hung up, or spoke something else.
    #[error("bind not answered: {0}")]
    Broken(#[from] FrameError),
    /// It did not answer.
    #[error("bind not answered in time")]
    Deadline,
}

/// Why a part was not written, or not surely.
#[derive(Debug, PartialEq, Eq)]
pub enum NotWritten {
    /// It was no longer to be written when it was its turn.
    Withdrawn,
    /// The window stayed full.
    NoRoom,
    /// The session was over before.
    Over,
    /// The connection broke in the middle: it may have arrived.
    Broken,
}

/// Where a session's reader passes on what it does not deal with itself.
pub struct Outlet {
    /// `deliver_sm` and `data_sm`.
    pub said: mpsc::Sender<Frame>,
    /// Told of what had to be refused because too much waits.
    pub refused: Box<dyn Fn(&Frame) + Send + Sync>,
    pub listener: Arc<dyn Listener>,
    pub ids: IdFormat,
    pub opted_out: OptedOut,
}

/// A bound connection.
pub struct Session {
    pub role: Role,
    writer: tokio::sync::Mutex<WriteHalf<Box<dyn Stream>>>,
    pending: Pending,
    window: Arc<Semaphore>,
    sequence: AtomicU32,
    over: CancellationToken,
    unbinding: Mutex<Option<u32>>,
    waits: Waits,
}

/// What a session reads from.
pub type Inflow = Frames<ReadHalf<Box<dyn Stream>>>;

impl Session {
    /// Binds over a fresh connection.
    pub async fn bind(
        stream: Box<dyn Stream>,
        settings: &Settings,
        role: Role,
    ) -> Result<(Session, Inflow), BindError> {
        let (read, write) = tokio::io::split(stream);
        let mut inflow = Frames::new(read);
        let session = Session {
            role,
            writer: tokio::sync::Mutex::new(write),
            pending: Pending::default(),
            window: Arc::new(Semaphore::new(settings.window)),
            sequence: AtomicU32::new(1),
            over: CancellationToken::new(),
            unbinding: Mutex::new(None),
            waits: settings.waits,
        };
        let bound = session.ask_to_bind(&mut inflow, &settings.credentials);
        timeout(settings.waits.connect, bound).await.unwrap_or(Err(BindError::Deadline))?;
        Ok((session, inflow))
    }

    async fn ask_to_bind(&self, inflow: &mut Inflow, credentials: &Credentials) -> Result<(), BindError> {
        let sequence = self.next_sequence();
        let (expected, pdu) = bind_pdu(self.role, credentials);
        if !self.write(&wire::written(status::OK, sequence, pdu)).await {
            return Err(BindError::Broken(FrameError::Closed));
        }
        loop {
            let frame = inflow.next().await?;
            let answers = frame.id() == expected | id::RESPONSE || frame.id() == id::GENERIC_NACK;
            match frame.id() {
                _ if answers && frame.sequence() == sequence => {
                    return match frame.status() {
                        status::OK if frame.id() != id::GENERIC_NACK => Ok(()),
                        code => Err(BindError::Refused(code)),
                    };
                }
                id::ENQUIRE_LINK => {
                    self.respond(&frame, status::OK, Pdu::EnquireLinkResp).await;
                }
                // Whatever is said before the answer is said again after it, or was not for us.
                _ => {}
            }
        }
    }

    fn next_sequence(&self) -> u32 {
        let next = |n: u32| Some(if n >= SEQUENCE_MAX { 1 } else { n + 1 });
        self.sequence.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).expect("it always has a next")
    }

    /// Whether it still stands.
    pub fn is_open(&self) -> bool {
        !self.over.is_cancelled()
    }

    /// Room in its window.
    pub fn room(&self) -> usize {
        self.window.available_permits()
    }

    /// Submits awaited now.
    pub fn in_window(&self) -> usize {
        self.pending.in_window()
    }

    /// Returns once it is over.
    pub async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// Writes a part as soon as the window has room and `may_begin`, asked in the very step that writes it, agrees. Answers
    /// under which number it waits for its answer.
    pub async fn submit(
        &self,
        part: SubmitSm,
        ticket: &Arc<Ticket>,
        until: Instant,
        may_begin: impl Fn() -> bool,
    ) -> Result<u32, NotWritten> {
        let room =
            self.over.run_until_cancelled(timeout_at(until, self.window.clone().acquire_owned())).await;
        let permit = match room {
            None => return Err(NotWritten::Over),
            Some(Ok(Ok(permit))) => permit,
            Some(_) => return Err(NotWritten::NoRoom),
        };
        let Ok(mut writer) = timeout_at(until, self.writer.lock()).await else {
            return Err(NotWritten::NoRoom);
        };
        if !may_begin() {
            return Err(NotWritten::Withdrawn);
        }
        let sequence = self.next_sequence();
        if !self.pending.put(sequence, ticket.clone(), permit) {
            return Err(NotWritten::Over);
        }
        match self.write_with(&mut writer, &wire::written(status::OK, sequence, part)).await {
            true => Ok(sequence),
            false => Err(NotWritten::Broken),
        }
    }

    /// Nobody waits for a request's answer any more.
    pub fn give_up(&self, sequence: u32) {
        self.pending.give_up(sequence);
    }

    async fn write(&self, octets: &Bytes) -> bool {
        match timeout(self.waits.write, self.writer.lock()).await {
            Ok(mut writer) => self.write_with(&mut writer, octets).await,
            Err(_) => false,
        }
    }

    /// False, and the session is over: half a PDU cannot be taken back.
    async fn write_with(&self, writer: &mut WriteHalf<Box<dyn Stream>>, octets: &Bytes) -> bool {
        let all = async {
            writer.write_all(octets).await?;
            writer.flush().await
        };
        let done = matches!(timeout(self.waits.write, all).await, Ok(Ok(())));
        if !done {
            self.over.cancel();
        }
        done
    }

    /// Answers a request of the peer; false: it did not leave.
    async fn respond(&self, to: &Frame, code: u32, pdu: impl Into<Pdu>) -> bool {
        self.write(&wire::written(code, to.sequence(), pdu)).await
    }

    /// Answers a `deliver_sm` or `data_sm`.
    pub async fn acknowledge(&self, said: &Frame, code: u32) -> bool {
        let none = || COctetString::empty();
        match said.id() {
            id::DATA_SM => self.respond(said, code, DataSmResp::new(none(), Vec::new())).await,
            _ => self.respond(said, code, DeliverSmResp::new(none(), Vec::new())).await,
        }
    }

    /// Takes leave: no more requests of ours, and the line is cut once the peer has answered.
    pub async fn unbind(&self) {
        let sequence = self.next_sequence();
        *self.unbinding.lock() = Some(sequence);
        if self.write(&wire::written(status::OK, sequence, Pdu::Unbind)).await {
            let _ = timeout(self.waits.write, self.over.cancelled()).await;
        }
        self.over.cancel();
    }

    /// Reads until the session is over.
    pub async fn run(&self, mut inflow: Inflow, outlet: Outlet) {
        let why = self.read(&mut inflow, &outlet).await;
        self.over.cancel();
        self.pending.close();
        if let Some(why) = why {
            tracing::warn!(why, role = self.role.name(), "an SMPP session ended");
        }
        let _ = timeout(self.waits.write, async { self.writer.lock().await.shutdown().await }).await;
    }

    async fn read(&self, inflow: &mut Inflow, outlet: &Outlet) -> Option<String> {
        let mut ask_at = Instant::now() + self.waits.enquire;
        let mut unanswered = 0;
        loop {
            tokio::select! {
                biased;
                () = self.over.cancelled() => return None,
                frame = inflow.next() => match frame {
                    Ok(frame) => {
                        ask_at = Instant::now() + self.waits.enquire;
                        unanswered = 0;
                        if self.take(frame, outlet).await {
                            return None;
                        }
                    }
                    Err(error) => {
                        if matches!(error, FrameError::Length(_)) {
                            let nack = wire::written(status::INVALID_LENGTH, 0, Pdu::GenericNack);
                            self.write(&nack).await;
                        }
                        return Some(error.to_string());
                    }
                },
                () = sleep_until(ask_at) => {
                    if unanswered >= MISSES_MAX {
                        return Some("the peer no longer answers enquire_link".to_owned());
                    }
                    unanswered += 1;
                    self.write(&wire::written(status::OK, self.next_sequence(), Pdu::EnquireLink)).await;
                    ask_at = Instant::now() + self.waits.enquire_answer;
                }
            }
        }
    }

    /// Deals with one PDU. True: it was the last.
    async fn take(&self, frame: Frame, outlet: &Outlet) -> bool {
        match frame.id() {
            id::ENQUIRE_LINK => {
                self.respond(&frame, status::OK, Pdu::EnquireLinkResp).await;
            }
            id::DELIVER_SM | id::DATA_SM => {
                if let Err(mpsc::error::TrySendError::Full(frame)) = outlet.said.try_send(frame) {
                    (outlet.refused)(&frame);
                    self.acknowledge(&frame, status::QUEUE_FULL).await;
                }
            }
            id::UNBIND => {
                tracing::info!(role = self.role.name(), "the SMSC unbinds");
                self.respond(&frame, status::OK, Pdu::UnbindResp).await;
                return true;
            }
            // Neither has an answer.
            id::ALERT_NOTIFICATION | id::OUTBIND => {}
            command if command & id::RESPONSE != 0 => return self.answered(&frame, outlet),
            command => {
                tracing::warn!(command, "a command this side does not know");
                self.respond(&frame, status::INVALID_COMMAND, Pdu::GenericNack).await;
            }
        }
        false
    }

    fn answered(&self, frame: &Frame, outlet: &Outlet) -> bool {
        if *self.unbinding.lock() == Some(frame.sequence()) {
            return true;
        }
        let code = match frame.status() {
            status::OK if frame.id() == id::GENERIC_NACK => status::INVALID_COMMAND,
            code => code,
        };
        let given = wire::message_id(frame).filter(|_| code == status::OK);
        let answer = Answer::Status(code, given.map(|given| outlet.ids.of_response(&given)));
        if let Some(Some((message, handover))) =
            self.pending.answered(frame.sequence(), answer, &outlet.opted_out)
        {
            tracing::info!(%message, "a late answer says what became of a message");
            let listener = outlet.listener.clone();
            tokio::spawn(async move { listener.answered_late(message, handover).await });
        }
        false
    }
}

fn bind_pdu(role: Role, c: &Credentials) -> (u32, Pdu) {
    let (system_id, system_type, version) = (c.system_id.clone(), c.system_type.clone(), c.version);
    let (ton, npi, range) = (Ton::from(c.addr_ton), Npi::from(c.addr_npi), c.address_range.clone());
    let password = c.password();
    match role {
        Role::Transceiver => {
            let pdu = BindTransceiver::new(system_id, password, system_type, version, ton, npi, range);
            (id::BIND_TRANSCEIVER, pdu.into())
        }
        Role::Transmitter => {
            let pdu = BindTransmitter::new(system_id, password, system_type, version, ton, npi, range);
            (id::BIND_TRANSMITTER, pdu.into())
        }
        Role::Receiver => {
            let pdu = BindReceiver::new(system_id, password, system_type, version, ton, npi, range);
            (id::BIND_RECEIVER, pdu.into())
        }
    }
}
