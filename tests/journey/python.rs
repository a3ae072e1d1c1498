//! `examples/python/journey.py` against a sandbox: the same story in another language, with stubs made from `proto/`.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::sandbox::{Sandbox, output};

/// Which Python; `.ci/run` names one that has what `requirements.txt` asks for.
const PYTHON: &str = "CONSENTRY_PYTHON";
/// Set where a missing Python is a failure.
const REQUIRED: &str = "CONSENTRY_REQUIRE_PYTHON";

#[tokio::test(flavor = "multi_thread")]
async fn another_language_lives_the_same_story() {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let probe = "import grpc, grpc_tools, google.rpc.status_pb2";
    let mut probing = Command::new(&python);
    probing.args(["-c", probe]);
    let found = output(probing).await;
    if !found.is_ok_and(|probe| probe.status.success()) {
        let missing = format!("{python} lacks what examples/python/requirements.txt asks for");
        assert!(std::env::var_os(REQUIRED).is_none(), "{missing}");
        // Past the test harness, which keeps what a passing test prints to itself.
        let _ = writeln!(std::io::stderr(), "\n  SKIPPED: {missing}; the example in Python was NOT tried.\n");
        return;
    }
    let sandbox = Sandbox::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python/journey.py");
    let mut command = Command::new(&python);
    command
        .arg(script)
        .arg(sandbox.dir().join("audit.tar"))
        .env("CONSENTRY_SERVER", sandbox.server())
        .env("CONSENTRY_HTTP", sandbox.http())
        .env("CONSENTRY_KEY", sandbox.key())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let run = output(command).await.expect("Python runs");
    let (said, wrong) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{wrong}");
    let bundle = sandbox.dir().join("audit.tar");
    let verified =
        sandbox.cli(&["verify", bundle.to_str().expect("UTF-8"), "--key", &sandbox.verifier_key()]).await;
    assert_eq!(verified.code, 0, "what Python exported verifies: {}", verified.json);
    sandbox.stop().await;
}
