//! The command line as a whole: its flags, its words, its exit codes.

use clap::CommandFactory;

use super::*;

#[test]
fn clap_finds_no_contradiction_and_every_flag_has_help_and_an_environment_twin() {
    Cli::command().debug_assert();
    for verb in Cli::command().get_subcommands() {
        assert!(verb.get_about().is_some(), "{} has no help", verb.get_name());
        for argument in verb.get_arguments() {
            let name = format!("{} --{}", verb.get_name(), argument.get_id());
            assert!(argument.get_help().is_some(), "{name} has no help");
            let twin = argument.get_env().map(|env| env.to_string_lossy().into_owned());
            let own = argument.is_positional() || ["help", "version"].contains(&argument.get_id().as_str());
            assert!(own || twin.is_some_and(|env| env.starts_with("CONSENTRY_")), "{name} has no twin");
        }
    }
}

#[test]
fn a_failure_says_what_to_try() {
    let failure = Failure::unserved("no gateway answers").hint("start one");
    assert_eq!(failure.to_string(), "error: no gateway answers\n\n  hint: start one");
    assert_eq!(
        serde_json::to_string(&failure).expect("JSON"),
        r#"{"error":"no gateway answers","hint":"start one"}"#
    );
}

#[test]
fn nobody_listening_is_exit_code_3_with_a_hint() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let arguments = ["consentry", "opt-out", "--server", &server, "--phone", "+12125550123"];
    let cli = Cli::try_parse_from(arguments).expect("parses");
    let failure = run(cli.verb, &Output::new(false)).expect_err("nobody there");
    assert_eq!(failure.code, 3);
    assert!(failure.error.contains("onnection refused"), "{}", failure.error);
    assert!(failure.hint.as_deref().is_some_and(|h| h.contains("consentry sandbox")));
}

#[test]
fn the_packs_of_this_release_check_show_and_pass() {
    for arguments in [
        &["policy", "check"][..],
        &["policy", "show", "--only", "us/fl"],
        &["policy", "test", "--years", "0"],
    ] {
        let cli = Cli::try_parse_from([&["consentry"], arguments].concat()).expect("parses");
        let code = run(cli.verb, &Output::new(true)).expect("done");
        assert_eq!(code, ExitCode::SUCCESS, "{arguments:?}");
    }
}

#[test]
fn a_key_on_the_command_line_is_not_shown_again() {
    let arguments = ["consentry", "opt-out", "--key", "csk_1_topsecret", "--phone", "1"];
    let cli = Cli::try_parse_from(arguments).expect("parses");
    assert!(!format!("{cli:?}").contains("topsecret"));
}
