//! `consentry policy explain`: which rules hold for a number, why these, and when a message would be let go next.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::failure::Failure;
use crate::cli::message::place;
use crate::cli::output::Output;
use crate::clock::{Clock, SystemClock};
use crate::decide::{Engine, Explanation, Question, RuleLine};
use crate::model::consent::{Category, Channel};
use crate::model::facts::SenderKind;
use crate::model::location::{LocationHint, LocationSource};
use crate::model::phone::parse_for_sending;
use crate::model::verdict::{Effect, Reason};
use crate::model::{Instant, Outcome};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The person's number, as in +12125550123.
    #[arg(long, env = "CONSENTRY_PHONE", hide_env_values = true)]
    phone: String,
    /// ten_dlc, toll_free, short_code, long_code, alphanumeric or push_app.
    #[arg(long, env = "CONSENTRY_SENDER_KIND", value_parser = word::<SenderKind>)]
    sender_kind: SenderKind,
    /// The instant, RFC 3339. Default: now.
    #[arg(long, env = "CONSENTRY_AT", value_parser = Instant::parse)]
    at: Option<Instant>,
    /// marketing, transactional or conversational.
    #[arg(long, env = "CONSENTRY_CATEGORY", value_parser = word::<Category>, default_value = "marketing")]
    category: Category,
    /// The message is about a cart left an hour before.
    #[arg(long, env = "CONSENTRY_ABOUT_CART")]
    cart: bool,
    /// Where the person said they are, as in US-NY or US.
    #[arg(long, env = "CONSENTRY_PLACE", value_parser = place)]
    place: Option<(String, String)>,
    /// The postal code that goes with --place.
    #[arg(long, env = "CONSENTRY_POSTAL_CODE", requires = "place")]
    postal_code: Option<String>,
    /// The time zone the person's device reports.
    #[arg(long, env = "CONSENTRY_TIME_ZONE")]
    time_zone: Option<String>,
    /// The folder of packs; the ones of this release when absent.
    #[arg(long, env = "CONSENTRY_DIR")]
    pub dir: Option<PathBuf>,
    /// Name every rule in force, not those alone that speak of time and of what this message must carry.
    #[arg(long, env = "CONSENTRY_ALL")]
    all: bool,
}

/// A value by its name in rule files.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|e| e.to_string())
}

