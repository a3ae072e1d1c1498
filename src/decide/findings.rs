//! What the rules found, as it is collected.

use crate::model::verdict::{Code, Effect, Reason};
use crate::model::{Instant, Outcome};
use crate::policy::Rule;

/// On what a reason rests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    /// The rule's id.
    pub id: &'a str,
    /// Its clause.
    pub citation: &'a str,
}

impl<'a> From<&'a Rule> for Ground<'a> {
    fn from(rule: &'a Rule) -> Ground<'a> {
        Ground { id: &rule.id, citation: &rule.citation }
    }
}

/// Reasons so far, and until when the message keeps its purpose.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// In the order found; sorted at the end.
    pub reasons: Vec<Reason>,
    /// The earliest of all deadlines: nothing may be handed over at or after it.
    pub ends: Option<Instant>,
}

impl Findings {
    /// Never, for this attempt.
    pub fn refuse<'a>(&mut self, ground: impl Into<Ground<'a>>, code: Code, detail: impl Into<String>) {
        self.push(ground.into(), Effect::Refuse, code, detail.into(), None);
    }
    /// Not before that instant; without one, not while things stand as they do.
    pub fn hold<'a>(
        &mut self,
        ground: impl Into<Ground<'a>>,
        code: Code,
        until: Option<Instant>,
        detail: impl Into<String>,
    ) {
        self.push(ground.into(), Effect::Hold, code, detail.into(), until);
    }
    /// Worth knowing.
    pub fn note<'a>(&mut self, ground: impl Into<Ground<'a>>, code: Code, detail: impl Into<String>) {
        self.push(ground.into(), Effect::Note, code, detail.into(), None);
    }
    /// The message has no purpose, or is unlawful, from that instant on.
    pub fn ends_at(&mut self, end: Instant) {
        self.ends = Some(self.ends.map_or(end, |known| known.min(end)));
    }

    fn push(
        &mut self,
        ground: Ground<'_>,
        effect: Effect,
        code: Code,
        detail: String,
        hold_until: Option<Instant>,
    ) {
        let (rule, citation) = (ground.id.to_owned(), ground.citation.to_owned());
        self.reasons.push(Reason { effect, code, rule, citation, detail, hold_until });
    }

    /// Whether any reason has that effect.
    pub fn any(&self, effect: Effect) -> bool {
        self.reasons.iter().any(|reason| reason.effect == effect)
    }
    /// The latest instant a hold asks for.
    pub fn held_until(&self) -> Option<Instant> {
        self.reasons.iter().filter(|r| r.effect == Effect::Hold).filter_map(|r| r.hold_until).max()
    }
    /// Whether some hold does not know when it ends.
    pub fn open_ended(&self) -> bool {
        self.reasons.iter().any(|r| r.effect == Effect::Hold && r.hold_until.is_none())
    }
    /// What the reasons add up to.
    pub fn outcome(&self) -> Outcome {
        if self.any(Effect::Refuse) {
            Outcome::Refuse
        } else if self.any(Effect::Hold) {
            Outcome::Hold
        } else {
            Outcome::Admit
        }
    }
}
