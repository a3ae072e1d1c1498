//! What operators set up: created or changed, checked against everything else there is, with all problems at once.
//!
//! Wordings have their own operation: they are judged when registered. Secrets are made here, shown once, kept as hashes.

mod brand;
mod key;
mod program;
mod route;

use std::sync::Arc;

use secrecy::SecretString;

pub use key::{RotateSecret, Rotated};

use super::Problems;
use crate::ledger::body::{Body, Object, RegistryBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::RegistryRow;
use crate::model::{BrandId, Category};
use crate::writer::cx::Cx;
use crate::writer::op::{Op, OpError, Priority};

/// Objects of one type that are looked through for what must be unique. More of them cannot be made.
pub const OBJECTS_MAX: usize = 10_000;
/// The code in the leaf of a program whose category an operator changed.
pub const CATEGORY_CHANGED: &str = "CATEGORY_CHANGED";

/// Whether the object is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new. The same content again answers what is there.
    Create,
    /// It is there; why it changes.
    Update { reason: String },
}

/// Creates or changes an object.
#[derive(Debug, Clone)]
pub struct PutObject {
    /// Hashes of secrets and the time of making are filled in here: what is given for them is not looked at.
    pub object: Object,
    pub change: Change,
    /// An operator means to change a program's category; recorded as such.
    pub category_may_change: bool,
    /// A secret the operator brings: for a new connection or key (none: a random one), or another token for a connection
    /// that is there, as when the configuration names one.
    pub secret: Option<SecretString>,
    pub actor: String,
}

impl PutObject {
    /// A new object.
    pub fn create(object: Object, actor: impl Into<String>) -> PutObject {
        let (change, actor) = (Change::Create, actor.into());
        PutObject { object, change, category_may_change: false, secret: None, actor }
    }
    /// A change of one that is there.
    pub fn update(object: Object, reason: impl Into<String>, actor: impl Into<String>) -> PutObject {
        let change = Change::Update { reason: reason.into() };
        PutObject { object, change, category_may_change: false, secret: None, actor: actor.into() }
    }
}

/// The object as it stands.
#[derive(Debug, Clone)]
pub struct Put {
    pub row: Arc<RegistryRow>,
    /// The token of a new connection's webhook path, or a new key's whole bearer token. Never shown again.
    pub secret: Option<SecretString>,
}

impl Op for PutObject {
    type Answer = Put;
    const PRIORITY: Priority = Priority::Api;

    fn run(mut self, cx: &mut Cx<'_>) -> Result<Put, OpError> {
        if let Object::ApiKey(key) = &mut self.object {
            key::name(cx, key)?;
        }
        let (kind, id) = self.object.name();
        let known = cx.object(kind, &id)?;
        match (&self.change, &known) {
            (Change::Update { .. }, None) => return Err(OpError::NotFound { what: kind, id }),
            (Change::Create, Some(row)) => {
                key::inherit(&mut self.object, &row.object);
                if row.object == self.object {
                    return Ok(Put { row: row.clone(), secret: None });
                }
                return Err(OpError::Exists { what: kind, id });
            }
            _ => {}
        }
        if known.is_none() && cx.objects(kind, OBJECTS_MAX)?.len() >= OBJECTS_MAX {
            let why = format!(
                "{OBJECTS_MAX} objects of type {kind} are kept, and no more: change one that is there"
            );
            return Err(OpError::Precondition(why));
        }
        let old = known.as_ref().map(|row| &row.object);
        let mut problems = Problems::default();
        check(cx, &mut problems, &self, old)?;
        problems.done()?;
        unique(cx, &self.object)?;
        let secret = match old {
            Some(old) => {
                key::inherit(&mut self.object, old);
                key::bring(&mut self.object, self.secret.take())?
            }
            None => key::make(cx, &mut self.object, self.secret.take())?,
        };
        if old == Some(&self.object) {
            let row = known.expect("an object that equals the old one has an old one");
            return Ok(Put { row, secret });
        }
        let reason = match self.change {
            Change::Create => String::new(),
            Change::Update { reason } => reason,
        };
        let codes =
            if category_changes(&self.object, old) { vec![CATEGORY_CHANGED.to_owned()] } else { Vec::new() };
        let row = write(cx, self.object, reason, codes, self.actor)?;
        Ok(Put { row, secret })
    }
}

fn write(
    cx: &mut Cx<'_>,
    object: Object,
    reason: String,
    codes: Vec<String>,
    actor: String,
) -> Result<Arc<RegistryRow>, OpError> {
    let (kind, id) = object.name();
    let brand = brand_of(&object);
    let public = Public { outcome: kind.to_owned(), codes, ..Public::default() };
    let body = RegistryBody { object, reason, actor };
    cx.emit(SELLER_CHAIN, brand.as_ref(), public, Body::Registry(body))?;
    cx.object(kind, &id)?.ok_or_else(|| OpError::Fatal("an object was not folded".to_owned()))
}

fn brand_of(object: &Object) -> Option<BrandId> {
    match object {
        Object::Brand(brand) => Some(brand.id.clone()),
        Object::Program(program) => Some(program.brand.clone()),
        Object::Template(template) => Some(template.brand.clone()),
        Object::Disclosure(disclosure) => Some(disclosure.brand.clone()),
        Object::Seller(_) | Object::Sender(_) | Object::Connection(_) | Object::ApiKey(_) => None,
    }
}

/// Notes everything that is wrong.
fn check(
    cx: &mut Cx<'_>,
    problems: &mut Problems,
    put: &PutObject,
    old: Option<&Object>,
) -> Result<(), OpError> {
    macro_rules! old {
        ($kind:ident) => {
            match old {
                Some(Object::$kind(old)) => Some(old),
                _ => None,
            }
        };
    }
    match &put.object {
        Object::Seller(new) => {
            let ours = new.id == cx.env.seller;
            problems.demand(ours, "id", "must be this ledger's own seller; another seller has its own log");
            let kept = old!(Seller).is_none_or(|old| new.host == old.host);
            problems.demand(kept, "host", "is fixed: it names the log");
        }
        Object::Brand(new) => brand::check(cx, problems, new)?,
        Object::Program(new) => program::check(cx, problems, new, old!(Program), put.category_may_change)?,
        Object::Template(new) => program::check_template(cx, problems, new, old!(Template))?,
        Object::Sender(new) => route::check_sender(cx, problems, new, old!(Sender))?,
        Object::Connection(new) => route::check_connection(problems, new, old!(Connection)),
        Object::ApiKey(new) => key::check(cx, problems, new, old!(ApiKey))?,
        Object::Disclosure(_) => {
            problems.add("disclosure", "is registered by its own operation, which judges it");
        }
    }
    Ok(())
}

/// What may stand only once at a seller.
fn unique(cx: &mut Cx<'_>, object: &Object) -> Result<(), OpError> {
    match object {
        Object::Brand(brand) => brand::unique(cx, brand),
        Object::Sender(sender) => route::unique(cx, sender),
        _ => Ok(()),
    }
}

fn category_changes(new: &Object, old: Option<&Object>) -> bool {
    let category = |o: &Object| -> Option<Category> {
        if let Object::Program(program) = o { Some(program.category) } else { None }
    };
    old.is_some_and(|old| category(new) != category(old))
}

/// A host name in lower case, as in `go.shop.example`; `localhost` and names below it may carry a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let local = super::link::is_local(name);
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let port_good = port.is_none_or(|port| local && port.parse::<u16>().is_ok_and(|n| n > 0));
    name.len() <= 253 && name.split('.').all(label) && (local || name.contains('.')) && port_good
}

#[cfg(test)]
mod tests;
