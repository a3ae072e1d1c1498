//! How well replies are understood: texts with their meaning beside them, counted by language and set.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ReplyClass, classify};
use crate::content::fold::data_lines;

/// What the writer of a text meant by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Meaning {
    /// No more messages.
    OptOut,
    /// The number is not theirs: also no more messages.
    WrongNumber,
    /// Neither.
    Other,
}

impl Meaning {
    fn parse(label: &str) -> Option<Meaning> {
        Some(match label {
            "out" => Meaning::OptOut,
            "wrong" => Meaning::WrongNumber,
            "other" => Meaning::Other,
            _ => return None,
        })
    }
}

/// A text of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// `held`: no rule was written or changed for it; `dev`: looked at while writing rules.
    pub set: String,
    /// What its writer meant.
    pub meaning: Meaning,
    /// As it would arrive.
    pub text: String,
}

/// Reads `set<TAB>label<TAB>text`, one a line; `\n` stands for a line break. The error names the line.
pub fn parse(file: &str) -> Result<Vec<Sample>, String> {
    let sample = |line: &str| {
        let mut fields = line.splitn(3, '\t');
        let (set, label, text) = (fields.next()?, fields.next()?, fields.next()?);
        let (set, text) = (set.to_owned(), text.replace("\\n", "\n"));
        Some(Sample { set, meaning: Meaning::parse(label)?, text })
    };
    data_lines(file)
        .map(|line| sample(line).ok_or_else(|| format!("not set, out|wrong|other, text: {line:?}")))
        .collect()
}

/// How the texts of one language and set were read. Shares are between 0 and 1; 1 when there is nothing to get wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    /// Texts that mean no more messages.
    pub opt_outs: usize,
    /// Of those, read so.
    pub caught: usize,
    /// Of those, read as uncertain: marketing rests and a person looks.
    pub opt_outs_uncertain: usize,
    /// Texts that mean something else.
    pub others: usize,
    /// Of those, read as an opt-out.
    pub false_opt_outs: usize,
    /// Of those, read as uncertain.
    pub others_uncertain: usize,
    /// Texts by which the writer said the number is not theirs, and how many were read as that.
    pub wrong_numbers: usize,
    pub wrong_numbers_named: usize,
}

impl Score {
    /// Counts one text.
    pub fn add(&mut self, meaning: Meaning, read: ReplyClass) {
        let uncertain = usize::from(read == ReplyClass::Uncertain);
        if meaning == Meaning::Other {
            self.others += 1;
            self.false_opt_outs += usize::from(read.stops());
            self.others_uncertain += uncertain;
        } else {
            self.opt_outs += 1;
            self.caught += usize::from(read.stops());
            self.opt_outs_uncertain += uncertain;
        }
        if meaning == Meaning::WrongNumber {
            self.wrong_numbers += 1;
            self.wrong_numbers_named += usize::from(read == ReplyClass::WrongNumber);
        }
    }

    /// Adds the counts of another set.
    pub fn join(&mut self, other: &Score) {
        self.opt_outs += other.opt_outs;
        self.caught += other.caught;
        self.opt_outs_uncertain += other.opt_outs_uncertain;
        self.others += other.others;
        self.false_opt_outs += other.false_opt_outs;
        self.others_uncertain += other.others_uncertain;
        self.wrong_numbers += other.wrong_numbers;
        self.wrong_numbers_named += other.wrong_numbers_named;
    }

    /// Share of opt-outs read as such.
    pub fn recall(&self) -> f64 {
        share(self.caught, self.opt_outs)
    }

    /// Share of texts read as opt-outs that are.
    pub fn precision(&self) -> f64 {
        share(self.caught, self.caught + self.false_opt_outs)
    }

    /// Share of other texts read as opt-outs.
    pub fn false_rate(&self) -> f64 {
        1.0 - share(self.others - self.false_opt_outs, self.others)
    }
}

/// The share between which and which the truth lies in 19 of 20 cases, had the texts been drawn at random: Wilson's score
/// interval. Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
pub fn interval(part: usize, whole: usize) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if whole == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (whole as f64, share(part, whole));
    let middle = p + Z * Z / (2.0 * n);
    let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - reach) / scale).max(0.0), ((middle + reach) / scale).min(1.0))
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// A text that was not read as its writer meant it, or only as uncertain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Miss {
    pub language: String,
    pub set: String,
    pub meaning: Meaning,
    pub text: String,
    pub read: ReplyClass,
    pub rule: &'static str,
}

/// Reads every sample as a reply of someone who reads `language`: scores by set, and what was misread.
pub fn score(language: &str, samples: &[Sample]) -> (BTreeMap<String, Score>, Vec<Miss>) {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut misses = Vec::new();
    for sample in samples {
        let reading = classify(&sample.text, &[language]);
        scores.entry(sample.set.clone()).or_default().add(sample.meaning, reading.class);
        let right = reading.class.stops() == (sample.meaning != Meaning::Other);
        if !right || reading.class == ReplyClass::Uncertain {
            misses.push(Miss {
                language: language.to_owned(),
                set: sample.set.clone(),
                meaning: sample.meaning,
                text: sample.text.clone(),
                read: reading.class,
                rule: reading.rule,
            });
        }
    }
    (scores, misses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_texts_leave_much_open() {
        // Worked by hand with z = 1.96: 81 of 263 is the textbook's example.
        for (part, whole, low, high) in
            [(81, 263, 0.2553, 0.3662), (60, 60, 0.9398, 1.0), (0, 60, 0.0, 0.0602), (0, 0, 0.0, 1.0)]
        {
            let (from, to) = interval(part, whole);
            assert!(
                (from - low).abs() < 1e-4 && (to - high).abs() < 1e-4,
                "{part} of {whole}: {from} to {to}"
            );
        }
    }

    #[test]
    fn texts_are_counted_by_what_was_meant_and_read() {
        let file = "# a comment\nheld\tout\tstop\nheld\twrong\twrong number\nheld\tout\tla la la\nheld\tother\tstop\\nit\ndev\tother\thi";
        let samples = parse(file).expect("a good file");
        let (scores, misses) = score("en", &samples);
        let held = &scores["held"];
        assert_eq!((held.opt_outs, held.caught, held.others, held.false_opt_outs), (3, 2, 1, 1));
        assert_eq!((held.wrong_numbers, held.wrong_numbers_named), (1, 1));
        assert_eq!((held.recall(), held.precision(), held.false_rate()), (2.0 / 3.0, 2.0 / 3.0, 1.0));
        assert_eq!((scores["dev"].recall(), scores["dev"].false_rate()), (1.0, 0.0));
        let missed: Vec<&str> = misses.iter().map(|m| m.text.as_str()).collect();
        assert_eq!(missed, ["la la la", "stop\nit"]);
        for bad in ["held\tout", "held\tmaybe\tx"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
