//! Forgetting: the keys of days whose webhook bodies are no longer needed.

use std::collections::BTreeMap;

use crate::ledger::body::{Body, ErasureBody, HeardBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::fold::raw_day_of;
use crate::ledger::rows::{HeardRow, RawDayRow, keys};
use crate::ledger::state::Row;
use crate::model::{ConnectionId, SubjectId};
use crate::writer::{Cx, Op, OpError, Priority};

/// Days forgotten in one commit.
const DAYS_MAX: usize = 64;
/// Connections looked at; nobody has as many.
const CONNECTIONS_MAX: usize = 10_000;

/// Records that the keys of raw days before the last `keep_days` whole days are destroyed. Answers whose keys those are:
/// destroying them is the caller's, after this is durable. A crash between the two is made good at the next start.
#[derive(Debug, Clone, Copy)]
pub struct ForgetRawDays {
    pub keep_days: u32,
}

impl Op for ForgetRawDays {
    type Answer = Vec<SubjectId>;
    // What the law wants gone goes on a full volume too.
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<Vec<SubjectId>, OpError> {
        let first_kept = raw_day_of(cx.now) - i64::from(self.keep_days);
        let days = cx.state.scan::<RawDayRow>(&[RawDayRow::TABLE], None, DAYS_MAX)?;
        let past: Vec<(i64, SubjectId)> = days
            .iter()
            .filter_map(|(key, row)| Some((keys::read_raw_day(key)?, row.subject)))
            .filter(|(day, _)| *day < first_kept)
            .collect();
        if let Some((last, _)) = past.last() {
            keep_word(cx, *last)?;
        }
        for (day, subject) in &past {
            let body = ErasureBody {
                subject: *subject,
                raw_day: Some(*day),
                reason: format!("webhook bodies are kept for {} days", self.keep_days),
                actor: "gateway".to_owned(),
            };
            cx.emit(SELLER_CHAIN, None, Public::default(), Body::Erasure(body))?;
        }
        Ok(past.into_iter().map(|(_, subject)| subject).collect())
    }
}

/// Where the latest word of a connection is a body that will not open again, the word itself is written down: a fold
/// without the body must know as much as one with it.
fn keep_word(cx: &mut Cx<'_>, last_day: i64) -> Result<(), OpError> {
    let mut words: BTreeMap<ConnectionId, HeardRow> = BTreeMap::new();
    for connection in cx.connections(CONNECTIONS_MAX)? {
        if let Some(row) = cx.get::<HeardRow>(&keys::heard(&connection.id))?
            && row.how == "LISTENING"
            && raw_day_of(row.until) <= last_day
        {
            words.insert(connection.id.clone(), (*row).clone());
        }
    }
    for (connection, row) in words {
        let body = HeardBody {
            connection,
            until: row.until,
            how: row.how,
            reason: "the webhook body that said so is forgotten".to_owned(),
            actor: "gateway".to_owned(),
        };
        let public = Public { outcome: body.how.clone(), ..Public::default() };
        cx.emit(SELLER_CHAIN, None, public, Body::Heard(body))?;
    }
    Ok(())
}
