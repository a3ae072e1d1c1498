//! `consentry completions SHELL`

use std::process::ExitCode;

use clap_complete::Shell;

use super::failure::Failure;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell, as in `consentry completions bash > /etc/bash_completion.d/consentry`.
    shell: Shell,
}

pub fn run(args: &Args, command: &mut clap::Command, output: &Output) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "consentry", &mut script);
    output.raw(&script)?;
    Ok(ExitCode::SUCCESS)
}