/// Exit code 0 when a message in order would be let go now or later, 1 when not.
pub fn run(args: &Args, engine: &Engine, output: &Output) -> Result<ExitCode, Failure> {
    let explained = explain(args, engine)?;
    let refused = explained.explanation.outcome == Outcome::Refuse;
    output.answer(&explained)?;
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The answer without printing it.
pub fn explain(args: &Args, engine: &Engine) -> Result<Explained, Failure> {
    let at = args.at.unwrap_or_else(|| SystemClock.now());
    let number = parse_for_sending(&args.phone, None)
        .map_err(|e| Failure::unusable(format!("--phone: {e}")).hint("write it as +12125550123"))?;
    let push = args.sender_kind == SenderKind::PushApp;
    let question = Question {
        number,
        hints: hints(args, at),
        sender_kind: args.sender_kind,
        channel: if push { Channel::Push } else { Channel::Sms },
        category: args.category,
        cart: args.cart,
        at,
    };
    let explanation = engine.explain(&question).map_err(Failure::unusable)?;
    let policy = engine.policy();
    Ok(Explained {
        policy: policy.version().to_owned(),
        sha256: hex::encode(policy.hash()),
        time_zones: engine.zones().version().to_owned(),
        all: args.all,
        explanation,
    })
}

fn hints(args: &Args, at: Instant) -> Vec<LocationHint> {
    let none = || (String::new(), String::new());
    let hint = |source, (country, region): (String, String), postal_code, time_zone| LocationHint {
        source,
        country,
        region,
        postal_code,
        time_zone,
        observed_at: at,
    };
    let stated = args.place.clone().map(|place| {
        hint(LocationSource::Stated, place, args.postal_code.clone().unwrap_or_default(), String::new())
    });
    let device = args.time_zone.clone().map(|zone| hint(LocationSource::Device, none(), String::new(), zone));
    stated.into_iter().chain(device).collect()
}

/// An explanation and what it rests on.
#[derive(Debug, Serialize)]
pub struct Explained {
    policy: String,
    sha256: String,
    time_zones: String,
    #[serde(skip)]
    all: bool,
    #[serde(flatten)]
    explanation: Explanation,
}

/// Kinds of rule in the order people ask about them; the flag says whether they are shown without `--all`.
const GROUPS: [(&str, &[&str], bool); 6] = [
    ("when", &["hours", "ban"], true),
    ("how often", &["cap", "cart_cap", "cart_spacing", "cart_age", "touch_spacing"], true),
    ("consent", &["consent", "consent_use", "revocation", "opt_out_deadline"], true),
    ("text", &["content", "wording", "prohibited", "segments", "category"], true),
    ("sender and number", &["sender", "number", "number_check"], true),
    ("books and automatic texts", &["retention", "automatic"], false),
];

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &self.explanation;
        let outcome = match e.outcome {
            Outcome::Admit => "may leave",
            Outcome::Hold => "must wait",
            Outcome::Refuse => "may not leave",
        };
        writeln!(f, "With everything else in order a message {outcome} at {}.", e.at)?;
        self.when(f)?;
        writeln!(f, "\nwhere")?;
        for source in &e.sources {
            let places: Vec<String> = source.places.iter().map(ToString::to_string).collect();
            let places = if places.is_empty() { "nowhere".to_owned() } else { places.join(" ") };
            writeln!(
                f,
                "  {:<8} says {places}; clocks {}",
                source.source,
                or_none(&source.zones.join(", "))
            )?;
        }
        let names: Vec<String> =
            e.places.iter().map(|p| format!("{} ({})", p.name, p.jurisdiction)).collect();
        writeln!(f, "  rules of {}", or_none(&shortened(&names, 6)))?;
        for country in &e.unsupported {
            writeln!(f, "  no pack covers {country}")?;
        }
        let clocks: Vec<String> = e.clocks.iter().map(|c| format!("{} {}", c.zone, c.shows)).collect();
        for clock in clocks.iter().take(6) {
            writeln!(f, "  clock    {clock}")?;
        }
        if clocks.len() > 6 {
            writeln!(f, "  clock    and {} more", clocks.len() - 6)?;
        }
        for (name, kinds, shown) in GROUPS {
            let rules: Vec<&RuleLine> = e.rules.iter().filter(|r| kinds.contains(&r.kind.as_str())).collect();
            let rules: Vec<&&RuleLine> = rules.iter().filter(|rule| self.is_told(rule)).collect();
            if rules.is_empty() || !(shown || self.all) {
                continue;
            }
            writeln!(f, "\n{name}")?;
            for rule in rules {
                writeln!(f, "  {:<34} {}", rule.file, rule.says)?;
                writeln!(f, "  {:<34}   {}", "", rule.citation)?;
            }
        }
        if !e.coming.is_empty() {
            writeln!(f, "\nwithin a year")?;
            for rule in &e.coming {
                writeln!(f, "  {:<34} {} (from {})", rule.file, rule.says, rule.from)?;
            }
        }
        write!(f, "\npolicy {} ({}…), time zones {}", self.policy, &self.sha256[..16], self.time_zones)
    }
}

impl Explained {
    fn when(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &self.explanation;
        // Where something refuses, what would only have waited is beside the point.
        let refused = e.outcome == Outcome::Refuse;
        let told = |r: &&Reason| r.effect == Effect::Refuse || r.effect == Effect::Hold && !refused;
        for reason in e.reasons.iter().filter(told) {
            writeln!(f, "  {}", line(reason))?;
        }
        for reason in e.reasons.iter().filter(|r| r.effect == Effect::Note) {
            writeln!(f, "  note: {}", line(reason))?;
        }
        let Some(open) = &e.open else { return writeln!(f, "  no instant within seven days is lawful") };
        let word = if e.outcome == Outcome::Admit { "open" } else { "next" };
        let mut text = format!("  {word}: from {}", open.from);
        if let Some(until) = open.until {
            let _ = write!(text, " until {until}");
        }
        if let (Outcome::Hold, Some(clock)) = (e.outcome, open.clocks.first()) {
            let _ = write!(text, " ({} in {})", clock.shows, clock.zone);
        }
        writeln!(f, "{text}")
    }

    /// The house's rules hold everywhere and say little about a place.
    fn is_told(&self, rule: &RuleLine) -> bool {
        self.all || rule.because_of.is_some() || matches!(rule.kind.as_str(), "hours" | "ban")
    }
}

