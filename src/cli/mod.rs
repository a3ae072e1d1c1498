//! The verbs of the command line, one file each.
//!
//! Exit codes, the same for every verb and part of the contract:
//!
//! | code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | done, and the answer is no: a broken configuration, a refused message, a ledger that does not verify |
//! | 2 | not done: wrong usage, a file that cannot be read |
//! | 3 | not done: the gateway could not be reached, or did not accept the call |
//!
//! Answers go to standard output, everything else to standard error. With `--json` both are JSON, one object each.

mod backup;
mod call;
mod check;
mod check_config;
mod completions;
mod erase;
mod explain;
mod export;
mod failure;
mod import;
mod key;
mod load;
mod message;
mod offline;
mod opt_in;
mod opt_out;
mod output;
mod parts;
mod person;
mod policy;
mod prove;
mod provider;
mod rebuild;
mod recover;
mod renewals;
mod replay;
mod replies;
mod rotate_log_key;
mod rotate_master_key;
mod sandbox;
mod send;
mod serve;
mod shadow;
mod stop;
#[cfg(test)]
mod tests;
mod verify;
mod view;
mod webhook;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use failure::Failure;
use output::Output;

/// Compliance-first SMS and push gateway: nothing leaves without a recorded, replayable decision.
#[derive(Debug, Parser)]
#[command(name = "consentry", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    /// Answer in JSON.
    #[arg(long, global = true, env = "CONSENTRY_JSON")]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run everything on this machine, with a built-in carrier and virtual phones in the browser.
    Sandbox(sandbox::Args),
    /// Run the gateway a configuration file describes.
    Serve(serve::Args),
    /// Ask for a message to be sent; the answer is the decision with every reason.
    Send(send::Args),
    /// Ask what the decision would be, now or at any instant; records nothing.
    Check(check::Args),
    /// Record that a person agreed, with the evidence.
    OptIn(opt_in::Args),
    /// Record that a person refused. Never rejected for the number's form.
    OptOut(opt_out::Args),
    /// List whose consent is to be renewed by a notice (South Korea: every two years), and send the notices.
    Renewals(renewals::Args),
    /// Take over opt-outs, consents or number checks of another system, from a file.
    Import(import::Args),
    /// Export what happened for a brand, a person, a period: as a bundle that proves itself, or as a table.
    Export(export::Args),
    /// Make a C2SP tlog-proof file: that one entry is in the log.
    Prove(prove::Args),
    /// Check a bundle, a data folder or a tlog-proof from a public key alone; says what was proved and what was not.
    Verify(verify::Args),
    /// Take every recorded decision again and compare; no gateway may run on the folder.
    Replay(replay::Args),
    /// Judge another sender's message log as this gateway would have; needs no gateway and no network.
    Shadow(shadow::Args),
    /// Make the index anew from the ledger; no gateway may run on the folder.
    Rebuild(rebuild::Args),
    /// Say what is wrong with a data folder and what can be done; with an option, do it.
    Recover(recover::Args),
    /// Give the log a new key for its checkpoints; the former one signs beside it for 90 days. No gateway may run.
    RotateLogKey(rotate_log_key::Args),
    /// Wrap every data key under another master key; entries are not touched. No gateway may run.
    RotateMasterKey(rotate_master_key::Args),
    /// Copy a data folder, beside a running gateway or not; the copy is checked.
    Backup(backup::Args),
    /// Make, list, rotate and revoke API keys.
    Key(key::Args),
    /// Explain a recorded decision: every reason in plain words, the rules asked, the consent, the first lawful instant.
    Explain(explain::Args),
    /// Say what is known about a person, or was known at any instant: consents, opt-outs, holds, what happened.
    Person(person::Args),
    /// Restrict or erase a person; the answer lists what stays and why.
    Erase(erase::Args),
    /// Send at a steady rate and report latencies: how much a gateway takes.
    Load(load::Args),
    /// List provider accounts and how they are; prove one with a message to your own phone.
    Provider(provider::Args),
    /// List outgoing webhooks and what could not be delivered; deliver it again.
    Webhook(webhook::Args),
    /// Check a configuration file; prints every problem at once.
    CheckConfig(check_config::Args),
    /// Check, show or test rule packs.
    Policy(policy::Args),
    /// Read replies as the gateway does, or count how well a corpus of them is read.
    Replies(replies::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Runs the command line of this process and answers its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    match run(cli.verb, &output) {
        Ok(code) => code,
        Err(failure) => output.fail(&failure),
    }
}

fn run(verb: Verb, output: &Output) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Sandbox(args) => sandbox::run(args, output),
        Verb::Serve(args) => serve::run(args, output),
        Verb::Send(args) => send::run(args, output),
        Verb::Check(args) => check::run(args, output),
        Verb::OptIn(args) => opt_in::run(args, output),
        Verb::OptOut(args) => opt_out::run(args, output),
        Verb::Renewals(args) => renewals::run(&args, output),
        Verb::Import(args) => import::run(args, output),
        Verb::Export(args) => export::run(args, output),
        Verb::Prove(args) => prove::run(args, output),
        Verb::Verify(args) => verify::run(&args, output),
        Verb::Replay(args) => replay::run(&args, output),
        Verb::Shadow(args) => shadow::run(&args, output),
        Verb::Rebuild(args) => rebuild::run(&args, output),
        Verb::Recover(args) => recover::run(&args, output),
        Verb::RotateLogKey(args) => rotate_log_key::run(&args, output),
        Verb::RotateMasterKey(args) => rotate_master_key::run(&args, output),
        Verb::Backup(args) => backup::run(&args, output),
        Verb::Key(args) => key::run(args, output),
        Verb::Explain(args) => explain::run(args, output),
        Verb::Person(args) => person::run(args, output),
        Verb::Erase(args) => erase::run(args, output),
        Verb::Load(args) => load::run(args, output),
        Verb::Provider(args) => provider::run(args, output),
        Verb::Webhook(args) => webhook::run(args, output),
        Verb::CheckConfig(args) => check_config::run(&args, output),
        Verb::Policy(args) => policy::run(&args, output),
        Verb::Replies(args) => replies::run(&args, output),
        Verb::Completions(args) => completions::run(&args, &mut Cli::command(), output),
    }
}
