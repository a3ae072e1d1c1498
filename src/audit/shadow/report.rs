//! What an audit of another sender's log found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Options;
use super::exposure::Exposure;
use super::person::Judged;
use super::table::Wrong;
use crate::decide::Engine;
use crate::model::phone::Country;
use crate::model::verdict::Effect;
use crate::model::{Code, Instant, Outcome};
use crate::policy::file::Layer;

/// Wrong rows listed; the count tells of all.
const WRONG_MAX: usize = 1_000;
/// Lines named for each rule.
const LINES_MAX: usize = 5;

/// One reason why a message should not have left then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Who made the rule.
    pub layer: Layer,
    pub code: Code,
    pub rule: String,
    pub citation: String,
    pub detail: String,
}

/// A message this gateway would not have sent at that instant.
#[derive(Debug, Clone, Serialize)]
pub struct Violation<'a> {
    /// Line of the log.
    pub line: u64,
    /// The log's own id of the message.
    pub id: &'a str,
    pub at: Instant,
    /// `HOLD`: not then; `REFUSE`: not at all.
    pub outcome: Outcome,
    /// When it would have left.
    pub hold_until: Option<Instant>,
    pub findings: Vec<Finding>,
    #[serde(skip)]
    country: Option<Country>,
}

impl Violation<'_> {
    /// Whether the number is of that country.
    pub fn is_in(&self, country: &str) -> bool {
        self.country.is_some_and(|c| c.as_str() == country)
    }
}

/// Messages that broke one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByRule {
    pub layer: Layer,
    pub rule: String,
    pub code: Code,
    pub citation: String,
    pub messages: u64,
    pub first: Instant,
    pub last: Instant,
    /// The first lines of the log.
    pub lines: Vec<u64>,
    /// What was found in the first.
    pub example: String,
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongRow {
    /// `messages`, `opt-outs` or `consents`.
    pub table: &'static str,
    pub line: u64,
    pub column: String,
    pub why: String,
}

/// Everything that was found. `rows` is the sum of `judged`, `not_sent`, `heard` and `wrong`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub policy_version: String,
    pub time_zone_version: String,
    pub rows: u64,
    /// Numbers.
    pub people: u64,
    /// Messages that left.
    pub judged: u64,
    /// Of these: in order; by the law but not by this gateway's own limits; against law or carrier rules.
    pub in_order: u64,
    pub house_only: u64,
    pub violations: u64,
    /// Of these: taken for the confirmation of a STOP or the answer to a HELP.
    pub answers: u64,
    /// Rows of messages that never left.
    pub not_sent: u64,
    /// Texts from people, opt-outs and consents.
    pub heard: u64,
    pub wrong: u64,
    /// The first 1,000.
    pub wrong_rows: Vec<WrongRow>,
    pub by_rule: Vec<ByRule>,
    pub exposures: Vec<Exposure>,
    /// What was not judged.
    pub not_judged: Vec<String>,
    #[serde(skip)]
    pub(super) has_opt_outs: bool,
    #[serde(skip)]
    pub(super) has_consents: bool,
    #[serde(skip)]
    counts: BTreeMap<(Layer, String, Code), ByRule>,
    #[serde(skip)]
    options: (bool, bool),
}

impl Report {
    pub(super) fn new(engine: &Engine, options: &Options) -> Report {
        Report {
            policy_version: engine.policy().version().to_owned(),
            time_zone_version: engine.zones().version().to_owned(),
            rows: 0,
            people: 0,
            judged: 0,
            in_order: 0,
            house_only: 0,
            violations: 0,
            answers: 0,
            not_sent: 0,
            heard: 0,
            wrong: 0,
            wrong_rows: Vec::new(),
            by_rule: Vec::new(),
            exposures: Vec::new(),
            not_judged: Vec::new(),
            has_opt_outs: false,
            has_consents: false,
            counts: BTreeMap::new(),
            options: (options.brand.is_some(), !options.domains.is_empty()),
        }
    }

    pub(super) fn wrong(&mut self, table: &'static str, line: u64, wrong: Wrong) {
        self.wrong += 1;
        if self.wrong_rows.len() < WRONG_MAX {
            self.wrong_rows.push(WrongRow { table, line, column: wrong.column, why: wrong.why });
        }
    }