fn line(reason: &Reason) -> String {
    format!("{} {}: {}", reason.code, reason.rule, reason.detail)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn shortened(names: &[String], most: usize) -> String {
    let mut text = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > most {
        let _ = write!(text, " and {} more", names.len() - most);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use clap::Parser;

    use super::*;
    use crate::model::Zones;
    use crate::policy::embedded;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// What is asked, why it is worth asking, and the flags.
    const SITUATIONS: [(&str, &str, &str); 10] = [
        (
            "Florida at a quarter past eight in the evening",
            "The 850 area code lies on both clocks of Florida; the state closes at 20:00, and the later clock decides.",
            "--phone +18502345678 --sender-kind ten_dlc --cart --at 2026-11-25T01:15:00Z",
        ),
        (
            "A New York number that lives in Texas",
            "A number says nothing about where its owner is. Both states hold, on both clocks; on Sundays Texas opens at noon.",
            "--phone +12122345678 --place US-TX --postal-code 75201 --sender-kind toll_free --at 2026-11-22T16:30:00Z",
        ),
        (
            "Louisiana on Mardi Gras",
            "A legal holiday: nothing leaves before the day after.",
            "--phone +15042345678 --sender-kind short_code --at 2027-02-09T18:00:00Z",
        ),
        (
            "A toll-free number of nobody knows where",
            "Toll-free numbers lie nowhere and cannot be texted. The rules of every state are named, and nothing leaves.",
            "--phone +18002345678 --sender-kind ten_dlc --at 2026-11-24T18:00:00Z",
        ),
        (
            "Canada on a Saturday evening, with a device on the other coast",
            "A Toronto number, a phone on Vancouver time: both clocks bind.",
            "--phone +14162345678 --time-zone America/Vancouver --sender-kind ten_dlc --at 2026-11-21T22:30:00Z",
        ),
        (
            "France on Armistice Day",
            "No public holiday, no Sunday; the mention STOP au 36xxx; mobile numbers are barred as senders.",
            "--phone +33612345678 --sender-kind short_code --at 2026-11-11T10:00:00Z",
        ),
        (
            "Korea by push at ten in the evening",
            "App push falls under the Network Act: label, refusal path, and a consent of its own for the night.",
            "--phone +821023456789 --sender-kind push_app --at 2026-11-24T13:00:00Z",
        ),
        (
            "Colombia on a Saturday afternoon",
            "Ley 2300: to 15:00 on Saturdays, one contact a day, one channel a week.",
            "--phone +573012345678 --sender-kind short_code --at 2026-11-21T20:30:00Z",
        ),
        (
            "India from a registered header",
            "10 to 21, and an answer of the preference register of the last day.",
            "--phone +919812345678 --sender-kind alphanumeric --at 2026-11-24T05:00:00Z",
        ),
        (
            "Austria, which no pack covers",
            "Nothing is guessed: the country is refused until somebody writes its pack.",
            "--phone +436641234567 --sender-kind alphanumeric --at 2026-11-24T11:00:00Z",
        ),
    ];

    fn page() -> String {
        let policy = Arc::new(embedded::load().expect("compiles"));
        let engine = Engine::new(policy, Zones::bundled()).expect("the zones are bundled");
        let mut page = String::from(
            "# `consentry policy explain` in ten situations\n\n\
             Written by a test (`cli::policy::explain::tests`), which fails when the packs or the words change; it says how to\n\
             write this page again. Numbers are made up. `--json` gives the same as data, `--all` every rule of the house too.\n",
        );
        for (title, why, flags) in SITUATIONS {
            let words = std::iter::once("explain").chain(flags.split(' '));
            let line = Line::try_parse_from(words).expect("the flags parse");
            let answer = explain(&line.args, &engine).expect("an answer").to_string();
            // Version and hash change with every edit of any pack; the answer does not.
            let answer = answer.rsplit_once("\n\npolicy ").map_or(answer.as_str(), |(answer, _)| answer);
            let _ = write!(
                page,
                "\n## {title}\n\n{why}\n\n```console\n$ consentry policy explain {flags}\n{answer}\n```\n"
            );
        }
        page
    }

    #[test]
    fn the_page_of_ten_situations_is_what_the_command_says() {
        let page = page();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy-explain.md");
        if std::env::var_os("CONSENTRY_WRITE_DOCS").is_some() {
            std::fs::write(&path, &page).expect("docs/ is writable");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        let first = written.lines().zip(page.lines()).find(|(a, b)| a != b);
        assert!(
            written == page,
            "docs/policy-explain.md is old: CONSENTRY_WRITE_DOCS=1 cargo test --lib policy::explain writes it; {first:?}"
        );
    }

    #[test]
    fn nonsense_is_named() {
        assert!(Line::try_parse_from(["x", "--phone", "+12125550123", "--sender-kind", "pigeon"]).is_err());
        let line = Line::try_parse_from(["x", "--phone", "12", "--sender-kind", "ten_dlc"]).expect("parses");
        let engine =
            Engine::new(Arc::new(embedded::load().expect("compiles")), Zones::bundled()).expect("fits");
        assert!(explain(&line.args, &engine).expect_err("no number").error.starts_with("--phone: "));
    }
}
