//! `consentry replies score|read`: how replies are understood, without a gateway.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use crate::inbound::reply::corpus::{self, Meaning, Miss, Sample, Score};
use crate::inbound::reply::{ReplyClass, Weighed, classify, pieces, version, weigh};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Count recall and precision of a corpus by language and set.
    Score {
        /// A folder of LANGUAGE.tsv files: set, out|wrong|other, text, tabs between.
        #[arg(default_value = "tests/corpus/replies")]
        dir: PathBuf,
        /// Also list what was misread or read as uncertain.
        #[arg(long, env = "CONSENTRY_MISSES")]
        misses: bool,
    },
    /// Print the pieces each text of a corpus is made of, a line of JSON each: what `policies/lists/learn_replies.py` learns from.
    Pieces {
        /// A folder as for `score`.
        #[arg(default_value = "tests/corpus/replies")]
        dir: PathBuf,
    },
    /// Read one reply and say which rule decided, and what the second witness weighs.
    Read {
        /// What the person wrote.
        text: String,
        /// A language the person reads, as a BCP 47 tag; English is always among them.
        #[arg(long, env = "CONSENTRY_LANGUAGE")]
        language: Vec<String>,
    },
}

pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    match &args.verb {
        Verb::Score { dir, misses } => output.answer(&Scored::of(dir, *misses)?)?,
        Verb::Pieces { dir } => output.raw(&cut(dir)?)?,
        Verb::Read { text, language } => output.answer(&Read::of(text, language))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A text of a corpus and the pieces it is made of.
#[derive(Serialize)]
struct Cut<'a> {
    language: &'a str,
    set: &'a str,
    meaning: Meaning,
    pieces: Vec<String>,
}

/// Every text of a folder, a line of JSON each.
fn cut(dir: &Path) -> Result<Vec<u8>, Failure> {
    let mut lines = Vec::new();
    for (language, file) in files(dir)? {
        for sample in samples_of(&language, &file)? {
            let pieces = pieces(&sample.text);
            let cut = Cut { language: &language, set: &sample.set, meaning: sample.meaning, pieces };
            serde_json::to_writer(&mut lines, &cut).map_err(Failure::unusable)?;
            lines.push(b'\n');
        }
    }
    Ok(lines)
}

fn samples_of(language: &str, file: &str) -> Result<Vec<Sample>, Failure> {
    corpus::parse(file).map_err(|e| Failure::unusable(format!("{language}.tsv: {e}")))
}

/// Pieces named with a reading.
const PIECES_SHOWN: usize = 5;

/// One reply's reading.
#[derive(Serialize)]
struct Read {
    class: ReplyClass,
    rule: &'static str,
    language: Option<&'static str>,
    version: &'static str,
    #[serde(flatten)]
    weighed: Weighed,
}

impl Read {
    fn of(text: &str, languages: &[String]) -> Read {
        let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
        let reading = classify(text, &languages);
        Read {
            class: reading.class,
            rule: reading.rule,
            language: reading.language,
            version: reading.version,
            weighed: weigh(text, PIECES_SHOWN),
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} by {} ({})", self.class, self.rule, self.version)?;
        let named: Vec<String> =
            self.weighed.pieces.iter().map(|(piece, weight)| format!("{piece:?} {weight:+}")).collect();
        write!(f, "weighs {:+}: {}", self.weighed.weight, named.join(", "))
    }
}

/// Scores of a corpus.
#[derive(Serialize)]
struct Scored {
    version: &'static str,
    /// One row for each set and language, in that order; then one for each set.
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    misses: Option<Vec<Miss>>,
}

#[derive(Serialize)]
struct Row {
    set: String,
    /// `all` for the sum of a set.
    language: String,
    recall: f64,
    /// Bounds of recall, in 19 of 20 cases.
    recall_from: f64,
    recall_to: f64,
    precision: f64,
    false_opt_out_rate: f64,
    #[serde(flatten)]
    score: Score,
}

impl Row {
    fn of(set: &str, language: &str, score: Score) -> Row {
        let (recall_from, recall_to) = corpus::interval(score.caught, score.opt_outs);
        Row {
            set: set.to_owned(),
            language: language.to_owned(),
            recall: score.recall(),
            recall_from,
            recall_to,
            precision: score.precision(),
            false_opt_out_rate: score.false_rate(),
            score,
        }
    }
}

