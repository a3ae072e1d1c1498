//! OpenSSL's time-stamp server as a peer: an authority with a throwaway root, and OpenSSL's own verdict on a token.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Set where a missing `openssl` is a failure.
const REQUIRED: &str = "CONSENTRY_REQUIRE_OPENSSL";

/// What the authority's certificate is made like.
#[derive(Debug, Clone, Copy)]
pub struct Make {
    /// As `openssl req -newkey` wants it.
    pub key: &'static [&'static str],
    /// Extended key usage, as in a configuration of OpenSSL.
    pub usage: &'static str,
    pub digest: &'static str,
    /// How the signer's certificate is named in what is signed.
    pub named_by: &'static str,
}

impl Make {
    /// Elliptic curve, newer form of naming.
    pub const EC: Make = Make {
        key: &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        usage: "critical,timeStamping",
        digest: "sha256",
        named_by: "sha256",
    };
    /// RSA, older form.
    pub const RSA: Make = Make { key: &["rsa:2048"], digest: "sha512", named_by: "sha1", ..Make::EC };
}

/// An authority in a folder.
pub struct Authority {
    dir: TempDir,
}

impl Authority {
    /// Makes root and authority; none, loudly, where there is no `openssl`.
    pub fn new(make: Make) -> Option<Authority> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var_os(REQUIRED).is_none(), "openssl is needed here and is missing");
            // Past the test harness, which keeps to itself what passing tests print.
            let _ = writeln!(
                std::io::stderr(),
                "\n  SKIPPED: no openssl; time stamps were NOT tried against its server.\n"
            );
            return None;
        }
        let made = Authority { dir: TempDir::new().expect("a temporary folder") };
        made.write("tsa.ext", format!("basicConstraints=CA:FALSE\nextendedKeyUsage={}\n", make.usage));
        let config = format!(
            "[tsa]\nserial = {dir}/serial\nsigner_cert = {dir}/tsa.pem\ncerts = {dir}/ca.pem\nsigner_key = {dir}/tsa.key\n\
             signer_digest = {}\ndefault_policy = 1.2.3.4.1\ndigests = sha256\naccuracy = secs:1, millisecs:500\n\
             clock_precision_digits = 3\ness_cert_id_alg = {}\n",
            make.digest,
            make.named_by,
            dir = made.path().display()
        );
        made.write("tsa.cnf", config);
        made.write("serial", "01\n");
        made.write("req.cnf", "[req]\ndistinguished_name = name\nx509_extensions = ca\n[name]\n[ca]\nbasicConstraints=critical,CA:TRUE\n");
        let request = |more: &[&str], key: &str, out: &str, name: &str| {
            let fixed = [
                "req", "-config", "req.cnf", "-nodes", "-subj", name, "-keyout", key, "-out", out, "-newkey",
            ];
            made.openssl(&[&fixed, make.key, more].concat());
        };
        request(&["-x509", "-days", "3650"], "ca.key", "ca.pem", "/CN=Throwaway Root");
        request(&[], "tsa.key", "tsa.csr", "/CN=Throwaway Time Stamps");
        let sign = ["x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        made.openssl(&[&sign[..], &["-days", "3650", "-extfile", "tsa.ext", "-out", "tsa.pem"]].concat());
        Some(made)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("a temporary file");
        path
    }

    fn try_openssl(&self, arguments: &[&str]) -> Output {
        Command::new("openssl").args(arguments).current_dir(self.path()).output().expect("it started before")
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = self.try_openssl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The root, in PEM.
    pub fn root(&self) -> Vec<u8> {
        std::fs::read(self.path().join("ca.pem")).expect("made")
    }

    /// Where the root is.
    pub fn root_file(&self) -> PathBuf {
        self.path().join("ca.pem")
    }

    /// Answers a request.
    pub fn reply(&self, query: &[u8]) -> Vec<u8> {
        self.write("query.tsq", query);
        self.openssl(&[
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-section",
            "tsa",
            "-queryfile",
            "query.tsq",
            "-out",
            "reply.tsr",
        ]);
        std::fs::read(self.path().join("reply.tsr")).expect("written")
    }

    /// What OpenSSL says about a token over a message, under the root of `other`, or its own.
    pub fn accepts(&self, token: &[u8], message: &[u8], other: Option<&Authority>) -> bool {
        self.write("token.tst", token);
        self.write("message", message);
        let root = other.unwrap_or(self).root_file();
        let root = root.to_str().expect("UTF-8");
        let output = self.try_openssl(&[
            "ts",
            "-verify",
            "-token_in",
            "-in",
            "token.tst",
            "-data",
            "message",
            "-CAfile",
            root,
        ]);
        output.status.success()
    }
}
