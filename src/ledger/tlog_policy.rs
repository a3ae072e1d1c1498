//! Whose word a verifier takes: a C2SP `tlog-policy` file with logs, witnesses, groups and a quorum.

use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint::VerifierKey;
use super::cosignature::WitnessKey;

#[cfg(test)]
mod tests;

/// Logs, witnesses and groups of one file; the specification asks for 32 at least.
const LINES_MAX: usize = 1_000;

/// What is wrong with a policy file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct TlogPolicyError {
    /// From 1; one past the last for what is missing.
    pub line: usize,
    pub why: String,
}

/// A witness, or so many of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Party {
    Witness(usize),
    Group {
        needed: usize,
        members: Vec<Party>,
    },
    /// No cosignature is needed.
    Nobody,
}

/// A policy.
#[derive(Debug, Clone)]
pub struct TlogPolicy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<WitnessKey>,
    quorum: Party,
}

impl TlogPolicy {
    /// Keys of the logs it accepts.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }
    /// Keys of the witnesses it knows.
    pub fn witnesses(&self) -> &[WitnessKey] {
        &self.witnesses
    }
    /// Whether it asks for any cosignature.
    pub fn asks_for_witnesses(&self) -> bool {
        !self.is_met(|_| false)
    }

    /// Whether the quorum is met when `cosigned` tells who did.
    pub fn is_met(&self, cosigned: impl Fn(&WitnessKey) -> bool) -> bool {
        fn met(party: &Party, cosigned: &dyn Fn(usize) -> bool) -> bool {
            match party {
                Party::Nobody => true,
                Party::Witness(n) => cosigned(*n),
                Party::Group { needed, members } => {
                    members.iter().filter(|member| met(member, cosigned)).count() >= *needed
                }
            }
        }
        met(&self.quorum, &|n| cosigned(&self.witnesses[n]))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<TlogPolicy, TlogPolicyError> {
        let mut reading = Reading::default();
        let mut count = 0;
        for (n, line) in text.split('\n').enumerate() {
            count = n + 1;
            let wrong = |why: String| TlogPolicyError { line: n + 1, why };
            if n > LINES_MAX {
                return Err(wrong(format!("more than {LINES_MAX} lines")));
            }
            if line.chars().any(|c| c != '\t' && c.is_ascii_control()) {
                return Err(wrong("control characters are not allowed".to_owned()));
            }
            let items: Vec<&str> = line.split([' ', '\t']).filter(|item| !item.is_empty()).collect();
            if items.first().is_some_and(|first| !first.starts_with('#')) {
                reading.line(&items).map_err(wrong)?;
            }
        }
        let missing = || TlogPolicyError { line: count, why: "there is no quorum line".to_owned() };
        let quorum = reading.quorum.ok_or_else(missing)?;
        Ok(TlogPolicy { logs: reading.logs, witnesses: reading.witnesses, quorum })
    }
}

#[derive(Default)]
struct Reading {
    logs: Vec<VerifierKey>,
    witnesses: Vec<WitnessKey>,
    parties: BTreeMap<String, Party>,
    /// Names that are a member of a group already.
    taken: BTreeSet<String>,
    quorum: Option<Party>,
}

impl Reading {
    fn line(&mut self, items: &[&str]) -> Result<(), String> {
        match items {
            ["log", key] | ["log", key, _] => {
                let key: VerifierKey = key.parse().map_err(|e| format!("{e}"))?;
                let material = |key: &VerifierKey| key.as_str().splitn(3, '+').nth(2).map(str::to_owned);
                if self.logs.iter().any(|known| material(known) == material(&key)) {
                    return Err("this log's key stands there twice".to_owned());
                }
                self.logs.push(key);
                Ok(())
            }
            ["witness", name, key] | ["witness", name, key, _] => {
                let key: WitnessKey = key.parse().map_err(|e| format!("{e}"))?;
                if self.witnesses.iter().any(|known| known.bytes() == key.bytes()) {
                    return Err("this witness's key stands there twice".to_owned());
                }
                self.witnesses.push(key);
                self.define(name, Party::Witness(self.witnesses.len() - 1))
            }
            ["group", name, threshold, members @ ..] if !members.is_empty() => {
                let needed = match *threshold {
                    "all" => members.len(),
                    "any" => 1,
                    k => {
                        let number = k.parse().ok().filter(|k| (1..=members.len()).contains(k));
                        number.ok_or_else(|| {
                            format!("a group of {} needs all, any or 1 to {}", members.len(), members.len())
                        })?
                    }
                };
                let members = members.iter().map(|member| self.member(member)).collect::<Result<_, _>>()?;
                self.define(name, Party::Group { needed, members })
            }
            ["quorum", _] if self.quorum.is_some() => Err("there is a quorum already".to_owned()),
            ["quorum", "none"] => {
                self.quorum = Some(Party::Nobody);
                Ok(())
            }
            ["quorum", name] => {
                let party = self.parties.get(*name).cloned();
                self.quorum = Some(party.ok_or_else(|| format!("{name} is not defined above"))?);
                Ok(())
            }
            _ => Err("must be log, witness, group or quorum with what belongs to it".to_owned()),
        }
    }

    fn define(&mut self, name: &str, party: Party) -> Result<(), String> {
        if name == "none" || self.parties.insert(name.to_owned(), party).is_some() {
            return Err(format!("the name {name} is taken"));
        }
        Ok(())
    }

    fn member(&mut self, name: &str) -> Result<Party, String> {
        let party = self.parties.get(name).cloned().ok_or_else(|| format!("{name} is not defined above"))?;
        match self.taken.insert(name.to_owned()) {
            true => Ok(party),
            false => Err(format!("{name} is a member of a group already")),
        }
    }
}