    /// Counts a judged message; answers what is wrong with it.
    pub(super) fn note<'a>(&mut self, engine: &Engine, judged: &'a Judged) -> Option<Violation<'a>> {
        self.judged += 1;
        self.answers += u64::from(judged.answer);
        let layer = |rule: &str| engine.policy().rule(rule).map_or(Layer::Law, |rule| rule.layer);
        let reasons = judged.verdict.reasons.iter().filter(|r| r.effect != Effect::Note);
        let findings: Vec<Finding> = reasons
            .map(|r| Finding {
                layer: layer(&r.rule),
                code: r.code.clone(),
                rule: r.rule.clone(),
                citation: r.citation.clone(),
                detail: r.detail.clone(),
            })
            .collect();
        if findings.is_empty() {
            self.in_order += 1;
            return None;
        }
        match findings.iter().all(|f| f.layer == Layer::House) {
            true => self.house_only += 1,
            false => self.violations += 1,
        }
        let mut seen = Vec::new();
        for finding in &findings {
            let key = (finding.layer, finding.rule.clone(), finding.code.clone());
            if seen.contains(&key) {
                continue;
            }
            seen.push(key.clone());
            let by = self.counts.entry(key).or_insert_with(|| ByRule {
                layer: finding.layer,
                rule: finding.rule.clone(),
                code: finding.code.clone(),
                citation: finding.citation.clone(),
                messages: 0,
                first: judged.at,
                last: judged.at,
                lines: Vec::new(),
                example: finding.detail.clone(),
            });
            by.messages += 1;
            (by.first, by.last) = (by.first.min(judged.at), by.last.max(judged.at));
            if by.lines.len() < LINES_MAX {
                by.lines.push(judged.line);
            }
        }
        let (verdict, id) = (&judged.verdict, judged.id.as_str());
        let (outcome, hold_until) = (verdict.outcome, verdict.hold_until);
        let (line, at, country) = (judged.line, judged.at, judged.country);
        Some(Violation { line, id, at, outcome, hold_until, findings, country })
    }

    pub(super) fn finish(mut self) -> Report {
        self.by_rule = std::mem::take(&mut self.counts).into_values().collect();
        self.by_rule.sort_by(|a, b| (a.layer, b.messages, &a.rule).cmp(&(b.layer, a.messages, &b.rule)));
        let mut say = |known: bool, line: &str| {
            if !known {
                self.not_judged.push(line.to_owned());
            }
        };
        say(
            self.has_consents,
            "Consent: no list of consents was given, so every number counts as one that agreed in writing.",
        );
        say(
            self.has_opt_outs,
            "Opt-outs: only those among the rows themselves (texts from people); no list of opt-outs was given.",
        );
        say(self.options.0, "Whether texts name the sender: its name was not given.");
        say(self.options.1, "Links: no domain was given.");
        say(
            false,
            "Reassigned and dead numbers, do-not-call registers, registration of senders, when carts were left: a log does not tell.",
        );
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, people, judged) = (self.rows, self.people, self.judged);
        writeln!(f, "{judged} messages to {people} numbers, judged by policy {}", self.policy_version)?;
        writeln!(f, "  {:>9}  against law or carrier rules", self.violations)?;
        writeln!(f, "  {:>9}  lawful, but outside this gateway's own limits", self.house_only)?;
        writeln!(f, "  {:>9}  in order", self.in_order)?;
        if self.answers > 0 {
            writeln!(
                f,
                "  {} of them were taken for confirmations of a STOP or answers to HELP",
                self.answers
            )?;
        }
        for (layer, title) in [
            (Layer::Law, "Against the law"),
            (Layer::Carrier, "Against carrier rules"),
            (Layer::Store, "Against store rules"),
            (Layer::House, "Outside this gateway's own limits"),
        ] {
            let rules: Vec<_> = self.by_rule.iter().filter(|by| by.layer == layer).collect();
            if !rules.is_empty() {
                writeln!(f, "\n{title}:")?;
            }
            for by in rules {
                let lines: Vec<_> = by.lines.iter().map(u64::to_string).collect();
                writeln!(f, "  {:>9}  {}  {} ({})", by.messages, by.code, by.rule, by.citation)?;
                writeln!(f, "             {} to {}, as in line {}", by.first, by.last, lines.join(", "))?;
                writeln!(f, "             {}", by.example)?;
            }
        }
        if !self.exposures.is_empty() {
            writeln!(
                f,
                "\nWhat statutes provide for it (they overlap: do not add them up; this is no legal advice):"
            )?;
        }
        for one in &self.exposures {
            let from = if one.low == 0 { "up to".to_owned() } else { format!("{} to", one.low) };
            writeln!(
                f,
                "  {:>9}  {}, {}: {from} {} {}",
                one.messages, one.name, one.citation, one.high, one.currency
            )?;
            writeln!(f, "             {}", one.note)?;
        }
        writeln!(f, "\nNot judged:")?;
        self.not_judged.iter().try_for_each(|line| writeln!(f, "  - {line}"))?;
        let (sent, heard, wrong) = (self.not_sent, self.heard, self.wrong);
        writeln!(f, "\n{rows} rows: {judged} judged, {sent} never sent, {heard} from people, {wrong} wrong")?;
        for row in self.wrong_rows.iter().take(20) {
            writeln!(f, "  {} line {}, column {}: {}", row.table, row.line, row.column, row.why)?;
        }
        if self.wrong > 20 {
            writeln!(f, "  and {} more; --json lists the first {WRONG_MAX}", self.wrong - 20)?;
        }
        Ok(())
    }
}
