//! What a statute provides for each message that broke it. Not advice, and not additive: one message may break several, and
//! a court decides.

use serde::Serialize;

use super::report::{Finding, Violation};
use crate::model::{Code, Instant, Span};
use crate::policy::file::Layer;

/// One statutory remedy.
struct Statute {
    name: &'static str,
    citation: &'static str,
    currency: &'static str,
    /// The least a message costs; none: up to `high`.
    low: Option<u64>,
    high: u64,
    /// Counts only where the same number got another such message within twelve months.
    repeated: bool,
    note: &'static str,
    breaks: fn(&Finding, &Violation<'_>) -> bool,
}

const YEAR: Span = Span::days(365);

const STATUTES: [Statute; 6] = [
    Statute {
        name: "TCPA, messages without consent",
        citation: "47 USC 227(b)(3)",
        currency: "USD",
        low: Some(500),
        high: 1_500,
        repeated: false,
        note: "$500 a message, up to $1,500 if willful or knowing; for messages sent with an autodialer",
        breaks: |finding, violation| violation.is_in("US") && is_about_consent(&finding.code),
    },
    Statute {
        name: "TCPA, do-not-call and hours",
        citation: "47 USC 227(c)(5)",
        currency: "USD",
        low: None,
        high: 1_500,
        repeated: true,
        note: "up to $500 a message, up to $1,500 if willful; needs more than one within 12 months, so single ones are not counted",
        breaks: |finding, violation| {
            let federal = finding.rule.starts_with("us/") && finding.rule.matches('/').count() == 1;
            let hours = finding.code == Code::QuietHours && federal;
            violation.is_in("US") && (hours || matches!(finding.code, Code::OptedOut | Code::DoNotCall))
        },
    },
    Statute {
        name: "Arizona",
        citation: "ARS 44-1282 (HB 2498)",
        currency: "USD",
        low: Some(1_000),
        high: 1_000,
        repeated: false,
        note: "$1,000 a violation",
        breaks: |finding, _| finding.rule.starts_with("us/az/"),
    },
    Statute {
        name: "Connecticut",
        citation: "Conn. Gen. Stat. 42-288a",
        currency: "USD",
        low: None,
        high: 20_000,
        repeated: false,
        note: "up to $20,000 a violation",
        breaks: |finding, _| finding.rule.starts_with("us/ct/"),
    },
    Statute {
        name: "Virginia",
        citation: "Va. Code 59.1-514",
        currency: "USD",
        low: None,
        high: 5_000,
        repeated: false,
        note: "up to $5,000",
        breaks: |finding, _| finding.rule.starts_with("us/va/"),
    },
    Statute {
        name: "Israel",
        citation: "Communications Law s. 30A",
        currency: "ILS",
        low: None,
        high: 1_000,
        repeated: false,
        note: "up to NIS 1,000 a message without proof of damage",
        breaks: |finding, violation| {
            violation.is_in("IL") && (finding.rule.starts_with("il/") || is_about_consent(&finding.code))
        },
    },
];

fn is_about_consent(code: &Code) -> bool {
    matches!(
        code,
        Code::ConsentMissing
            | Code::ConsentPending
            | Code::ConsentExpired
            | Code::OptedOut
            | Code::NumberReassigned
    )
}

/// What a statute comes to over a whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exposure {
    pub name: &'static str,
    pub citation: &'static str,
    pub note: &'static str,
    pub messages: u64,
    pub currency: &'static str,
    /// The least it comes to; 0 where the statute says "up to".
    pub low: u64,
    pub high: u64,
}

/// Counts messages by statute, person by person.
#[derive(Debug, Default)]
pub struct Exposures {
    messages: [u64; STATUTES.len()],
    /// The person's last such message, and whether it is counted.
    last: [Option<(Instant, bool)>; STATUTES.len()],
}

impl Exposures {
    /// Violations of another number follow.
    pub fn next_person(&mut self) {
        self.last = Default::default();
    }

    /// Takes note of a violation; those of one number come in the order of time.
    pub fn note(&mut self, violation: &Violation<'_>) {
        for (n, statute) in STATUTES.iter().enumerate() {
            let breaks = |f: &Finding| f.layer == Layer::Law && (statute.breaks)(f, violation);
            if !violation.findings.iter().any(breaks) {
                continue;
            }
            if !statute.repeated {
                self.messages[n] += 1;
                continue;
            }
            let again = self.last[n].filter(|(at, _)| violation.at < *at + YEAR);
            self.messages[n] += match again {
                Some((_, true)) => 1,
                Some((_, false)) => 2,
                None => 0,
            };
            self.last[n] = Some((violation.at, again.is_some()));
        }
    }

    /// What it comes to, by statute; those nothing broke are left out.
    pub fn finish(self) -> Vec<Exposure> {
        let all = STATUTES.iter().zip(self.messages).filter(|(_, messages)| *messages > 0);
        all.map(|(statute, messages)| Exposure {
            name: statute.name,
            citation: statute.citation,
            note: statute.note,
            messages,
            currency: statute.currency,
            low: statute.low.unwrap_or(0) * messages,
            high: statute.high * messages,
        })
        .collect()
    }
}