impl Scored {
    fn of(dir: &Path, with_misses: bool) -> Result<Scored, Failure> {
        let mut by_set: BTreeMap<String, BTreeMap<String, Score>> = BTreeMap::new();
        let mut misses = Vec::new();
        for (language, file) in files(dir)? {
            let samples = samples_of(&language, &file)?;
            let (scores, missed) = corpus::score(&language, &samples);
            for (set, score) in scores {
                by_set.entry(set).or_default().insert(language.clone(), score);
            }
            misses.extend(missed);
        }
        let mut rows = Vec::new();
        for (set, languages) in by_set {
            let mut all = Score::default();
            languages.values().for_each(|score| all.join(score));
            rows.extend(languages.into_iter().map(|(language, score)| Row::of(&set, &language, score)));
            rows.push(Row::of(&set, "all", all));
        }
        Ok(Scored { version: version(), rows, misses: with_misses.then_some(misses) })
    }
}

/// The corpus files of a folder with their language, in order.
fn files(dir: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let unreadable =
        |path: &Path, error: &dyn fmt::Display| Failure::unusable(format!("{}: {error}", path.display()));
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(|e| unreadable(dir, &e))? {
        let path = entry.map_err(|e| unreadable(dir, &e))?.path();
        if path.extension().is_some_and(|extension| extension == "tsv") {
            let language = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(language, std::fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?);
        }
    }
    match files.is_empty() {
        true => Err(Failure::unusable(format!("{}: no LANGUAGE.tsv in it", dir.display()))),
        false => Ok(files),
    }
}

impl fmt::Display for Scored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "replies read by {}", self.version)?;
        let mut set = "";
        for row in &self.rows {
            if row.set != set {
                set = &row.set;
                writeln!(f, "\n{set}")?;
                writeln!(
                    f,
                    "  {:8} {:>8} {:>7} {:>14} {:>9} {:>7} {:>9} {:>9} {:>9}",
                    "language",
                    "opt-outs",
                    "recall",
                    "19 in 20",
                    "uncertain",
                    "others",
                    "false",
                    "uncertain",
                    "precision"
                )?;
            }
            let score = &row.score;
            writeln!(
                f,
                "  {:8} {:>8} {:>6.1}% {:>6.1}-{:>5.1} % {:>9} {:>7} {:>8.1}% {:>9} {:>8.1}%",
                row.language,
                score.opt_outs,
                row.recall * 100.0,
                row.recall_from * 100.0,
                row.recall_to * 100.0,
                score.opt_outs_uncertain,
                score.others,
                row.false_opt_out_rate * 100.0,
                score.others_uncertain,
                row.precision * 100.0
            )?;
        }
        for miss in self.misses.iter().flatten() {
            let Miss { language, set, meaning, text, read, rule } = miss;
            writeln!(f, "{language} {set} {meaning:?}: {text:?} read as {read:?} by {rule}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_scored_by_set_and_language() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        assert!(Scored::of(dir.path(), false).is_err(), "an empty folder");
        write("en.tsv", "held\tout\tstop\nheld\tother\thello\ndev\tout\tla la la\n");
        write("de.tsv", "held\tout\tAbmelden\n");
        write("notes.txt", "not a corpus");
        let scored = Scored::of(dir.path(), true).expect("scored");
        let rows: Vec<_> = scored
            .rows
            .iter()
            .map(|r| (r.set.as_str(), r.language.as_str(), r.recall, r.score.others))
            .collect();
        assert_eq!(
            rows,
            [
                ("dev", "en", 0.0, 0),
                ("dev", "all", 0.0, 0),
                ("held", "de", 1.0, 0),
                ("held", "en", 1.0, 1),
                ("held", "all", 1.0, 1)
            ]
        );
        assert!(scored.to_string().contains("en dev OptOut: \"la la la\" read as Other by none"), "{scored}");
        write("fr.tsv", "held\tperhaps\tstop\n");
        assert!(Scored::of(dir.path(), false).is_err(), "a label that does not exist");
    }

    #[test]
    fn a_reply_is_read_with_its_rule() {
        let shown = Read::of("STOP", &[]).to_string();
        assert!(
            shown.starts_with(&format!("OptOut by keyword.en.stop ({})\nweighs +", version())),
            "{shown}"
        );
        assert_eq!(Read::of("AYUDA", &["es-MX".to_owned()]).class, ReplyClass::Help);
    }
}
