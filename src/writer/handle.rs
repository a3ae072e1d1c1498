//! How the rest of the process reaches the writer: a handle that queues operations, and the thread that carries them out.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::sync::oneshot;

use super::core::Core;
use super::op::{CallError, Durable, Op, Priority, QueuedOp};
use super::queues::{Coming, PushError, QueueLimits, Queues, Room};
use crate::model::Span;
use crate::telemetry::metrics;

/// Queues operations. Cheap to clone.
#[derive(Clone)]
pub struct WriterHandle {
    queues: Arc<Queues>,
}

impl WriterHandle {
    /// A handle on queues that somebody else works off (the simulation does it step by step).
    pub fn over(queues: Arc<Queues>) -> WriterHandle {
        WriterHandle { queues }
    }

    fn push<O: Op>(
        &self,
        op: O,
    ) -> Result<oneshot::Receiver<Result<Durable<O::Answer>, CallError>>, CallError> {
        let (queued, told) = QueuedOp::new(op);
        match self.queues.push(queued) {
            Ok(()) => Ok(told),
            Err(PushError::Full) => Err(CallError::Overloaded),
            Err(PushError::NoRoom) => Err(CallError::NoRoom),
            Err(PushError::Closed) => Err(CallError::Unavailable("it is stopping".to_owned())),
        }
    }

    /// Carries out an operation; answers when it is durable.
    pub async fn call<O: Op>(&self, op: O) -> Result<Durable<O::Answer>, CallError> {
        match self.push(op)?.await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unavailable("its writer has stopped".to_owned())),
        }
    }

    /// Says that an operation is being thought out: a batch may wait a moment for it.
    pub fn announce(&self) -> Coming {
        self.queues.announce()
    }

    /// As [`WriterHandle::call`], of an operation that was announced.
    pub async fn call_announced<O: Op>(
        &self,
        coming: Coming,
        op: O,
    ) -> Result<Durable<O::Answer>, CallError> {
        let queued = self.push(op);
        drop(coming);
        match queued?.await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unavailable("its writer has stopped".to_owned())),
        }
    }

    /// The same from a thread that may block.
    pub fn call_blocking<O: Op>(&self, op: O) -> Result<Durable<O::Answer>, CallError> {
        match self.push(op)?.blocking_recv() {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unavailable("its writer has stopped".to_owned())),
        }
    }

    /// Whether an operation of this priority would be taken in now.
    pub fn has_room(&self, priority: Priority) -> bool {
        self.queues.has_room(priority)
    }

    /// Whether operations are still taken in.
    pub fn is_open(&self) -> bool {
        self.queues.is_open()
    }

    /// No more is taken in; what waits is still carried out.
    pub fn close(&self) {
        self.queues.close();
    }

    /// Room on the data volume, as far as it decides what is taken in.
    pub fn room(&self) -> Room {
        self.queues.room()
    }

    /// Operations waiting, by priority.
    pub fn depths(&self) -> [usize; 4] {
        self.queues.depths()
    }
}

/// Starts the writer's thread. It ends when the handle is closed and everything is carried out, or when the store fails;
/// joining it gives the core back, or what failed.
pub fn spawn(
    mut core: Core,
    limits: QueueLimits,
) -> std::io::Result<(WriterHandle, thread::JoinHandle<Result<Core, String>>)> {
    let queues = Arc::new(Queues::new(limits));
    queues.set_room(core.room());
    let handle = WriterHandle::over(queues.clone());
    let thread = thread::Builder::new().name("writer".to_owned()).spawn(move || {
        while let Some(batch) = queues.take() {
            let (operations, begun) = (batch.len(), Instant::now());
            let done = core.run(batch);
            metrics::batch(operations, Span::from_std(begun.elapsed()));
            if let Err(e) = done {
                // Nothing more can be made durable: everyone who waits is told so, and the process ends.
                queues.close();
                core.refuse(queues.try_take(), &e.to_string());
                return Err(e.to_string());
            }
            queues.set_room(core.room());
        }
        core.close().map_err(|e| e.to_string())?;
        Ok(core)
    })?;
    Ok((handle, thread))
}
