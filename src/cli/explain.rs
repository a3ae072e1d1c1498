//! `consentry explain`: a recorded decision in plain words.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::output::Output;
use super::view::{Verdict, instant, name};
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::explain_decision_request::Target;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// The message: its newest decision is explained.
    #[arg(long, env = "CONSENTRY_MESSAGE_ID", required_unless_present = "decision")]
    message: Option<String>,
    /// A decision, by the id its verdict has.
    #[arg(long, env = "CONSENTRY_DECISION_ID", conflicts_with = "message")]
    decision: Option<String>,
    /// Also list the rules that had nothing to say.
    #[arg(long, env = "CONSENTRY_ALL_RULES")]
    all: bool,
}

/// A decision, taken apart.
#[derive(Debug, Serialize)]
struct Explained {
    message_id: String,
    sentences: Vec<String>,
    earliest_lawful_at: Option<Instant>,
    consent: Option<String>,
    rules: Vec<Rule>,
    verdict: Verdict,
    entry_hash: String,
    #[serde(skip)]
    all: bool,
}

#[derive(Debug, Serialize)]
struct Rule {
    rule: String,
    jurisdiction: String,
    result: String,
    inputs: Vec<String>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentences.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        match self.earliest_lawful_at {
            Some(at) => writeln!(f, "Earliest lawful instant, seen from then: {at}.")?,
            None => writeln!(f, "No lawful instant, for that attempt.")?,
        }
        if let Some(consent) = &self.consent {
            writeln!(f, "{consent}")?;
        }
        let spoke = |rule: &&Rule| self.all || rule.result != "pass";
        for rule in self.rules.iter().filter(spoke) {
            writeln!(f, "\n{}  {}", rule.result, rule.rule)?;
            rule.inputs.iter().filter(|i| !i.is_empty()).try_for_each(|input| writeln!(f, "  {input}"))?;
        }
        let silent = self.rules.iter().filter(|r| !spoke(r)).count();
        if silent > 0 {
            writeln!(f, "\n{silent} more rules were asked and had nothing against it; --all lists them.")?;
        }
        write!(f, "\nmessage {}  entry {}  {}", self.message_id, self.verdict.decision_id, self.entry_hash)
    }
}

/// Exit code 0: the decision is known.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let target = match (args.decision, args.message) {
        (Some(id), _) => Some(Target::DecisionId(id)),
        (None, id) => id.map(Target::MessageId),
    };
    let request = pb::ExplainDecisionRequest { target };
    let answer =
        args.server.call(async |channel| AuditServiceClient::new(channel).explain_decision(request).await)?;
    let consent = answer.consent.as_ref().map(|consent| {
        let state = name(consent.state().as_str_name(), "CONSENT_STATE_").to_owned();
        format!("Consent for {}: {state}.", consent.program)
    });
    let rule = |r: pb::RuleTrace| Rule {
        rule: r.rule,
        jurisdiction: r.jurisdiction,
        result: r.result,
        inputs: r.inputs,
    };
    output.answer(&Explained {
        message_id: answer.message_id,
        sentences: answer.sentences,
        earliest_lawful_at: instant(answer.earliest_lawful_at.as_ref()),
        consent,
        rules: answer.rules.into_iter().map(rule).collect(),
        verdict: answer.verdict.unwrap_or_default().into(),
        entry_hash: hex::encode(answer.entry_hash),
        all: args.all,
    })?;
    Ok(ExitCode::SUCCESS)
}
