//! The data folder of a gateway that does not run: opened, worked on by one caller, closed. Nobody is served meanwhile.

use std::sync::Arc;

use super::{Parts, Secrets, StartError, open_core};
use crate::disk::SharedDisk;
use crate::erasure::again::{self, AgainError};
use crate::erasure::list::ErasureList;
use crate::store::embedded::{Books, DataDir, EmbeddedLog, OpenError, Opened, destroy_erased};
use crate::store::{self, SharedKv};
use crate::writer::{CallError, Core, Env, Op, QueuedOp, Reader};

/// An opened data folder.
pub struct Offline {
    pub env: Arc<Env>,
    pub books: Books,
    pub kv: SharedKv,
    /// What opening found and did.
    pub opened: Opened,
    /// The key its checkpoints verify with.
    pub verifier_key: String,
    /// People whose erasure the list outside names and the folder did not know of: it was carried out again.
    pub erased_again: usize,
    pub(super) core: Core,
}

impl Offline {
    /// Opens ledger, keys and index as every start does: what a crash left is cut, hashed and folded.
    pub fn open(parts: Parts) -> Result<Offline, StartError> {
        let (index, options) = (parts.index, parts.index_options);
        let index_dir = DataDir(parts.data_dir.clone()).index();
        let list = match &parts.erasures {
            Some(path) => {
                let list = ErasureList::open(&parts.disk, path, parts.seller.as_str());
                Some(Arc::new(list.map_err(AgainError::from)?))
            }
            None => None,
        };
        let (env, log, books, opened) = open_ledger(parts)?;
        let verifier_key = log.verifier_key();
        let (core, kv) = open_core(&env, log, &books, index, &index_dir, &options)?;
        destroy_erased(&kv, books.keys()).map_err(OpenError::from)?;
        let mut offline = Offline { env, books, kv, opened, verifier_key, erased_again: 0, core };
        if let Some(list) = list {
            offline.erased_again = again::agree(&mut offline, &list)?;
            offline.env.set_erasures(list);
        }
        Ok(offline)
    }

    /// Deletes index and tree hashes first, so that opening makes them anew from the ledger. A crash in between leaves
    /// less of a view than there was; the next start makes the rest.
    pub fn rebuild(parts: Parts) -> Result<Offline, StartError> {
        let dir = DataDir(parts.data_dir.clone());
        {
            let _lock = lock(&parts.disk, &dir)?;
            store::wipe(parts.index, &dir.index())?;
            for view in ["mark", "hashes"] {
                parts.disk.remove_if_there(&dir.tree().join(view)).map_err(OpenError::from)?;
            }
        }
        Offline::open(parts)
    }

    /// Carries out one operation; answers when it is durable.
    pub fn run<O: Op>(&mut self, op: O) -> Result<O::Answer, CallError> {
        let (queued, mut told) = QueuedOp::new(op);
        // The caller's answer says what became of it, also when the writer cannot go on.
        let _ = self.core.run(vec![queued]);
        match told.try_recv() {
            Ok(answer) => answer.map(|durable| durable.answer),
            Err(_) => Err(CallError::Unavailable("its writer has stopped".to_owned())),
        }
    }

    /// The folder as everyone who only reads sees it.
    pub fn reader(&self) -> Reader {
        Reader::new(
            self.env.clone(),
            self.kv.clone(),
            Arc::new(self.books.clone()),
            self.books.keys().clone(),
        )
    }

    /// Signs the last checkpoint and leaves the folder as after a clean stop.
    pub fn close(mut self) -> Result<(), StartError> {
        Ok(self.core.close()?)
    }
}

/// Opens the ledger alone, for those who only read entries. The folder is theirs until the log is dropped.
pub fn open_ledger(parts: Parts) -> Result<(Arc<Env>, EmbeddedLog, Books, Opened), StartError> {
    let Secrets { master, pepper, coupons } = parts.secrets;
    let (log, books, opened) = EmbeddedLog::open(
        &parts.disk,
        &parts.data_dir,
        &parts.origin,
        master,
        &parts.entropy,
        parts.embedded,
    )?;
    let env = Env::new(parts.seller, pepper, coupons, parts.policies, parts.clock, parts.entropy);
    Ok((Arc::new(env), log, books, opened))
}

/// Takes the folder for this process.
pub fn lock(disk: &SharedDisk, dir: &DataDir) -> Result<Box<dyn crate::disk::DirLock>, OpenError> {
    disk.lock_dir(&dir.0).map_err(|e| match e.is_locked() {
        true => OpenError::InUse { path: dir.0.clone() },
        false => OpenError::Disk(e),
    })
}
