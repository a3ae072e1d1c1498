//! How old a set's knowledge of its sources is: what is overdue, and what claims too much. Said by `consentry policy check`;
//! verdicts say the same of the rules they rest on (`POLICY_STALE`).

use jiff::civil::Date;

use super::file::OnStale;
use super::set::{PolicySet, first_instant, last_instant};
use crate::model::{Instant, Span};

/// Longest time between a look at the source and the next one. Packs of this release give a year, or half of one where
/// nothing is certain.
pub const REVIEW_DAYS_MAX: i64 = 731;

/// Something to look after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Review {
    /// The file, relative to the set's folder.
    pub file: String,
    /// What about it, beginning with the field's name.
    pub remark: String,
    /// Messages wait for it: the set holds what an overdue rule speaks to.
    pub holds: bool,
}

/// What is to be looked after at an instant; sorted by file. Rules that ended are left alone.
pub fn reviews(set: &PolicySet, now: Instant) -> Vec<Review> {
    let mut found = Vec::new();
    let mut say = |file: String, remark: String, holds| found.push(Review { file, remark, holds });
    for rule in set.rules().iter().filter(|rule| now < rule.to) {
        let (file, source) = (format!("{}.toml", rule.id), set.source(rule));
        let (seen, due) = (source.last_verified, source.review_by);
        match set.stale(rule, now) {
            Some(OnStale::Hold) => {
                let remark =
                    format!("review_by: {due} has passed; messages it speaks to are held (POLICY_STALE)");
                say(file.clone(), remark, true);
            }
            Some(OnStale::Warn) => {
                let remark = format!("review_by: {due} has passed; verdicts it speaks in say POLICY_STALE");
                say(file.clone(), remark, false);
            }
            None => {}
        }
        let days = last_instant(due).since(last_instant(seen)).as_seconds() / Span::days(1).as_seconds();
        if days > REVIEW_DAYS_MAX {
            let remark =
                format!("review_by: {due} is {days} days after last_verified, more than {REVIEW_DAYS_MAX}");
            say(file.clone(), remark, false);
        }
        if is_ahead(seen, now) {
            say(file, format!("last_verified: {seen} lies in the future"), false);
        }
    }
    for (folder, place) in set.described() {
        let (file, seen) = (format!("{folder}/jurisdiction.toml"), place.last_verified);
        if last_instant(seen) + Span::days(REVIEW_DAYS_MAX) < now {
            let remark = format!("last_verified: {seen} is more than {REVIEW_DAYS_MAX} days ago");
            say(file, remark, false);
        } else if is_ahead(seen, now) {
            say(file, format!("last_verified: {seen} lies in the future"), false);
        }
    }
    found.sort();
    found
}

/// Whether nowhere on earth that day has begun.
fn is_ahead(date: Date, now: Instant) -> bool {
    now < first_instant(date)
}
