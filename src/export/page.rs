//! The page of a bundle: what happened, for people, in any browser, without network.
//!
//! It is made from the rows of the bundle and nothing else, so a verifier makes it again and compares.

use std::collections::BTreeMap;

use askama::Template;

use super::bundle::format::{About, Manifest};
use super::rows::Row;
use crate::audit::statement::{AfterStop, Statement};
use crate::model::verdict::{Code, Effect};

/// Rows told one by one; the others are in `rows/`.
pub const TOLD_MAX: usize = 400;
/// Wordings quoted.
const WORDINGS_MAX: usize = 20;
/// Different codes counted.
const CODES_MAX: usize = 200;
/// Longest text quoted, in characters.
const QUOTE_MAX: usize = 2_000;

/// What the page tells, gathered row by row. Bounded.
#[derive(Debug, Default)]
pub struct Story {
    told: Vec<Row>,
    rows: u64,
    wordings: BTreeMap<String, Wording>,
    codes: BTreeMap<String, u64>,
    sends: u64,
    stops: u64,
    replies: u64,
    consents: u64,
}

#[derive(Debug)]
struct Wording {
    name: String,
    text: String,
    times: u64,
}

impl Story {
    /// Nothing told yet.
    pub fn new() -> Story {
        Story::default()
    }

    /// Adds one row.
    pub fn tell(&mut self, row: &Row) {
        self.rows += 1;
        match row.kind.as_str() {
            "INTENT" => self.sends += 1,
            "OPT_OUT" => self.stops += 1,
            "INBOUND" => self.replies += 1,
            "CONSENT" => self.consents += 1,
            _ => {}
        }
        for code in &row.codes {
            if self.codes.len() < CODES_MAX || self.codes.contains_key(code) {
                *self.codes.entry(code.clone()).or_default() += 1;
            }
        }
        if row.kind == "CONSENT" && !row.disclosure_text.is_empty() {
            self.quote(row);
        }
        if self.told.len() < TOLD_MAX {
            self.told.push(Row { disclosure_text: String::new(), ..row.clone() });
        }
    }

    fn quote(&mut self, row: &Row) {
        if let Some(known) = self.wordings.get_mut(&row.disclosure_sha256) {
            known.times += 1;
        } else if self.wordings.len() < WORDINGS_MAX {
            let name = match row.disclosure.as_str() {
                "" => "given with the consent".to_owned(),
                id => format!("{id}, version {}", row.disclosure_version),
            };
            let text = row.disclosure_text.chars().take(QUOTE_MAX).collect();
            self.wordings.insert(row.disclosure_sha256.clone(), Wording { name, text, times: 1 });
        }
    }
}

#[derive(Template)]
#[template(path = "export/page.html")]
struct Page<'a> {
    about: &'a About,
    manifest: &'a Manifest,
    story: &'a Story,
    statement: Option<Told<'a>>,
    /// How it stands with outside anchors.
    anchored: &'a str,
    steps: Vec<Step<'a>>,
    codes: Vec<(&'a str, u64, String)>,
    hidden: u64,
}

struct Told<'a> {
    sentence: String,
    remarks: Vec<String>,
    listed: &'a [AfterStop],
    limits: &'static str,
}

struct Step<'a> {
    row: &'a Row,
    reasons: Vec<Said<'a>>,
    facts: Vec<(&'static str, String)>,
    tone: &'static str,
}

struct Said<'a> {
    effect: &'static str,
    code: &'a str,
    meaning: &'static str,
    detail: &'a str,
    rule: &'a str,
    citation: &'a str,
}

/// What the page said before bundles held anchors (format 1 and 2).
pub const NOT_ANCHORED: &str =
    "Without an outside witness of the log the time of recording rests on the operator's word.";

/// The page; bundles of formats before the third have no statement. `anchored` says how it stands with outside anchors, in
/// words of ours: it is not escaped.
pub fn render(
    about: &About,
    manifest: &Manifest,
    story: &Story,
    statement: Option<&Statement>,
    anchored: &str,
) -> String {
    let codes = story.codes.iter().map(|(code, n)| {
        let meaning = Code::from(code.as_str()).meaning();
        (code.as_str(), *n, meaning.to_owned())
    });
    let page = Page {
        about,
        manifest,
        story,
        statement: statement.map(|said| Told {
            sentence: said.sentence(),
            remarks: said.remarks(),
            listed: &said.listed,
            limits: Statement::LIMITS,
        }),
        anchored,
        steps: story.told.iter().map(step).collect(),
        codes: codes.collect(),
        hidden: story.rows - story.told.len() as u64,
    };
    page.render().expect("a template without fallible filters, written to memory")
}

fn step(row: &Row) -> Step<'_> {
    let reasons = row.reasons.iter().map(|r| Said {
        effect: match r.effect {
            Effect::Refuse => "forbids it",
            Effect::Hold => "not now",
            Effect::Note => "remark",
        },
        code: r.code.as_str(),
        meaning: r.code.meaning(),
        detail: &r.detail,
        rule: &r.rule,
        citation: &r.citation,
    });
    let tone = match (row.kind.as_str(), row.outcome.as_str()) {
        ("OPT_OUT", _) | ("DECISION" | "REDECISION", "REFUSE") => "stop",
        ("DECISION" | "REDECISION", "HOLD") => "wait",
        ("INTENT", _) => "sent",
        _ if row.shown != "yes" => "closed",
        _ => "plain",
    };
    Step { row, reasons: reasons.collect(), facts: facts(row), tone }
}

/// What else a row says, for people.
fn facts(row: &Row) -> Vec<(&'static str, String)> {
    let at = |at: Option<crate::model::Instant>| at.map(|at| at.to_string()).unwrap_or_default();
    let quoted = |text: &str| text.chars().take(QUOTE_MAX).collect::<String>();
    let all = [
        ("Program", row.program.clone()),
        ("Text", quoted(&row.text)),
        ("The person wrote", quoted(&row.reply_text)),
        ("Read by", row.reply_rule.clone()),
        ("Consent", row.consents.join("; ")),
        ("Agreed at", at(row.captured_at)),
        ("Where", row.source_url.clone()),
        ("How", [row.method.as_str(), row.act.as_str()].join(" ").trim().to_owned()),
        ("Wording", [row.disclosure.as_str(), row.disclosure_version.as_str()].join(" ").trim().to_owned()),
        ("Reach of the opt-out", row.scope.clone()),
        ("Stopped with it", row.cancelled_messages.join(", ")),
        ("Already handed over", row.in_flight_messages.join(", ")),
        ("Held until", at(row.hold_until)),
        ("Not after", at(row.send_not_after)),
        ("Clocks asked", row.zones.join(", ")),
        ("Law asked", row.jurisdictions.join(", ")),
        ("Provider", [row.connection.as_str(), &row.provider_ids.join(", ")].join(" ").trim().to_owned()),
        ("Provider said", row.provider_error.clone()),
        ("Handed over", at(row.handed_over_at)),
        ("Carrier's time", at(row.carrier_at)),
        ("Coupon", [row.coupon.as_str(), row.coupon_state.as_str()].join(" ").trim().to_owned()),
        ("Cart", [row.cart.as_str(), row.cart_state.as_str()].join(" ").trim().to_owned()),
        ("Message", row.message_id.clone()),
        ("Note", row.note.clone()),
        ("By", row.actor.clone()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}
