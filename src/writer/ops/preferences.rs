//! What a person wants for themselves: hours, languages, channels, a weekly limit.

use super::Target;
use crate::ledger::body::{Body, PreferencesBody};
use crate::ledger::entry::Public;
use crate::model::SubjectId;
use crate::model::location::LocationHint;
use crate::model::subject::Preferences;
use crate::writer::{Cx, Op, OpError, Priority};

/// Writes the person's wishes; replaces those known.
pub struct SetPreferences {
    pub target: Target,
    pub preferences: Preferences,
    /// The zone the person states, where they do.
    pub hint: Option<LocationHint>,
    pub actor: String,
}

impl Op for SetPreferences {
    type Answer = SubjectId;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<SubjectId, OpError> {
        let address = cx.address_of(&self.target)?;
        let (known, _) = cx.find_subject(&address)?;
        if let Some(known) = known.filter(|s| s.preferences == self.preferences && self.hint.is_none()) {
            return Ok(known.id);
        }
        let subject = cx.subject_for(&address)?;
        let body = PreferencesBody {
            preferences: self.preferences,
            hints: self.hint.into_iter().collect(),
            operation: None,
            actor: self.actor,
        };
        cx.emit(subject, None, Public::default(), Body::Preferences(body))?;
        Ok(subject)
    }
}
