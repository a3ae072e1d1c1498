//! The built program as a child process.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

/// The program, told to answer in JSON and to take nothing from this process's environment.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consentry"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONSENTRY_")) {
        command.env_remove(name);
    }
    command.arg("--json").args(arguments);
    command
}

/// A sandbox that runs.
pub struct Sandbox {
    child: Child,
    pub grpc: String,
    pub key: String,
    pub verifier_key: String,
}

impl Sandbox {
    /// Starts one over `dir` on ports it chooses itself; answers when it says that it serves.
    pub fn start(dir: &Path) -> Sandbox {
        let dir = dir.to_str().expect("UTF-8");
        let any = "127.0.0.1:0";
        let mut child =
            program(&["sandbox", "--data-dir", dir, "--grpc", any, "--http", any, "--admin", any])
                .stdout(Stdio::piped())
                .spawn()
                .expect("the program starts");
        let begun = begun(&mut child);
        let text =
            |name: &str| begun[name].as_str().unwrap_or_else(|| panic!("no {name} in {begun}")).to_owned();
        Sandbox { child, grpc: text("grpc"), key: text("key"), verifier_key: text("verifier_key") }
    }

    /// Ends it as a power cut would end its process: at once, with no say in it.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Ends it as an operator does, and demands that it ends well.
    pub fn stop(mut self) {
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(told.expect("kill is there").success());
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Sandbox {
    /// A test that failed leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gateway that a configuration describes.
pub struct Gateway {
    child: Child,
    pub grpc: String,
    pub http: String,
}

impl Gateway {
    /// Starts one with these variables; answers when it says that it serves.
    pub fn serve(variables: &[(&str, String)], config: &str) -> Gateway {
        let mut command = program(&["serve", "--config", config]);
        command.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let begun = begun(&mut child);
        let text =
            |name: &str| begun[name].as_str().unwrap_or_else(|| panic!("no {name} in {begun}")).to_owned();
        Gateway { child, grpc: text("grpc"), http: text("http") }
    }

    /// Ends it as an operator does, and demands that it ends well.
    pub fn stop(mut self) {
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(told.expect("kill is there").success());
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Gateway {
    /// A test that failed leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The JSON that a long-running verb begins with.
fn begun(child: &mut Child) -> Value {
    let out = child.stdout.take().expect("piped");
    let begun = serde_json::Deserializer::from_reader(out).into_iter::<Value>().next();
    begun.expect("it says something").expect("JSON")
}

/// Runs a verb that must not do what it is asked; answers its exit code and what it complained of.
pub fn refusal(variables: &[(&str, String)], arguments: &[&str]) -> (i32, String) {
    let mut command = program(arguments);
    command.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    let ended = command.output().expect("the program starts");
    let said = String::from_utf8(ended.stderr).expect("UTF-8");
    (ended.status.code().expect("an exit code"), said)
}

/// Runs a verb to its end; answers its exit code and what it said on standard output.
pub fn verb(arguments: &[&str]) -> (i32, Value) {
    verb_with(&[], arguments)
}

/// The same, with variables of its own.
pub fn verb_with(variables: &[(&str, String)], arguments: &[&str]) -> (i32, Value) {
    let mut command = program(arguments);
    command.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
    let ended: ExitStatus = child.wait().expect("it ends");
    (ended.code().expect("an exit code"), serde_json::from_str(&text).unwrap_or(Value::Null))
}
